//! The model registry: artifacts named by their content, a manifest for each version, and a live pointer that is switched by a rename.
//!
//! ```text
//! models/.lock                      held while something is changed
//! models/blobs/<sha256>             an artifact
//! models/<detector>/<version>.json  a manifest in its envelope; versions count from 1
//! models/<detector>/live            the number of the version in use
//! ```
//!
//! A publication writes the blob, then the manifest, then the pointer, each durably before the next. Wherever it is interrupted, the old
//! live version is still there and whole. Nothing that was written is changed later, so that readers need no lock.

mod envelope;
mod error;

pub use error::RegistryError;

use crate::data_directory::DataDirectory;
use crate::digest::sha256;
use crate::draft::{self, Readers};
use envelope::{Artifact, Envelope};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where artifacts are; no detector can have this name.
const BLOBS: &str = "blobs";

/// What identifies a version of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Counts from 1 for each detector.
    pub version: u64,
    /// SHA-256 of the artifact, 64 hexadecimal digits.
    pub digest: String,
    /// Bytes of the artifact.
    pub size: u64,
}

/// A version of a model as it was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<M> {
    /// Counts from 1 for each detector.
    pub version: u64,
    /// SHA-256 of the artifact, which has been compared.
    pub digest: String,
    /// What the publisher said of it.
    pub manifest: M,
    /// The model's bytes.
    pub artifact: Vec<u8>,
}

/// The models of a data directory. It holds no state but the path: several processes and threads may use one registry at a time.
#[derive(Debug, Clone)]
pub struct Registry {
    models: PathBuf,
}

impl Registry {
    /// The registry of this directory.
    ///
    /// # Errors
    /// When its folder for artifacts cannot be made.
    pub fn open(directory: &DataDirectory) -> Result<Self, RegistryError> {
        let registry = Self { models: directory.models() };
        let blobs = registry.blobs();
        draft::create_folder(&blobs).map_err(|source| RegistryError::Write { path: blobs, source })?;
        Ok(registry)
    }

    /// Stores an artifact as the detector's next version and makes that version live. `manifest` is told what the version is called before
    /// it is written. When this returns, the version survives a power failure; when it fails, a whole version is live: the old one, unless
    /// the disk failed in the very last step.
    ///
    /// # Errors
    /// When the detector's name is none, the manifest cannot be written as JSON, or the disk fails.
    pub fn publish<M: Serialize>(
        &self,
        detector: &str,
        artifact: &[u8],
        manifest: impl FnOnce(&Published) -> M,
    ) -> Result<Published, RegistryError> {
        let folder = self.folder(detector)?;
        let _lock = self.lock()?;
        self.prepare(&folder)?;
        let version = self.next_version(detector)?;
        let published = Published { version, digest: sha256(artifact), size: artifact.len() as u64 };
        self.store_blob(&published.digest, artifact)?;
        let text = Envelope::new(&published, manifest(&published))
            .to_text()
            .map_err(|source| RegistryError::Unwritable { detector: detector.to_owned(), source })?;
        write(&manifest_path(&folder, version), &text)?;
        write(&folder.join("live"), format!("{version}\n").as_bytes())?;
        Ok(published)
    }

    /// Reads a version (the live one, if none is named) and compares the artifact with the digest in its manifest.
    ///
    /// # Errors
    /// When there is no such version, its manifest cannot be read as an `M`, or one of its files is damaged.
    pub fn load<M: DeserializeOwned>(&self, detector: &str, version: Option<u64>) -> Result<Stored<M>, RegistryError> {
        let (Published { version, digest, .. }, manifest) = self.manifest(detector, version)?;
        let path = self.blobs().join(&digest);
        let artifact = read(&path)?.ok_or_else(|| RegistryError::Missing { path: path.clone() })?;
        let found = sha256(&artifact);
        if found == digest {
            Ok(Stored { version, digest, manifest, artifact })
        } else {
            Err(RegistryError::Damaged { path, expected: digest, found })
        }
    }

    /// Reads a version's manifest (the live one's, if none is named) without its artifact, which is not looked at.
    ///
    /// # Errors
    /// As [`Registry::load`], but for the artifact.
    pub fn manifest<M: DeserializeOwned>(&self, detector: &str, version: Option<u64>) -> Result<(Published, M), RegistryError> {
        let folder = self.folder(detector)?;
        let version = match version {
            Some(version) => version,
            None => self.live_version(detector)?.ok_or_else(|| RegistryError::NoLive { detector: detector.to_owned() })?,
        };
        let path = manifest_path(&folder, version);
        let text = read(&path)?.ok_or_else(|| RegistryError::NoVersion { detector: detector.to_owned(), version })?;
        let Envelope { artifact, manifest, .. } = Envelope::from_text(&path, &text, version)?;
        let Artifact { sha256, bytes } = artifact;
        Ok((Published { version, digest: sha256, size: bytes }, manifest))
    }

