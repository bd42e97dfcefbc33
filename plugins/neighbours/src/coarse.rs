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
use std::{collections::BinaryHeap, ops::Range};

/// How a metric's sum is computed from steps.
pub(crate) trait Parts {
    /// Of each two differences that lie side by side, what they add to the sum.
    fn part(differences: Eight) -> Four;

    /// By how much a row's distance and its sum of steps can be at odds, for so many features, so that they can be compared: in roots of
    /// sums for squares.
    fn slack(features: f64) -> f64;

    /// What a sum is at most, if it is at odds with another by twice the slack.
    fn farther(sum: f64, slack: f64) -> f64;
}

/// Squared differences.
#[derive(Debug)]
pub(crate) struct Squares;

impl Parts for Squares {
    #[inline(always)]
    fn part(differences: Eight) -> Four {
        differences.squares()
    }

    /// By the triangle inequality, where each of the differences is off by a step; and some more for rounding.
    fn slack(features: f64) -> f64 {
        features.sqrt() + 1e-3
    }

    #[inline(always)]
    fn farther(sum: f64, slack: f64) -> f64 {
        let root = sum.sqrt() + 2.0 * slack;
        root * root
    }
}

/// Differences without their sign.
#[derive(Debug)]
pub(crate) struct Magnitudes;

impl Parts for Magnitudes {
    #[inline(always)]
    fn part(differences: Eight) -> Four {
        differences.magnitudes()
    }

    fn slack(features: f64) -> f64 {
        features + 1.0
    }

    #[inline(always)]
    fn farther(sum: f64, slack: f64) -> f64 {
        sum + 2.0 * slack
    }
}

/// The copy.
#[derive(Debug)]
pub(crate) struct Coarse {
    shape: Shape,
    rows: usize,
    scale: Scale,
    /// How many pairs of features there are; where one is left over, zeros are the other.
    pairs: usize,
    /// Pair `p` of the rows of group `g` is at `g * pairs + p`, the two features of a row side by side.
    groups: Vec<[Eight; 2]>,
    /// A bit for each row of a group that is farther out than the numbers reach.
    beyond: Vec<u8>,
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

/// The memory of a search, and the rows that it lists.
#[derive(Debug, Default)]
pub(crate) struct Shortlist {
    query: Vec<Eight>,
    wanted: usize,
    except: Option<u32>,
    /// Of the metric; see [`Parts::slack`].
    slack: f64,
    /// The least sums so far of rows in reach, as many as neighbours are wanted.
    sums: BinaryHeap<i32>,
    /// Up to which sum of steps rows are listed.
    limit: i32,
    rows: Vec<(i32, u32)>,
}

impl Shortlist {
    /// With memory for so many neighbours and the rows that are usually listed with them.
    pub(crate) fn new(wanted: usize) -> Self {
        let (sums, rows) = (BinaryHeap::with_capacity(wanted), Vec::with_capacity(4 * wanted.min(256)));
        Self { sums, rows, ..Self::default() }
    }

    fn clear(&mut self, wanted: usize, except: Option<u32>, slack: f64) {
        (self.wanted, self.except, self.slack, self.limit) = (wanted, except, slack, i32::MAX);
        self.sums.clear();
        self.rows.clear();
    }

    #[inline(always)]
    fn add(&mut self, sum: i32) {
        if self.sums.len() < self.wanted {
            self.sums.push(sum);
        } else if let Some(mut greatest) = self.sums.peek_mut()
            && sum < *greatest
        {
            *greatest = sum;
        }
    }

