//! The versions of models as people and programs are told of them.

use crate::manifest::Manifest;
use serde::Serialize;
use synod_store::{Registry, RegistryError};
use utoipa::ToSchema;

/// A version of a detector's model.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ModelVersion)]
pub struct Version {
    /// Whose.
    pub detector: String,
    /// Counts from 1 for each detector.
    pub version: u64,
    /// `live`, `previous`, `candidate`.
    pub labels: Vec<&'static str>,
    /// SHA-256 of the model.
    pub sha256: String,
    /// Bytes of the model.
    pub bytes: u64,
    /// When it was fitted, in RFC 3339.
    pub created: String,
    /// Who made it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub author: Option<String>,
    /// The plugin's name and version.
    pub plugin: String,
    /// The name of the file that it was fitted on, without its folder.
    pub data: String,
    /// Rows that it has learnt from.
    pub training_rows: usize,
    /// Rows that calibrate it.
    pub held_out_rows: usize,
    /// The version whose model it is, if only the calibration is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub recalibrated_from: Option<u64>,
}

/// All versions of a detector, in order.
///
/// # Errors
/// When the registry cannot be read.
pub fn versions(registry: &Registry, detector: &str) -> Result<Vec<Version>, RegistryError> {
    let labels = registry.labels_of(detector)?;
    let of = |version: u64| {
        let (published, manifest) = registry.manifest::<Manifest>(detector, Some(version))?;
        let named = [("live", labels.live), ("previous", labels.previous), ("candidate", labels.candidate)];
        Ok(Version {
            detector: detector.to_owned(),
            version,
            labels: named.into_iter().filter(|(_, of)| *of == Some(version)).map(|(label, _)| label).collect(),
            sha256: published.digest,
            bytes: published.size,
            created: manifest.created,
            author: manifest.author,
            plugin: format!("{} {}", manifest.plugin.name, manifest.plugin.version),
            data: manifest.data.file,
            training_rows: manifest.data.training,
            held_out_rows: manifest.calibration.held_out().len(),
            recalibrated_from: manifest.recalibrated.map(|recalibrated| recalibrated.of_version),
        })
    };
    registry.versions(detector)?.into_iter().map(of).collect()
}
