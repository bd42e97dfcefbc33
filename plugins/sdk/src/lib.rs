//! Everything that the author of a detector plugin needs.
//!
//! Implement [`Detector`] for the fitted model and call [`export!`] once. The crate compiles natively as well, so that a detector's unit
//! tests are ordinary Rust tests; [`conformance`] holds the checks that every detector must pass.
//!
//! ```
//! use ndarray::{Array1, ArrayView2, Axis};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use synod_sdk::{Description, Detector, Error, Training, decode, encode};
//!
//! /// Scores a row by its distance from the training mean.
//! #[derive(Serialize, Deserialize)]
//! struct FromMean { mean: Vec<f64> }
//!
//! #[derive(Default, Deserialize, JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct Parameters {}
//!
//! impl Detector for FromMean {
//!     type Parameters = Parameters;
//!
//!     fn description() -> Description {
//!         Description { name: "from-mean", version: "1.0.0", summary: "distance from the mean", scaling: true, ..Description::default() }
//!     }
//!     fn fit(_: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
//!         let mean = training.rows.mean_axis(Axis(0)).ok_or_else(|| Error::Data("no rows".into()))?;
//!         Ok(Self { mean: mean.to_vec() })
//!     }
//!     fn to_bytes(&self) -> Vec<u8> { encode(1, self) }
//!     fn from_bytes(bytes: &[u8]) -> Result<Self, Error> { decode(1, bytes) }
//!     fn width(&self) -> usize { self.mean.len() }
//!     fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
//!         let distance = |row: ndarray::ArrayView1<'_, f64>| row.iter().zip(&self.mean).map(|(x, m)| (x - m).powi(2)).sum::<f64>().sqrt();
//!         Ok(rows.rows().into_iter().map(distance).collect())
//!     }
//! }
//! synod_sdk::export!(FromMean);
//! ```

pub mod conformance;
mod detector;
mod format;
#[doc(hidden)]
pub mod guest;
pub mod log;
pub mod logarithm;
#[cfg(not(target_arch = "wasm32"))]
pub mod measuring;

pub use detector::{Description, Detector, Error, Explanation, Feature, Part, Training};
pub use format::{Reader, Writer, decode, encode};
pub use ndarray;
pub use schemars;
pub use serde;
