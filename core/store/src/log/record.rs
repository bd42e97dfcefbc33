//! What goes into the log and what comes out of it.

use super::error::AppendError;
use super::format::{FRAME_BYTES, Hash, LONGEST_PAYLOAD};
use sha2::{Digest as _, Sha256};

/// A record that waits to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(super) kind: u8,
    pub(super) at: i64,
    pub(super) digest: Hash,
    pub(super) payload: Vec<u8>,
}

impl Entry {
    /// An entry of this kind at this time (microseconds since 1970). The payload is hashed here, in the caller's thread, so that the one
    /// thread that writes has less to do.
    ///
    /// # Errors
    /// When the payload is longer than [`LONGEST_PAYLOAD`].
    pub fn new(kind: u8, at: i64, payload: Vec<u8>) -> Result<Self, AppendError> {
        if payload.len() > LONGEST_PAYLOAD {
            return Err(AppendError::TooLong { bytes: payload.len() });
        }
        Ok(Self { kind, at, digest: Sha256::digest(&payload).into(), payload })
    }

    /// What it takes on disk.
    pub(super) fn frame_bytes(&self) -> usize {
        FRAME_BYTES + self.payload.len()
    }
}

/// Where a record is. Positions of one log order as their sequences do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The record's number, from 1, without holes.
    pub sequence: u64,
    /// The first sequence of the segment that holds it: the segment's file name.
    pub segment: u64,
    /// The byte at which its frame begins in that file.
    pub offset: u64,
}

/// A record as it is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub position: Position,
    /// When it happened, as its writer said: microseconds since 1970.
    pub at: i64,
    /// What its writer said that it is. The log does not look at it.
    pub kind: u8,
    /// The bytes.
    pub payload: Vec<u8>,
    /// The chain's hash up to and with this record.
    pub chain: [u8; 32],
}

/// The end of the log, as far as it is safe from a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The sequence that the next record gets. Everything below is durable.
    pub next: u64,
    /// The chain's hash at the last durable record; zeros in an empty log.
    pub chain: [u8; 32],
}

impl Head {
    /// The head of a log in which nothing was ever written.
    pub(super) const START: Self = Self { next: 1, chain: [0; 32] };
}
