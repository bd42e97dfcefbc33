//! Exact nearest neighbours among training rows, for the detectors that compare a row with them.
//!
//! [`Reference`] is the part of a model that keeps the rows: it merges equal ones, thins them where there are too many, and finds the
//! nearest of them, with the same bits in every batch and on every machine. It does not know what a detector makes of the neighbours.

mod coarse;
mod eight;
mod frame;
mod metric;
mod nearest;
mod pair;
mod prepare;
mod reference;
mod settings;
mod shape;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tree;

pub use frame::{explain_each, score_each};
pub use metric::Metric;
pub use reference::{Found, Neighbour, Reference, Search};
pub use settings::{Count, Duplicates, MOST_ROWS, Settings};
