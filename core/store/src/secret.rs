//! The secret of an installation: what digests of private values are keyed with. It is made once and must be backed up with the rest; it is
//! never made anew by itself, because digests that were written under it could not be recognised any more.

use crate::data_directory::DataDirectory;
use crate::draft::{self, Readers};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::io;
use std::path::PathBuf;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It can neither be read nor made.
    #[error("cannot read or make the secret {path}")]
    Access {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no secret.
    #[error(
        "{path} is damaged: it must have 32 bytes. Restore it from a backup; without it hashed values of older decisions cannot be recognised"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// Makes digests that nobody without the data directory can make.
#[derive(Clone)]
pub struct Secret {
    key: [u8; 32],
}

impl std::fmt::Debug for Secret {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads the secret of this directory, or makes it at the first use.
    ///
    /// # Errors
    /// When it can neither be read nor made, or is damaged.
    pub fn open(directory: &DataDirectory) -> Result<Self, SecretError> {
        let path = directory.path().join("secret");
        let failed = |source| SecretError::Access { path: path.clone(), source };
        if let Some(found) = draft::read_regular(&path).map_err(failed)? {
            let key = found.try_into().map_err(|_| SecretError::Damaged { path: path.clone() })?;
            return Ok(Self { key });
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| failed(error.into()))?;
        draft::write(&path, &key, Readers::Owner).map_err(failed)?;
        Ok(Self { key })
    }

    /// HMAC-SHA256 (RFC 2104) of the parts, for one purpose: digests of different purposes have nothing in common.
    pub fn digest(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("an HMAC takes keys of every length");
        for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
            // Lengths come before their bytes, so that no two lists of parts give the same input.
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_never_again() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let digest = |parts: &[&[u8]]| Secret::open(&directory).unwrap().digest("test", parts);
        assert_eq!(digest(&[b"a", b"b"]), digest(&[b"a", b"b"]));
        assert_ne!(digest(&[b"a", b"b"]), digest(&[b"ab"]));
        std::fs::write(folder.path().join("secret"), "short").unwrap();
        assert!(matches!(Secret::open(&directory), Err(SecretError::Damaged { .. })));
    }
}
