//! A short list in one file, which several processes read and change: a command beside a server. A change replaces the whole file, under a lock
//! that is held for a moment. Whoever reads needs none, and sees a list as it was before or after a change.

use crate::data_directory::DataDirectory;
use crate::draft::{self, Readers};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// Why a list cannot be read or changed. It is never taken for an empty one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptListError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be replaced.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The lock cannot be taken.
    #[error("cannot lock {path}")]
    Lock {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file was written by a later version of the program.
    #[error("{path} has format {found}, and this version of Synod knows format {known}: use the version that wrote it")]
    Newer {
        /// The file.
        path: PathBuf,
        /// What it states.
        found: u64,
        /// What is known.
        known: u64,
    },
    /// The file is not what was written.
    #[error("{path} is damaged at line {line}, column {column}: restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where. What stands there may be secret, and is not said.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// The list is longer than it may be.
    #[error("{path} holds {found} entries, and {most} is the most")]
    TooMany {
        /// The file.
        path: PathBuf,
        /// How many there are, or would be.
        found: usize,
        /// How many there may be.
        most: usize,
    },
}

/// What a list is a list of.
pub trait Kept: Serialize + DeserializeOwned {
    /// The file's name.
    const FILE: &'static str;
    /// The name of the lock beside it.
    const LOCK: &'static str;
    /// The version of the entries' form.
    const FORMAT: u64;
    /// The most entries that there may be.
    const MOST: usize;
}

/// A list of a data directory. It holds no state but the path: several processes and threads may use one at a time.
#[derive(Debug, Clone)]
pub struct KeptList<T> {
    path: PathBuf,
    lock: PathBuf,
    entries: PhantomData<fn() -> T>,
}

/// What is known of a file without reading it; it changes whenever the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp(Option<(u64, std::time::SystemTime, u64)>);

impl FileStamp {
    /// That of a file as it is now, which may be none.
    pub fn of(path: &Path) -> Self {
        let stamp = |metadata: fs::Metadata| {
            let changed = metadata.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH);
            (inode(&metadata), changed, metadata.len())
        };
        Self(fs::metadata(path).ok().map(stamp))
    }
}

#[derive(Serialize)]
struct Written<'a, T> {
    format: u64,
    entries: &'a [T],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound = "T: DeserializeOwned")]
struct Whole<T> {
    #[serde(rename = "format")]
    _format: u64,
    entries: Vec<T>,
}

/// The part of the file that every version reads.
#[derive(Deserialize)]
struct Stated {
    format: u64,
}

