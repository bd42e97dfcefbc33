//! What can go wrong in the registry.

use crate::kept_list::KeptListError;
use std::io;
use std::path::PathBuf;

/// What can go wrong in the registry. The text names the file or the detector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The text cannot be a detector's name.
    #[error("`{name}` cannot be a detector's name: use 1 to 64 of a-z, 0-9, `_` and `-`, not `-` first, and not `blobs`")]
    Name {
        /// The text, cut to a few characters.
        name: String,
    },
    /// Nothing was published for this detector.
    #[error("detector `{detector}` has no live model: fit it, or promote a version")]
    NoLive {
        /// Its name.
        detector: String,
    },
    /// The detector has no such version.
    #[error("detector `{detector}` has no version {version}")]
    NoVersion {
        /// Its name.
        detector: String,
        /// The version that was asked for.
        version: u64,
    },
    /// What a person wrote stands for no version.
    #[error("detector `{detector}`, version `{reference}`: {why}")]
    Reference {
        /// Its name.
        detector: String,
        /// What was written, cut to a few characters.
        reference: String,
        /// Why it is none.
        why: String,
    },
    /// The labels cannot be read or changed.
    #[error(transparent)]
    Labels(#[from] KeptListError),
    /// The manifest was written by another version of the program.
    #[error(
        "{path} has format {found}, and this version of Synod reads format {known}: use the version that wrote it, or fit the detector again"
    )]
    Format {
        /// The manifest.
        path: PathBuf,
        /// The format that it states.
        found: u64,
        /// The format that this program reads.
        known: u64,
    },
    /// The manifest is no JSON, or not of the expected shape.
    #[error("cannot understand the manifest {path}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// What should become a manifest cannot be written as JSON.
    #[error("cannot write the manifest of detector `{detector}` as JSON")]
    Unwritable {
        /// Its name.
        detector: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A file or folder is not what the registry writes.
    #[error("{path} is damaged: {problem}")]
    Malformed {
        /// The file or folder.
        path: PathBuf,
        /// In what way.
        problem: String,
    },
    /// An artifact is not what was published.
    #[error("{path} is damaged: its SHA-256 should be {expected} and is {found}. Restore it from a backup, or make another version live")]
    Damaged {
        /// The artifact.
        path: PathBuf,
        /// The digest in the manifest.
        expected: String,
        /// The digest of the file.
        found: String,
    },
    /// An artifact that a manifest names is not there.
    #[error("{path} is missing. Restore it from a backup, or make another version live")]
    Missing {
        /// The artifact.
        path: PathBuf,
    },
    /// What comes from elsewhere is no newer than what came before.
    #[error(
        "detector `{detector}`: serial {serial} is not above {highest}, the highest that was taken here: an older version would take the place of a \
         newer one. If that is what you want, allow it with --allow-older, which is audited"
    )]
    Older {
        /// Its name.
        detector: String,
        /// The serial of what comes.
        serial: u64,
        /// The highest that was taken.
        highest: u64,
    },
    /// There are more bytes of signatures than are kept.
    #[error("detector `{detector}`: signatures of {bytes} bytes are more than {most}")]
    Signatures {
        /// Its name.
        detector: String,
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        most: u64,
    },
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
    /// The registry's lock cannot be taken.
    #[error("cannot lock {path}")]
    Lock {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
