//! A version as an artifact.

use super::{Artifact, OciError, Part, PartKind, Shape};
use crate::bundle::{Bundle, BundleError, LARGEST_MANIFEST, LARGEST_MODEL, LARGEST_PLUGIN, MANIFEST, MODEL, PLUGIN, SIGNATURES};
use crate::manifest::WrittenManifest;
use std::collections::BTreeMap;
use synod_store::LARGEST_SIGNATURES;

const MANIFEST_TYPE: &str = "application/vnd.synod.manifest.v1+json";
const MODEL_TYPE: &str = "application/vnd.synod.model.v1";
/// What WebAssembly's own artifacts have.
pub(super) const WASM_TYPE: &str = "application/wasm";
pub(super) const SIGNATURES_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

/// What a version consists of.
pub(super) const VERSION: Shape = Shape {
    kind: "application/vnd.synod.version.v1",
    called: "version of a detector's model",
    config: PartKind { media_type: MANIFEST_TYPE, title: MANIFEST, most: LARGEST_MANIFEST, required: true },
    layers: &[
        PartKind { media_type: MODEL_TYPE, title: MODEL, most: LARGEST_MODEL, required: true },
        PartKind { media_type: WASM_TYPE, title: PLUGIN, most: LARGEST_PLUGIN, required: true },
        PartKind { media_type: SIGNATURES_TYPE, title: SIGNATURES, most: LARGEST_SIGNATURES, required: false },
    ],
};

impl From<Bundle> for Artifact {
    fn from(bundle: Bundle) -> Self {
        let part = |media_type: &str, bytes: Vec<u8>| Part { media_type: media_type.into(), bytes };
        let manifest = bundle.manifest.manifest();
        let annotations = BTreeMap::from([
            ("org.opencontainers.image.title".into(), format!("detector {}", manifest.detector)),
            ("org.opencontainers.image.created".into(), manifest.created.clone()),
        ]);
        let layers = [
            Some(part(MODEL_TYPE, bundle.model)),
            Some(part(WASM_TYPE, bundle.plugin)),
            bundle.signatures.map(|bytes| part(SIGNATURES_TYPE, bytes)),
        ];
        let config = part(MANIFEST_TYPE, bundle.manifest.text().as_bytes().to_vec());
        Self { config, layers: layers.into_iter().flatten().collect(), annotations }
    }
}

impl Bundle {
    /// What an artifact holds that was pulled as a version.
    ///
    /// # Errors
    /// When its parts do not belong together.
    pub(super) fn of_artifact(mut artifact: Artifact) -> Result<Self, OciError> {
        let missing = |name: &str| OciError::Shape(format!("it has no `{name}`"));
        let manifest = WrittenManifest::read(&artifact.config.bytes).map_err(|source| BundleError::Json { part: MANIFEST, source })?;
        let model = artifact.take(MODEL_TYPE).ok_or_else(|| missing(MODEL))?;
        let plugin = artifact.take(WASM_TYPE).ok_or_else(|| missing(PLUGIN))?;
        let signatures = artifact.take(SIGNATURES_TYPE);
        Ok(Self { manifest, model, plugin, signatures }.belongs()?)
    }
}
