//! How far somebody who follows the log has come: everything before the position was acknowledged by whoever it was told to. One small file
//! for each, in `sinks/` of the data directory.

use crate::data_directory::DataDirectory;
use crate::draft::{self, Readers};
use std::io;
use std::path::{Path, PathBuf};

/// The first word of the file, and the version of its form.
const FORM: &str = "synod-position-1";

/// Why a position is not known or cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file or its folder cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{path} is damaged or was written by a later version: restore it, or delete it to begin at the end of the log")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The position of one follower of the log. The caller holds the server's lock.
#[derive(Debug)]
pub struct LogPosition {
    path: PathBuf,
}

impl LogPosition {
    /// The position that is kept under this name (letters, digits, `-`, `_`), with the sequence of the first record that was not acknowledged;
    /// none if nothing was kept yet.
    ///
    /// # Errors
    /// When the folder cannot be made, or the file cannot be read or is damaged. It is never taken for none.
    pub fn open(directory: &DataDirectory, name: &str) -> Result<(Self, Option<u64>), PositionError> {
        debug_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{name}");
        let folder = directory.sinks();
        draft::create_folder(&folder).map_err(|source| PositionError::Write { path: folder.clone(), source })?;
        let path = folder.join(name);
        let found = draft::read_regular(&path).map_err(|source| PositionError::Read { path: path.clone(), source })?;
        let next = found.map(|bytes| read(&bytes).ok_or_else(|| PositionError::Damaged { path: path.clone() })).transpose()?;
        Ok((Self { path }, next))
    }

    /// Keeps the sequence of the first record that was not acknowledged. Once it returns, it survives a power failure.
    ///
    /// # Errors
    /// When the file cannot be replaced: then it is as it was.
    pub fn keep(&self, next: u64) -> Result<(), PositionError> {
        let text = format!("{FORM} {next}\n");
        draft::write(&self.path, text.as_bytes(), Readers::Usual).map_err(|source| PositionError::Write { path: self.path.clone(), source })
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn read(bytes: &[u8]) -> Option<u64> {
    let (form, next) = std::str::from_utf8(bytes).ok()?.trim_end().split_once(' ')?;
    next.parse().ok().filter(|next| form == FORM && *next > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let open = |name| LogPosition::open(&directory, name).unwrap();
        let (position, next) = open("one");
        assert_eq!(next, None);
        position.keep(7).unwrap();
        position.keep(u64::MAX).unwrap();
        assert_eq!((open("one").1, open("two").1), (Some(u64::MAX), None));
    }

    #[test]
    fn what_was_not_written_so_is_never_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let (position, _) = LogPosition::open(&directory, "one").unwrap();
        for text in ["", "7", "synod-position-1", "synod-position-1 0", "synod-position-1 7 8", "synod-position-2 7"] {
            std::fs::write(position.path(), text).unwrap();
            let error = LogPosition::open(&directory, "one").unwrap_err();
            assert!(matches!(error, PositionError::Damaged { .. }), "{text}: {error}");
        }
    }
}
