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
