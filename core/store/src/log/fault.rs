//! What a verification reports.

use crate::digest::hexadecimal;
use std::fmt;
use std::path::PathBuf;

/// A head that was noted elsewhere, earlier: what the log's own files cannot forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// A record.
    pub sequence: u64,
    /// The chain's hash at that record.
    pub chain: [u8; 32],
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// How many whole records were read, those with faults included.
    pub records: u64,
    /// The first record that is there, by the name of the first segment.
    pub first: Option<u64>,
    /// The highest sequence that was read.
    pub last: Option<u64>,
    /// The chain's hash at that record, as it is stored: what to note as the next anchor.
    pub head: Option<[u8; 32]>,
    /// Anchors that were compared with a record.
    pub anchors: usize,
    /// Anchors of records that come before the first one, which was dropped. They cannot be checked.
    pub anchors_before: usize,
    /// Everything that is wrong, in the order of the files; at most 1000 faults.
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub more_faults: u64,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The segment.
    pub file: PathBuf,
    /// Where in the file.
    pub offset: u64,
    /// The record that was expected there.
    pub sequence: u64,
    /// What is wrong.
    pub what: FaultKind,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The segment's header is not what was written. Its frames were read all the same.
    Header(&'static str),
    /// The segment does not follow from the record before it: its header states another chain.
    Joint,
    /// Bytes that do not match their checksum: the disk has damaged them, or somebody has who did not mend the checksum.
    Damaged {
        /// How many bytes.
        bytes: u64,
        /// How many records are lost in them.
        records: u64,
        /// In what way.
        why: &'static str,
    },
    /// The payload is not the one that was written, though its checksum is right: it was edited.
    EditedPayload,
    /// The record does not follow from the one before it: this one, or the one before it, was edited together with its hashes, or replaced.
    BrokenChain,
    /// Records are missing.
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// A record is where another one should be: it was moved or inserted.
    OutOfOrder {
        /// Its sequence.
        found: u64,
    },
    /// The log ends in the middle of a frame. A crash leaves this, and opening the log cuts it off; so does somebody who shortens the file.
    CutTail {
        /// How many bytes are left of it.
        bytes: u64,
    },
    /// The record is not the one that was noted as an anchor.
    Anchor {
        /// The chain's hash that was noted.
        noted: [u8; 32],
        /// The one that is stored.
        found: [u8; 32],
    },
    /// An anchor notes a record behind the end of the log: the end was removed.
    AnchorMissing {
        /// The last record of the anchor: all up to it are missing.
        to: u64,
    },
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(why) => write!(f, "header damaged: {why}"),
            Self::Joint => write!(f, "the segment does not follow from the record before it"),
            Self::Damaged { bytes, records, why } => write!(f, "{bytes} bytes damaged, {records} records lost: {why}"),
            Self::EditedPayload => write!(f, "edited payload: it does not match its digest"),
            Self::BrokenChain => write!(f, "broken chain: the record does not follow from the one before it"),
            Self::Missing { from, to } => write!(f, "missing records {from} to {to}"),
            Self::OutOfOrder { found } => write!(f, "record {found} is out of order or inserted"),
            Self::CutTail { bytes } => write!(f, "cut tail: {bytes} bytes that are no whole record"),
            Self::Anchor { noted, found } => {
                write!(f, "the anchor does not match: {} was noted, {} is there", hexadecimal(noted), hexadecimal(found))
            }
            Self::AnchorMissing { to } => write!(f, "the end is missing: an anchor notes record {to}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}, record {}: {}", self.file.display(), self.offset, self.sequence, self.what)
    }
}
