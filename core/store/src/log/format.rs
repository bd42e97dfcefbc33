//! The bytes of a segment: its header, its frames, and its name. Pure: no file is touched here.

use super::record::{Entry, Head};
use crc32c::{crc32c, crc32c_append};
use sha2::{Digest as _, Sha256};

/// The longest payload of a record: 16 MiB.
pub const LONGEST_PAYLOAD: usize = 16 << 20;
/// The version of the format that this program reads and writes.
pub(super) const VERSION: u32 = 1;
/// What a segment's header takes.
pub(super) const HEADER_BYTES: usize = 64;
/// What a frame takes beside its payload.
pub(super) const FRAME_BYTES: usize = 89;
/// The offset of a segment's first frame.
pub(super) const FIRST_FRAME: u64 = HEADER_BYTES as u64;

const MAGIC: &[u8; 8] = b"SYNODLOG";
/// The bit of a frame's length that says that everything before the frame had been synced when it was written.
const SETTLED: u32 = 1 << 31;

pub(super) type Hash = [u8; 32];

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The sequence of its first record, and the chain before it.
    pub(super) start: Head,
    /// When it was made: microseconds since 1970.
    pub(super) created: i64,
    /// The header's own CRC. The CRCs of the frames go on from it, so that no frame of another segment, and no bytes that somebody sent
    /// as a payload, pass for a frame of this one.
    pub(super) seed: u32,
}

/// Why a header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Too short, or its bytes are not what was written.
    Damaged(&'static str),
    /// Whole, but of another version.
    Version(u32),
}

impl Header {
    pub(super) fn new(start: Head, created: i64) -> Self {
        let mut header = Self { start, created, seed: 0 };
        header.seed = crc32c(&header.fields());
        header
    }

    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..60].copy_from_slice(&self.fields());
        bytes[60..].copy_from_slice(&self.seed.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderFault::Damaged("its header is cut"));
        };
        if !bytes.starts_with(MAGIC) {
            return Err(HeaderFault::Damaged("it does not begin as a segment of a log does"));
        }
        if crc32c(&bytes[..60]) != u32::from_le_bytes(part(bytes, 60)) {
            return Err(HeaderFault::Damaged("its header does not match its checksum"));
        }
        let version = u32::from_le_bytes(part(bytes, 8));
        if version != VERSION {
            return Err(HeaderFault::Version(version));
        }
        let start = Head { next: u64::from_le_bytes(part(bytes, 12)), chain: part(bytes, 20) };
        Ok(Self { start, created: i64::from_le_bytes(part(bytes, 52)), seed: u32::from_le_bytes(part(bytes, 60)) })
    }

    fn fields(&self) -> [u8; 60] {
        let mut bytes = [0; 60];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.start.next.to_le_bytes());
        bytes[20..52].copy_from_slice(&self.start.chain);
        bytes[52..].copy_from_slice(&self.created.to_le_bytes());
        bytes
    }
}

/// The two CRCs that the frames of a segment may have gone on from when its header is damaged: the one that it states, and the one that its
/// other bytes give.
pub(super) fn possible_seeds(header: &[u8]) -> Vec<u32> {
    header.first_chunk::<HEADER_BYTES>().map_or_else(Vec::new, |bytes| vec![u32::from_le_bytes(part(bytes, 60)), crc32c(&bytes[..60])])
}

/// A frame without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// The payload's length. Not to be trusted before [`frame_matches`].
    pub(super) length: usize,
    /// Whether everything before this frame had been synced when it was written.
    pub(super) settled: bool,
    pub(super) sequence: u64,
    pub(super) at: i64,
    pub(super) kind: u8,
    pub(super) digest: Hash,
    pub(super) chain: Hash,
}

impl FrameHead {
    pub(super) fn decode(bytes: &[u8; FRAME_BYTES]) -> Self {
        let length = u32::from_le_bytes(part(bytes, 0));
        Self {
            length: (length & !SETTLED) as usize,
            settled: length & SETTLED != 0,
            sequence: u64::from_le_bytes(part(bytes, 8)),
            at: i64::from_le_bytes(part(bytes, 16)),
            kind: bytes[24],
            digest: part(bytes, 25),
            chain: part(bytes, 57),
        }
    }

    /// What the whole frame takes.
    pub(super) fn frame_bytes(&self) -> usize {
        FRAME_BYTES + self.length
    }

    /// Whether this is the record that comes after `before`.
    pub(super) fn follows(&self, before: &Head) -> bool {
        self.sequence == before.next && self.chain == link(before, self.at, self.kind, &self.digest)
    }

    /// The head after this record.
    pub(super) fn head(&self) -> Head {
        Head { next: self.sequence.saturating_add(1), chain: self.chain }
    }
}

