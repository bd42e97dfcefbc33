//! A coarse copy of the rows, whole numbers of 16 bits, that rules out most rows before their exact distances are computed (the idea of the
//! VA-file: Weber, Schek and Blott, "A Quantitative Analysis and Performance Study for Similarity-Search Methods in High-Dimensional Spaces",
//! VLDB 1998). It never rules out a row that belongs to the nearest: what remains is measured exactly, so that an answer does not show
//! whether there was a copy.
//!
//! A value becomes the number of steps that it is from the middle of its feature. The step is the same for all features, so that steps
//! can be added up. A difference of two such numbers is off by at most one step, half a step from each. What is farther out than the
//! numbers reach is put at their end, which makes differences smaller and never greater.

use crate::eight::{Eight, Four, not_above};
use crate::shape::{LANES, Shape};

/// How a metric's sum is computed from steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Squared differences.
    Squares,
    /// Differences without their sign.
    Magnitudes,
}

/// The copy.
#[derive(Debug)]
pub(crate) struct Coarse {
    shape: Shape,
    scale: Scale,
    /// How many pairs of features there are; where one is left over, zeros are the other.
    pairs: usize,
    /// Pair `p` of the rows of group `g` is at `g * pairs + p`, the two features of a row side by side.
    groups: Vec<[Eight; 2]>,
    /// Node 0 is the root, the children of node `i` are `8i + 1` to `8i + 8`, the leaves are the last level: each node is one of the complete
    /// binary tree, whose levels are taken three at a time. Pair `p` of the boxes around the children of node `i` is at `i * pairs + p`. The
    /// root may have less than eight children.
    boxes: Vec<Boxes>,
    /// How many children the root has.
    topmost: u32,
    /// The number of the first leaf.
    first_leaf: usize,
}

/// Where eight sibling boxes begin and end in a pair of features.
#[derive(Debug, Clone, Copy)]
struct Boxes {
    least: [Eight; 2],
    greatest: [Eight; 2],
}

/// The most nodes that can wait: seven of each level, and eight of the last. A tree of 2^32 leaves has eleven.
const WAITING: usize = 96;

impl Coarse {
    /// The copy of rows that lie one behind the other, in the order of the tree, with boxes where there are leaves to choose from.
    pub(crate) fn new(width: usize, rows: &[f64], shape: Shape, boxed: bool) -> Self {
        let scale = Scale::of(width, rows, shape);
        let pairs = width.div_ceil(2);
        let levels = if boxed { shape.levels } else { 0 };
        let mut coarse =
            Self { shape, pairs, groups: Vec::with_capacity(shape.groups * pairs), boxes: Vec::new(), topmost: 0, first_leaf: 0, scale };
        let mut numbers = vec![0; LANES * 2 * pairs];
        for group in rows.chunks(LANES * width) {
            for (row, numbers) in group.chunks(width).zip(numbers.chunks_exact_mut(2 * pairs)) {
                coarse.scale.numbers(row, numbers);
            }
            // What the last group lacks in rows are those of the group before.
            coarse.groups.extend(
                (0..pairs).map(|pair| interleaved(|row| [numbers[2 * (row * pairs + pair)], numbers[2 * (row * pairs + pair) + 1]])),
            );
        }
        if levels > 0 {
            coarse.surround(width, rows);
        }
        coarse
    }

