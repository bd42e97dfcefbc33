//! Snapshots of what is folded from the log, so that a restart folds the tail only. A snapshot is an optimisation: one that is missing,
//! damaged or of another kind is passed over, and the log is folded from its beginning.
//!
//! `history/<sequence>.snapshot`: magic `SYNODHIS`, the SHA-256 of what it is a snapshot of, the first sequence that is not in it (u64), the
//! bytes, and the SHA-256 of all that.

use crate::data_directory::DataDirectory;
use crate::draft::{self, Draft, Readers};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"SYNODHIS";
const HEADER: usize = 8 + 32 + 8;
/// The newest is used; the one before it is kept for the case that the newest is damaged.
const KEPT: usize = 2;

/// A snapshot cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot write or read {path}")]
pub struct SnapshotFileError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The first sequence of the log that is not in it.
    pub next: u64,
    /// What was written.
    pub bytes: Vec<u8>,
}

/// The snapshots of a data directory.
#[derive(Debug, Clone)]
pub struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    /// Opens the folder, and makes it at the first use.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(directory: &DataDirectory) -> Result<Self, SnapshotFileError> {
        let folder = directory.path().join("history");
        let opened = draft::create_folder(&folder).and_then(|()| draft::remove_leftovers(&folder));
        opened.map_err(|source| SnapshotFileError { path: folder.clone(), source })?;
        Ok(Self { folder })
    }

    /// Writes a snapshot and removes older ones. `identity` says what it is a snapshot of.
    ///
    /// # Errors
    /// When it cannot be written; the older ones are then still there.
    pub fn write(&self, identity: &str, next: u64, bytes: &[u8]) -> Result<(), SnapshotFileError> {
        let path = self.folder.join(format!("{next:020}.snapshot"));
        let write = || {
            let header = header(identity, next);
            let mut draft = Draft::create(&path, Readers::Owner)?;
            draft.write_all(&header)?;
            draft.write_all(bytes)?;
            draft.write_all(&Sha256::new_with_prefix(header).chain_update(bytes).finalize())?;
            draft.place()
        };
        write().map_err(|source| SnapshotFileError { path: path.clone(), source })?;
        let mut older = self.sequences()?;
        older.truncate(older.len().saturating_sub(KEPT));
        for next in older {
            let path = self.path(next);
            fs::remove_file(&path).map_err(|source| SnapshotFileError { path, source })?;
        }
        Ok(())
    }

    /// The newest whole snapshot of this identity that does not go beyond `limit`, the log's next sequence; and why newer ones were passed
    /// over.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn newest(&self, identity: &str, limit: u64) -> Result<(Option<Snapshot>, Vec<String>), SnapshotFileError> {
        let mut passed_over = Vec::new();
        for next in self.sequences()?.into_iter().rev() {
            let path = self.path(next);
            match read(&path, identity, next) {
                Ok(_) if next > limit => passed_over.push(format!("{}: it is ahead of the log", path.display())),
                Ok(bytes) => return Ok((Some(Snapshot { next, bytes }), passed_over)),
                Err(why) => passed_over.push(format!("{}: {why}", path.display())),
            }
        }
        Ok((None, passed_over))
    }

    /// Up to where the oldest kept snapshot goes: the log before it is no longer needed for the fold.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn oldest(&self) -> Result<Option<u64>, SnapshotFileError> {
        Ok(self.sequences()?.first().copied())
    }

    fn path(&self, next: u64) -> PathBuf {
        self.folder.join(format!("{next:020}.snapshot"))
    }

    fn sequences(&self) -> Result<Vec<u64>, SnapshotFileError> {
        let failed = |source| SnapshotFileError { path: self.folder.clone(), source };
        let mut sequences = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            sequences.extend(name.to_str().and_then(|name| name.strip_suffix(".snapshot")?.parse::<u64>().ok()));
        }
        sequences.sort_unstable();
        Ok(sequences)
    }
}

fn header(identity: &str, next: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..40].copy_from_slice(&Sha256::digest(identity));
    header[40..].copy_from_slice(&next.to_le_bytes());
    header
}

fn read(path: &Path, identity: &str, next: u64) -> Result<Vec<u8>, String> {
    let mut bytes = draft::read_regular(path).map_err(|error| error.to_string())?.ok_or("it is gone")?;
    if bytes.len() < HEADER + 32 || bytes[..8] != *MAGIC {
        return Err("it is no snapshot, or cut short".into());
    }
    let end = bytes.len() - 32;
    if Sha256::digest(&bytes[..end])[..] != bytes[end..] {
        return Err("it is damaged".into());
    }
    if bytes[..HEADER] != header(identity, next) {
        return Err("it is of other history features".into());
    }
    bytes.truncate(end);
    bytes.drain(..HEADER);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_one_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(&DataDirectory::open(folder.path()).unwrap()).unwrap();
        assert_eq!(snapshots.newest("a", 100).unwrap().0, None);
        for next in [10, 20, 30] {
            snapshots.write("a", next, &[next as u8; 100]).unwrap();
        }
        assert_eq!(snapshots.oldest().unwrap(), Some(20), "older ones are removed");
        let newest = |identity, limit| snapshots.newest(identity, limit).unwrap().0.map(|snapshot| (snapshot.next, snapshot.bytes));
        assert_eq!(newest("a", 100), Some((30, vec![30; 100])));
        assert_eq!(newest("a", 25), Some((20, vec![20; 100])), "one that knows more than the log is passed over");
        assert_eq!(newest("b", 100), None);
        let path = snapshots.path(30);
        for place in [0, 20, 45, 90, 150] {
            let mut bytes = fs::read(&path).unwrap();
            bytes[place] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let (found, passed_over) = snapshots.newest("a", 100).unwrap();
            assert_eq!((found.unwrap().next, passed_over.len()), (20, 1), "byte {place}");
            bytes[place] ^= 1;
            fs::write(&path, &bytes).unwrap();
        }
    }
}
