//! A folder of small files that only their owner may read, each of them replaced as a whole: keys, and what comes with them.

use crate::draft::{self, Readers};
use std::io;
use std::path::{Path, PathBuf};

/// A folder for secrets.
#[derive(Debug, Clone)]
pub struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// Opens the folder, and makes it if it is not there, for its owner alone (mode 0700). Its parent must exist.
    ///
    /// # Errors
    /// When it can be neither found nor made. The error does not name the path; the caller has it.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        draft::create_folder(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a file; none if there is nothing under this name.
    ///
    /// # Errors
    /// When it cannot be read, or is no regular file.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        draft::read_regular(&self.path.join(name))
    }

    /// Replaces a file, at once and so that it survives a power failure. Only its owner may read it (mode 0600).
    ///
    /// # Errors
    /// When it cannot be written; what was there is there still.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        draft::write(&self.path.join(name), bytes, Readers::Owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_folder_and_its_files_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::open(parent.path().join("keys")).unwrap();
        assert_eq!(folder.read("key").unwrap(), None);
        folder.write("key", b"old").unwrap();
        folder.write("key", b"new").unwrap();
        assert_eq!(folder.read("key").unwrap().as_deref(), Some(&b"new"[..]));
        PrivateFolder::open(folder.path()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.path().join("key"))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(PrivateFolder::open(parent.path().join("not/there")).is_err());
    }
}
