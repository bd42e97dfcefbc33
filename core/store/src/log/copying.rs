//! What a copy of the log needs: where it ends at one moment, and a check of segments whose bytes pass by.

use super::disk::{Access, Disk, Folder};
use super::error::LogError;
use super::format::{FIRST_FRAME, FRAME_BYTES, FrameHead, HEADER_BYTES, Header, LONGEST_PAYLOAD, VERSION, frame_matches, segment_name};
use super::format::{HeaderFault, segment_of};
use super::reader::LogReader;
use super::record::Head;
use super::segment::{header_bytes, list_segments, open_segment};
use crate::data_directory::DataDirectory;
use sha2::{Digest as _, Sha256};
use std::io;

/// The log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Its end.
    pub(crate) head: Head,
    /// The first sequences of its segments, in order. All of them but the last are whole.
    pub(crate) segments: Vec<u64>,
    /// How many bytes of the last one belong to it.
    pub(crate) end: u64,
}

impl Extent {
    /// The log as the files have it now, also beside a running server. When this returns, all of it is safe from a power failure, so that no
    /// copy knows a record that the log itself can still lose.
    ///
    /// # Errors
    /// When the files cannot be read, or their end is damaged.
    pub(crate) fn now(directory: &DataDirectory) -> Result<Self, LogError> {
        let disk = Folder::new(directory.log());
        let mut segments = list_segments(&disk)?;
        // The last one may be in the making: then the one before it is where the log ends.
        while let Some(last) = segments.last().copied() {
            if let Some((last, end, head)) = end_from(directory, &disk, last)? {
                let mut segments = list_segments(&disk)?;
                segments.retain(|first| *first <= last);
                sync(&disk, last)?;
                return Ok(Self { head, segments, end });
            }
            segments.pop();
        }
        Ok(Self { head: Head::START, segments: Vec::new(), end: 0 })
    }
}

/// The segment in which the log ends, the offset and the head there, read from this segment on; none if it has no header yet.
fn end_from(directory: &DataDirectory, disk: &Folder, first: u64) -> Result<Option<(u64, u64, Head)>, LogError> {
    let mut found = None;
    for record in LogReader::open(directory)?.from(first)? {
        let record = record?;
        let end = record.position.offset + (FRAME_BYTES + record.payload.len()) as u64;
        found = Some((record.position.segment, end, Head { next: record.position.sequence + 1, chain: record.chain }));
    }
    if found.is_some() {
        return Ok(found);
    }
    let file = open_segment(disk, first, Access::Read)?;
    Ok(match Header::decode(&header_bytes(disk, first, &*file)?) {
        Ok(header) if header.start.next == first => Some((first, FIRST_FRAME, header.start)),
        _ => None,
    })
}

fn sync(disk: &Folder, segment: u64) -> Result<(), LogError> {
    let synced = open_segment(disk, segment, Access::Read)?.sync_data();
    synced.map_err(|source| LogError::Read { path: disk.path(&segment_name(segment)), source })
}

/// The file name of a segment, and back.
pub(crate) fn name_of_segment(first: u64) -> String {
    segment_name(first)
}

/// The first record of the segment with this file name, if it is one.
pub(crate) fn segment_of_name(name: &str) -> Option<u64> {
    segment_of(name)
}

/// Checks a segment whose bytes come piece by piece: header, checksums, digests and the chain. What it holds in memory is a frame and a piece.
#[derive(Debug)]
pub(crate) struct SegmentCheck {
    first: u64,
    header: Option<Header>,
    head: Head,
    /// Bytes that are not checked yet, and where they begin in the file.
    waiting: Vec<u8>,
    offset: u64,
}

/// A whole segment, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The head before its first record.
    pub(crate) start: Head,
    /// The head after its last one.
    pub(crate) end: Head,
}

/// What is wrong with a segment, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}, record {sequence}: {what}")]
pub(crate) struct SegmentFault {
    offset: u64,
    sequence: u64,
    what: String,
}

