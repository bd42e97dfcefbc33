//! Votes as cells of a table: the same columns in every table that has them.

use synod_detection::Vote;
use synod_store::{Cell, ColumnSpec, Kind};

/// The columns of a detector's votes.
pub(super) fn columns(detector: &str) -> [ColumnSpec; 3] {
    let own = |what: &str, kind| ColumnSpec { name: format!("{detector}.{what}"), kind };
    [own("anomalous", Kind::Boolean), own("score", Kind::Number), own("raw_score", Kind::Number)]
}

/// The cells of a vote; all are empty where there is none.
pub(super) fn cells(vote: Option<&Vote>) -> [Cell; 3] {
    match vote {
        Some(vote) => [Cell::Boolean(vote.anomalous), Cell::Number(vote.score), Cell::Number(vote.raw_score)],
        None => [Cell::Missing, Cell::Missing, Cell::Missing],
    }
}
