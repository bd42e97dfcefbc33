//! Artifacts on disk: compressed (zstd, RFC 8878), and named by the digest of what was compressed.

use super::{Registry, RegistryError, read, write};
use crate::digest::sha256;
use std::io::Read;
use std::path::PathBuf;

/// How hard compression tries: models are written once and read often.
const LEVEL: i32 = 3;

impl Registry {
    pub(super) fn blobs(&self) -> PathBuf {
        self.models.join(super::BLOBS)
    }

    fn compressed(&self, digest: &str) -> PathBuf {
        self.blobs().join(format!("{digest}.zst"))
    }

    /// Where an artifact of this digest may be: as it is written today, and as it was written before.
    pub(super) fn blob_paths(&self, digest: &str) -> [PathBuf; 2] {
        [self.compressed(digest), self.blobs().join(digest)]
    }

    /// Writes a blob unless it is there. One that is there but damaged is replaced: its right content is at hand.
    pub(super) fn store_blob(&self, digest: &str, artifact: &[u8]) -> Result<(), RegistryError> {
        if self.read_blob(digest, artifact.len() as u64).is_ok() {
            return Ok(());
        }
        let path = self.compressed(digest);
        let bytes = zstd::encode_all(artifact, LEVEL).map_err(|source| RegistryError::Write { path: path.clone(), source })?;
        write(&path, &bytes)
    }

    /// Reads a blob of so many bytes, and compares it with its digest. No more is unpacked than that, whatever the file may hold.
    pub(super) fn read_blob(&self, digest: &str, size: u64) -> Result<Vec<u8>, RegistryError> {
        let [path, plain] = self.blob_paths(digest);
        let (path, artifact) = match read(&path)? {
            Some(bytes) => {
                let damaged = |error: std::io::Error| RegistryError::Malformed {
                    path: path.clone(),
                    problem: format!("it cannot be unpacked: {error}"),
                };
                let artifact = unpacked(&bytes, size).map_err(damaged)?;
                (path, artifact)
            }
            None => match read(&plain)? {
                Some(bytes) => (plain, bytes),
                None => return Err(RegistryError::Missing { path }),
            },
        };
        let found = sha256(&artifact);
        if found == digest { Ok(artifact) } else { Err(RegistryError::Damaged { path, expected: digest.to_owned(), found }) }
    }
}

fn unpacked(bytes: &[u8], size: u64) -> std::io::Result<Vec<u8>> {
    let mut artifact = Vec::new();
    // One more than there should be: then the digest is another.
    zstd::Decoder::new(bytes)?.take(size.saturating_add(1)).read_to_end(&mut artifact)?;
    Ok(artifact)
}
