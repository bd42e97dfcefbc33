//! The training rows in a kd-tree with buckets (Friedman, Bentley and Finkel, "An Algorithm for Finding Best Matches in Logarithmic
//! Expected Time", ACM TOMS 3, 1977), and the exact search for the nearest of them.
//!
//! Rows lie in the order of the leaves. One vector instruction works on two rows, and each row's sum is still added up in the order of its
//! features. That makes distances, and with them ties, the same bit for bit whether the tree is searched, all rows are, or a coarse copy
//! says which.

use crate::coarse::{Coarse, Shortlist};
use crate::metric::Distance;
use crate::nearest::{Candidate, Nearest};
use crate::pair::Pair;
use crate::shape::{LANES, Shape};
use ndarray::{ArrayView1, ArrayView2};

/// Pairs of rows in a group.
const PAIRS: usize = LANES / 2;

/// From how many features on all rows are searched: boxes of so many sides are so large that few can be left out.
const WIDE: usize = 48;

/// The rows, and around both halves of each part of them the smallest box that holds them.
#[derive(Debug)]
pub(crate) struct Tree {
    width: usize,
    shape: Shape,
    /// For each position, the index of its row.
    order: Vec<u32>,
    /// Row by row. What the last group lacks in rows are infinities.
    rows: Vec<f64>,
    /// Of node `i`, feature `f`, at `i * width + f`.
    boxes: Vec<Halves>,
    /// Where the metric has one.
    coarse: Option<Coarse>,
}

/// Where two sibling boxes begin and end in one feature.
#[derive(Debug, Clone, Copy)]
struct Halves {
    least: Pair,
    greatest: Pair,
}

impl Tree {
    /// Sorts those of the rows into a tree whose numbers are given; a row's index is then its place among the numbers. Each part is halved
    /// across its longest side. `coarse` says whether there is to be a coarse copy; see [`Distance::COARSE`].
    pub(crate) fn build(rows: ArrayView2<'_, f64>, numbers: &[u32], coarse: bool) -> Self {
        let shape = Shape::new(numbers.len());
        let mut order: Vec<u32> = (0..numbers.len() as u32).collect();
        let row = |index: u32| rows.row(numbers[index as usize] as usize);
        for node in 1..shape.leaves() {
            let (first, end) = shape.rows(node);
            let (_, middle) = shape.rows(2 * node);
            let part = &mut order[first..end];
            let feature = longest_side(rows.ncols(), part.iter().map(|index| row(*index)));
            let value = |index: u32| row(index)[feature];
            part.select_nth_unstable_by(middle - first, |one, other| value(*one).total_cmp(&value(*other)).then(one.cmp(other)));
        }
        let sorted: Vec<f64> = order.iter().flat_map(|index| row(*index).to_vec()).collect();
        Self::from_sorted(rows.ncols(), order, sorted, coarse)
    }

    /// The tree of rows that [`Tree::build`] has sorted, row by row. Rows in any other order are found as well, but more slowly.
    pub(crate) fn from_sorted(width: usize, order: Vec<u32>, mut rows: Vec<f64>, coarse: bool) -> Self {
        let shape = Shape::new(order.len());
        let coarse = coarse.then(|| Coarse::new(width, &rows, shape, width < WIDE));
        rows.resize(shape.groups * LANES * width, f64::INFINITY);
        let mut tree = Self { width, shape, order, rows, boxes: Vec::new(), coarse };
        if !tree.searches_all() {
            tree.surround();
        }
        tree
    }

    /// Measures the boxes, from the leaves to the root.
    fn surround(&mut self) {
        let leaves = self.shape.leaves();
        self.boxes = vec![Halves { least: Pair::both(f64::INFINITY), greatest: Pair::both(f64::NEG_INFINITY) }; leaves * self.width];
        for node in (1..leaves).rev() {
            for feature in 0..self.width {
                let (one, other) = (self.side(2 * node, feature), self.side(2 * node + 1, feature));
                self.boxes[node * self.width + feature] = Halves { least: Pair::new(one.0, other.0), greatest: Pair::new(one.1, other.1) };
            }
        }
    }

