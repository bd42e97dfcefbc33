//! What a manifest's file holds around the manifest: the format, the version, and which artifact belongs to it.

use super::{Published, RegistryError};
use crate::digest::is_sha256;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope<M> {
    format: u64,
    version: u64,
    pub(super) artifact: Artifact,
    pub(super) manifest: M,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Artifact {
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

/// Read first: of another format nothing else is known.
#[derive(Deserialize)]
struct Head {
    format: u64,
}

impl<M> Envelope<M> {
    pub(super) fn new(published: &Published, manifest: M) -> Self {
        let artifact = Artifact { sha256: published.digest.clone(), bytes: published.size };
        Self { format: FORMAT, version: published.version, artifact, manifest }
    }

    pub(super) fn to_text(&self) -> Result<Vec<u8>, serde_json::Error>
    where
        M: Serialize,
    {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads what a file under the name of `version` holds. The digest becomes a file name, so that it is checked to be one.
    pub(super) fn from_text(path: &Path, text: &[u8], version: u64) -> Result<Self, RegistryError>
    where
        M: DeserializeOwned,
    {
        let unreadable = |source| RegistryError::Manifest { path: path.to_owned(), source };
        let Head { format } = serde_json::from_slice(text).map_err(unreadable)?;
        if format != FORMAT {
            return Err(RegistryError::Format { path: path.to_owned(), found: format, known: FORMAT });
        }
        let envelope: Self = serde_json::from_slice(text).map_err(unreadable)?;
        let malformed = |problem| Err(RegistryError::Malformed { path: path.to_owned(), problem });
        if envelope.version != version {
            return malformed(format!("it says that it is version {}", envelope.version));
        }
        if !is_sha256(&envelope.artifact.sha256) {
            return malformed("the artifact's digest is no SHA-256".into());
        }
        Ok(envelope)
    }
}
