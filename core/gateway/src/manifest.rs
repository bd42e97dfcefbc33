//! What is kept with a model: everything that its scores rest on.

use crate::config::Split;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use synod_detection::{Calibration, View};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOut {
    /// How they were chosen.
    pub split: Split,
    /// Identifies them: detectors with the same digest were calibrated on the same rows.
    pub digest: String,
}
