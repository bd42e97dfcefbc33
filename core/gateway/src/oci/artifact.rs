//! An artifact as registries keep it: an image manifest that names a config and layers by their digests. What may be in one of a kind is its shape.

use super::OciError;
use super::reference::{digest_of, spelled};
use crate::hexadecimal::digest_of_bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of an image manifest.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Tools that unpack an artifact give a layer this name.
const TITLE: &str = "org.opencontainers.image.title";

/// What an artifact of a kind consists of.
#[derive(Debug)]
pub struct Shape {
    /// The artifact's type.
    pub kind: &'static str,
    /// What people call it.
    pub called: &'static str,
    /// Its config.
    pub config: PartKind,
    /// Its layers; each at most once.
    pub layers: &'static [PartKind],
}

/// What may be a part of an artifact.
#[derive(Debug)]
pub struct PartKind {
    /// Its media type.
    pub media_type: &'static str,
    /// The file's name when it is unpacked.
    pub title: &'static str,
    /// Most bytes.
    pub most: u64,
    /// Whether it must be there.
    pub required: bool,
}

/// One part with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// An artifact with all its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The config.
    pub config: Part,
    /// The layers.
    pub layers: Vec<Part>,
    /// What registries show of it.
    pub annotations: BTreeMap<String, String>,
}

impl Artifact {
    /// Takes the layer of this type out of it.
    pub fn take(&mut self, media_type: &str) -> Option<Vec<u8>> {
        let place = self.layers.iter().position(|layer| layer.media_type == media_type)?;
        Some(self.layers.swap_remove(place).bytes)
    }
}

/// What a manifest says of a part.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    digest: String,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// An image manifest. What other tools add to it is left alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageManifest {
    schema_version: u64,
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// Read first: other documents have other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stated {
    schema_version: u64,
    #[serde(default)]
    media_type: String,
}

impl Descriptor {
    pub(super) fn of(part: &Part, title: Option<&str>) -> Self {
        let annotations = title.map(|title| (TITLE.to_owned(), title.to_owned())).into_iter().collect();
        Self {
            media_type: part.media_type.clone(),
            digest: spelled(&digest_of_bytes(&part.bytes)),
            size: part.bytes.len() as u64,
            annotations,
        }
    }

    /// The digest, as it is written. Only what was checked by [`ImageManifest::read`] has one that may stand in a URL.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}

impl ImageManifest {
    /// Of this artifact.
    pub(super) fn of(shape: &Shape, artifact: &Artifact) -> Self {
        let title = |part: &Part| shape.layers.iter().find(|kind| kind.media_type == part.media_type).map(|kind| kind.title);
        Self {
            schema_version: 2,
            media_type: MANIFEST_TYPE.into(),
            artifact_type: shape.kind.into(),
            config: Descriptor::of(&artifact.config, None),
            layers: artifact.layers.iter().map(|part| Descriptor::of(part, title(part))).collect(),
            annotations: artifact.annotations.clone(),
        }
    }

