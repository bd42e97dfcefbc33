//! Files that are read again when they change.

use super::TlsError;
use std::fs;
use std::path::{Path, PathBuf};
use synod_store::FileStamp;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};

/// Files of which something is made.
pub(super) trait Files {
    /// What is made of them.
    type Made;

    /// Where they are.
    fn paths(&self) -> Vec<&Path>;

    /// Reads them.
    fn read(&self) -> Result<Self::Made, TlsError>;

    /// Called when what was made is going to be used.
    fn taken(&self, _made: &Self::Made) {}
}

/// Files and what was made of them last.
#[derive(Debug)]
pub(super) struct Followed<F: Files> {
    files: F,
    seen: Vec<FileStamp>,
    made: F::Made,
}

/// What came of looking.
pub(super) enum Looked {
    /// The files are as they were.
    Unchanged,
    /// Something else was made of them.
    Read,
    /// They cannot be used; what was made before stays.
    Refused(TlsError),
}

impl<F: Files> Followed<F> {
    pub(super) fn new(files: F) -> Result<Self, TlsError> {
        // The stamps come first: what changes while it is read is read again.
        let seen = stamps(&files);
        let made = files.read()?;
        files.taken(&made);
        Ok(Self { files, seen, made })
    }

    pub(super) fn made(&self) -> &F::Made {
        &self.made
    }

    /// Reads the files if they have changed or `now`.
    pub(super) fn look(&mut self, now: bool) -> Looked {
        let stamps = stamps(&self.files);
        if !now && self.seen == stamps {
            return Looked::Unchanged;
        }
        self.seen = stamps;
        match self.files.read() {
            Ok(made) => {
                self.files.taken(&made);
                self.made = made;
                Looked::Read
            }
            Err(error) => Looked::Refused(error),
        }
    }
}

fn stamps(files: &impl Files) -> Vec<FileStamp> {
    files.paths().into_iter().map(FileStamp::of).collect()
}

/// A file's contents. `key` is the last part of the key that names it.
pub(super) fn contents(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { key, path: path.into(), source })
}

/// All items of a kind in a file, of which there must be one.
pub(super) fn items<T: PemObject>(key: &'static str, path: &Path, wanted: &'static str) -> Result<Vec<T>, TlsError> {
    let text = contents(key, path)?;
    let items = T::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let items = items.and_then(|items| if items.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(items) });
    items.map_err(|source| TlsError::Format { key, path: PathBuf::from(path), wanted, source })
}
