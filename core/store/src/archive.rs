//! What decisions rest on and that may change under way: configurations and plugins, by the SHA-256 of their bytes. Nothing here is ever
//! changed or removed, so that an old decision can be replayed.

use crate::data_directory::DataDirectory;
use crate::digest::{is_sha256, sha256};
use crate::draft::{self, Readers};
use std::io;
use std::path::PathBuf;

/// What can go wrong with the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing was ever put under this digest.
    #[error("the archive has nothing with the SHA-256 {digest}")]
    Missing {
        /// What was asked for.
        digest: String,
    },
    /// The bytes are not what was put.
    #[error("{path} is damaged: its SHA-256 is not its name. Restore the file from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The archive of a data directory: `archive/<sha256>`.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// Opens the archive, and makes its folder at the first use.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(directory: &DataDirectory) -> Result<Self, ArchiveError> {
        let folder = directory.path().join("archive");
        draft::create_folder(&folder).map_err(|source| ArchiveError::Write { path: folder.clone(), source })?;
        Ok(Self { folder })
    }

    /// Keeps these bytes and answers their digest.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<String, ArchiveError> {
        let digest = sha256(bytes);
        let path = self.folder.join(&digest);
        let known = draft::read_regular(&path).map_err(|source| ArchiveError::Read { path: path.clone(), source })?;
        if known.as_deref() != Some(bytes) {
            draft::write(&path, bytes, Readers::Owner).map_err(|source| ArchiveError::Write { path, source })?;
        }
        Ok(digest)
    }

    /// The bytes that were put.
    ///
    /// # Errors
    /// When there are none, or they are damaged.
    pub fn get(&self, digest: &str) -> Result<Vec<u8>, ArchiveError> {
        let missing = || ArchiveError::Missing { digest: digest.chars().take(64).collect() };
        if !is_sha256(digest) {
            return Err(missing());
        }
        let path = self.folder.join(digest);
        let found = draft::read_regular(&path).map_err(|source| ArchiveError::Read { path: path.clone(), source })?;
        let bytes = found.ok_or_else(missing)?;
        if sha256(&bytes) == digest { Ok(bytes) } else { Err(ArchiveError::Damaged { path }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_put_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&DataDirectory::open(folder.path()).unwrap()).unwrap();
        let digest = archive.put(b"version: 1").unwrap();
        assert_eq!(archive.put(b"version: 1").unwrap(), digest);
        assert_eq!(archive.get(&digest).unwrap(), b"version: 1");
        assert!(matches!(archive.get("../secret"), Err(ArchiveError::Missing { .. })));
        std::fs::write(folder.path().join("archive").join(&digest), "version: 2").unwrap();
        assert!(matches!(archive.get(&digest), Err(ArchiveError::Damaged { .. })));
    }
}
