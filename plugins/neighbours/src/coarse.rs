//! A coarse copy of the rows, whole numbers of 16 bits, that rules out most rows before their exact distances are computed (the idea of the
//! VA-file: Weber, Schek and Blott, "A Quantitative Analysis and Performance Study for Similarity-Search Methods in High-Dimensional Spaces",
//! VLDB 1998). It never rules out a row that belongs to the nearest: what remains is measured exactly, so that an answer does not show
//! whether there was a copy.
//!
//! A value becomes the number of steps that it is from the middle of its feature. The step is the same for all features, so that steps
//! can be added up. A difference of two such numbers is off by at most one step, half a step from each. What is farther out than the
//! numbers reach is put at their end, which makes differences smaller and never greater.

mod parts;
mod scale;
mod shortlist;

use crate::eight::{Eight, Four, not_above};
use crate::shape::{LANES, Shape};
pub(crate) use parts::{Magnitudes, Parts, Squares};
use scale::Scale;
pub(crate) use shortlist::Shortlist;
use std::ops::Range;

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

/// A search is given up where it lists more rows than this many times as many as are wanted and this many.
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
        if list.limit >= 0 {
            list.settle::<P>();
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
                list.sums.push(sum);
            }
        }
        if list.rows.len() > MANY * (list.wanted + MANY) {
            list.limit = -1;
        } else if list.sums.len() >= list.settled {
            list.settle::<P>();
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

#[cfg(test)]
mod tests;
