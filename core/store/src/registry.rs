//! The model registry: artifacts named by their content, a manifest for each version, and labels that are moved by a rename.
//!
//! ```text
//! models/.lock                      held while something is changed
//! models/.removal.lock              held while versions are removed, and by backups, which share it
//! models/blobs/<sha256>.zst         an artifact, compressed
//! models/<detector>/<version>.json  a manifest in its envelope; versions count from 1
//! models/<detector>/<version>.signatures.json  who vouches for it, if somebody does
//! models.json                       the labels: which version of each detector is live, which was before, which may be next
//! ```
//!
//! A publication writes the blob, then the manifest, each durably before the next, and leaves the labels alone: what was live is live. Labels of
//! several detectors move by one rename, so that models which were calibrated together go live together. Nothing else that was written is
//! changed later, so that readers need no lock. Before there were labels, `models/<detector>/live` held a number and blobs were not compressed:
//! both are still read.

mod blobs;
mod collecting;
mod envelope;
mod error;
mod labels;
mod signatures;

pub use collecting::Collected;
pub use error::RegistryError;
pub use labels::{LabelAct, Labels};
pub use signatures::{Arrival, LARGEST_SIGNATURES};

use crate::data_directory::DataDirectory;
use crate::digest::sha256;
use crate::draft::{self, Readers};
use crate::kept_list::KeptList;
use envelope::{Artifact, Envelope};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where artifacts are; no detector can have this name.
pub(crate) const BLOBS: &str = "blobs";

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

/// The models of a data directory. It holds no state but paths: several processes and threads may use one registry at a time.
#[derive(Debug, Clone)]
pub struct Registry {
    models: PathBuf,
    labels: KeptList<Labels>,
}

impl Registry {
    /// The registry of this directory.
    ///
    /// # Errors
    /// When its folder for artifacts cannot be made.
    pub fn open(directory: &DataDirectory) -> Result<Self, RegistryError> {
        let registry = Self { models: directory.models(), labels: KeptList::of(directory) };
        let blobs = registry.blobs();
        draft::create_folder(&blobs).map_err(|source| RegistryError::Write { path: blobs, source })?;
        Ok(registry)
    }

    /// Stores an artifact as the detector's next version. `manifest` is told what the version is called before it is written. When this
    /// returns, the version survives a power failure; no label is moved.
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
        Ok(published)
    }

    /// Reads a version (the live one, if none is named) and compares the artifact with the digest in its manifest.
    ///
    /// # Errors
    /// When there is no such version, its manifest cannot be read as an `M`, or one of its files is damaged.
    pub fn load<M: DeserializeOwned>(&self, detector: &str, version: Option<u64>) -> Result<Stored<M>, RegistryError> {
        let (Published { version, digest, size }, manifest) = self.manifest(detector, version)?;
        let artifact = self.read_blob(&digest, size)?;
        Ok(Stored { version, digest, manifest, artifact })
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

    /// The versions of a detector, in order; none if it is not known.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn versions(&self, detector: &str) -> Result<Vec<u64>, RegistryError> {
        let mut versions: Vec<u64> = names(&self.folder(detector)?)?.iter().filter_map(|name| version_of(name)).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// The version that a person means by a number, a label (`live`, `previous`, `candidate`) or the beginning of a digest (8 digits or more,
    /// with or without `sha256:` before them).
    ///
    /// # Errors
    /// When there is none, or the digest fits several artifacts.
    pub fn resolve(&self, detector: &str, reference: &str) -> Result<u64, RegistryError> {
        let unknown =
            |why: &str| RegistryError::Reference { detector: detector.to_owned(), reference: short(reference), why: why.to_owned() };
        if let Ok(version) = reference.parse() {
            return self.versions(detector)?.contains(&version).then_some(version).ok_or_else(|| unknown("there is no such version"));
        }
        let labels = self.labels_of(detector)?;
        match reference {
            "live" => return labels.live.ok_or_else(|| unknown("no version is live")),
            "previous" => return labels.previous.ok_or_else(|| unknown("no version was live before")),
            "candidate" => return labels.candidate.ok_or_else(|| unknown("no version is the candidate")),
            _ => {}
        }
        let digits = reference.strip_prefix("sha256:").unwrap_or(reference);
        if digits.len() < 8 || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(unknown("a version is a number, `live`, `previous`, `candidate`, or the beginning of a digest"));
        }
        let mut found: Vec<(u64, String)> = Vec::new();
        for version in self.versions(detector)? {
            let digest = self.manifest::<IgnoredAny>(detector, Some(version))?.0.digest;
            if digest.starts_with(digits) {
                found.push((version, digest));
            }
        }
        // The same artifact may be in several versions: the latest has its calibration.
        match found.last() {
            Some((version, digest)) if found.iter().all(|(_, other)| other == digest) => Ok(*version),
            Some(_) => Err(unknown("several artifacts begin so: give more digits")),
            None => Err(unknown("no artifact begins so")),
        }
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

    /// The folder of a detector, which need not exist. The name comes from users: nothing that could lead elsewhere passes.
    fn folder(&self, detector: &str) -> Result<PathBuf, RegistryError> {
        if !is_name(detector) {
            return Err(RegistryError::Name { name: short(detector) });
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

    /// Keeps all versions from being removed for as long as the answer lives: for a copy of them. Nothing else waits for it.
    ///
    /// # Errors
    /// When the lock cannot be taken.
    pub(crate) fn keep_all(&self) -> Result<File, RegistryError> {
        self.removal_lock(File::lock_shared)
    }

    fn removal_lock(&self, how: fn(&File) -> io::Result<()>) -> Result<File, RegistryError> {
        let path = self.models.join(".removal.lock");
        draft::open_lock(&path).and_then(|file| how(&file).map(|()| file)).map_err(|source| RegistryError::Lock { path, source })
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
}

/// Whether this can be a detector's name: `[a-z0-9_][a-z0-9_-]{0,63}`, and not the name of the folder of artifacts.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-') && name != BLOBS
}

fn manifest_path(folder: &Path, version: u64) -> PathBuf {
    folder.join(format!("{version}.json"))
}

/// What a person wrote, cut to a bearable length.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The version that a manifest's file name states; none for any other file.
pub(crate) fn version_of(name: &str) -> Option<u64> {
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
