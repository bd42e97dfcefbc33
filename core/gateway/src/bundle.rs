//! A version of a model in one file, to be carried elsewhere: a tar archive of `synod.json` (the digests of all that follows), `manifest.json`, `model`,
//! `plugin.wasm` and, if somebody has signed it, `signatures.json`, in this order and with nothing else in it. In format 1 the manifest stood in
//! `synod.json`, and there were no signatures; it is still read.

use crate::hexadecimal::digest_of_bytes;
use crate::manifest::WrittenManifest;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use synod_store::LARGEST_SIGNATURES;
use thiserror::Error;

const FORMAT: u64 = 2;
/// Most bytes of each part.
pub(crate) const LARGEST_MANIFEST: u64 = 64 << 20;
pub(crate) const LARGEST_MODEL: u64 = 512 << 20;
pub(crate) const LARGEST_PLUGIN: u64 = 64 << 20;
const HEAD: &str = "synod.json";
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const MODEL: &str = "model";
pub(crate) const PLUGIN: &str = "plugin.wasm";
pub(crate) const SIGNATURES: &str = "signatures.json";

/// What a bundle holds.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The version's manifest.
    pub manifest: WrittenManifest,
    /// The model.
    pub model: Vec<u8>,
    /// The component that fitted it.
    pub plugin: Vec<u8>,
    /// Who vouches for it, if somebody does. Nothing is known of it yet but its size.
    pub signatures: Option<Vec<u8>>,
}

/// Why a file is no bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// It cannot be read or written, or is no tar archive.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What it says of itself cannot be read.
    #[error("`{part}` cannot be understood: {source}")]
    Json {
        /// Which part of it.
        part: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// It was written by a later version of the program.
    #[error("it has format {0}, and this version of Synod reads formats up to {FORMAT}: use the version that wrote it, or a newer one")]
    Newer(u64),
    /// It holds something else.
    #[error("{0}")]
    Other(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u64,
    manifest: Part,
    model: Part,
    plugin: Part,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signatures: Option<Part>,
}

/// As it was in format 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstHead {
    #[serde(rename = "format")]
    _format: u64,
    model: Part,
    plugin: Part,
    manifest: WrittenManifest,
}

/// Read first: of another format nothing else is known.
#[derive(Deserialize)]
struct Stated {
    format: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    sha256: String,
    bytes: u64,
}

impl Part {
    fn of(bytes: &[u8]) -> Self {
        Self { sha256: digest_of_bytes(bytes), bytes: bytes.len() as u64 }
    }

    fn check(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let found = Self::of(bytes);
        match found.sha256 == self.sha256 && found.bytes == self.bytes {
            true => Ok(()),
            false => Err(BundleError::Other(format!("`{name}` is damaged: its SHA-256 should be {} and is {}", self.sha256, found.sha256))),
        }
    }
}

impl Bundle {
    /// Writes it.
    ///
    /// # Errors
    /// When that fails.
    pub fn write(&self, into: impl Write) -> Result<(), BundleError> {
        let manifest = self.manifest.text().as_bytes();
        let head = Head {
            format: FORMAT,
            manifest: Part::of(manifest),
            model: Part::of(&self.model),
            plugin: Part::of(&self.plugin),
            signatures: self.signatures.as_deref().map(Part::of),
        };
        let head = serde_json::to_vec_pretty(&head).map_err(|source| BundleError::Json { part: HEAD, source })?;
        let parts = [(HEAD, head.as_slice()), (MANIFEST, manifest), (MODEL, &self.model), (PLUGIN, &self.plugin)];
        let mut tar = tar::Builder::new(into);
        for (name, bytes) in parts.into_iter().chain(self.signatures.as_deref().map(|bytes| (SIGNATURES, bytes))) {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_entry_type(tar::EntryType::Regular);
            tar.append_data(&mut header, name, bytes)?;
        }
        tar.into_inner()?.flush()?;
        Ok(())
    }

    /// Reads one, and compares all digests. No path of the file is used, and no more is read than may be.
    ///
    /// # Errors
    /// When it is none, or damaged.
    pub fn read(from: impl Read) -> Result<Self, BundleError> {
        let mut tar = tar::Archive::new(from);
        let mut entries = tar.entries()?;
        let head = next(&mut entries, HEAD, LARGEST_MANIFEST)?;
        let unreadable = |source| BundleError::Json { part: HEAD, source };
        let bundle = match serde_json::from_slice(&head).map_err(unreadable)? {
            Stated { format: 1 } => Self::first(&mut entries, serde_json::from_slice(&head).map_err(unreadable)?)?,
            Stated { format: FORMAT } => Self::second(&mut entries, &serde_json::from_slice(&head).map_err(unreadable)?)?,
            Stated { format } => return Err(BundleError::Newer(format)),
        };
        if entries.next().is_some() {
            return Err(BundleError::Other("it holds more than a bundle does".into()));
        }
        bundle.belongs()
    }

