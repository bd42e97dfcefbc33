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
    /// Whether the raw score is made of each feature by itself, blind to how they go together.
    pub univariate: bool,
    /// Whether [`Training::artifact`] must be there. A plugin that can do with and without one says so in the schema of its parameters:
    /// `#[schemars(extend("x-artifact" = "optional"))]`.
    pub artifact: bool,
    /// Whether [`Training::weights`] are taken.
    pub weights: bool,
    /// Whether [`Training::part`] is taken, and [`Detector::merge`] implemented.
    pub parts: bool,
    /// Whether [`Training::previous`] is taken.
    pub continues: bool,
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
            univariate: false,
            artifact: false,
            weights: false,
            parts: false,
            continues: false,
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

/// What a column of the rows is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// As people know it, for messages.
    pub name: String,
    /// 0 for a number. Otherwise how many categories there are, and values are their codes, 0 to `categories - 1`, of which the last one
    /// stands for every category that was not known when the codes were made. Codes have no order.
    pub categories: u32,
}

/// A fit that is shared by several instances: each has the same training, and learns its part of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// 0 to `count - 1`.
    pub index: u32,
    /// How many parts there are, at least 1.
    pub count: u32,
}

impl Part {
    /// Which of so many things (trees, for instance) this part has to learn.
    pub fn of(self, things: u32) -> std::ops::Range<u32> {
        let until = |index: u32| (u64::from(things) * u64::from(index) / u64::from(self.count)) as u32;
        until(self.index)..until(self.index + 1)
    }
}

impl Default for Part {
    /// The whole.
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

/// What a model is learnt from.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// Rows by features. Finite, but for NaN where the description takes missing values.
    pub rows: ArrayView2<'a, f64>,
    /// What the columns of the rows are. Empty, or one for each.
    pub features: &'a [Feature],
    /// How much each row counts, positive and finite; only where the description takes weights.
    pub weights: Option<&'a [f64]>,
    /// Which part of the model to learn; the whole unless the description says that there can be parts.
    pub part: Part,
    /// The bytes of a model of the same parameters and features to go on from; only where the description says that a fit can. What is learnt is
    /// then the model after these rows as well, no larger than the parameters allow, and the rows may be fewer than the description's
    /// `minimum_rows`. Models are never changed by scoring: learning on is a fit, and makes another version.
    pub previous: Option<&'a [u8]>,
    /// The only source of randomness: the same training must give the same model.
    pub seed: u64,
    /// The bytes of a foreign model, if the configuration names one.
    pub artifact: Option<&'a [u8]>,
    /// The names of the parameters that the configuration sets, whatever it sets them to; the others have their defaults.
    pub given: &'a [String],
}

impl<'a> Training<'a> {
    /// Rows, and nothing else but the seed.
    pub fn new(rows: ArrayView2<'a, f64>, seed: u64) -> Self {
        Self { rows, features: &[], weights: None, part: Part::default(), previous: None, seed, artifact: None, given: &[] }
    }
}

/// Why rows have their raw scores: for each row, `base` and its contributions add up to its raw score.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The raw score of a row about which nothing is known; the same for all rows of a model.
    pub base: f64,
    /// What each feature contributed to its row's raw score; the shape of the rows.
    pub contributions: Array2<f64>,
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

    /// Makes one model of the parts of a fit, in their order: the one that the undivided fit would have given.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless implemented.
    fn merge(parts: Vec<Self>) -> Result<Self, Error> {
        drop(parts);
        Err(Error::Unsupported)
    }

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

    /// What each feature contributed to its row's raw score.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless implemented.
    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
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
