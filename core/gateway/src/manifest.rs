//! What is kept with a model: everything that its scores rest on.

use crate::config::Split;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_detection::{Calibration, Matrix, View};

/// The lineage of a model, and what it needs to be used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The detector that it was fitted for.
    pub detector: String,
    /// When, in RFC 3339.
    pub created: String,
    /// The version of Synod that fitted it.
    pub synod: String,
    /// The code that fitted it, which is the only one that may use it.
    pub plugin: PluginIdentity,
    /// The parameters, as configured.
    pub parameters: Value,
    /// SHA-256 of the foreign model, if there was one.
    pub artifact: Option<String>,
    /// The plugin's randomness.
    pub seed: u64,
    /// What it has learnt from.
    pub data: DataLineage,
    /// What it was kept from, for calibration.
    pub held_out: HeldOut,
    /// What it sees of a row.
    pub view: View,
    /// What its raw scores mean: those of the held-out rows, in their order.
    pub calibration: Calibration,
    /// Rows by which it is known whether the model scores as it did when it was fitted.
    #[serde(default, skip_serializing_if = "Golden::is_empty")]
    pub golden: Golden,
    /// Who made it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Who answers for it, and what it is for, as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The version from which it has learnt on, by the rows that `data` tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued_from: Option<u64>,
    /// Where the calibration comes from, if it was learnt again after the fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrated: Option<Recalibration>,
}

/// Rows as the plugin sees them, and the raw scores that the model gave them when it was fitted. Scores are the same bit for bit wherever the same
/// component runs, so that a model which gives others is not served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// The rows; a missing value is none.
    pub rows: Vec<Vec<Option<f64>>>,
    /// One for each row.
    pub scores: Vec<f64>,
}

impl Golden {
    /// Most rows: enough to tell models apart, few enough to be scored at every start.
    pub const MOST: usize = 16;

    /// Of rows and their scores.
    pub fn new(rows: &Matrix, scores: Vec<f64>) -> Self {
        let row = |row: usize| rows.row(row).iter().map(|value| Some(*value).filter(|value| value.is_finite())).collect();
        Self { rows: (0..scores.len()).map(row).collect(), scores }
    }

    /// Whether there are none, as in a model of before they were kept.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The values of all rows, one after the other.
    pub fn values(&self) -> Vec<f64> {
        self.rows.iter().flatten().map(|value| value.unwrap_or(f64::NAN)).collect()
    }
}

/// That a calibration was learnt again, from rows that the fit knew nothing of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recalibration {
    /// The version whose model it is.
    pub of_version: u64,
    /// When, in RFC 3339.
    pub created: String,
    /// The rows: a file's name, or `decisions`.
    pub rows: String,
    /// SHA-256 of the file; empty for decisions.
    pub sha256: String,
    /// Earliest and latest event, in RFC 3339, if that is known.
    pub period: Option<(String, String)>,
}

/// Which code it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginIdentity {
    /// The plugin's own name.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// SHA-256 of the component.
    pub sha256: String,
}

/// What a model has learnt from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataLineage {
    /// The file's name, without its folder.
    pub file: String,
    /// SHA-256 of the file as it is on disk.
    pub sha256: String,
    /// Rows in the file.
    pub rows: usize,
    /// Rows that were left out by request, as labelled anomalies.
    pub excluded: usize,
    /// Rows that were left out because an earlier model had flagged them.
    #[serde(default)]
    pub flagged: usize,
    /// Whether rows had weights.
    #[serde(default)]
    pub weighted: bool,
    /// Rows that the schema refused.
    pub invalid: usize,
    /// Rows that the model has learnt from.
    pub training: usize,
    /// Rows of the training part that lack a feature which the plugin needs.
    pub incomplete: usize,
    /// Earliest and latest event, in RFC 3339, if the schema has a time.
    pub period: Option<(String, String)>,
}

/// The rows that calibrate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// How they were chosen.
    pub split: Split,
    /// Identifies them: detectors with the same digest were calibrated on the same rows.
    pub digest: String,
    /// Whether they were declared free of anomalies.
    #[serde(default)]
    pub clean: bool,
    /// Raw scores of rows that were left out of the fit by request, in the share in which they come beside the held-out ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<f64>,
}
