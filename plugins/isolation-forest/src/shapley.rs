//! Exact Shapley values of a row's expected path length, for forests whose nodes compare one feature each.
//!
//! The game is that of path-dependent TreeSHAP (Lundberg and others, "From local explanations to global understanding with explainable AI for
//! trees", Nature Machine Intelligence 2, 2020, algorithm 2): where a node compares a feature that is not in the coalition, a row goes both
//! ways, in proportion to the training rows that went them. A row that lacks a value goes the same way, so that what is missing has no share.
//!
//! The way to the values is another, with the same result. A leaf's part of the game is a product over the features of its path, and a Shapley
//! value is the integral of the game's multilinear extension along the diagonal (Owen, "Multilinear Extensions of Games", Management Science
//! 18, 1972): of a feature that is in the coalition with probability `t` a leaf's product has the factor `cold + t (hot - cold)`. That is a
//! polynomial in `t`, of a degree below the number of different features on a path, and half as many points as features give its integral
//! exactly. So a tree of `L` leaves whose paths have `D` different features takes `O(L D)` steps, where algorithm 2 takes `O(L D^2)`.

use crate::forest::Forest;
use crate::quadrature::Quadrature;

/// What the edges of a path make of one feature.
#[derive(Debug, Clone, Copy)]
struct Factor {
    /// Whether the row goes this way, 1 or 0, if the feature is in the coalition.
    hot: f64,
    /// The share of training rows that go this way.
    cold: f64,
}

/// A feature that no edge has compared.
const UNTOUCHED: Factor = Factor { hot: 1.0, cold: 1.0 };

impl Factor {
    fn at(self, point: f64) -> f64 {
        self.cold + point * (self.hot - self.cold)
    }
}

/// The values of one row, while trees are added.
struct Walk<'a, const N: usize> {
    forest: &'a Forest,
    row: &'a [f64],
    quadrature: &'a Quadrature<N>,
    factors: Vec<Factor>,
    values: &'a mut [f64],
}

impl Forest {
    /// For each feature of each row (of groups in place of codes) its Shapley value in the path length, summed over the trees.
    pub(crate) fn shapley(&self, rows: &[f64]) -> Vec<f64> {
        let levels = self.groups.iter().map(|group| group.levels).max().unwrap_or(0) as usize;
        match levels.min(self.shape.width) {
            ..=8 => self.shapley_by::<4>(rows),
            9..=16 => self.shapley_by::<8>(rows),
            17..=32 => self.shapley_by::<16>(rows),
            _ => self.shapley_by::<32>(rows),
        }
    }

    /// The same with points for paths of up to `2 N` different features.
    fn shapley_by<const N: usize>(&self, rows: &[f64]) -> Vec<f64> {
        let (quadrature, width) = (Quadrature::<N>::new(), self.shape.width);
        let mut values = vec![0.0; rows.len()];
        for (row, values) in rows.chunks_exact(width).zip(values.chunks_exact_mut(width)) {
            let mut walk = Walk { forest: self, row, quadrature: &quadrature, factors: vec![UNTOUCHED; width], values };
            for root in &self.roots {
                walk.below(*root as usize, quadrature.weights);
            }
        }
        values
    }
}