impl SegmentCheck {
    /// Of the segment that begins with this record.
    pub(crate) fn of(first: u64) -> Self {
        Self { first, header: None, head: Head { next: first, ..Head::START }, waiting: Vec::new(), offset: 0 }
    }

    /// Checks what has come so far.
    ///
    /// # Errors
    /// When it is not what a log writes. Nothing more is to be pushed then.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), SegmentFault> {
        self.waiting.extend_from_slice(bytes);
        let mut done = 0;
        while let Some(length) = self.next_piece(done)? {
            done += length;
            self.offset += length as u64;
        }
        self.waiting.drain(..done);
        Ok(())
    }

    /// The whole segment.
    ///
    /// # Errors
    /// When it ends in the middle of something.
    pub(crate) fn finish(self) -> Result<Checked, SegmentFault> {
        match self.header {
            Some(header) if self.waiting.is_empty() => Ok(Checked { start: header.start, end: self.head }),
            Some(_) => Err(self.fault("it ends in the middle of a record")),
            None => Err(self.fault("its header is cut")),
        }
    }

    /// Checks the header or the frame that waits at this place, and says how long it is; none if it is not there as a whole.
    fn next_piece(&mut self, from: usize) -> Result<Option<usize>, SegmentFault> {
        let waiting = &self.waiting[from..];
        let Some(header) = self.header else {
            let Some(bytes) = waiting.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
            let header = Header::decode(bytes).map_err(|fault| self.fault(told(fault)))?;
            if header.start.next != self.first || (self.first == 1 && header.start != Head::START) {
                return Err(self.fault("its header is that of another segment"));
            }
            (self.header, self.head) = (Some(header), header.start);
            return Ok(Some(HEADER_BYTES));
        };
        let Some(head) = waiting.first_chunk::<FRAME_BYTES>().map(FrameHead::decode) else { return Ok(None) };
        if head.length > LONGEST_PAYLOAD {
            return Err(self.fault("a record is longer than one can be"));
        }
        let Some(frame) = waiting.get(..head.frame_bytes()) else { return Ok(None) };
        if !frame_matches(frame, header.seed) {
            return Err(self.fault("it does not match its checksum"));
        } else if !head.follows(&self.head) {
            return Err(self.fault("it does not follow from the one before it"));
        } else if head.digest != *Sha256::digest(&frame[FRAME_BYTES..]) {
            return Err(self.fault("its payload does not match its digest"));
        }
        self.head = head.head();
        Ok(Some(head.frame_bytes()))
    }

    fn fault(&self, what: impl Into<String>) -> SegmentFault {
        SegmentFault { offset: self.offset, sequence: self.head.next, what: what.into() }
    }
}

fn told(fault: HeaderFault) -> String {
    match fault {
        HeaderFault::Damaged(what) => what.to_owned(),
        HeaderFault::Version(found) => format!("it has format {found}, and this version of Synod knows format {VERSION}"),
    }
}

/// Segments that were checked one by one, in any order, as one log.
///
/// # Errors
/// When one does not follow from the one before it.
pub(crate) fn joined(mut segments: Vec<Checked>) -> Result<Head, String> {
    segments.sort_unstable_by_key(|checked| checked.start.next);
    for pair in segments.windows(2) {
        if pair[0].end != pair[1].start {
            return Err(format!("the segment {} does not follow from the one before it", segment_name(pair[1].start.next)));
        }
    }
    Ok(segments.last().map_or(Head::START, |last| last.end))
}

