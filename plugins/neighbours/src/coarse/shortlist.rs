//! The rows that a search by steps lists.

use super::Parts;
use crate::eight::Eight;
use crate::shape::LANES;

/// The memory of a search, and the rows that it lists.
#[derive(Debug, Default)]
pub(crate) struct Shortlist {
    pub(super) query: Vec<Eight>,
    pub(super) wanted: usize,
    pub(super) except: Option<u32>,
    /// Of the metric; see [`Parts::slack`].
    slack: f64,
    /// Sums of rows in reach: when the limit was lowered, the least, as many as neighbours are wanted.
    pub(super) sums: Vec<i32>,
    /// With how many sums the limit is lowered again.
    pub(super) settled: usize,
    /// Up to which sum of steps rows are listed.
    pub(super) limit: i32,
    /// Sums of steps and positions.
    pub(super) rows: Vec<(i32, u32)>,
}

impl Shortlist {
    /// With memory for so many neighbours and the rows that are usually listed with them.
    pub(crate) fn new(wanted: usize) -> Self {
        let (sums, rows) = (Vec::with_capacity(2 * wanted + LANES), Vec::with_capacity(4 * wanted.min(256)));
        Self { sums, rows, ..Self::default() }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, wanted: usize, except: Option<u32>, slack: f64) {
        (self.wanted, self.except, self.slack, self.limit, self.settled) = (wanted, except, slack, i32::MAX, wanted);
        self.sums.clear();
        self.rows.clear();
    }

    /// Lowers the limit by the sums that are there, if they are enough. To do so for some at a time is faster than to keep them sorted.
    pub(super) fn settle<P: Parts>(&mut self) {
        if self.sums.len() >= self.wanted {
            let greatest = *self.sums.select_nth_unstable(self.wanted - 1).1;
            self.sums.truncate(self.wanted);
            self.settled = self.wanted + (self.wanted / 2).max(8);
            // What a row can have at the most, if it is among the nearest.
            self.limit = (P::farther(f64::from(greatest), self.slack) as i32).saturating_add(1);
        }
    }

    /// The positions of the rows that may be among the nearest.
    pub(crate) fn positions(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.iter().map(|(_, position)| *position)
    }
}