    fn side(&self, node: usize, feature: usize) -> (f64, f64) {
        if node < self.shape.leaves() {
            let Halves { least, greatest } = self.boxes[node * self.width + feature];
            let ([one, other], [first, second]) = (least.numbers(), greatest.numbers());
            return (one.min(other), first.max(second));
        }
        let (first, end) = self.shape.rows(node);
        let values = (first..end).map(|position| self.row(position)[feature]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| (least.min(value), greatest.max(value)))
    }

    /// For each position, the index of its row.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// All rows, one behind the other, in the order of their positions.
    pub(crate) fn rows(&self) -> &[f64] {
        &self.rows[..self.order.len() * self.width]
    }

    /// The row at `position`.
    #[inline(always)]
    pub(crate) fn row(&self, position: usize) -> &[f64] {
        &self.rows[position * self.width..][..self.width]
    }

    /// Whether boxes would not pay.
    fn searches_all(&self) -> bool {
        self.width >= WIDE || self.shape.levels == 0
    }

    /// Offers all rows that may be among the nearest to `query`, but for the one at the position `except`. `list` is memory for it.
    pub(crate) fn search<D: Distance>(&self, distance: D, query: &[f64], list: &mut Shortlist, except: Option<u32>, nearest: &mut Nearest) {
        match &self.coarse {
            Some(coarse) if distance.list(coarse, query, nearest.wanted(), except, list) => {
                nearest.choose(list.positions().map(|position| Candidate {
                    sum: self.sum(distance, query, position as usize),
                    index: self.order[position as usize],
                    position,
                }));
            }
            _ if self.searches_all() => self.offer(distance, query, 0..self.shape.groups, except, nearest),
            _ => self.descend(distance, query, except, nearest),
        }
    }

    /// The sum of one row.
    #[inline(always)]
    fn sum<D: Distance>(&self, distance: D, query: &[f64], position: usize) -> f64 {
        let mut sum = 0.0;
        let (eights, rest) = self.row(position).as_chunks::<8>();
        let (values, last) = query.as_chunks::<8>();
        for (row, values) in eights.iter().zip(values) {
            for feature in 0..8 {
                sum += distance.part(row[feature] - values[feature]);
            }
        }
        for (row, value) in rest.iter().zip(last) {
            sum += distance.part(row - value);
        }
        sum
    }

    /// Visits leaves, near ones first, and leaves out what lies behind the farthest of the nearest rows. A part at exactly that distance
    /// is visited: it may hold an equally near row with a lower number.
    fn descend<D: Distance>(&self, distance: D, query: &[f64], except: Option<u32>, nearest: &mut Nearest) {
        // A complete tree of 2^32 leaves would wait with as many nodes.
        let mut waiting = [(0.0, 1); 32];
        let mut count = 1;
        while count > 0 {
            count -= 1;
            let (mut bound, mut node) = waiting[count];
            while bound <= nearest.limit() && node < self.shape.leaves() {
                let bounds = self.bounds(distance, query, node);
                let near = usize::from(bounds[1] < bounds[0]);
                waiting[count] = (bounds[1 - near], 2 * node + 1 - near);
                count += 1;
                (bound, node) = (bounds[near], 2 * node + near);
            }
            if bound <= nearest.limit() {
                self.offer(distance, query, self.shape.groups_of_leaf(node - self.shape.leaves()), except, nearest);
            }
        }
    }

