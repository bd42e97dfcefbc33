//! A plugin alone as an artifact: the component, and who vouches for it.

use super::version::{SIGNATURES_TYPE, WASM_TYPE};
use super::{Artifact, OciError, Part, PartKind, Shape};
use crate::bundle::{LARGEST_PLUGIN, PLUGIN, SIGNATURES};
use std::collections::BTreeMap;
use synod_store::LARGEST_SIGNATURES;

/// The type of a config that says nothing (image specification, "Guidance for an empty descriptor").
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// What a plugin consists of.
pub(super) const SHAPE: Shape = Shape {
    kind: "application/vnd.synod.plugin.v1",
    called: "plugin",
    config: PartKind { media_type: EMPTY_TYPE, title: "config", most: 2, required: true },
    layers: &[
        PartKind { media_type: WASM_TYPE, title: PLUGIN, most: LARGEST_PLUGIN, required: true },
        PartKind { media_type: SIGNATURES_TYPE, title: SIGNATURES, most: LARGEST_SIGNATURES, required: false },
    ],
};

/// A plugin that is carried elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginBundle {
    /// The component.
    pub component: Vec<u8>,
    /// Who vouches for it, if somebody does.
    pub signatures: Option<Vec<u8>>,
}

impl PluginBundle {
    /// As an artifact that shows this name and version.
    pub(super) fn artifact(self, name: &str, version: &str) -> Artifact {
        let part = |media_type: &str, bytes: Vec<u8>| Part { media_type: media_type.into(), bytes };
        let annotations = BTreeMap::from([
            ("org.opencontainers.image.title".into(), format!("plugin {name}")),
            ("org.opencontainers.image.version".into(), version.to_owned()),
        ]);
        let layers = [Some(part(WASM_TYPE, self.component)), self.signatures.map(|bytes| part(SIGNATURES_TYPE, bytes))];
        Artifact { config: part(EMPTY_TYPE, b"{}".to_vec()), layers: layers.into_iter().flatten().collect(), annotations }
    }

    /// What an artifact holds that was pulled as a plugin.
    ///
    /// # Errors
    /// When it has no component.
    pub(super) fn of_artifact(mut artifact: Artifact) -> Result<Self, OciError> {
        let component = artifact.take(WASM_TYPE).ok_or_else(|| OciError::Shape(format!("it has no `{PLUGIN}`")))?;
        Ok(Self { component, signatures: artifact.take(SIGNATURES_TYPE) })
    }
}
