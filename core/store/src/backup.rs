//! Backups: a data directory in one file, taken beside a running server, and put back.
//!
//! # The file
//! A tar archive, compressed by zstd, which the usual tools read: `tar --zstd -xf`. In this order:
//!
//! | entry | holds |
//! |---|---|
//! | `backup.json` | what it is a backup of: a [`BackupStatement`] |
//! | `data/…` | the files, as they lie in the data directory |
//! | `manifest.json` | the same statement, and the SHA-256 and length of every file |
//!
//! Behind it stands a skippable frame of zstd (RFC 8878) with the SHA-256 of all bytes before it, so that every flipped or missing byte of the
//! file is found, also one that would not change what is in it.
//!
//! # One moment
//! A backup holds the log up to one record, its head, and what belongs to it. In this order:
//!
//! 1. The removal of models is locked out, until the end: `synod models gc` waits.
//! 2. What must not be ahead of the log is taken: snapshots of histories, and how far sinks have come.
//! 3. The head is taken.
//! 4. What must not be behind the log is taken: keys, labels, rollouts, breakers; then models and the archive. So every decision finds what it rests
//!    on, every label its version, and a key whose revocation is in the log is revoked.
//! 5. Segments of the log are copied, the newest first: retention drops the oldest first, so that a segment which is gone by then takes nothing
//!    along but older ones.
//!
//! What can be made again is left out: the index, compiled plugins, locks. So is the log of events, which is kept only until it is told.
//! Whatever the log has by its head counts as told perhaps to every sink, because nobody knows what was told after the backup.

mod plan;
mod reading;
mod restoring;
mod seal;
mod writing;

pub use reading::{show_backup, verify_backup};
pub use restoring::Restored;
pub use writing::{latest_backup, prune_backups, write_backup};

use crate::log::LogError;
use crate::registry::RegistryError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// The version of the file's form.
const FORMAT: u32 = 1;
const STATEMENT: &str = "backup.json";
const MANIFEST: &str = "manifest.json";
const DATA: &str = "data/";
/// The most bytes of a statement: a few lines, and one for each detector.
const LARGEST_STATEMENT: u64 = 4 << 20;
/// The most files. Models have two or three each.
const MOST_FILES: u64 = 1_000_000;
/// What an entry of a manifest takes at most: a path, a digest, a number, and the words around them.
const LARGEST_LINE: u64 = 400;

/// What a backup is a backup of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupStatement {
    /// The version of the file's form.
    pub format: u32,
    /// The version of Synod that took it.
    pub synod: String,
    /// When it was taken.
    pub taken: Timestamp,
    /// The last record of the log that is in it; 0 if there was none yet.
    pub sequence: u64,
    /// The chain's hash at that record, 64 hexadecimal digits.
    pub chain: String,
    /// The version of each detector that was live.
    pub live: BTreeMap<String, u64>,
    /// How many files there are at most. Retention may drop some while they are copied.
    pub files: u64,
    /// How many bytes they have at most.
    pub bytes: u64,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupFile {
    /// Where it lies in the data directory.
    path: String,
    /// Its length.
    bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits.
    sha256: String,
}

/// Everything that a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    statement: BackupStatement,
    files: Vec<BackupFile>,
}

/// A backup that was written, or read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// What it is a backup of.
    pub statement: BackupStatement,
    /// The first record of the log that is in it; none if it holds no record.
    pub first: Option<u64>,
    /// How many files it holds.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// The SHA-256 of the backup itself without its last 40 bytes, which repeat it: 64 hexadecimal digits.
    pub sha256: String,
    /// How many bytes the backup itself has.
    pub archive_bytes: u64,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file or folder cannot be written. What was begun of it is removed.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the data directory was replaced or cut while it was read.
    #[error("{} was changed while it was read: take the backup again", .0.display())]
    Changed(PathBuf),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The registry cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The log of the data directory is damaged.
    #[error("{} is damaged: {what}. `synod audit verify` lists all that is wrong; there is no backup", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where, and in what way.
        what: String,
    },
    /// A file is no backup, or not what was written.
    #[error("{0}")]
    Refused(String),
    /// The place to restore into holds something.
    #[error("{} is not empty: restore into a directory that is not there yet or is empty, and leave the old one until the new one serves", .0.display())]
    Occupied(PathBuf),
    /// What is to be restored does not fit.
    #[error("{} has {free} bytes free, and the backup needs {needed}", path.display())]
    NoSpace {
        /// The folder that it was to be in.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are needed.
        needed: u64,
    },
}

impl BackupError {
    fn refused(what: impl Into<String>) -> Self {
        Self::Refused(what.into())
    }
}

/// Files of the data directory itself that belong to a backup, if they are there.
const FILES: [&str; 8] =
    ["FORMAT", "secret", "keys.json", "signing-keys.json", "breakers.json", "rollouts.json", "models.json", "acts.json"];
/// Its folders that belong to a backup, with the files in them.
const FOLDERS: [&str; 5] = ["log", "history", "sinks", "archive", "acme"];

/// Whether a file of this path belongs to a backup. No other is written or taken, so that none can lead elsewhere, hide, or be a lock.
fn is_known(path: &str) -> bool {
    let plain = |part: &&str| {
        let letters = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+=@,".contains(&byte));
        letters && (1..=100).contains(&part.len()) && !part.starts_with('.')
    };
    let parts: Vec<&str> = path.split('/').collect();
    parts.iter().all(plain)
        && match parts[..] {
            [file] => FILES.contains(&file),
            ["log", file] => crate::log::segment_of_name(file).is_some(),
            [folder, _] => FOLDERS.contains(&folder),
            ["models", _, _] => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests;
