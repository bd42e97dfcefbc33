//! What can go wrong with the index.

use super::schema::DETECTORS;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong with the index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file cannot be opened or created.
    #[error("cannot open the index {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file cannot be created, looked at or deleted.
    #[error("cannot prepare or remove {path}, a part of the index")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite failed while something was read or changed.
    #[error("cannot use the index {path}")]
    Use {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A fact is said to be folded and not to be folded.
    #[error("the index {path} is told that everything before {next} is folded, and with it record {sequence}, which comes later")]
    Order {
        /// The index.
        path: PathBuf,
        /// The fact's sequence.
        sequence: u64,
        /// The first that is said to be missing.
        next: u64,
    },
    /// A record's sequence, segment or offset is larger than SQLite can hold.
    #[error("the index {path} cannot hold the number {number}")]
    Number {
        /// The index.
        path: PathBuf,
        /// The number.
        number: u64,
    },
    /// The masks are full.
    #[error(
        "the index {path} knows {DETECTORS} detectors, which is as many as it can, and `{detector}` would be one more: delete it to build it anew from the detectors that the log still names"
    )]
    Detectors {
        /// The index.
        path: PathBuf,
        /// The one too many.
        detector: String,
    },
    /// A cursor continues a search with another filter.
    #[error("the cursor belongs to a search with another filter: use it with the filter that it came from, or begin without a cursor")]
    OtherFilter,
}

impl IndexError {
    /// Whether the file is damaged: then the way on is to drop every reader and the writer, [`remove`](super::Index::remove) it, open it
    /// afresh and fold the log again.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Open { source, .. } | Self::Use { source, .. } if is_damage(source))
    }
}

/// Whether SQLite says that the file is not what it should be, in contrast to a disk that is full or a lock that is held.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows, Utf8Error};
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase),
        // A value that was never written so.
        None => matches!(
            error,
            FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | QueryReturnedNoRows | Utf8Error(..)
        ),
    }
}

/// An [`IndexError`] that does not know yet which file it is about.
#[derive(Debug)]
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Order { sequence: u64, next: u64 },
    Number(u64),
    Detectors(String),
    OtherFilter,
}

impl Fault {
    pub(super) fn at(self, path: &Path) -> IndexError {
        let path = path.to_owned();
        match self {
            Self::Sqlite(source) => IndexError::Use { path, source },
            Self::Order { sequence, next } => IndexError::Order { path, sequence, next },
            Self::Number(number) => IndexError::Number { path, number },
            Self::Detectors(detector) => IndexError::Detectors { path, detector },
            Self::OtherFilter => IndexError::OtherFilter,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
