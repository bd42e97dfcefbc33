//! The last 40 bytes of a backup: a frame that decoders of zstd skip, with the SHA-256 of everything before it.

use crate::digest::hexadecimal;
use sha2::{Digest as _, Sha256};
use std::io::{self, ErrorKind, Read, Write};

/// The magic number of a skippable frame, and the length of what it holds (RFC 8878, 3.1.2), both little-endian.
const HEAD: [u8; 8] = [0x5E, 0x2A, 0x4D, 0x18, 32, 0, 0, 0];
/// What a seal takes.
pub(super) const SEAL_BYTES: usize = 40;
/// What is read at a time.
const PIECE: usize = 64 << 10;

/// Passes bytes on and counts them into the digest.
#[derive(Debug)]
pub(super) struct Sealing<W> {
    inner: W,
    hasher: Sha256,
    written: u64,
}

impl<W: Write> Sealing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), written: 0 }
    }

    /// Writes the seal. Answers what was written into, the digest, and how many bytes there are with the seal.
    pub(super) fn seal(mut self) -> io::Result<(W, String, u64)> {
        let digest = self.hasher.finalize();
        self.inner.write_all(&HEAD)?;
        self.inner.write_all(&digest)?;
        Ok((self.inner, hexadecimal(&digest), self.written + SEAL_BYTES as u64))
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads what is sealed, without its seal, which must be right once the end is reached.
#[derive(Debug)]
pub(super) struct Unsealing<R> {
    inner: R,
    hasher: Sha256,
    /// What was read and not yet given. Its last 40 bytes may be the seal.
    waiting: Vec<u8>,
    given: u64,
    /// The digest, once the seal was seen.
    seal: Option<String>,
}

impl<R: Read> Unsealing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new(), waiting: Vec::with_capacity(PIECE + SEAL_BYTES), given: 0, seal: None }
    }

    /// How many bytes were given so far.
    pub(super) fn given(&self) -> u64 {
        self.given
    }

    /// The digest; none before the end was reached.
    pub(super) fn seal(&self) -> Option<&str> {
        self.seal.as_deref()
    }

    /// Reads until there is something to give, or the end was reached.
    fn fill(&mut self) -> io::Result<()> {
        while self.waiting.len() <= SEAL_BYTES {
            let had = self.waiting.len();
            self.waiting.resize(had + PIECE, 0);
            let count = loop {
                match self.inner.read(&mut self.waiting[had..]) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        self.waiting.truncate(had);
                        return Err(error);
                    }
                    Ok(count) => break count,
                }
            };
            self.waiting.truncate(had + count);
            if count == 0 {
                return self.check();
            }
        }
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        let digest = self.hasher.clone().finalize();
        if self.waiting.len() < SEAL_BYTES || self.waiting[..8] != HEAD {
            return Err(io::Error::new(ErrorKind::InvalidData, "its end is missing: it was cut, or something was added to it"));
        }
        if self.waiting[8..] != digest[..] {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is damaged: it does not match the digest at its end"));
        }
        self.seal = Some(hexadecimal(&digest));
        Ok(())
    }
}

impl<R: Read> Read for Unsealing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.seal.is_some() || buffer.is_empty() {
            return Ok(0);
        }
        self.fill()?;
        let count = self.waiting.len().saturating_sub(SEAL_BYTES).min(buffer.len());
        buffer[..count].copy_from_slice(&self.waiting[..count]);
        self.hasher.update(&self.waiting[..count]);
        self.waiting.drain(..count);
        self.given += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(bytes: &[u8]) -> Vec<u8> {
        let mut sealing = Sealing::new(Vec::new());
        sealing.write_all(bytes).unwrap();
        let (sealed, _, length) = sealing.seal().unwrap();
        assert_eq!(sealed.len() as u64, length);
        sealed
    }

    fn opened(sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Unsealing::new(sealed).read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn what_was_sealed_comes_back_whatever_its_length() {
        for length in [0, 1, 39, 40, 41, PIECE - 1, PIECE, PIECE + 40, 3 * PIECE + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            assert_eq!(opened(&sealed(&bytes)).unwrap(), bytes, "{length}");
        }
    }

    #[test]
    fn every_flip_every_cut_and_every_addition_is_seen() {
        let whole = sealed(b"some bytes that matter");
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(opened(&bytes).is_err(), "byte {at}");
            assert!(opened(&whole[..at]).is_err(), "cut at {at}");
        }
        assert!(opened(&[&whole[..], b"x"].concat()).is_err());
    }

    #[test]
    fn a_decoder_of_zstd_skips_it() {
        let frame = zstd::encode_all(&b"content"[..], 3).unwrap();
        assert_eq!(zstd::decode_all(&sealed(&frame)[..]).unwrap(), b"content");
    }
}
