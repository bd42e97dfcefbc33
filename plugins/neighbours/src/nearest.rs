//! The nearest rows found so far.

use std::{cmp::Ordering, collections::BinaryHeap, mem};

/// A training row and how far it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// As a sum over the features; see [`Distance::root`](crate::metric::Distance::root).
    pub(crate) sum: f64,
    /// The row's index. Of equally near rows the lower is the nearer.
    pub(crate) index: u32,
    /// The row's position in the tree.
    pub(crate) position: u32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        // Sums are not negative, and ordered as their bits are.
        self.sum.to_bits().cmp(&other.sum.to_bits()).then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

/// Keeps the nearest of the candidates that it is offered. Which they are does not depend on the order of the offers.
#[derive(Debug)]
pub(crate) struct Nearest {
    wanted: usize,
    heap: BinaryHeap<Candidate>,
    sorted: Vec<Candidate>,
}

impl Nearest {
    /// Keeps `wanted` candidates, at least 1.
    pub(crate) fn new(wanted: usize) -> Self {
        Self { wanted, heap: BinaryHeap::with_capacity(wanted), sorted: Vec::new() }
    }

    /// Forgets everything, and keeps `wanted` candidates from now on.
    pub(crate) fn clear(&mut self, wanted: usize) {
        self.wanted = wanted;
        // The heap takes back the memory that `sorted` got from it.
        if self.heap.capacity() == 0 {
            self.heap = mem::take(&mut self.sorted).into();
        }
        self.heap.clear();
        self.sorted.clear();
    }

    /// How many candidates are kept.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }

    /// The sum beyond which no candidate is kept any more.
    pub(crate) fn limit(&self) -> f64 {
        if self.heap.len() < self.wanted { f64::INFINITY } else { self.heap.peek().map_or(f64::INFINITY, |worst| worst.sum) }
    }

    /// Keeps the candidate if it is near enough, and returns the new [`Nearest::limit`].
    pub(crate) fn offer(&mut self, candidate: Candidate) -> f64 {
        if self.heap.len() < self.wanted {
            self.heap.push(candidate);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
        self.limit()
    }

    /// Keeps the nearest of these and of no others. That is faster where they are few more than wanted.
    pub(crate) fn choose(&mut self, candidates: impl Iterator<Item = Candidate>) {
        if self.sorted.capacity() == 0 {
            self.sorted = mem::take(&mut self.heap).into_vec();
        }
        self.sorted.clear();
        self.sorted.extend(candidates);
        self.sorted.sort_unstable();
        self.sorted.truncate(self.wanted);
    }

    /// The candidates, nearest first, and forgets them.
    pub(crate) fn take(&mut self) -> &mut [Candidate] {
        if !self.heap.is_empty() {
            self.sorted = mem::take(&mut self.heap).into_sorted_vec();
        }
        &mut self.sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_nearest_and_of_equals_the_first() {
        let mut nearest = Nearest::new(4);
        for turn in 0..3 {
            nearest.clear(4);
            let order: [u32; 6] = if turn == 1 { [5, 4, 3, 2, 1, 0] } else { [3, 0, 4, 2, 5, 1] };
            let offers = order.map(|index| Candidate { sum: f64::from(index / 2 % 2), index, position: 0 });
            let limits = offers.map(|offer| nearest.offer(offer));
            assert_eq!((limits[2], limits[5]), (f64::INFINITY, 0.0));
            // Sums: 0 for 0, 1, 4 and 5; 1 for 2 and 3.
            assert_eq!(nearest.take().iter().map(|kept| kept.index).collect::<Vec<_>>(), [0, 1, 4, 5]);
        }
        nearest.clear(4);
        for index in [9, 7, 8, 5, 6] {
            nearest.offer(Candidate { sum: 2.0, index, position: 0 });
        }
        assert_eq!(nearest.take().iter().map(|kept| kept.index).collect::<Vec<_>>(), [5, 6, 7, 8]);
    }
}
