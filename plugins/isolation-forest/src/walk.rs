//! Scores: how deep rows fall. Eight trees at a time, a block of rows for each group of trees; a loop of its own for each kind of forest, so
//! that the plain one pays for none of the others. Rows with missing values go a slower way.

use crate::category::grouped;
use crate::forest::{Forest, Group, Kind, LANES};
use crate::plane::Term;
use crate::tree::Test;
use crate::values::has;

/// Rows that one group of trees scores before the next group: the group stays in the first-level cache.
const BLOCK: usize = 128;

impl Forest {
    /// Raw scores of whole rows that lie one behind the other.
    pub(crate) fn score(&self, rows: &[f64]) -> Vec<f64> {
        let rows = &*grouped(rows, &self.shape.categories);
        let mut lengths = match &self.bundles {
            Some(bundles) => bundles.lengths(rows, self.shape.width),
            None => self.walked(rows),
        };
        if has(rows, f64::is_nan) {
            self.divide_rows(rows, &mut lengths);
        }
        lengths.iter_mut().for_each(|length| *length = self.raw_score(*length / self.roots.len() as f64));
        lengths
    }

    /// Path lengths of rows, summed over the trees, a node at a time.
    pub(crate) fn walked(&self, rows: &[f64]) -> Vec<f64> {
        match self.shape.width {
            _ if matches!(self.kind, Kind::Subsets | Kind::Mixed) => self.blocks(rows, |row| row, |group, row| self.by_any(group, row)),
            ..=8 => self.lengths_padded::<8>(rows),
            9..=16 => self.lengths_padded::<16>(rows),
            17..=32 => self.lengths_padded::<32>(rows),
            33..=64 => self.lengths_padded::<64>(rows),
            _ => self.lengths(rows, |row| row, |row: &&[f64], feature| row[feature as usize]),
        }
    }

    /// Path lengths of rows of up to `N` features, a power of two. A row is copied into an array of that length, because the remainder by
    /// `N` is cheaper than a test whether a slice has this feature: it is the innermost step.
    fn lengths_padded<const N: usize>(&self, rows: &[f64]) -> Vec<f64> {
        let padded = |row: &[f64]| -> [f64; N] { std::array::from_fn(|feature| row.get(feature).copied().unwrap_or(0.0)) };
        self.lengths(rows, padded, |row, feature| row[feature as usize % N])
    }

    /// Path lengths, summed over the trees, of rows by `copy`, made once for a row, from which `value` takes a feature.
    fn lengths<'a, R>(&self, rows: &'a [f64], copy: impl Fn(&'a [f64]) -> R, value: impl Fn(&R, u32) -> f64 + Copy) -> Vec<f64> {
        match self.kind {
            Kind::Planes if self.planes.dimensions() == 2 => {
                self.blocks(rows, copy, |group, row| self.by_planes::<2>(group, |feature| value(row, feature)))
            }
            Kind::Planes => self.blocks(rows, |row| row, |group, row| self.by_any(group, row)),
            _ => self.blocks(rows, copy, |group, row| self.by_numbers(group, |feature| value(row, feature))),
        }
    }

    fn blocks<'a, R>(&self, rows: &'a [f64], copy: impl Fn(&'a [f64]) -> R, length: impl Fn(&Group, &R) -> f64) -> Vec<f64> {
        in_blocks(rows, self.shape.width, &self.groups, copy, length)
    }

    /// A row's path length, summed over the trees of a group whose nodes all compare one number.
    #[inline(always)]
    fn by_numbers(&self, group: &Group, value: impl Fn(u32) -> f64) -> f64 {
        let mut at = group.roots;
        for _ in 0..group.levels {
            for position in &mut at {
                let node = &self.nodes[*position as usize];
                *position = node.left + u32::from(value(node.feature) > node.threshold);
            }
        }
        self.sum(group, at)
    }

    /// The same where all nodes are split by planes of `D` terms. A leaf takes the first plane, and its threshold lets no row out. Trees of
    /// chosen cuts have a few deep leaves: the walk ends where all eight rows have arrived.
    #[inline(always)]
    fn by_planes<const D: usize>(&self, group: &Group, value: impl Fn(u32) -> f64) -> f64 {
        let (planes, _) = self.planes.terms().as_chunks::<D>();
        let mut at = group.roots;
        for _ in 0..group.levels {
            let mut moved = 0;
            for position in &mut at {
                let node = &self.nodes[*position as usize];
                let plane: &[Term; D] = &planes[node.plane_or_first()];
                let place = plane.iter().fold(0.0, |sum, term| sum + term.coefficient * value(term.feature));
                let next = node.left + u32::from(place > node.threshold);
                moved |= next ^ *position;
                *position = next;
            }
            if moved == 0 {
                break;
            }
        }
        self.sum(group, at)
    }

