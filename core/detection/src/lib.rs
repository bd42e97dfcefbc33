//! What Synod decides, and nothing else: rows become features, raw scores become calibrated votes, votes become a verdict.
//!
//! This crate is pure. It does no input or output, reads no clock, starts no thread, and knows neither WebAssembly nor HTTP nor YAML:
//! the same arguments give the same answer, which is what makes a decision replayable.

mod batch;
mod breaker;
mod calendar;
mod calibration;
mod circuit;
mod consensus;
mod decode;
pub mod drift;
mod encoding;
mod expression;
mod feature;
pub mod history;
pub mod measure;
mod scale;
mod schema;
pub mod split;
mod threshold;
mod time;
mod value;
mod view;

pub use batch::{Batch, RowProblem, RowWriter};
pub use breaker::{Breaker, BreakerRule, Passage, Tally};
pub use calendar::{CalendarPart, Cyclic};
pub use calibration::{Calibrated, Calibration, score_of_share};
pub use circuit::{Circuit, CircuitRule};
pub use consensus::{Abstention, Ballot, Outcome, Policy, PolicyMistake, Reference, Rule, Sample, Verdict, Vote};
pub use decode::{Decoded, decode_rows, unknown_field};
pub use encoding::{Encoder, Encoding};
pub use expression::{Expression, ExpressionError};
pub use feature::{Definition, FeatureError, FittedFeature, Missing, Source};
pub use scale::{Scale, Scaling, quantile};
pub use schema::{Field, Kind, Schema, SchemaError, TimeFormat};
pub use threshold::Threshold;
pub use time::parse as moment;
pub use value::Value;
pub use view::{Matrix, Plan, Seen, Typical, View};