    fn first<R: Read>(entries: &mut tar::Entries<'_, R>, head: FirstHead) -> Result<Self, BundleError> {
        let (model, plugin) = (next(entries, MODEL, LARGEST_MODEL)?, next(entries, PLUGIN, LARGEST_PLUGIN)?);
        head.model.check(MODEL, &model)?;
        head.plugin.check(PLUGIN, &plugin)?;
        Ok(Self { manifest: head.manifest, model, plugin, signatures: None })
    }

    fn second<R: Read>(entries: &mut tar::Entries<'_, R>, head: &Head) -> Result<Self, BundleError> {
        let mut part = |name: &str, most: u64, part: &Part| {
            let bytes = next(entries, name, most)?;
            part.check(name, &bytes).map(|()| bytes)
        };
        let manifest = part(MANIFEST, LARGEST_MANIFEST, &head.manifest)?;
        let model = part(MODEL, LARGEST_MODEL, &head.model)?;
        let plugin = part(PLUGIN, LARGEST_PLUGIN, &head.plugin)?;
        let signatures = head.signatures.as_ref().map(|of| part(SIGNATURES, LARGEST_SIGNATURES, of)).transpose()?;
        let manifest = WrittenManifest::read(&manifest).map_err(|source| BundleError::Json { part: MANIFEST, source })?;
        Ok(Self { manifest, model, plugin, signatures })
    }

    /// Itself, if model and plugin belong together.
    ///
    /// # Errors
    /// When another component has fitted the model.
    pub fn belongs(self) -> Result<Self, BundleError> {
        let (wanted, found) = (&self.manifest.manifest().plugin.sha256, digest_of_bytes(&self.plugin));
        match *wanted == found {
            true => Ok(self),
            false => Err(BundleError::Other(format!("the model was fitted by the plugin {wanted}, and {found} is in the file"))),
        }
    }
}