/// Writes the frame of the record that comes after `before` behind what `buffer` holds, and returns the head after it.
pub(super) fn encode_frame(buffer: &mut Vec<u8>, entry: &Entry, before: &Head, settled: bool, seed: u32) -> Head {
    // `Entry::new` has seen to it that the length leaves the upper bits free.
    let length = entry.payload.len() as u32 | if settled { SETTLED } else { 0 };
    let chain = link(before, entry.at, entry.kind, &entry.digest);
    let start = buffer.len();
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&before.next.to_le_bytes());
    buffer.extend_from_slice(&entry.at.to_le_bytes());
    buffer.push(entry.kind);
    buffer.extend_from_slice(&entry.digest);
    buffer.extend_from_slice(&chain);
    buffer.extend_from_slice(&entry.payload);
    let checksum = checksum(seed, &buffer[start..]);
    buffer[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    Head { next: before.next + 1, chain }
}

/// Whether the bytes of a whole frame are those that were written into the segment with this seed.
pub(super) fn frame_matches(frame: &[u8], seed: u32) -> bool {
    frame.len() >= FRAME_BYTES && checksum(seed, frame) == u32::from_le_bytes(part(frame, 4))
}

/// The CRC of a whole frame, its own four bytes left out.
pub(super) fn checksum(seed: u32, frame: &[u8]) -> u32 {
    crc32c_append(crc32c_append(seed, &frame[..4]), &frame[8..])
}

/// The chain's hash at the record after `before`.
pub(super) fn link(before: &Head, at: i64, kind: u8, digest: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(before.chain);
    hasher.update(before.next.to_le_bytes());
    hasher.update(at.to_le_bytes());
    hasher.update([kind]);
    hasher.update(digest);
    hasher.finalize().into()
}

/// The file name of the segment that begins with this record.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:020}.log")
}

/// The first record of the segment with this file name, if it is one.
pub(super) fn segment_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    let first = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    first.filter(|first| *first > 0)
}

/// The bytes at an offset that is known to be inside.
fn part<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[offset..offset + N]);
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_every_flip_is_seen() {
        let header = Header::new(Head { next: 77, chain: [9; 32] }, -5);
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Ok(header));
        for at in 0..HEADER_BYTES {
            let mut flipped = bytes;
            flipped[at] ^= 0x10;
            assert!(matches!(Header::decode(&flipped), Err(HeaderFault::Damaged(_))), "byte {at}");
            assert!(possible_seeds(&flipped).contains(&header.seed), "byte {at}");
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut bytes = Header::new(Head::START, 0).encode();
        bytes[8] = 2;
        let checksum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Header::decode(&bytes), Err(HeaderFault::Version(2)));
    }

    /// The layout is promised to other programs: the offsets stand here as they do in the table of the module's documentation.
    #[test]
    fn a_frame_lies_as_documented() {
        let entry = Entry::new(7, 1_700_000_000_000_000, b"abc".to_vec()).unwrap();
        let mut frame = Vec::new();
        let head = encode_frame(&mut frame, &entry, &Head { next: 5, chain: [1; 32] }, true, 42);
        assert_eq!(frame.len(), 92);
        assert_eq!(frame[..4], [3, 0, 0, 0x80]);
        assert_eq!(frame[8..16], 5_u64.to_le_bytes());
        assert_eq!(frame[16..24], 1_700_000_000_000_000_i64.to_le_bytes());
        assert_eq!(frame[24], 7);
        assert_eq!(frame[25..57], *Sha256::digest(b"abc"));
        let header = Header::new(Head::START, 3);
        let whole = [&header.encode()[..60], &frame[..4], &frame[8..]].concat();
        assert_eq!(checksum(header.seed, &frame), crc32c(&whole));
        let hashed = [&[1; 32], &frame[8..16], &frame[16..24], &[7], &frame[25..57]].concat();
        assert_eq!(frame[57..89], *Sha256::digest(hashed));
        assert_eq!(&frame[89..], b"abc");
        assert_eq!(head, Head { next: 6, chain: frame[57..89].try_into().unwrap() });
        assert!(frame_matches(&frame, 42) && !frame_matches(&frame, 43));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(segment_of(&segment_name(u64::MAX)), Some(u64::MAX));
        assert_eq!(segment_of("00000000000000000042.log"), Some(42));
        for name in [
            "42.log",
            "00000000000000000000.log",
            "99999999999999999999.log",
            "+0000000000000000042.log",
            ".00000000000000000042.log.tmp",
            "cut-1-2.bin",
        ] {
            assert_eq!(segment_of(name), None, "{name}");
        }
    }
}