impl<const N: usize> Walk<'_, N> {
    /// Adds what the edges below a node contribute. `product` is the product of the path's factors at each point, times the point's weight.
    /// Returns the sum over the leaves below of their products, times their lengths. A tree's depth is bounded, and with it the recursion's.
    fn below(&mut self, position: usize, product: [f64; N]) -> [f64; N] {
        let forest = self.forest;
        let node = &forest.nodes[position];
        if node.is_leaf(position) {
            return product.map(|product| product * forest.lengths[position]);
        }
        let left = node.left as usize;
        let right = forest.goes_right(position, |feature| self.row[feature as usize]);
        let [one, other] = [left, left + 1].map(|child| {
            let share = forest.share(child, position);
            let goes = right.map_or(share, |right| f64::from(u8::from(right == (child > left))));
            self.edge(child, node.compared() as usize, Factor { hot: goes, cold: share }, product)
        });
        std::array::from_fn(|point| one[point] + other[point])
    }

    /// The edge to `child`, which makes its feature's factor another one. Where the feature has been compared above, what the leaves below
    /// would have contributed by that factor is taken back.
    fn edge(&mut self, child: usize, feature: usize, edge: Factor, product: [f64; N]) -> [f64; N] {
        let before = self.factors[feature];
        let after = Factor { hot: before.hot * edge.hot, cold: before.cold * edge.cold };
        let points = &self.quadrature.points;
        let parts: [(f64, f64); N] = std::array::from_fn(|point| (1.0 / before.at(points[point]), after.at(points[point])));
        self.factors[feature] = after;
        let sums = self.below(child, std::array::from_fn(|point| product[point] * parts[point].1 * parts[point].0));
        self.factors[feature] = before;
        let change = |(sum, (inverse, after_at)): (&f64, &(f64, f64))| {
            sum * ((after.hot - after.cold) / after_at - (before.hot - before.cold) * inverse)
        };
        self.values[feature] += sums.iter().zip(&parts).map(change).sum::<f64>();
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forest::Shape;
    use crate::growth::tests::{grown, plan};
    use crate::random::Random;
    use ndarray::Array2;

    /// The game itself: the expected path length where only these features are known.
    fn expected(forest: &Forest, position: usize, row: &[f64], coalition: u32) -> f64 {
        let node = &forest.nodes[position];
        if node.is_leaf(position) {
            return forest.lengths[position];
        }
        let left = node.left as usize;
        let known =
            if coalition >> node.compared() & 1 == 1 { node.goes_right(&forest.planes, |feature| row[feature as usize]) } else { None };
        let below = |child: usize| expected(forest, child, row, coalition);
        match known {
            Some(right) => below(left + usize::from(right)),
            None => [left, left + 1]
                .iter()
                .map(|child| f64::from(forest.reached[*child]) / f64::from(forest.reached[position]) * below(*child))
                .sum(),
        }
    }

    /// Shapley's own formula: the mean over all orders, by coalitions.
    fn by_coalitions(forest: &Forest, row: &[f64]) -> Vec<f64> {
        let width = row.len() as u32;
        let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
        let value = |feature: u32| {
            let without = (0..1_u32 << width).filter(|coalition| coalition >> feature & 1 == 0);
            without
                .map(|coalition| {
                    let size = coalition.count_ones();
                    let weight = factorial(size) * factorial(width - size - 1) / factorial(width);
                    let game = |coalition| forest.roots.iter().map(|root| expected(forest, *root as usize, row, coalition)).sum::<f64>();
                    weight * (game(coalition | 1 << feature) - game(coalition))
                })
                .sum()
        };
        (0..width).map(value).collect()
    }

    fn rows(count: usize, width: usize) -> Array2<f64> {
        let mut random = Random::of_tree(8, 0);
        Array2::from_shape_fn((count, width), |(row, column)| if column == 1 { (row % 7) as f64 } else { random.normal() })
    }

    #[test]
    fn the_values_are_those_of_shapleys_formula() {
        for (width, deepest) in [(1, 5), (3, 12), (6, 8), (9, 16)] {
            let rows = rows(60, width);
            let categories: Vec<u32> = (0..width).map(|column| if column == 1 { 8 } else { 0 }).collect();
            let plan = crate::growth::Plan { categories: &categories, ..plan(&rows, deepest) };
            let shape = Shape { width, sample: 60, categories: categories.clone() };
            let forest = Forest::new(shape, 0, (0..3).map(|seed| grown(&plan, seed)));
            let mut queries = rows.slice(ndarray::s![..6, ..]).to_owned() * 1.5;
            queries.column_mut(width / 2)[2] = f64::NAN;
            queries.row_mut(3).fill(f64::NAN);
            for row in queries.rows() {
                let row = row.to_vec();
                let (values, expected) = (forest.shapley(&row), by_coalitions(&forest, &row));
                assert!(values.iter().zip(&expected).all(|(value, expected)| (value - expected).abs() < 1e-11), "{values:?} {expected:?}");
                assert!(values.iter().zip(&row).all(|(value, number)| !number.is_nan() || *value == 0.0), "what is missing has no share");
            }
        }
    }

    #[test]
    fn paths_of_many_features_have_values_that_add_up() {
        let rows = rows(300, 50);
        let forest =
            Forest::new(Shape { width: 50, sample: 300, categories: Vec::new() }, 0, (0..2).map(|seed| grown(&plan(&rows, 40), seed)));
        let row = vec![2.5; 50];
        let length = forest.shapley(&row).iter().sum::<f64>() / 2.0 + forest.mean_length();
        assert!((forest.raw_score(length) - forest.score(&row)[0]).abs() < 1e-12);
    }
}
