//! What a team can set, and how it is written into a model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the raw score is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The mean squared difference between a row and the output, which has the row's width: an autoencoder.
    #[default]
    ReconstructionError,
    /// The output itself, one number a row.
    Output,
}

/// What a team can set in the configuration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Name of the graph's input that takes the rows. Empty: its only one.
    pub input: String,
    /// Name of the graph's output that the score is made of. Empty: its first.
    pub output: String,
    /// `reconstruction_error`: the mean squared difference between the row and the output. `output`: the output itself, one number a row.
    pub score: Score,
    /// Whether a reconstruction error is measured in standard deviations of the training rows, so that a feature with large units does
    /// not drown the others. Without effect for `score: output`.
    pub standardise: bool,
    /// Whether a higher output is more anomalous. If not, its sign is turned. Without effect for `score: reconstruction_error`.
    pub higher_is_anomalous: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { input: String::new(), output: String::new(), score: Score::default(), standardise: true, higher_is_anomalous: true }
    }
}
