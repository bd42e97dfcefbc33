//! A secret in a file of its own, which may change while it is used.

use crate::telemetry::metrics::{Reload, Reloads};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use synod_store::FileStamp;
use thiserror::Error;

/// The longest secret: tokens are shorter.
const LONGEST: usize = 8192;

/// Why a file is no secret.
#[derive(Debug, Error)]
pub(crate) enum SecretMistake {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{} must hold one line of visible characters, at most {LONGEST}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
}

/// A line in a file. When the file changes it is read again; what is no secret then changes nothing, and is logged.
pub(crate) struct SecretFile {
    path: PathBuf,
    known: Mutex<(FileStamp, Arc<str>)>,
}

impl std::fmt::Debug for SecretFile {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SecretFile {
    /// The secret of this file.
    ///
    /// # Errors
    /// When it cannot be read, or holds no secret.
    pub(crate) fn open(path: &Path) -> Result<Self, SecretMistake> {
        // The stamp before the content: what changes in between is read again.
        let stamp = FileStamp::of(path);
        Ok(Self { path: path.to_owned(), known: Mutex::new((stamp, read(path)?)) })
    }

    /// What it is now.
    pub(crate) fn text(&self) -> Arc<str> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = FileStamp::of(&self.path);
        if stamp != known.0 {
            known.0 = stamp;
            let read = read(&self.path);
            Reloads::all().read(Reload::Secrets, read.is_ok());
            match read {
                Ok(text) => known.1 = text,
                Err(error) => tracing::warn!(error = crate::command::chain(&error), "a secret is not read again; the old one is used"),
            }
        }
        Arc::clone(&known.1)
    }
}

fn read(path: &Path) -> Result<Arc<str>, SecretMistake> {
    let text = fs::read_to_string(path).map_err(|source| SecretMistake::Read { path: path.to_owned(), source })?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    // A header's value may have blanks within.
    let visible = line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) && line.trim() == line;
    let good = visible && (1..=LONGEST).contains(&line.len());
    if good { Ok(line.into()) } else { Err(SecretMistake::Form { path: path.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_changes_with_its_file_and_survives_a_bad_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(matches!(SecretFile::open(&path), Err(SecretMistake::Read { .. })));
        for bad in ["", "\n", "two\nlines\n", " blank", "ümlaut"] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(SecretFile::open(&path), Err(SecretMistake::Form { .. })), "{bad}");
        }
        fs::write(&path, "first\r\n").unwrap();
        let secret = SecretFile::open(&path).unwrap();
        assert_eq!(&*secret.text(), "first");
        fs::write(&path, "the second\n").unwrap();
        assert_eq!(&*secret.text(), "the second");
        fs::write(&path, "").unwrap();
        assert_eq!(&*secret.text(), "the second");
        assert!(!format!("{secret:?}").contains("second"));
    }
}
