//! The data directory: where everything of one installation lives, with the version of its layout and the lock of the one server.
//!
//! ```text
//! FORMAT        the layout's version
//! serve.lock    held by the server for as long as it runs
//! models/       the registry; mutations hold models/.lock for a moment, so that a model can be fitted while the server runs
//! cache/        compiled plugins; may be deleted at any time
//! log/          the append-only log, in segments; only the server writes it
//! index.sqlite  the log's searchable fold; may be deleted while no server runs
//! events/       a log like it, of what is kept only until it is told: access and application events
//! sinks/        how far those who follow the log have come
//! history/      snapshots of histories; may be deleted while no server runs
//! archive/      configurations and plugins that decisions rest on
//! secret        what digests of private values are keyed with
//! keys.json     API keys, without their secrets; changed under keys.lock, also while the server runs
//! signing-keys.json   the private keys that access tokens are signed with; changed under signing-keys.lock
//! acts.json     what commands did and the log does not have yet; changed under acts.lock, also while the server runs
//! breakers.json breakers that are open; changed under breakers.lock, also while the server runs
//! acme/         the account at a certificate's authority, and the certificate with its key
//! ```

use crate::draft::{self, Readers};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The version of the layout that this program reads and writes.
const LAYOUT: &str = "1";

/// What can go wrong with the data directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirectoryError {
    /// The folder or a part of it cannot be made.
    #[error("cannot prepare the data directory at {path}")]
    Prepare {
        /// The part that is missing.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder was laid out by another version of the program.
    #[error(
        "{path} states layout `{found}`, and this version of Synod knows layout `{LAYOUT}`: use the version that wrote it, or another data directory"
    )]
    Layout {
        /// The file that states it.
        path: PathBuf,
        /// What it states, cut to a few characters.
        found: String,
    },
    /// Another process serves from this folder.
    #[error("{path} is locked: another server uses this data directory. Stop it first, or give this one a directory of its own")]
    InUse {
        /// The lock.
        path: PathBuf,
    },
    /// The lock cannot be taken for another reason.
    #[error("cannot lock {path}")]
    Lock {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A data directory whose layout is known.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    path: PathBuf,
}

/// How large a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written by this process, which may be fewer than are free.
    pub free: u64,
    /// Bytes in all.
    pub size: u64,
}

/// Held by the one server of a data directory; released when it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct ServerLock {
    _file: File,
}

impl DataDirectory {
    /// Opens the directory, and creates what is missing of it: the folder (for its owner alone), `FORMAT`, `models/`, `cache/` and
    /// `log/`.
    ///
    /// # Errors
    /// When it cannot be created, or states a layout of another version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirectoryError> {
        let path = path.into();
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| DataDirectoryError::Prepare { path: parent.to_owned(), source })?;
        }
        let directory = Self { path };
        create(directory.path())?;
        directory.check_layout()?;
        create(&directory.models())?;
        create(&directory.cache())?;
        create(&directory.log())?;
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock of the one server, without waiting.
    ///
    /// # Errors
    /// When another process holds it.
    pub fn lock_exclusive(&self) -> Result<ServerLock, DataDirectoryError> {
        let path = self.path.join("serve.lock");
        let file = match draft::open_lock(&path) {
            Ok(file) => file,
            Err(source) => return Err(DataDirectoryError::Lock { path, source }),
        };
        match file.try_lock() {
            Ok(()) => Ok(ServerLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(DataDirectoryError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(DataDirectoryError::Lock { path, source }),
        }
    }

    /// How large the file system is that it is on.
    ///
    /// # Errors
    /// When the system does not say so.
    pub fn space(&self) -> io::Result<Space> {
        let system = rustix::fs::statvfs(&self.path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(system.f_frsize);
        Ok(Space { free: bytes(system.f_bavail), size: bytes(system.f_blocks) })
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.path.join("models")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The searchable fold of the log, and beside it the files of SQLite's write-ahead log.
    pub(crate) fn index(&self) -> PathBuf {
        self.path.join("index.sqlite")
    }

    /// The log of events that are kept only until they are told.
    pub(crate) fn events(&self) -> PathBuf {
        self.path.join("events")
    }

    /// Puts the log of events aside, as `events-damaged-TIME` (microseconds since 1970), for people to look at; a new one can be opened then.
    /// The caller holds the server's lock. Answers where it is.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn set_events_aside(&self, now: i64) -> io::Result<PathBuf> {
        let aside = self.path.join(format!("events-damaged-{now}"));
        fs::rename(self.events(), &aside)?;
        Ok(aside)
    }

    /// How far those who follow the log have come.
    pub(crate) fn sinks(&self) -> PathBuf {
        self.path.join("sinks")
    }

    fn check_layout(&self) -> Result<(), DataDirectoryError> {
        let path = self.path.join("FORMAT");
        match draft::read_regular(&path) {
            Ok(Some(found)) if found.trim_ascii() == LAYOUT.as_bytes() => Ok(()),
            Ok(Some(found)) => {
                let found = String::from_utf8_lossy(found.trim_ascii()).chars().take(20).collect();
                Err(DataDirectoryError::Layout { path, found })
            }
            Ok(None) => draft::write(&path, format!("{LAYOUT}\n").as_bytes(), Readers::Usual)
                .map_err(|source| DataDirectoryError::Prepare { path, source }),
            Err(source) => Err(DataDirectoryError::Prepare { path, source }),
        }
    }
}

fn create(path: &Path) -> Result<(), DataDirectoryError> {
    draft::create_folder(path).map_err(|source| DataDirectoryError::Prepare { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("var/synod");
        DataDirectory::open(&path).unwrap();
        assert_eq!(fs::read_to_string(path.join("FORMAT")).unwrap(), "1\n");
        let directory = DataDirectory::open(&path).unwrap();
        assert!(directory.models().is_dir() && directory.cache().is_dir());
    }

    #[cfg(unix)]
    #[test]
    fn is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path().join("data")).unwrap();
        assert_eq!(fs::metadata(directory.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn another_layout_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("FORMAT"), "2\n").unwrap();
        let error = DataDirectory::open(folder.path()).unwrap_err();
        assert!(matches!(&error, DataDirectoryError::Layout { found, .. } if found == "2"), "{error}");
        assert!(!folder.path().join("models").exists(), "nothing is touched in a folder of another layout");
    }

    #[test]
    fn one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(folder.path()).unwrap();
        let second = DataDirectory::open(folder.path()).unwrap();
        let lock = first.lock_exclusive().unwrap();
        assert!(matches!(second.lock_exclusive(), Err(DataDirectoryError::InUse { .. })));
        drop(lock);
        second.lock_exclusive().unwrap();
    }

    #[test]
    fn a_file_in_its_place_is_an_error_with_the_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDirectory::open(file.path()).unwrap_err();
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    }
}