    /// Measures the boxes, from the leaves to the root.
    fn surround(&mut self, width: usize, rows: &[f64]) {
        let depth = self.shape.levels.div_ceil(3);
        self.topmost = 1 << (self.shape.levels - 3 * (depth - 1));
        self.first_leaf = ((1_usize << (3 * depth)) - 1) / 7;
        let inner = self.first_leaf - (1 << (3 * (depth - 1))) + (self.shape.leaves() >> 3).max(1);
        let size = 2 * self.pairs;
        // Of node `i`, its least numbers and then its greatest; those of no node hold nothing.
        let empty = [vec![i16::MAX; size], vec![i16::MIN; size]].concat();
        let mut sides = empty.repeat(self.first_leaf + self.shape.leaves());
        let mut numbers = vec![0; size];
        for leaf in 0..self.shape.leaves() {
            let (first, end) = self.shape.rows(self.shape.leaves() + leaf);
            let side = &mut sides[(self.first_leaf + leaf) * 2 * size..][..2 * size];
            for row in rows[first * width..end * width].chunks_exact(width) {
                self.scale.numbers(row, &mut numbers);
                widen(side, &numbers, &numbers);
            }
        }
        for node in (1..self.first_leaf + self.shape.leaves()).rev() {
            let (before, after) = sides.split_at_mut(node * 2 * size);
            let (least, greatest) = after[..2 * size].split_at(size);
            widen(&mut before[(node - 1) / 8 * 2 * size..][..2 * size], least, greatest);
        }
        let child =
            |node: usize, child: usize| sides.get((8 * node + 1 + child) * 2 * size..).filter(|rest| !rest.is_empty()).unwrap_or(&empty);
        self.boxes = (0..inner * self.pairs)
            .map(|place| {
                let (node, pair) = (place / self.pairs, place % self.pairs);
                let side = |at: usize| interleaved(|of| [child(node, of)[at + 2 * pair], child(node, of)[at + 2 * pair + 1]]);
                Boxes { least: side(0), greatest: side(size) }
            })
            .collect();
    }

    /// Writes the numbers of a row that neighbours are searched for, each pair four times. Says whether that is of use: it is not for a
    /// row that is farther out than the numbers reach.
    pub(crate) fn query(&self, row: &[f64], into: &mut Vec<Eight>) -> bool {
        into.clear();
        let (features, last) = row.as_chunks::<2>();
        let middles = self.scale.middles.chunks(2);
        let mut near = true;
        let mut number = |value: f64, middle: f64| {
            let steps = self.scale.steps(value, middle);
            near &= steps.abs() <= self.scale.most;
            self.scale.number(steps)
        };
        let pairs = features.iter().map(|[first, second]| [*first, *second]).chain(last.iter().map(|value| [*value, 0.0]));
        into.extend(pairs.zip(middles).map(|([first, second], middles)| {
            let first = number(first, middles[0]);
            let second = middles.get(1).map_or(0, |middle| number(second, *middle));
            Eight::new([first, second, first, second, first, second, first, second])
        }));
        near
    }

    /// The sum of steps up to which a row can have a sum of `limit` or less, as that is computed.
    #[inline(always)]
    pub(crate) fn limit(&self, parts: Parts, limit: f64) -> i32 {
        // More than rounding takes from a sum; a square that is too small to be a number takes even less than 1e-300.
        let limit = limit * (1.0 + 1e-9) + 1e-300;
        let most = match parts {
            Parts::Squares => {
                // By the triangle inequality, where each of the differences is off by a step.
                let steps = limit.sqrt() * self.scale.per_step + self.scale.slack[0];
                steps * steps
            }
            Parts::Magnitudes => limit * self.scale.per_step + self.scale.slack[1],
        };
        (most as i32).saturating_add(1)
    }

    /// Calls `offer` with each group in which rows are not above the limit of steps, near groups first on the whole, and a bit for each of
    /// these rows. It returns the new limit.
    #[inline(always)]
    pub(crate) fn visit(&self, parts: Parts, query: &[Eight], limit: i32, mut offer: impl FnMut(usize, u32) -> i32) {
        if self.boxes.is_empty() {
            self.visit_groups(parts, query, 0..self.shape.groups, limit, &mut offer);
            return;
        }
        let mut limit = limit;
        // A bound and below it, in bits, its node.
        let mut waiting = [0_u64; WAITING];
        let mut count = 1;
        while count > 0 {
            count -= 1;
            let (bound, node) = ((waiting[count] >> 32) as i32, waiting[count] as u32 as usize);
            if bound > limit {
                continue;
            }
            if node >= self.first_leaf {
                limit = self.visit_groups(parts, query, self.shape.groups_of_leaf(node - self.first_leaf), limit, &mut offer);
                continue;
            }
            let bounds = self.bounds(parts, query, node);
            let mut near = not_above(bounds, limit);
            if node == 0 {
                near &= (1 << self.topmost) - 1;
            }
            let bounds = bounds.map(Four::numbers);
            let mut nearest = u64::MAX;
            while near != 0 {
                let child = near.trailing_zeros() as usize;
                near &= near - 1;
                let next = (bounds[child / 4 % 2][child % 4] as u64) << 32 | (8 * node + 1 + child) as u64;
                // The nearest is visited next, the others in any order.
                if nearest != u64::MAX {
                    waiting[count] = nearest.max(next);
                    count += 1;
                }
                nearest = nearest.min(next);
            }
            if nearest != u64::MAX {
                waiting[count] = nearest;
                count += 1;
            }
        }
    }

