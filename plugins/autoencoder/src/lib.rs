//! A dense autoencoder: a network that learns to reproduce ordinary rows through a narrow layer. The raw score of a row is the mean over its
//! features of the squared difference between the standardised row and its reconstruction (Sakurada and Yairi, "Anomaly Detection Using
//! Autoencoders with Nonlinear Dimensionality Reduction", 2014, section 2): what the network has not learnt to reproduce is anomalous.
//!
//! Rows are standardised inside the model, so their units do not matter. All arithmetic on weights is single precision in one fixed order:
//! a row's score is the same bits alone and in any batch, natively and in the sandbox.

mod activation;
mod adam;
mod error;
mod export;
mod model;
mod network;
mod parameters;
mod protobuf;
mod random;
mod scale;
mod scoring;
mod training;

pub use activation::Activation;
pub use error::FeatureError;
pub use model::Autoencoder;
pub use parameters::{Parameters, default_hidden};

synod_sdk::export!(Autoencoder);
