//! The trait that a detector implements, after linfa's `Fit` and `Predict`: parameters and rows in, a fitted model out.

use ndarray::{Array2, ArrayView2};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::fmt;

/// What the platform must know of a plugin before it uses it.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The plugin's name, in kebab case.
    pub name: &'static str,
    /// The plugin's own version.
    pub version: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Fewest rows that [`Detector::fit`] accepts.
    pub minimum_rows: u32,
    /// Whether NaN is taken as "missing". If not, the platform refuses such rows before they arrive.
    pub missing_values: bool,
    /// Whether the answer depends on the units of the features.
    pub scaling: bool,
    /// Whether [`Training::artifact`] must be there.
    pub artifact: bool,
    /// Whether [`Detector::explain`] is implemented.
    pub explains: bool,
    /// Whether [`Detector::export_onnx`] is implemented.
    pub exports_onnx: bool,
}

impl Default for Description {
    fn default() -> Self {
        Self {
            name: "unnamed",
            version: "0.0.0",
            summary: "",
            minimum_rows: 1,
            missing_values: false,
            scaling: false,
            artifact: false,
            explains: false,
            exports_onnx: false,
        }
    }
}

/// What is wrong, in words that name the culprit and say how to mend it.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A parameter cannot be used with these rows.
    Parameters(String),
    /// The rows cannot be learnt from or scored.
    Data(String),
    /// The foreign model cannot be used.
    Artifact(String),
    /// The bytes are no model of this plugin, or of a version that it cannot read.
    Model(String),
    /// The plugin does not do this.
    Unsupported,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameters(text) | Self::Data(text) | Self::Artifact(text) | Self::Model(text) => f.write_str(text),
            Self::Unsupported => f.write_str("not supported by this plugin"),
        }
    }
}

impl std::error::Error for Error {}

/// What a model is learnt from.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// Rows by features. Finite, but for NaN where the description takes missing values.
    pub rows: ArrayView2<'a, f64>,
    /// The only source of randomness: the same training must give the same model.
    pub seed: u64,
    /// The bytes of a foreign model, if the configuration names one.
    pub artifact: Option<&'a [u8]>,
}

/// A fitted detector.
pub trait Detector: Sized + 'static {
    /// The parameters as written in the configuration. Derive `Deserialize` with `#[serde(default, deny_unknown_fields)]`, and
    /// `JsonSchema`, so that the platform can show them.
    type Parameters: DeserializeOwned + JsonSchema + Default;

    /// What the platform must know beforehand.
    fn description() -> Description;

    /// Every value of the parameters that is out of its range, in words that name the parameter. Called before [`Detector::fit`].
    fn check(parameters: &Self::Parameters) -> Vec<String> {
        let _ = parameters;
        Vec::new()
    }

    /// Learn from rows.
    ///
    /// # Errors
    /// When rows, parameters or the artifact do not fit together.
    fn fit(parameters: &Self::Parameters, training: &Training<'_>) -> Result<Self, Error>;

    /// The model as bytes, its format's version first.
    fn to_bytes(&self) -> Vec<u8>;

    /// The inverse of [`Detector::to_bytes`]. The bytes may be damaged: check every length and index.
    ///
    /// # Errors
    /// When the bytes are not such a model.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Error>;

    /// How many features a row has.
    fn width(&self) -> usize;

    /// One raw score a row, finite, higher is more anomalous. `rows` has [`Detector::width`] columns.
    ///
    /// # Errors
    /// When a row cannot be scored.
    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error>;

    /// What each feature contributed to its row's raw score; the shape of `rows`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless implemented.
    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Array2<f64>, Error> {
        let _ = rows;
        Err(Error::Unsupported)
    }

    /// The model as an ONNX file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless implemented.
    fn export_onnx(&self) -> Result<Vec<u8>, Error> {
        Err(Error::Unsupported)
    }
}
