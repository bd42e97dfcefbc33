//! The Open Inference Protocol, version 2, without a transport: which models there are, from tensors to rows, from verdicts and votes to
//! tensors. It knows neither HTTP nor who calls.

mod cells;
mod datatype;
mod model;
mod output;
mod rows;
mod statistics;
mod tensor;

pub use datatype::Datatype;
pub use model::{Given, Model, NoModel, Taken, matrix, taken};
pub use output::{NotGiven, Output, Values, of_decisions, of_votes, selected};
pub use rows::{most_values, rows};
pub use statistics::{Counted, Statistics, Sum, Took};
pub use tensor::{Head, Room, Tensor};

/// The name of the model that is all detectors under the policy. No detector can have it.
pub const POLICY: &str = "policy";
/// Mistakes that are told of one request: after so many nobody reads on.
const MOST_MISTAKES: usize = 20;

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: a JSON pointer into the request.
    pub pointer: String,
    /// What is wrong, and what is allowed, with the name of the input or output.
    pub detail: String,
}

impl Mistake {
    /// Something that is wrong with an input.
    pub fn of_input(index: usize, name: &str, what: &str) -> Self {
        Self { pointer: format!("/inputs/{index}"), detail: format!("input `{}` {what}", shown(name)) }
    }

    /// Something that is wrong with a value of an input.
    fn of_row(index: usize, row: usize, field: &str, what: &str) -> Self {
        Self { pointer: format!("/inputs/{index}/data/{row}"), detail: format!("input `{}`, row {row}: {what}", shown(field)) }
    }

    /// Something that is wrong with what is asked for.
    fn of_output(index: usize, name: &str, what: &str) -> Self {
        Self { pointer: format!("/outputs/{index}"), detail: format!("output `{}` {what}", shown(name)) }
    }
}

/// A name that a client chose, cut to a bearable length.
pub fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}
