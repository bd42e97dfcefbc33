//! The versions of models as people and programs are told of them.

use crate::manifest::WrittenManifest;
use crate::signing::{Signatures, Subject, Trust};
use serde::Serialize;
use synod_store::{Labels, Registry, RegistryError};
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
    /// Who vouches for it.
    pub signatures: Signatures,
}

/// One version of a detector.
///
/// # Errors
/// When there is none, or the registry cannot be read.
pub fn version(registry: &Registry, trust: &Trust, labels: &Labels, version: u64) -> Result<Version, RegistryError> {
    let (published, manifest) = registry.manifest::<WrittenManifest>(&labels.detector, Some(version))?;
    let subject = Subject::of(&labels.detector, &manifest, &published.digest);
    let signatures = trust.tell(&subject, registry.signatures(&labels.detector, version)?.as_deref());
    let manifest = manifest.into_manifest();
    Ok(Version {
        detector: labels.detector.clone(),
        version,
        labels: labels.of(version),
        sha256: published.digest,
        bytes: published.size,
        created: manifest.created,
        author: manifest.author,
        plugin: format!("{} {}", manifest.plugin.name, manifest.plugin.version),
        data: manifest.data.file,
        training_rows: manifest.data.training,
        held_out_rows: manifest.calibration.held_out().len(),
        recalibrated_from: manifest.recalibrated.map(|recalibrated| recalibrated.of_version),
        signatures,
    })
}

/// All versions of a detector, in order.
///
/// # Errors
/// When the registry cannot be read.
pub fn versions(registry: &Registry, trust: &Trust, detector: &str) -> Result<Vec<Version>, RegistryError> {
    let labels = registry.labels_of(detector)?;
    registry.versions(detector)?.into_iter().map(|number| version(registry, trust, &labels, number)).collect()
}
