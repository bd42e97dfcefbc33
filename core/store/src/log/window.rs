//! A view of a segment that moves forward through it, and the search for frames in it. Nothing that a damaged file states makes it allocate
//! more than the file has.

use super::disk::DiskFile;
use super::format::{FRAME_BYTES, FrameHead, LONGEST_PAYLOAD, frame_matches};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What is read at a time: large enough that calls cost nothing, small enough for a processor's cache.
const CHUNK: usize = 256 << 10;
/// How many bytes a search may run checksums over. Bytes that look like the beginning of a frame can be anywhere in a payload, so this is
/// what keeps a search from taking for ever; it is reached only by payloads that are made for it.
const SEARCH_BYTES: u64 = 4 << 30;

/// What is at an offset of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing: the file ends here.
    End,
    /// A frame whose checksum is right.
    Frame(FrameHead),
    /// Something else, and why it is no frame.
    Broken(&'static str),
}

/// Which frames a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them.
    Any,
    /// Those that say that everything before them had been synced.
    Settled,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// A frame begins at this offset.
    At(u64, FrameHead),
    /// There is none.
    Nothing,
    /// It was given up.
    TooLong,
}

/// A view of a file, up to a limit.
#[derive(Debug)]
pub(super) struct Window {
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    start: u64,
    filled: usize,
    limit: u64,
}

impl Window {
    /// A view of the file up to `limit`, or to its end if that is nearer.
    pub(super) fn new(file: Arc<dyn DiskFile>, limit: u64) -> io::Result<Self> {
        let limit = limit.min(file.length()?);
        Ok(Self { file, buffer: Vec::new(), start: 0, filled: 0, limit })
    }

    /// Where the view ends.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Moves the end of the view, after the file has grown.
    pub(super) fn extend(&mut self, limit: u64) -> io::Result<()> {
        let limit = limit.min(self.file.length()?);
        if limit != self.limit {
            (self.limit, self.filled) = (limit, 0);
        }
        Ok(())
    }

    /// Moves the end of the view, and forgets what was read.
    pub(super) fn read_again(&mut self, limit: u64) -> io::Result<()> {
        (self.limit, self.filled) = (limit.min(self.file.length()?), 0);
        Ok(())
    }

    /// The bytes at an offset; fewer where the view ends.
    pub(super) fn bytes(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let length = self.available(offset).min(length as u64) as usize;
        let covered = offset >= self.start && offset - self.start + length as u64 <= self.filled as u64;
        if !covered {
            self.fill(offset, length)?;
        }
        let from = ((offset - self.start) as usize).min(self.filled);
        Ok(&self.buffer[from..(from + length).min(self.filled)])
    }

    /// What begins at an offset.
    pub(super) fn frame(&mut self, seed: u32, offset: u64) -> io::Result<Found> {
        let head = match self.bytes(offset, FRAME_BYTES)? {
            [] => return Ok(Found::End),
            bytes => match bytes.first_chunk() {
                Some(bytes) => FrameHead::decode(bytes),
                None => return Ok(Found::Broken("a frame is cut")),
            },
        };
        if head.length > LONGEST_PAYLOAD {
            return Ok(Found::Broken("a frame states a length that is not possible"));
        }
        if self.available(offset) < head.frame_bytes() as u64 {
            return Ok(Found::Broken("a frame is cut, or its length is damaged"));
        }
        let frame = self.bytes(offset, head.frame_bytes())?;
        Ok(if frame_matches(frame, seed) { Found::Frame(head) } else { Found::Broken("a frame does not match its checksum") })
    }

    /// The payload of the frame that was just found there.
    pub(super) fn payload(&mut self, offset: u64, head: &FrameHead) -> io::Result<&[u8]> {
        self.bytes(offset + FRAME_BYTES as u64, head.length)
    }

