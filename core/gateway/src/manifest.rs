//! What is kept with a model: everything that its scores rest on.

use crate::config::Split;
use crate::hexadecimal::digest_of_bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
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

/// A manifest with the text in which it is written, to the byte: that is what is signed, carried elsewhere, and kept there as it came.
#[derive(Debug, Clone)]
pub struct WrittenManifest {
    text: Box<RawValue>,
    manifest: Manifest,
}

impl WrittenManifest {
    /// Writes a manifest.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn of(manifest: Manifest) -> Result<Self, serde_json::Error> {
        Ok(Self { text: serde_json::value::to_raw_value(&manifest)?, manifest })
    }

    /// Reads one. What stands around the JSON value is no part of it, and is refused.
    ///
    /// # Errors
    /// When it is no manifest.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let text: Box<RawValue> = serde_json::from_slice(bytes)?;
        if text.get().len() != bytes.len() {
            return Err(serde_json::Error::custom("there is something around the manifest"));
        }
        Self::with(text)
    }

    fn with(text: Box<RawValue>) -> Result<Self, serde_json::Error> {
        Ok(Self { manifest: serde_json::from_str(text.get())?, text })
    }

    /// What it says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it says, without its text.
    pub fn into_manifest(self) -> Manifest {
        self.manifest
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.text.get()
    }

    /// SHA-256 of the text, 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        digest_of_bytes(self.text().as_bytes())
    }

    /// The same manifest for a detector of this name; everything else stays as it was written.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn renamed(&self, detector: &str) -> Result<Self, serde_json::Error> {
        let mut tree: Value = serde_json::from_str(self.text())?;
        tree["detector"] = detector.into();
        Self::with(serde_json::value::to_raw_value(&tree)?)
    }
}

impl Serialize for WrittenManifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WrittenManifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::with(Box::<RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
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