    /// The same for any nodes.
    fn by_any(&self, group: &Group, row: &[f64]) -> f64 {
        let value = |feature: u32| row[feature as usize];
        let mut at = group.roots;
        for _ in 0..group.levels {
            let mut moved = 0;
            for position in &mut at {
                let node = &self.nodes[*position as usize];
                let right = match node.test() {
                    Test::Number(feature) => value(feature) > node.threshold,
                    Test::Subset(feature, set) => set >> (value(feature) as u32 & 63) & 1 == 1,
                    Test::Plane(index) => {
                        let terms = self.planes.plane(index as usize).iter();
                        terms.fold(0.0, |sum, term| sum + term.coefficient * value(term.feature)) > node.threshold
                    }
                };
                let next = node.left + u32::from(right);
                moved |= next ^ *position;
                *position = next;
            }
            if moved == 0 {
                break;
            }
        }
        self.sum(group, at)
    }

    #[inline(always)]
    fn sum(&self, group: &Group, leaves: [u32; LANES]) -> f64 {
        let lengths = leaves.iter().map(|position| self.lengths[*position as usize]);
        // Starts at +0: the sum of nothing is -0.
        lengths.take(group.trees).fold(0.0, |sum, length| sum + length)
    }

    /// Path lengths of the rows that have missing values, in place of what the fast walk made of them.
    fn divide_rows(&self, rows: &[f64], lengths: &mut [f64]) {
        for (row, length) in rows.chunks_exact(self.shape.width).zip(lengths) {
            if has(row, f64::is_nan) {
                *length = self.roots.iter().fold(0.0, |sum, root| sum + self.divided(*root as usize, row));
            }
        }
    }

    /// A row's expected path length in one tree: where the row lacks what a node compares, it goes both ways, in proportion to the training
    /// rows that went them.
    fn divided(&self, root: usize, row: &[f64]) -> f64 {
        let (mut waiting, mut sum) = (vec![(root, 1.0)], 0.0);
        while let Some((position, weight)) = waiting.pop() {
            let node = &self.nodes[position];
            if node.is_leaf(position) {
                sum += weight * self.lengths[position];
                continue;
            }
            let left = node.left as usize;
            match self.goes_right(position, |feature| row[feature as usize]) {
                Some(right) => waiting.push((left + usize::from(right), weight)),
                None => waiting.extend([left + 1, left].map(|child| (child, weight * self.share(child, position)))),
            }
        }
        sum
    }

    /// The share of a node's training rows that went to this child.
    pub(crate) fn share(&self, child: usize, node: usize) -> f64 {
        f64::from(self.reached[child]) / f64::from(self.reached[node])
    }
}

/// For each row of `width` values the sum of `length` over all groups of trees, from a `copy` that is made once for a row.
#[inline(always)]
pub(crate) fn in_blocks<'a, G, R>(
    rows: &'a [f64],
    width: usize,
    groups: &[G],
    copy: impl Fn(&'a [f64]) -> R,
    length: impl Fn(&G, &R) -> f64,
) -> Vec<f64> {
    let mut lengths = Vec::with_capacity(rows.len() / width);
    for block in rows.chunks(width * BLOCK) {
        let first = lengths.len();
        lengths.resize(first + block.len() / width, 0.0);
        let copies: Vec<R> = block.chunks_exact(width).map(&copy).collect();
        for group in groups {
            for (row, sum) in copies.iter().zip(&mut lengths[first..]) {
                *sum += length(group, row);
            }
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forest::Shape;
    use crate::plane::Planes;
    use crate::tree::{Node, Tree, average_path_length};

    fn stump(feature: u32, threshold: f64) -> Tree {
        let nodes = vec![Node { threshold, feature, left: 1 }, Node::leaf(1), Node::leaf(2)];
        Tree { nodes, reached: vec![4, 1, 3], planes: Planes::new(0) }
    }

    fn forest(trees: usize) -> Forest {
        let shape = Shape { width: 2, sample: 4, categories: Vec::new() };
        Forest::new(shape, 0, (0..trees).map(|index| stump(index as u32 % 2, index as f64)))
    }

    #[test]
    fn a_score_follows_from_the_mean_path_length() {
        // Trees 0 to 10: a row of 2.5s goes right in trees 0, 1 and 2, to a leaf of three rows.
        let length = (3.0 * (1.0 + average_path_length(3)) + 8.0) / 11.0;
        let expected = 2.0_f64.powf(-length / average_path_length(4));
        assert!((forest(11).score(&[2.5, 2.5])[0] - expected).abs() < 1e-15);
    }

    #[test]
    fn a_value_at_the_threshold_goes_left() {
        let forest = forest(1);
        let scores = forest.score(&[0.0, 9.0, f64::MIN_POSITIVE, 9.0]);
        assert!(scores[0] > scores[1], "the left leaf is the shorter path: {scores:?}");
    }

    #[test]
    fn a_row_that_lacks_a_value_goes_both_ways() {
        let forest = forest(2);
        let right = 1.0 + average_path_length(3);
        let both = 0.25 + 0.75 * right;
        let expected = |length: f64| forest.raw_score(length / 2.0);
        let scores = forest.score(&[f64::NAN, 5.0, 5.0, f64::NAN, f64::NAN, f64::NAN, 5.0, 5.0]);
        for (score, length) in scores.iter().zip([both + right, right + both, both + both, right + right]) {
            assert!((score - expected(length)).abs() < 1e-15, "{scores:?}");
        }
        assert!((scores[2] - forest.raw_score(forest.mean_length())).abs() < 1e-15, "a row of which nothing is known is the usual one");
    }
}