    /// How near the rows below the two children of a node can be at the most.
    #[inline(always)]
    fn bounds<D: Distance>(&self, distance: D, query: &[f64], node: usize) -> [f64; 2] {
        let with = |sums: Pair, halves: &Halves, value: f64| {
            let value = Pair::both(value);
            // What is nearest to it in the box; the same number, if it is in there.
            let nearest = value.greater(halves.least).smaller(halves.greatest);
            sums.plus(distance.parts(value.minus(nearest)))
        };
        let mut sums = Pair::both(0.0);
        // Eight features a turn: in the sandbox every turn of a loop looks at the clock.
        let (eights, rest) = self.boxes[node * self.width..][..self.width].as_chunks::<8>();
        let (values, last) = query.as_chunks::<8>();
        for (halves, values) in eights.iter().zip(values) {
            (0..8).for_each(|feature| sums = with(sums, &halves[feature], values[feature]));
        }
        rest.iter().zip(last).for_each(|(halves, value)| sums = with(sums, halves, *value));
        sums.numbers().map(|sum| sum * D::BOUND)
    }

    /// Offers the rows of these groups.
    fn offer<D: Distance>(&self, distance: D, query: &[f64], groups: std::ops::Range<usize>, except: Option<u32>, nearest: &mut Nearest) {
        let mut limit = nearest.limit();
        for group in groups {
            let sums = self.sums(distance, query, group, limit);
            let mut near = not_above(sums, limit);
            if near == 0 {
                continue;
            }
            let sums = sums.map(Pair::numbers);
            while near != 0 {
                let lane = near.trailing_zeros() as usize;
                near &= near - 1;
                let (sum, position) = (sums[lane / 2][lane % 2], group * LANES + lane);
                if sum <= limit && position < self.order.len() && except != Some(position as u32) {
                    limit = nearest.offer(Candidate { sum, index: self.order[position], position: position as u32 });
                }
            }
        }
    }

    /// The sums of a group's rows. Where all of them are beyond the limit they may be less than whole.
    #[inline(always)]
    fn sums<D: Distance>(&self, distance: D, query: &[f64], group: usize, limit: f64) -> [Pair; PAIRS] {
        let rows = &self.rows[group * LANES * self.width..][..LANES * self.width];
        let mut rows: [&[f64]; LANES] = std::array::from_fn(|lane| &rows[lane * self.width..][..self.width]);
        let mut sums = [Pair::both(0.0); PAIRS];
        let (fours, last) = query.as_chunks::<4>();
        for values in fours {
            let parts = rows.map(|row| row.first_chunk::<4>());
            sums = std::array::from_fn(|pair| match (parts[2 * pair], parts[2 * pair + 1]) {
                (Some(one), Some(other)) => (0..4).fold(sums[pair], |sum, feature| {
                    sum.plus(distance.parts(Pair::new(one[feature], other[feature]).minus(Pair::both(values[feature]))))
                }),
                _ => sums[pair],
            });
            if not_above(sums, limit) == 0 {
                return sums;
            }
            rows = rows.map(|row| &row[4..]);
        }
        for (feature, value) in last.iter().enumerate() {
            sums = std::array::from_fn(|pair| {
                let both = Pair::new(rows[2 * pair][feature], rows[2 * pair + 1][feature]);
                sums[pair].plus(distance.parts(both.minus(Pair::both(*value))))
            });
        }
        sums
    }
}

/// A bit for each sum that is not beyond the limit, the first lane's the lowest.
#[inline(always)]
fn not_above(sums: [Pair; PAIRS], limit: f64) -> u32 {
    let bits = |pair: usize| sums[pair].not_above(Pair::both(limit)) << (2 * pair);
    bits(0) | bits(1) | bits(2) | bits(3)
}

/// The feature in which these rows differ most.
fn longest_side<'a>(width: usize, rows: impl Iterator<Item = ArrayView1<'a, f64>>) -> usize {
    let mut sides = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
    for row in rows {
        for (side, value) in sides.iter_mut().zip(row) {
            *side = (side.0.min(*value), side.1.max(*value));
        }
    }
    let length = |feature: &usize| sides[*feature].1 - sides[*feature].0;
    // The first of equals, so that a model does not depend on how a maximum is searched.
    (0..sides.len()).reduce(|best, feature| if length(&feature) > length(&best) { feature } else { best }).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests;
