//! The rows that were judged, column by column: there may be millions.

use crate::engine::JudgedRow;
use synod_detection::{Verdict, Vote};

/// Rows as they would have been judged at their time, in the order of the periods, and of the file within one.
#[derive(Debug)]
pub(super) struct JudgedRows {
    /// Where each row stands in the batch.
    pub(super) places: Vec<usize>,
    /// The number of its period.
    pub(super) periods: Vec<usize>,
    /// The truth.
    pub(super) labels: Vec<bool>,
    /// What it costs to miss it, if it is an anomaly.
    pub(super) missed: Vec<f64>,
    /// The consensus.
    pub(super) verdicts: Vec<Verdict>,
    /// For each detector its vote on each row; none where it abstained.
    pub(super) votes: Vec<Vec<Option<Vote>>>,
}

impl JudgedRows {
    /// No rows, for so many detectors.
    pub(super) fn new(detectors: usize) -> Self {
        Self {
            places: Vec::new(),
            periods: Vec::new(),
            labels: Vec::new(),
            missed: Vec::new(),
            verdicts: Vec::new(),
            votes: vec![Vec::new(); detectors],
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Adds a row with its truth: whether it is an anomaly, and what it would cost to miss it.
    pub(super) fn push(&mut self, place: usize, period: usize, row: &JudgedRow, (label, missed): (bool, f64)) {
        self.places.push(place);
        self.periods.push(period);
        self.labels.push(label);
        self.missed.push(missed);
        self.verdicts.push(row.verdict);
        for (votes, ballot) in self.votes.iter_mut().zip(&row.ballots) {
            votes.push(ballot.vote().copied());
        }
    }
}
