//! Any ONNX graph as a detector, run by tract. The raw score is what the graph answers for a row, or how far its reconstruction is from the
//! row (Sakurada and Yairi, "Anomaly Detection Using Autoencoders with Nonlinear Dimensionality Reduction", 2014, section 2).
//!
//! Nothing is trained: `fit` checks that the graph and the rows fit together, learns the spread of the features, finds out whether the graph
//! can take many rows at once, and keeps the file in the model.

mod chain;
mod interface;
mod model;
mod parameters;
mod plan;
mod scaler;

pub use model::Onnx;
pub use parameters::{Parameters, Score};

synod_sdk::export!(Onnx);