/// The next entry of an archive, which must have this name and be no larger.
fn next<R: Read>(entries: &mut tar::Entries<'_, R>, name: &str, most: u64) -> Result<Vec<u8>, BundleError> {
    let entry = entries.next().ok_or_else(|| BundleError::Other(format!("it is no bundle: `{name}` is missing")))??;
    if entry.header().entry_type() != tar::EntryType::Regular || *entry.path_bytes() != *name.as_bytes() {
        let found = String::from_utf8_lossy(&entry.path_bytes()).chars().take(80).collect::<String>();
        return Err(BundleError::Other(format!("it is no bundle: where the file `{name}` should be is {found:?}")));
    }
    if entry.size() > most {
        return Err(BundleError::Other(format!("`{name}` has {} bytes, more than {most}", entry.size())));
    }
    let mut bytes = Vec::new();
    entry.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Split;
    use crate::manifest::{DataLineage, Golden, HeldOut, Manifest, PluginIdentity};
    use crate::signing::{SignatureState, Signatures};
    use serde_json::json;

    fn bundle() -> Bundle {
        let plugin = b"a component".to_vec();
        let manifest = Manifest {
            detector: "forest".into(),
            created: "2026-11-27T00:00:00Z".into(),
            synod: "0.1.0".into(),
            plugin: PluginIdentity { name: "forest".into(), version: "1.0.0".into(), sha256: digest_of_bytes(&plugin) },
            parameters: json!({"trees": 100}),
            artifact: None,
            seed: 1,
            data: DataLineage {
                file: "rows.csv".into(),
                sha256: String::new(),
                rows: 1,
                excluded: 0,
                flagged: 0,
                weighted: false,
                invalid: 0,
                training: 1,
                incomplete: 0,
                period: None,
            },
            held_out: HeldOut { split: Split::Random, digest: String::new(), clean: false, left_out: Vec::new() },
            view: serde_json::from_value(json!({"features": [], "fields": []})).unwrap(),
            calibration: vec![0.1, 0.2].into(),
            golden: Golden { rows: vec![vec![Some(1.0), None]], scores: vec![0.1] },
            author: None,
            owner: Some("desk | <b>".into()),
            purpose: None,
            continued_from: None,
            recalibrated: None,
        };
        Bundle { manifest: WrittenManifest::of(manifest).unwrap(), model: vec![7; 1000], plugin, signatures: Some(b"{}".to_vec()) }
    }

    fn written(bundle: &Bundle) -> Vec<u8> {
        let mut bytes = Vec::new();
        bundle.write(&mut bytes).unwrap();
        bytes
    }

    /// An archive of these entries.
    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, bytes) in entries {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_entry_type(*kind);
            header.set_cksum();
            tar.append(&header, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let bundle = bundle();
        for signatures in [None, bundle.signatures.clone()] {
            let bundle = Bundle { signatures, ..bundle.clone() };
            let read = Bundle::read(written(&bundle).as_slice()).unwrap();
            assert_eq!((read.model, read.plugin, read.signatures), (bundle.model, bundle.plugin, bundle.signatures));
            assert_eq!(read.manifest.text(), bundle.manifest.text(), "to the byte");
        }
    }

    #[test]
    fn the_first_format_is_read_and_its_manifest_kept_as_it_was_written() {
        use tar::EntryType::Regular;
        let Bundle { manifest, model, plugin, .. } = bundle();
        let manifest = serde_json::to_string_pretty(manifest.manifest()).unwrap();
        let part = |bytes: &[u8]| json!({ "sha256": digest_of_bytes(bytes), "bytes": bytes.len() });
        let head = format!("{{\"format\": 1, \"model\": {}, \"plugin\": {}, \"manifest\": {manifest}}}", part(&model), part(&plugin));
        let old = archive(&[(HEAD, Regular, head.as_bytes()), (MODEL, Regular, &model), (PLUGIN, Regular, &plugin)]);
        let read = Bundle::read(old.as_slice()).unwrap();
        assert_eq!((read.manifest.text(), read.model, read.plugin, read.signatures), (manifest.as_str(), model, plugin, None));
    }

    #[test]
    fn a_changed_byte_is_seen_wherever_it_is() {
        let whole = written(&bundle());
        // Beyond the last entry an archive has nothing but zeros.
        for place in 0..whole.len() - 1024 {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            if let Ok(read) = Bundle::read(changed.as_slice()) {
                let same = (read.manifest.text(), &read.model, &read.plugin, &read.signatures);
                let bundle = bundle();
                assert_eq!(same, (bundle.manifest.text(), &bundle.model, &bundle.plugin, &bundle.signatures), "byte {place}");
            }
        }
    }

    #[test]
    fn nothing_but_a_bundle_is_read() {
        use tar::EntryType::{Regular, Symlink};
        let other = Bundle { plugin: b"another component".to_vec(), ..bundle() };
        let cases: [(Vec<u8>, &str); 8] = [
            (Vec::new(), "`synod.json` is missing"),
            (b"no archive".repeat(100), "archive"),
            (archive(&[("../../etc/passwd", Regular, b"x")]), "where the file `synod.json` should be"),
            (archive(&[("/synod.json", Regular, b"{}")]), "where the file `synod.json` should be"),
            (archive(&[("synod.json", Symlink, b"")]), "where the file `synod.json` should be"),
            (archive(&[("synod.json", Regular, b"{}")]), "format"),
            (archive(&[("synod.json", Regular, br#"{"format": 3, "more": 1}"#)]), "format 3"),
            (written(&other), "the model was fitted by the plugin"),
        ];
        for (bytes, why) in cases {
            let error = Bundle::read(bytes.as_slice()).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        let whole = written(&bundle());
        for length in (0..whole.len() - 1024).step_by(97) {
            assert!(Bundle::read(&whole[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_part_that_claims_to_be_endless_is_not_read() {
        let mut header = tar::Header::new_ustar();
        header.set_path("synod.json").unwrap();
        header.set_size(1 << 40);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        let error = Bundle::read(std::io::Cursor::new(header.as_bytes().to_vec()).chain(std::io::repeat(b'x'))).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }

    #[test]
    fn a_card_has_what_people_wrote_as_text() {
        let manifest = bundle().manifest;
        let published = synod_store::Published { version: 3, digest: "ab".repeat(32), size: 1000 };
        let signatures = Signatures { state: SignatureState::Unsigned, serial: None, by: Vec::new(), reason: None };
        let labels = synod_store::Labels { live: Some(3), ..synod_store::Labels::default() };
        let text = crate::card::card(&published, manifest.manifest(), &labels, &signatures);
        assert!(text.starts_with("# forest, version 3\n"), "{text}");
        assert!(text.contains("| Owner | desk \\| \\<b\\> |") && text.contains("| Labels | live |"), "{text}");
    }
}