impl From<SegmentFault> for io::Error {
    fn from(fault: SegmentFault) -> Self {
        Self::new(io::ErrorKind::InvalidData, fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Log, LogSettings};
    use std::sync::mpsc::channel;

    /// A log of a few short segments, in a folder of its own.
    fn written(records: u8) -> (tempfile::TempDir, DataDirectory, Log) {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let (log, _) = Log::open(&directory, LogSettings { segment_bytes: 400, ..LogSettings::default() }).unwrap();
        for number in 0..records {
            append(&log, number);
        }
        (folder, directory, log)
    }

    fn append(log: &Log, number: u8) {
        let (done, wait) = channel();
        log.append(vec![Entry::new(1, 1, vec![number; 100]).unwrap()], move |result| done.send(result).unwrap());
        wait.recv().unwrap().unwrap();
    }

    fn checked(directory: &DataDirectory, extent: &Extent, piece: usize) -> Vec<Result<Checked, SegmentFault>> {
        let last = extent.segments.last().copied();
        let check = |first: &u64| {
            let mut bytes = std::fs::read(directory.log().join(segment_name(*first))).unwrap();
            bytes.truncate(if Some(*first) == last { extent.end as usize } else { bytes.len() });
            let mut check = SegmentCheck::of(*first);
            bytes.chunks(piece).try_for_each(|piece| check.push(piece))?;
            check.finish()
        };
        extent.segments.iter().map(check).collect()
    }

    #[test]
    fn the_log_at_one_moment_is_whole_while_it_grows() {
        let (_folder, directory, log) = written(20);
        let (extent, head) = (Extent::now(&directory).unwrap(), log.head());
        assert_eq!(extent.head, head);
        append(&log, 99);
        for piece in [1, 64, 1000] {
            let segments = checked(&directory, &extent, piece).into_iter().collect::<Result<Vec<_>, _>>().unwrap();
            assert!(segments.len() > 3);
            assert_eq!(joined(segments).unwrap(), head);
        }
        assert_eq!(Extent::now(&directory).unwrap().head, log.head());
    }

    #[test]
    fn an_empty_log_has_a_beginning() {
        let (_folder, directory, _log) = written(0);
        let extent = Extent::now(&directory).unwrap();
        assert_eq!((extent.head, extent.segments, extent.end), (Head::START, vec![1], FIRST_FRAME));
        let folder = tempfile::tempdir().unwrap();
        let none = Extent::now(&DataDirectory::open(folder.path()).unwrap()).unwrap();
        assert_eq!((none.head, none.segments, none.end), (Head::START, vec![], 0));
    }

    #[test]
    fn a_segment_that_is_only_begun_is_no_part_of_it() {
        let (_folder, directory, log) = written(4);
        let head = log.head();
        drop(log);
        std::fs::write(directory.log().join(segment_name(head.next)), b"SYNOD").unwrap();
        let extent = Extent::now(&directory).unwrap();
        assert_eq!(extent.head, head);
        assert!(!extent.segments.contains(&head.next));
    }

    #[test]
    fn what_a_crash_left_half_written_is_no_part_of_it_and_damage_is_named() {
        let (_folder, directory, log) = written(1);
        append(&log, 2);
        let head = log.head();
        drop(log);
        let path = directory.log().join(segment_name(1));
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &[7; 50]].concat()).unwrap();
        let extent = Extent::now(&directory).unwrap();
        assert_eq!((extent.head, extent.end), (head, whole.len() as u64));
        // The second record says that the first one had been synced.
        let mut damaged = whole;
        damaged[64 + 100] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(Extent::now(&directory), Err(LogError::Damaged { .. })));
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_seen() {
        let (_folder, directory, _log) = written(4);
        let extent = Extent::now(&directory).unwrap();
        let path = directory.log().join(segment_name(1));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            std::fs::write(&path, &bytes).unwrap();
            assert!(checked(&directory, &extent, 100)[0].is_err(), "byte {at}");
        }
        for cut in [10, 64 + 40, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(checked(&directory, &extent, 100)[0].is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn segments_that_do_not_follow_are_no_log() {
        let (_folder, directory, _log) = written(20);
        let extent = Extent::now(&directory).unwrap();
        let mut segments = checked(&directory, &extent, 100).into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        segments.remove(1);
        assert!(joined(segments.clone()).unwrap_err().contains("does not follow"));
        segments.remove(0);
        assert_eq!(joined(segments).unwrap(), extent.head, "what was dropped from the beginning is no hole");
    }
}