    #[inline(always)]
    fn visit_groups(
        &self,
        parts: Parts,
        query: &[Eight],
        groups: std::ops::Range<usize>,
        limit: i32,
        offer: &mut impl FnMut(usize, u32) -> i32,
    ) -> i32 {
        let mut limit = limit;
        for group in groups {
            let near = not_above(self.sums(parts, query, group), limit);
            if near != 0 {
                limit = offer(group, near);
            }
        }
        limit
    }

    /// The sums of a group's rows.
    #[inline(always)]
    fn sums(&self, parts: Parts, query: &[Eight], group: usize) -> [Four; 2] {
        sum(parts, &self.groups[group * self.pairs..][..self.pairs], query)
    }

    /// What the sums of rows in the boxes below a node are at least.
    #[inline(always)]
    fn bounds(&self, parts: Parts, query: &[Eight], node: usize) -> [Four; 2] {
        sum(parts, &self.boxes[node * self.pairs..][..self.pairs], query)
    }
}

/// A pair of features of eight rows or boxes.
trait Eightfold {
    /// How far those with this place, 0 to 3 or 4 to 7, are from a row.
    fn differences(&self, half: usize, query: Eight) -> Eight;
}

impl Eightfold for [Eight; 2] {
    #[inline(always)]
    fn differences(&self, half: usize, query: Eight) -> Eight {
        self[half].minus(query)
    }
}

impl Eightfold for Boxes {
    /// To what is nearest in the box.
    #[inline(always)]
    fn differences(&self, half: usize, query: Eight) -> Eight {
        query.greater(self.least[half]).smaller(self.greatest[half]).minus(query)
    }
}

/// Adds up over the pairs of features, four a turn: in the sandbox every turn of a loop looks at the clock.
#[inline(always)]
fn sum<T: Eightfold>(parts: Parts, values: &[T], query: &[Eight]) -> [Four; 2] {
    let mut sums = [Four::all(0); 2];
    let (fours, rest) = values.as_chunks::<4>();
    let (queries, last) = query.as_chunks::<4>();
    for ([a, b, c, d], [e, f, g, h]) in fours.iter().zip(queries) {
        let [first, second] = [add(parts, sums, a, *e), add(parts, [Four::all(0); 2], b, *f)];
        let [third, fourth] = [add(parts, first, c, *g), add(parts, second, d, *h)];
        sums = [third[0].plus(fourth[0]), third[1].plus(fourth[1])];
    }
    for (value, query) in rest.iter().zip(last) {
        sums = add(parts, sums, value, *query);
    }
    sums
}

#[inline(always)]
fn add<T: Eightfold>(parts: Parts, sums: [Four; 2], value: &T, query: Eight) -> [Four; 2] {
    [sums[0].plus(part(parts, value.differences(0, query))), sums[1].plus(part(parts, value.differences(1, query)))]
}

#[inline(always)]
fn part(parts: Parts, difference: Eight) -> Four {
    match parts {
        Parts::Squares => difference.squares(),
        Parts::Magnitudes => difference.magnitudes(),
    }
}

/// Eight pairs of numbers, in two vectors.
fn interleaved(pair: impl Fn(usize) -> [i16; 2]) -> [Eight; 2] {
    [0, 4].map(|first| Eight::new(std::array::from_fn(|place| pair(first + place / 2)[place % 2])))
}

/// Makes a side, its least numbers and then its greatest, hold these as well.
fn widen(side: &mut [i16], least: &[i16], greatest: &[i16]) {
    let (own_least, own_greatest) = side.split_at_mut(least.len());
    own_least.iter_mut().zip(least).for_each(|(own, other)| *own = (*own).min(*other));
    own_greatest.iter_mut().zip(greatest).for_each(|(own, other)| *own = (*own).max(*other));
}

