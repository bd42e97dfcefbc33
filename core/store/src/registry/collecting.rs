//! Removing versions that nobody needs.

use super::signatures::signatures_path;
use super::{Registry, RegistryError, manifest_path};
use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;

/// What was, or would be, removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Detector and version.
    pub versions: Vec<(String, u64)>,
    /// Digests of artifacts that no version has any more.
    pub artifacts: Vec<String>,
    /// Bytes on disk that they take.
    pub bytes: u64,
}

impl Registry {
    /// Removes the versions that need not be kept, and then the artifacts that no version has. A version with a label is always kept,
    /// and so is the latest, because versions count on from it. While a backup is taken it waits. With `look`
    /// nothing is removed: the answer is what would be.
    ///
    /// # Errors
    /// When a manifest cannot be read (then its artifact is not known, and nothing is removed), or a file cannot be removed.
    pub fn collect(&self, keep: &dyn Fn(&str, u64) -> bool, look: bool) -> Result<Collected, RegistryError> {
        // Before the other one, so that nobody else waits for a backup.
        let _removal = self.removal_lock(File::lock)?;
        let _lock = self.lock()?;
        let (mut collected, mut kept) = (Collected::default(), HashSet::new());
        let mut files = Vec::new();
        for detector in self.detectors()? {
            let (folder, labels) = (self.folder(&detector)?, self.labels_of(&detector)?);
            let versions = self.versions(&detector)?;
            for version in &versions {
                let version = *version;
                let digest = self.manifest::<IgnoredAny>(&detector, Some(version))?.0.digest;
                if Some(&version) == versions.last() || !labels.of(version).is_empty() || keep(&detector, version) {
                    kept.insert(digest);
                    continue;
                }
                files.push(manifest_path(&folder, version));
                // After the manifest: signatures without one are nothing.
                files.extend(Some(signatures_path(&folder, version)).filter(|path| path.exists()));
                collected.versions.push((detector.clone(), version));
            }
        }
        for name in super::names(&self.blobs())? {
            let digest = name.strip_suffix(".zst").unwrap_or(&name);
            if crate::digest::is_sha256(digest) && !kept.contains(digest) {
                files.push(self.blobs().join(&name));
                collected.artifacts.push(digest.to_owned());
            }
        }
        collected.bytes = files.iter().filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum();
        if !look {
            // Manifests first: a version whose artifact is gone would be damage, an artifact without a version is only room.
            files.iter().try_for_each(|path| remove(path))?;
        }
        Ok(collected)
    }
}

fn remove(path: &Path) -> Result<(), RegistryError> {
    fs::remove_file(path).map_err(|source| RegistryError::Write { path: path.to_owned(), source })
}
