//! How far somebody who follows the log has come: everything before the position was acknowledged by whoever it was told to. One small file
//! for each, in `sinks/` of the data directory.

use crate::data_directory::DataDirectory;
use crate::draft::{self, Readers};
use std::io;
use std::path::{Path, PathBuf};

/// The first word of the file, and the version of its form.
const FORM: &str = "synod-position-2";
/// The form before it, which did not say what may have been told.
const EARLIER_FORM: &str = "synod-position-1";

/// How the names of those end who follow the log of events, and not that of decisions.
pub const POSITIONS_OF_EVENTS: &str = "_events";

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

/// How far a follower has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The sequence of the first record that was not acknowledged.
    pub next: u64,
    /// The sequence of the first record that was certainly not told to anybody: what is between the two may have been.
    pub told: u64,
}

impl Progress {
    /// All before this record was acknowledged, and nothing else was told.
    pub fn at(next: u64) -> Self {
        Self { next, told: next }
    }
}

/// The position of one follower of the log. The caller holds the server's lock.
#[derive(Debug)]
pub struct LogPosition {
    path: PathBuf,
}

impl LogPosition {
    /// The position that is kept under this name (letters, digits, `-`, `_`), with how far it has come; none if
    /// nothing was kept yet.
    ///
    /// # Errors
    /// When the folder cannot be made, or the file cannot be read or is damaged. It is never taken for none.
    pub fn open(directory: &DataDirectory, name: &str) -> Result<(Self, Option<Progress>), PositionError> {
        debug_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{name}");
        let folder = directory.sinks();
        draft::create_folder(&folder).map_err(|source| PositionError::Write { path: folder.clone(), source })?;
        let path = folder.join(name);
        let found = draft::read_regular(&path).map_err(|source| PositionError::Read { path: path.clone(), source })?;
        let progress = found.map(|bytes| read(&bytes).ok_or_else(|| PositionError::Damaged { path: path.clone() })).transpose()?;
        Ok((Self { path }, progress))
    }

    /// Keeps how far it has come. Once it returns, that survives a power failure.
    ///
    /// # Errors
    /// When the file cannot be replaced: then it is as it was.
    pub fn keep(&self, progress: Progress) -> Result<(), PositionError> {
        draft::write(&self.path, text_of(progress).as_bytes(), Readers::Usual)
            .map_err(|source| PositionError::Write { path: self.path.clone(), source })
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A position as it is kept, with everything in doubt that the log has behind it: for a copy of the log, of which nobody knows what was told since.
pub(crate) fn in_doubt(bytes: &[u8]) -> Option<Vec<u8>> {
    let Progress { next, .. } = read(bytes)?;
    Some(text_of(Progress { next, told: u64::MAX }).into_bytes())
}

fn text_of(progress: Progress) -> String {
    format!("{FORM} {} {}\n", progress.next, progress.told)
}

fn read(bytes: &[u8]) -> Option<Progress> {
    let words: Vec<&str> = std::str::from_utf8(bytes).ok()?.trim_end().split(' ').collect();
    let progress = match words[..] {
        [FORM, next, told] => Progress { next: next.parse().ok()?, told: told.parse().ok()? },
        [EARLIER_FORM, next] => Progress::at(next.parse().ok()?),
        _ => return None,
    };
    (progress.next > 0 && progress.told >= progress.next).then_some(progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let open = |name| LogPosition::open(&directory, name).unwrap();
        let (position, progress) = open("one");
        assert_eq!(progress, None);
        position.keep(Progress::at(7)).unwrap();
        position.keep(Progress { next: 8, told: u64::MAX }).unwrap();
        assert_eq!((open("one").1, open("two").1), (Some(Progress { next: 8, told: u64::MAX }), None));
        std::fs::write(position.path(), "synod-position-1 7\n").unwrap();
        assert_eq!(open("one").1, Some(Progress::at(7)), "as an earlier version wrote it");
    }

    #[test]
    fn what_was_not_written_so_is_never_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let (position, _) = LogPosition::open(&directory, "one").unwrap();
        for text in [
            "",
            "7",
            "synod-position-1",
            "synod-position-1 0",
            "synod-position-1 7 8",
            "synod-position-2 7",
            "synod-position-2 0 1",
            "synod-position-2 8 7",
            "synod-position-3 7 8",
        ] {
            std::fs::write(position.path(), text).unwrap();
            let error = LogPosition::open(&directory, "one").unwrap_err();
            assert!(matches!(error, PositionError::Damaged { .. }), "{text}: {error}");
        }
    }
}