    /// Reads one that must be of this shape: nothing else is fetched.
    pub(super) fn read(bytes: &[u8], shape: &Shape) -> Result<Self, OciError> {
        let called = shape.called;
        let other = |why: String| OciError::Shape(format!("it is no {called}: {why}"));
        let no_manifest = |error: serde_json::Error| other(format!("its manifest cannot be understood: {error}"));
        let Stated { schema_version, media_type } = serde_json::from_slice(bytes).map_err(no_manifest)?;
        if schema_version != 2 || media_type != MANIFEST_TYPE {
            let found: String = media_type.chars().take(80).collect();
            return Err(other(format!(
                "it is `{found}`, and not an image manifest; an index names several, of which one has to be named by its digest"
            )));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(no_manifest)?;
        if manifest.artifact_type != shape.kind {
            let found: String = manifest.artifact_type.chars().take(80).collect();
            return Err(other(format!("its type is `{found}`, and not `{}`", shape.kind)));
        }
        check(&manifest.config, &shape.config).map_err(&other)?;
        for layer in &manifest.layers {
            let kind = shape.layers.iter().find(|kind| kind.media_type == layer.media_type);
            let found: String = layer.media_type.chars().take(80).collect();
            check(layer, kind.ok_or_else(|| other(format!("it has a layer of the type `{found}`")))?).map_err(&other)?;
        }
        for kind in shape.layers {
            match manifest.layers.iter().filter(|layer| layer.media_type == kind.media_type).count() {
                0 if kind.required => return Err(other(format!("it has no `{}` ({})", kind.title, kind.media_type))),
                0 | 1 => {}
                _ => return Err(other(format!("it has several of `{}`", kind.title))),
            }
        }
        Ok(manifest)
    }
}

fn check(found: &Descriptor, kind: &PartKind) -> Result<(), String> {
    if found.media_type != kind.media_type {
        let found: String = found.media_type.chars().take(80).collect();
        return Err(format!("its `{}` has the type `{found}`, and not `{}`", kind.title, kind.media_type));
    }
    if digest_of(&found.digest).is_none() {
        return Err(format!("the digest of its `{}` is no sha256", kind.title));
    }
    match found.size <= kind.most {
        true => Ok(()),
        false => Err(format!("its `{}` has {} bytes, more than {}", kind.title, found.size, kind.most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const SHAPE: Shape = Shape {
        kind: "application/vnd.test",
        called: "test",
        config: PartKind { media_type: "a/config", title: "config", most: 10, required: true },
        layers: &[
            PartKind { media_type: "a/model", title: "model", most: 10, required: true },
            PartKind { media_type: "a/signatures", title: "signatures", most: 10, required: false },
        ],
    };

    fn manifest() -> Value {
        let part = |media_type: &str| Part { media_type: media_type.into(), bytes: b"bytes".to_vec() };
        let artifact =
            Artifact { config: part("a/config"), layers: vec![part("a/model"), part("a/signatures")], annotations: BTreeMap::new() };
        serde_json::to_value(ImageManifest::of(&SHAPE, &artifact)).unwrap()
    }

    #[test]
    fn only_its_own_shape_is_read() {
        let read =
            |manifest: &Value| ImageManifest::read(manifest.to_string().as_bytes(), &SHAPE).map(|_| ()).map_err(|error| error.to_string());
        read(&manifest()).unwrap();
        assert_eq!(manifest()["layers"][0]["annotations"], json!({ "org.opencontainers.image.title": "model" }));
        let mut unsigned = manifest();
        unsigned["layers"].as_array_mut().unwrap().pop();
        read(&unsigned).unwrap();
        let model = manifest()["layers"][0].clone();
        for (path, value, expected) in [
            ("/schemaVersion", json!(1), "not an image manifest"),
            ("/mediaType", json!("application/vnd.oci.image.index.v1+json"), "an index names several"),
            ("/artifactType", json!("application/vnd.other"), "its type is `application/vnd.other`"),
            ("/config/mediaType", json!("a/model"), "its `config` has the type"),
            ("/config/digest", json!("sha256:../../x"), "the digest of its `config` is no sha256"),
            ("/config/size", json!(11), "its `config` has 11 bytes, more than 10"),
            ("/layers/0/size", json!(u64::MAX), "more than 10"),
            ("/layers/0/size", json!(-1), "cannot be understood"),
            ("/layers/1", model, "it has several of `model`"),
            ("/layers/0/mediaType", json!("a/other"), "a layer of the type `a/other`"),
            ("/layers", json!([]), "it has no `model`"),
        ] {
            let mut changed = manifest();
            *changed.pointer_mut(path).unwrap() = value;
            let error = read(&changed).unwrap_err();
            assert!(error.contains(expected), "{path}: {error}");
        }
        assert!(ImageManifest::read(b"[", &SHAPE).is_err());
    }
}