    /// The next frame at or behind an offset, whatever bytes come before it, whose sequence is one of these.
    pub(super) fn search(&mut self, seed: u32, from: u64, sequences: &RangeInclusive<u64>, wanted: Wanted) -> io::Result<Search> {
        let mut budget = SEARCH_BYTES;
        let mut offset = from;
        while self.available(offset) >= FRAME_BYTES as u64 {
            let available = self.available(offset);
            let chunk = self.bytes(offset, CHUNK)?;
            if chunk.len() < FRAME_BYTES {
                break;
            }
            let Some(candidate) = candidate(chunk, available, sequences, wanted) else {
                offset += (chunk.len() - FRAME_BYTES + 1) as u64;
                continue;
            };
            offset += candidate.at;
            if let Found::Frame(head) = self.frame(seed, offset)? {
                return Ok(Search::At(offset, head));
            }
            match budget.checked_sub(candidate.frame_bytes) {
                Some(left) => budget = left,
                None => return Ok(Search::TooLong),
            }
            offset += 1;
        }
        Ok(Search::Nothing)
    }

    fn available(&self, offset: u64) -> u64 {
        self.limit.saturating_sub(offset)
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        let wanted = self.available(offset).min(length.max(CHUNK) as u64) as usize;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        (self.start, self.filled) = (offset, 0);
        self.filled = read_full(&*self.file, &mut self.buffer[..wanted], offset)?;
        Ok(())
    }
}

/// Reads until the buffer is full or the file ends, and returns how much that is.
pub(super) fn read_full(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Bytes that may be a frame.
struct Candidate {
    at: u64,
    frame_bytes: u64,
}

/// The first place in `chunk` that looks like a frame but for its checksum: its sequence is one of those, and it fits into what is left.
fn candidate(chunk: &[u8], available: u64, sequences: &RangeInclusive<u64>, wanted: Wanted) -> Option<Candidate> {
    chunk.windows(FRAME_BYTES).zip(0_u64..).find_map(|(bytes, at)| {
        let sequence = u64::from_le_bytes(*bytes[8..].first_chunk()?);
        if !sequences.contains(&sequence) {
            return None;
        }
        let head = FrameHead::decode(bytes.first_chunk()?);
        if wanted == Wanted::Settled && !head.settled {
            return None;
        }
        let fits = head.length <= LONGEST_PAYLOAD && head.frame_bytes() as u64 <= available - at;
        fits.then_some(Candidate { at, frame_bytes: head.frame_bytes() as u64 })
    })
}

#[cfg(test)]
mod tests {
    use super::super::disk::Disk;
    use super::super::model_disk::ModelDisk;
    use super::*;

    /// Small numbers one after the other look like the sequences and lengths of frames, everywhere.
    #[test]
    fn a_payload_full_of_numbers_is_searched_quickly_for_settled_frames_and_given_up_for_others() {
        let disk = ModelDisk::new(0);
        let file = disk.create("numbers").unwrap();
        file.write_at(&1_000_000_u64.to_le_bytes().repeat(1 << 18), 0).unwrap();
        let mut window = Window::new(file, u64::MAX).unwrap();
        let sequences = 1..=2_000_000;
        assert_eq!(window.search(0, 0, &sequences, Wanted::Settled).unwrap(), Search::Nothing);
        assert_eq!(window.search(0, 0, &sequences, Wanted::Any).unwrap(), Search::TooLong);
    }

    #[test]
    fn bytes_are_the_files_wherever_the_view_was_before() {
        let disk = ModelDisk::new(0);
        let file = disk.create("bytes").unwrap();
        let contents: Vec<u8> = (0..CHUNK as u32).flat_map(u32::to_le_bytes).collect();
        file.write_at(&contents, 0).unwrap();
        let mut window = Window::new(file, contents.len() as u64 - 3).unwrap();
        for offset in [0, 5, CHUNK - 1, CHUNK + 7, 3 * CHUNK, 1, 4 * CHUNK - 10, 4 * CHUNK, 9 * CHUNK] {
            for length in [0, 1, 89, CHUNK + 1, 2 * CHUNK] {
                let end = (offset + length).min(contents.len() - 3);
                assert_eq!(window.bytes(offset as u64, length).unwrap(), contents.get(offset..end).unwrap_or_default());
            }
        }
    }
}