    /// The positions of the rows that may be among the nearest.
    pub(crate) fn positions(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.iter().map(|(_, position)| *position)
    }
}

/// A search is given up where more rows are listed than this many times the wanted ones and this many.
const MANY: usize = 16;

/// The most nodes that can wait: seven of each level, and eight of the last. A tree of 2^32 leaves has eleven.
const WAITING: usize = 96;

impl Coarse {
    /// The copy of rows that lie one behind the other, in the order of the tree, with boxes where there are leaves to choose from.
    pub(crate) fn new(width: usize, rows: &[f64], shape: Shape, boxed: bool) -> Self {
        let pairs = width.div_ceil(2);
        let mut coarse = Self {
            shape,
            rows: rows.len() / width,
            scale: Scale::of(width, rows, shape),
            pairs,
            groups: Vec::with_capacity(shape.groups * pairs),
            beyond: Vec::with_capacity(shape.groups),
            boxes: Vec::new(),
            topmost: 0,
            first_leaf: 0,
        };
        // What the last group lacks in rows is left from the group before.
        let mut numbers = vec![0; LANES * 2 * pairs];
        for group in rows.chunks(LANES * width) {
            let mut beyond = 0;
            for (lane, (row, numbers)) in group.chunks(width).zip(numbers.chunks_exact_mut(2 * pairs)).enumerate() {
                beyond |= u8::from(!coarse.scale.numbers(row, numbers)) << lane;
            }
            coarse.beyond.push(beyond);
            let two = |row: usize, pair: usize| [numbers[2 * (row * pairs + pair)], numbers[2 * (row * pairs + pair) + 1]];
            coarse.groups.extend((0..pairs).map(|pair| interleaved(|row| two(row, pair))));
        }
        if boxed && shape.levels > 0 {
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

    /// Lists the rows that may be among the `wanted` nearest to a row, the one at the position `except` left out. Says whether it could: a
    /// row that is farther out than the numbers reach, or among so many others that the steps do not tell them apart, is better searched
    /// for without.
    #[inline(never)]
    pub(crate) fn list<P: Parts>(&self, row: &[f64], wanted: usize, except: Option<u32>, list: &mut Shortlist) -> bool {
        if !self.query(row, &mut list.query) {
            return false;
        }
        list.clear(wanted, except, P::slack(self.scale.middles.len() as f64));
        if self.boxes.is_empty() {
            self.list_groups::<P>(0..self.shape.groups, list);
        } else {
            self.descend::<P>(list);
        }
        let limit = list.limit;
        list.rows.retain(|(sum, _)| *sum <= limit);
        limit >= 0
    }

    /// The numbers of a row that neighbours are searched for, each pair four times; and whether the row is in reach.
    fn query(&self, row: &[f64], into: &mut Vec<Eight>) -> bool {
        let mut near = true;
        let mut number = |feature: usize| {
            let steps = self.scale.steps(row[feature], self.scale.middles[feature]);
            near &= steps.abs() <= self.scale.most;
            self.scale.number(steps)
        };
        into.clear();
        into.extend((0..self.pairs).map(|pair| {
            let first = number(2 * pair);
            let second = if 2 * pair + 1 < row.len() { number(2 * pair + 1) } else { 0 };
            Eight::new([first, second, first, second, first, second, first, second])
        }));
        near
    }

    /// Visits leaves, the nearest children first, and leaves out what lies beyond the limit.
    fn descend<P: Parts>(&self, list: &mut Shortlist) {
        // A bound and below it, in bits, its node.
        let mut waiting = [0_u64; WAITING];
        let mut count = 1;
        while count > 0 {
            count -= 1;
            let (bound, node) = ((waiting[count] >> 32) as i32, waiting[count] as u32 as usize);
            if bound > list.limit {
                continue;
            }
            if node >= self.first_leaf {
                self.list_groups::<P>(self.shape.groups_of_leaf(node - self.first_leaf), list);
                continue;
            }
            let bounds = self.bounds::<P>(&list.query, node);
            let mut near = not_above(bounds, list.limit);
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

    /// Lists the rows of these groups that are not above the limit. A function of its own, because the sandbox's compiler then finds
    /// registers for what its loop needs.
    #[inline(never)]
    fn list_groups<P: Parts>(&self, groups: Range<usize>, list: &mut Shortlist) {
        let rows = &self.groups[groups.start * self.pairs..groups.end * self.pairs];
        // Four pairs in the same registers all the time.
        if let ([query], []) = list.query.as_chunks::<4>() {
            let query = *query;
            for (group, rows) in groups.zip(rows.as_chunks::<4>().0) {
                self.list_group::<P>(group, sum_of_four::<P, _>(rows, &query), list);
            }
        } else {
            for (group, rows) in groups.zip(rows.chunks_exact(self.pairs)) {
                self.list_group::<P>(group, sum::<P, _>(rows, &list.query), list);
            }
        }
    }

    #[inline(always)]
    fn list_group<P: Parts>(&self, group: usize, sums: [Four; 2], list: &mut Shortlist) {
        let near = not_above(sums, list.limit);
        if near != 0 {
            self.list_rows::<P>(group, near, sums.map(Four::numbers), list);
        }
    }

    /// Lists those rows of a group that have a bit.
    #[allow(clippy::too_many_arguments)]
    #[inline(never)]
    fn list_rows<P: Parts>(&self, group: usize, mut near: u32, sums: [[i32; 4]; 2], list: &mut Shortlist) {
        let beyond = self.beyond[group];
        while near != 0 {
            let lane = near.trailing_zeros() as usize;
            near &= near - 1;
            let (sum, position) = (sums[lane / 4 % 2][lane % 4], (group * LANES + lane) as u32);
            if position as usize >= self.rows || list.except == Some(position) {
                continue;
            }
            list.rows.push((sum, position));
            if beyond >> lane & 1 == 0 {
                list.add(sum);
            }
        }
        if list.rows.len() > MANY * (list.wanted + MANY) {
            list.limit = -1;
        } else if list.sums.len() == list.wanted {
            list.limit = limit::<P>(list.slack, *list.sums.peek().unwrap_or(&i32::MAX));
        }
    }

    /// What the sums of rows in the boxes below a node are at least.
    #[inline(always)]
    fn bounds<P: Parts>(&self, query: &[Eight], node: usize) -> [Four; 2] {
        sum::<P, _>(&self.boxes[node * self.pairs..][..self.pairs], query)
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
fn sum<P: Parts, T: Eightfold>(values: &[T], query: &[Eight]) -> [Four; 2] {
    let mut sums = [Four::all(0); 2];
    let (fours, rest) = values.as_chunks::<4>();
    let (queries, last) = query.as_chunks::<4>();
    for (values, queries) in fours.iter().zip(queries) {
        let four = sum_of_four::<P, _>(values, queries);
        sums = [sums[0].plus(four[0]), sums[1].plus(four[1])];
    }
    for (value, query) in rest.iter().zip(last) {
        sums = add::<P, _>(sums, value, *query);
    }
    sums
}

#[inline(always)]
fn sum_of_four<P: Parts, T: Eightfold>([a, b, c, d]: &[T; 4], [e, f, g, h]: &[Eight; 4]) -> [Four; 2] {
    let none = [Four::all(0); 2];
    add::<P, _>(add::<P, _>(add::<P, _>(add::<P, _>(none, a, *e), b, *f), c, *g), d, *h)
}

/// The sum of steps that a row can have at the most, if it is among the nearest and this is the greatest of as many sums of rows in reach.
#[inline(always)]
fn limit<P: Parts>(slack: f64, sum: i32) -> i32 {
    (P::farther(f64::from(sum), slack) as i32).saturating_add(1)
}

#[inline(always)]
fn add<P: Parts, T: Eightfold>(sums: [Four; 2], value: &T, query: Eight) -> [Four; 2] {
    [sums[0].plus(P::part(value.differences(0, query))), sums[1].plus(P::part(value.differences(1, query)))]
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
        let step = (2.0 * half / most).max(usual_leaf(width, rows, shape) / root / FINE).clamp(1e-150, 1e140);
        Self { middles: spans.iter().map(|span| span.middle).collect(), per_step: 1.0 / step, most }
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

    /// The numbers of a row, and whether all are in reach; those of no feature stay as they are.
    fn numbers(&self, row: &[f64], into: &mut [i16]) -> bool {
        let mut near = true;
        for ((value, middle), number) in row.iter().zip(&self.middles).zip(into) {
            let steps = self.steps(*value, *middle);
            near &= steps.abs() <= self.most;
            *number = self.number(steps);
        }
        near
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

#[cfg(test)]
mod tests;
