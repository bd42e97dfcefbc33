//! History: what a row is judged in the light of. For every key (an account, a device, a pair of fields) the latest events are kept, and
//! a feature asks something of them: how many in seven days, the mean of the last five amounts, whether this device was seen before.
//!
//! - **No look-ahead.** The value at time t is taken from events of that key with a time strictly before t. Two events of one moment do not
//!   see each other, whichever came first.
//! - **Exact.** Windows slide over the events themselves, not over buckets; sums are added up in the order of time, so that the same
//!   events give the same bits, offline and online, before and after a restart.
//! - **Order does not matter, as far as it can.** What is kept is a function of the *set* of events: those that a row within the stated
//!   lateness may ask for, and of these the latest [`Bounds::events`]. An event that comes late takes its place among the others. A row
//!   that was judged before it is not judged again.
//! - **Later than the lateness.** Such a row is judged by what is still kept, and remembered if it is not older than all of that. It is
//!   reported as [`Seen::late`].
//! - **Realms.** Rows of one realm (a tenant's) never see those of another, also where all their keys are the same.
//! - **Bounded.** At most [`Bounds::events`] events for a key and [`Bounds::entities`] keys; a key that was not used lately makes room.

mod aggregate;
mod events;
mod memory;
mod plan;
mod snapshot;

pub use aggregate::{Aggregate, Window};
pub use memory::{Bounds, Histories, HistoryFacts, Remembered, Seen};
pub use plan::{HistoryPlan, KeySize, Past, Realm};
pub use snapshot::SnapshotError;

/// The values of all history features for some rows; row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PastValues {
    width: usize,
    values: Vec<f64>,
    /// How each row stood to the history.
    seen: Vec<Seen>,
}

impl PastValues {
    /// No values yet, for rows of so many.
    pub fn new(width: usize) -> Self {
        Self { width, values: Vec::new(), seen: Vec::new() }
    }

    /// The values of so many rows where there are no history features.
    pub fn none(rows: usize) -> Self {
        Self { width: 0, values: Vec::new(), seen: vec![Seen::default(); rows] }
    }

    /// A row's values; empty if there are no history features.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// How a row stood to the history.
    pub fn seen(&self, row: usize) -> Seen {
        self.seen[row]
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.seen.len()
    }

    /// The values of these rows, in their order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|row| self.row(*row).iter().copied()).collect();
        Self { width: self.width, values, seen: rows.iter().map(|row| self.seen[*row]).collect() }
    }

    /// Appends a row's values, which `fill` pushes.
    pub(crate) fn push(&mut self, fill: impl FnOnce(&mut Vec<f64>) -> Seen) {
        let seen = fill(&mut self.values);
        self.seen.push(seen);
        debug_assert_eq!(self.values.len(), self.seen.len() * self.width);
    }
}

#[cfg(test)]
mod tests;
