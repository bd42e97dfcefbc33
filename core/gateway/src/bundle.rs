//! A version of a model in one file, to be carried elsewhere: a tar archive of `synod.json` (manifest and digests), `model`, and `plugin.wasm`, in this
//! order and with nothing else in it.

use crate::hexadecimal::digest_of_bytes;
use crate::manifest::Manifest;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use thiserror::Error;

const FORMAT: u64 = 1;
/// Most bytes of each part.
const LARGEST_HEAD: u64 = 64 << 20;
const LARGEST_MODEL: u64 = 512 << 20;
const LARGEST_PLUGIN: u64 = 64 << 20;
const NAMES: [&str; 3] = ["synod.json", "model", "plugin.wasm"];

/// What a bundle holds.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The version's manifest.
    pub manifest: Manifest,
    /// The model.
    pub model: Vec<u8>,
    /// The component that fitted it.
    pub plugin: Vec<u8>,
}

/// Why a file is no bundle.
#[derive(Debug, Error)]
pub enum BundleError {
    /// It cannot be read or written, or is no tar archive.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What it says of itself cannot be read.
    #[error("`synod.json` cannot be understood: {0}")]
    Head(#[from] serde_json::Error),
    /// It was written by a later version of the program.
    #[error("it has format {0}, and this version of Synod reads format {FORMAT}: use the version that wrote it, or a newer one")]
    Newer(u64),
    /// It holds something else.
    #[error("{0}")]
    Other(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u64,
    model: Part,
    plugin: Part,
    manifest: Manifest,
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
        let head = Head { format: FORMAT, model: Part::of(&self.model), plugin: Part::of(&self.plugin), manifest: self.manifest.clone() };
        let head = serde_json::to_vec_pretty(&head)?;
        let mut tar = tar::Builder::new(into);
        for (name, bytes) in NAMES.into_iter().zip([&head, &self.model, &self.plugin]) {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_entry_type(tar::EntryType::Regular);
            tar.append_data(&mut header, name, bytes.as_slice())?;
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
        let mut part = |name: &str, most: u64| -> Result<Vec<u8>, BundleError> {
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
        };
        let head = part(NAMES[0], LARGEST_HEAD)?;
        let Stated { format } = serde_json::from_slice(&head)?;
        if format != FORMAT {
            return Err(BundleError::Newer(format));
        }
        let head: Head = serde_json::from_slice(&head)?;
        let (model, plugin) = (part(NAMES[1], LARGEST_MODEL)?, part(NAMES[2], LARGEST_PLUGIN)?);
        if entries.next().is_some() {
            return Err(BundleError::Other("it holds more than a bundle does".into()));
        }
        head.model.check(NAMES[1], &model)?;
        head.plugin.check(NAMES[2], &plugin)?;
        if head.manifest.plugin.sha256 != head.plugin.sha256 {
            return Err(BundleError::Other(format!(
                "the model was fitted by the plugin {}, and {} is in the file",
                head.manifest.plugin.sha256, head.plugin.sha256
            )));
        }
        Ok(Self { manifest: head.manifest, model, plugin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Split;
    use crate::manifest::{DataLineage, Golden, HeldOut, PluginIdentity};
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
        Bundle { manifest, model: vec![7; 1000], plugin }
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
        let read = Bundle::read(written(&bundle).as_slice()).unwrap();
        assert_eq!((read.model, read.plugin), (bundle.model, bundle.plugin));
        assert_eq!(serde_json::to_value(read.manifest).unwrap(), serde_json::to_value(bundle.manifest).unwrap());
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
            (archive(&[("synod.json", Regular, br#"{"format": 2, "more": 1}"#)]), "format 2"),
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
        let labels = synod_store::Labels { live: Some(3), ..synod_store::Labels::default() };
        let text = crate::card::card(&published, &manifest, &labels);
        assert!(text.starts_with("# forest, version 3\n"), "{text}");
        assert!(text.contains("| Owner | desk \\| \\<b\\> |") && text.contains("| Labels | live |"), "{text}");
    }
}