    /// The version in use; none if nothing was published.
    ///
    /// # Errors
    /// When the pointer cannot be read or is no number.
    pub fn live_version(&self, detector: &str) -> Result<Option<u64>, RegistryError> {
        let path = self.folder(detector)?.join("live");
        let Some(text) = read(&path)? else { return Ok(None) };
        let version = std::str::from_utf8(&text).ok().and_then(|text| text.trim_ascii().parse().ok());
        version.map(Some).ok_or_else(|| RegistryError::Malformed { path, problem: "it holds no version number".into() })
    }

    /// The versions of a detector, in order; none if it is not known.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn versions(&self, detector: &str) -> Result<Vec<u64>, RegistryError> {
        let mut versions: Vec<u64> = names(&self.folder(detector)?)?.iter().filter_map(|name| version_of(name)).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// Makes another version live, after its manifest and artifact were checked.
    ///
    /// # Errors
    /// When there is no such version or it is damaged; the live version is then the old one.
    pub fn set_live(&self, detector: &str, version: u64) -> Result<(), RegistryError> {
        let folder = self.folder(detector)?;
        let _lock = self.lock()?;
        self.load::<IgnoredAny>(detector, Some(version))?;
        write(&folder.join("live"), format!("{version}\n").as_bytes())
    }

    /// The detectors that have a version, in order of their names.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn detectors(&self) -> Result<Vec<String>, RegistryError> {
        let mut detectors = Vec::new();
        for name in names(&self.models)? {
            if is_name(&name) && is_folder(&self.models.join(&name)) && !self.versions(&name)?.is_empty() {
                detectors.push(name);
            }
        }
        detectors.sort_unstable();
        Ok(detectors)
    }

    fn blobs(&self) -> PathBuf {
        self.models.join(BLOBS)
    }

    /// The folder of a detector, which need not exist. The name comes from users: nothing that could lead elsewhere passes.
    fn folder(&self, detector: &str) -> Result<PathBuf, RegistryError> {
        if !is_name(detector) {
            return Err(RegistryError::Name { name: detector.chars().take(80).collect() });
        }
        let path = self.models.join(detector);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if !metadata.is_dir() => Err(RegistryError::Malformed { path, problem: "it is not a folder".into() }),
            _ => Ok(path),
        }
    }

    fn lock(&self) -> Result<File, RegistryError> {
        let path = self.models.join(".lock");
        draft::open_lock(&path).and_then(|file| file.lock().map(|()| file)).map_err(|source| RegistryError::Lock { path, source })
    }

    /// Makes the detector's folder, and removes what an interrupted publication left. Drafts are made under the lock only, so that what
    /// is found here belongs to nobody.
    fn prepare(&self, folder: &Path) -> Result<(), RegistryError> {
        draft::create_folder(folder).map_err(|source| RegistryError::Write { path: folder.to_owned(), source })?;
        for path in [folder.to_owned(), self.blobs()] {
            draft::remove_leftovers(&path).map_err(|source| RegistryError::Write { path, source })?;
        }
        Ok(())
    }

    fn next_version(&self, detector: &str) -> Result<u64, RegistryError> {
        let last = self.versions(detector)?.last().copied().unwrap_or(0);
        last.checked_add(1).ok_or_else(|| RegistryError::Malformed {
            path: self.models.join(detector),
            problem: format!("version {last} has no successor"),
        })
    }

    /// Writes a blob unless it is there. One that is there but damaged is replaced: its right content is at hand.
    fn store_blob(&self, digest: &str, artifact: &[u8]) -> Result<(), RegistryError> {
        let path = self.blobs().join(digest);
        match read(&path)? {
            Some(found) if found == artifact => Ok(()),
            _ => write(&path, artifact),
        }
    }
}

/// Whether this can be a detector's name: `[a-z0-9_][a-z0-9_-]{0,63}`, and not the name of the folder of artifacts.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-') && name != BLOBS
}

fn manifest_path(folder: &Path, version: u64) -> PathBuf {
    folder.join(format!("{version}.json"))
}

/// The version that a manifest's file name states; none for any other file.
fn version_of(name: &str) -> Option<u64> {
    let version = name.strip_suffix(".json")?.parse().ok()?;
    (version > 0 && name == format!("{version}.json")).then_some(version)
}

/// The names in a folder; none if there is no folder. A name that is not Unicode is none of ours.
fn names(folder: &Path) -> Result<Vec<String>, RegistryError> {
    let failed = |source| RegistryError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    Ok(names)
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    draft::read_regular(path).map_err(|source| RegistryError::Read { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    draft::write(path, bytes, Readers::Usual).map_err(|source| RegistryError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