/// How values become numbers.
#[derive(Debug)]
struct Scale {
    /// What is number 0 of a feature.
    middles: Vec<f64>,
    /// One over the step.
    per_step: f64,
    /// The greatest number: a whole one.
    most: f64,
    /// By how many steps a distance can be off, by [`Parts`]: the root of the number of features, and that number.
    slack: [f64; 2],
}

/// How many steps the usual leaf is long, for each feature: few enough that queries far out have a number as well.
const FINE: f64 = 512.0;

/// Rows that are looked at to see where most of them are.
const SAMPLE: usize = 4_096;

impl Scale {
    /// The steps are fine beside the usual leaf, but so long that most rows are in reach.
    fn of(width: usize, rows: &[f64], shape: Shape) -> Self {
        // A sum of as many squares of differences stays below 2^31, and a difference below 2^15.
        let most = ((f64::from(i32::MAX) / width.max(2) as f64).sqrt() / 2.0).floor();
        let spans: Vec<Span> = (0..width).map(|feature| Span::of(width, rows, feature)).collect();
        let longest = |length: fn(&Span) -> f64| spans.iter().map(length).fold(0.0, f64::max);
        // Where most rows are equal, the others decide.
        let half = [longest(|span| span.half), longest(|span| span.whole)].into_iter().find(|half| *half > 0.0).unwrap_or(1.0);
        let root = (width as f64).sqrt();
        let step = (2.0 * half / most).max(usual_leaf(width, rows, shape) / root / FINE).clamp(1e-300, 1e300);
        let slack = [root, width as f64].map(|steps| steps * (1.0 + 1e-9));
        Self { middles: spans.iter().map(|span| span.middle).collect(), per_step: 1.0 / step, most, slack }
    }

    /// How many steps a value is from the middle of its feature.
    #[inline(always)]
    fn steps(&self, value: f64, middle: f64) -> f64 {
        (value - middle) * self.per_step
    }

    /// The whole number beside.
    #[inline(always)]
    fn number(&self, steps: f64) -> i16 {
        // Positive before it is cut off, so that all are rounded in one direction.
        ((steps.clamp(-self.most, self.most) + self.most + 0.5) as i32 - self.most as i32) as i16
    }

    /// The numbers of a row; those of no feature stay as they are.
    fn numbers(&self, row: &[f64], into: &mut [i16]) {
        for ((value, middle), number) in row.iter().zip(&self.middles).zip(into) {
            *number = self.number(self.steps(*value, *middle));
        }
    }
}

/// Where the values of a feature are.
struct Span {
    /// Between the least and the greatest of most values.
    middle: f64,
    /// Half of the way between them.
    half: f64,
    /// Half of the way between the least and the greatest of all.
    whole: f64,
}

impl Span {
    fn of(width: usize, rows: &[f64], feature: usize) -> Self {
        let values = || rows.iter().skip(feature).step_by(width);
        let mut sample: Vec<f64> = values().step_by((rows.len() / width).div_ceil(SAMPLE).max(1)).copied().collect();
        sample.sort_unstable_by(f64::total_cmp);
        // Halved before they are subtracted, so that nothing overflows.
        let few = sample.len() / 200;
        let (least, greatest) = (sample[few] / 2.0, sample[sample.len() - 1 - few] / 2.0);
        let (first, last) =
            values().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| (least.min(*value), greatest.max(*value)));
        Self { middle: least + greatest, half: greatest - least, whole: last / 2.0 - first / 2.0 }
    }
}

/// The median of the leaves' diagonals.
fn usual_leaf(width: usize, rows: &[f64], shape: Shape) -> f64 {
    let diagonal = |leaf: usize| {
        let (first, end) = shape.rows(shape.leaves() + leaf);
        let side = |feature: usize| {
            let values = rows[first * width..end * width].iter().skip(feature).step_by(width);
            let (least, greatest) =
                values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| (least.min(*value), greatest.max(*value)));
            greatest - least
        };
        (0..width).map(|feature| side(feature) * side(feature)).sum::<f64>().sqrt()
    };
    let mut diagonals: Vec<f64> = (0..shape.leaves()).map(diagonal).collect();
    let middle = diagonals.len() / 2;
    *diagonals.select_nth_unstable_by(middle, f64::total_cmp).1
}