impl<T: Kept> KeptList<T> {
    /// The list of this directory. The file is made by the first change.
    pub fn of(directory: &DataDirectory) -> Self {
        let [path, lock] = [T::FILE, T::LOCK].map(|name| directory.path().join(name));
        Self { path, lock, entries: PhantomData }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file is known by. To be asked for before it is read: what changes in between is then read again.
    pub fn stamp(&self) -> FileStamp {
        FileStamp::of(&self.path)
    }

    /// All entries; none if there was no change yet.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or was written by a later version.
    pub fn read(&self) -> Result<Vec<T>, KeptListError> {
        let bytes = draft::read_regular(&self.path).map_err(|source| KeptListError::Read { path: self.path.clone(), source })?;
        bytes.map_or_else(|| Ok(Vec::new()), |bytes| self.parse(&bytes))
    }

    /// Changes the list. Once this returns, the change survives a power failure; if `change` refuses, nothing is written.
    ///
    /// # Errors
    /// When the file cannot be read or replaced, or would hold more entries than it may.
    pub fn change<R, E>(&self, change: impl FnOnce(&mut Vec<T>) -> Result<R, E>) -> Result<Result<R, E>, KeptListError> {
        let _lock = self.locked()?;
        let mut entries = self.read()?;
        let changed = match change(&mut entries) {
            Ok(changed) => changed,
            refused => return Ok(refused),
        };
        self.check_length(entries.len())?;
        let failed = |source| KeptListError::Write { path: self.path.clone(), source };
        let mut text =
            serde_json::to_vec_pretty(&Written { format: T::FORMAT, entries: &entries }).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        draft::write(&self.path, &text, Readers::Owner).map_err(failed)?;
        Ok(Ok(changed))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Vec<T>, KeptListError> {
        let damaged =
            |error: serde_json::Error| KeptListError::Damaged { path: self.path.clone(), line: error.line(), column: error.column() };
        let Stated { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format > T::FORMAT {
            return Err(KeptListError::Newer { path: self.path.clone(), found: format, known: T::FORMAT });
        }
        let Whole { entries, .. } = serde_json::from_slice::<Whole<T>>(bytes).map_err(damaged)?;
        self.check_length(entries.len())?;
        Ok(entries)
    }

    fn check_length(&self, found: usize) -> Result<(), KeptListError> {
        match found <= T::MOST {
            true => Ok(()),
            false => Err(KeptListError::TooMany { path: self.path.clone(), found, most: T::MOST }),
        }
    }

    fn locked(&self) -> Result<File, KeptListError> {
        let locked = draft::open_lock(&self.lock).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|source| KeptListError::Lock { path: self.lock.clone(), source })
    }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Word {
        word: String,
    }

    impl Kept for Word {
        const FILE: &'static str = "words.json";
        const LOCK: &'static str = "words.lock";
        const FORMAT: u64 = 2;
        const MOST: usize = 100;
    }

    fn directory() -> (tempfile::TempDir, KeptList<Word>) {
        let folder = tempfile::tempdir().unwrap();
        let list = KeptList::of(&DataDirectory::open(folder.path()).unwrap());
        (folder, list)
    }

    fn add(list: &KeptList<Word>, word: &str) {
        let added: Result<(), Infallible> = list
            .change(|words| {
                words.push(Word { word: word.into() });
                Ok(())
            })
            .unwrap();
        added.unwrap();
    }

    #[test]
    fn what_is_added_is_there_and_nobody_else_reads_it() {
        let (_folder, list) = directory();
        assert_eq!(list.read().unwrap(), []);
        let before = list.stamp();
        add(&list, "a");
        assert_ne!(list.stamp(), before);
        assert_eq!(list.read().unwrap(), [Word { word: "a".into() }]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(list.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_refused_change_leaves_the_file_alone() {
        let (_folder, list) = directory();
        add(&list, "a");
        let before = (list.stamp(), fs::read(list.path()).unwrap());
        let refused = list.change(|words| {
            words.clear();
            Err::<(), _>("no")
        });
        assert_eq!(refused.unwrap(), Err("no"));
        assert_eq!((list.stamp(), fs::read(list.path()).unwrap()), before);
    }

    #[test]
    fn no_change_of_many_at_a_time_is_lost() {
        let (_folder, list) = directory();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let list = list.clone();
                scope.spawn(move || (0..10).for_each(|number| add(&list, &format!("{thread}-{number}"))));
            }
        });
        assert_eq!(list.read().unwrap().len(), 40);
    }

    #[test]
    fn what_is_broken_or_newer_is_refused_by_name_and_never_empty() {
        let (_folder, list) = directory();
        for (text, wanted) in [
            ("", "damaged"),
            ("{}", "damaged"),
            ("[]", "damaged"),
            (r#"{"format": 2}"#, "damaged"),
            (r#"{"format": 2, "entries": [{"word": 1}]}"#, "damaged"),
            (r#"{"format": 2, "entries": [], "more": 1}"#, "damaged"),
            (r#"{"format": 2, "entries": []} x"#, "damaged"),
            (r#"{"format": 3, "entries": [], "more": 1}"#, "format 3"),
        ] {
            fs::write(list.path(), text).unwrap();
            let error = list.read().unwrap_err().to_string();
            assert!(error.contains(wanted) && error.contains("words.json"), "{text}: {error}");
            assert!(list.change(|_| Ok::<_, Infallible>(())).is_err(), "{text}");
            assert_eq!(fs::read_to_string(list.path()).unwrap(), text, "it is not overwritten");
        }
    }

    #[test]
    fn a_list_does_not_grow_without_end() {
        let (_folder, list) = directory();
        let grown = list.change(|words| {
            words.extend((0..101).map(|word| Word { word: word.to_string() }));
            Ok::<_, Infallible>(())
        });
        assert!(matches!(grown, Err(KeptListError::TooMany { found: 101, most: 100, .. })));
        assert_eq!(list.read().unwrap(), []);
    }
}
