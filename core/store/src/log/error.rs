//! What can go wrong with the log.

use super::format::LONGEST_PAYLOAD;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// What can go wrong with the log. The text names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A file or the folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written, synced, cut or removed.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what was written. Nothing was changed.
    #[error(
        "{} is damaged at byte {offset}: {what}. Run `synod audit verify` to see what is affected, and restore the file from a backup",
        file.display()
    )]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in the file.
        offset: u64,
        /// In what way.
        what: String,
    },
    /// A segment was written by another version of the program.
    #[error("{} has format {found}, and this version of Synod knows format {known}: use the version that wrote it", file.display())]
    Format {
        /// The segment.
        file: PathBuf,
        /// The format that it states.
        found: u32,
        /// The format that this program reads.
        known: u32,
    },
    /// The record is not in the log: it was dropped, or it is not durable yet, or it never was.
    #[error("record {sequence} is not in the log")]
    NotThere {
        /// The record that was asked for.
        sequence: u64,
    },
    /// The thread that writes cannot be started.
    #[error("cannot start the log's thread")]
    Thread {
        /// Why.
        source: io::Error,
    },
    /// The thread that writes has panicked. This is a mistake in the program.
    #[error("the log's thread has failed")]
    Panicked,
}

impl LogError {
    pub(super) fn damaged(file: PathBuf, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { file, offset, what: what.into() }
    }
}

/// Why entries were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The payload is longer than [`LONGEST_PAYLOAD`].
    #[error("a payload of {bytes} bytes is longer than the {LONGEST_PAYLOAD} that a record can have")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More waits to be written than [`super::LogSettings::queue_bytes`] allows. Nothing of the call was written.
    #[error("the log's queue is full: the disk is slower than what is appended")]
    Busy,
    /// The disk refused. Nothing of the call is in the log, and what reached the file has been cut off again; only if that failed as well
    /// and the process ends before it is tried again can a refused entry be found there.
    #[error("the log cannot be written: {cause}")]
    Disk {
        /// What the system said, with the file.
        cause: String,
        /// Whether the disk, a quota or the largest size of a file is used up.
        full: bool,
    },
    /// The log is closed, or was closed before the entries were written.
    #[error("the log is closed")]
    Closed,
}

impl From<&LogError> for AppendError {
    fn from(error: &LogError) -> Self {
        let full = match error {
            LogError::Write { source, .. } => is_full(source),
            _ => false,
        };
        let cause = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        Self::Disk { cause, full }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}
