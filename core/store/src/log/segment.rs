//! Segments as files: making one, listing them, and walking through one.

use super::disk::{Access, Disk, DiskFile};
use super::error::LogError;
use super::format::{FIRST_FRAME, HEADER_BYTES, Header, HeaderFault, VERSION, segment_name, segment_of};
use super::record::Head;
use super::window::{Found, Window, read_full};
use sha2::{Digest as _, Sha256};
use std::io;
use std::sync::Arc;

/// A segment that is complete, or is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// The sequence of its first record.
    pub(super) first: u64,
    /// Its length.
    pub(super) bytes: u64,
    /// When it was made: microseconds since 1970.
    pub(super) created: i64,
}

/// How much of a segment a walk believes its checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Checksums, and sequences without holes.
    Checksums,
    /// The chain and every payload's digest as well.
    Everything,
}

/// Where a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    /// The offset behind the last good frame.
    pub(super) end: u64,
    /// The head after it.
    pub(super) head: Head,
    /// The offset of the last frame before which everything had been synced when it was written.
    pub(super) settled: u64,
    /// Why it did not reach the end of the view.
    pub(super) stop: Option<Stop>,
}

/// What a walk cannot pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Bytes that are no frame: damaged, or never written completely.
    Broken(&'static str),
    /// A frame that is whole and does not belong here. No crash does that.
    Foreign(&'static str),
}

/// Makes the segment that begins after `start`, in the place of one of the same name, which can hold nothing that was acknowledged. Once
/// this returns it survives a power failure.
pub(super) fn create_segment(disk: &dyn Disk, start: Head, created: i64) -> Result<(Header, Arc<dyn DiskFile>), LogError> {
    let header = Header::new(start, created);
    let name = segment_name(start.next);
    let draft = format!(".{name}.tmp");
    let made = || -> io::Result<Arc<dyn DiskFile>> {
        let file = disk.create(&draft)?;
        file.write_at(&header.encode(), 0)?;
        file.sync_all()?;
        disk.rename(&draft, &name)?;
        disk.sync_folder()?;
        Ok(file)
    };
    match made() {
        Ok(file) => Ok((header, file)),
        Err(source) => {
            // A draft that stays behind is replaced by the next attempt, or removed when the log is opened.
            let _ = disk.remove(&draft);
            Err(LogError::Write { path: disk.path(&name), source })
        }
    }
}

/// The first sequences of all segments, in order.
pub(super) fn list_segments(disk: &dyn Disk) -> Result<Vec<u64>, LogError> {
    let names = disk.list().map_err(|source| LogError::Read { path: disk.path(""), source })?;
    let mut segments: Vec<u64> = names.iter().filter_map(|name| segment_of(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// Removes what an interrupted `create_segment` left.
pub(super) fn remove_drafts(disk: &dyn Disk) -> Result<(), LogError> {
    let names = disk.list().map_err(|source| LogError::Read { path: disk.path(""), source })?;
    for name in names.iter().filter(|name| name.starts_with('.') && name.ends_with(".log.tmp")) {
        disk.remove(name).map_err(|source| LogError::Write { path: disk.path(name), source })?;
    }
    Ok(())
}

/// Opens a segment to read it or to write on.
pub(super) fn open_segment(disk: &dyn Disk, first: u64, access: Access) -> Result<Arc<dyn DiskFile>, LogError> {
    let name = segment_name(first);
    disk.open(&name, access).map_err(|source| LogError::Read { path: disk.path(&name), source })
}

/// What a file has in the place of a header.
pub(super) fn header_bytes(disk: &dyn Disk, first: u64, file: &dyn DiskFile) -> Result<Vec<u8>, LogError> {
    let mut bytes = vec![0; HEADER_BYTES];
    let filled = read_full(file, &mut bytes, 0).map_err(|source| LogError::Read { path: disk.path(&segment_name(first)), source })?;
    bytes.truncate(filled);
    Ok(bytes)
}

/// The header of a segment, which must be whole and state the sequence that the file's name states.
pub(super) fn read_header(disk: &dyn Disk, first: u64, file: &dyn DiskFile) -> Result<Header, LogError> {
    let path = || disk.path(&segment_name(first));
    match Header::decode(&header_bytes(disk, first, file)?) {
        Ok(header) if header.start.next == first => Ok(header),
        Ok(_) => Err(LogError::damaged(path(), 12, "the first sequence in its header is not the one in its name")),
        Err(HeaderFault::Damaged(what)) => Err(LogError::damaged(path(), 0, what)),
        Err(HeaderFault::Version(found)) => Err(LogError::Format { file: path(), found, known: VERSION }),
    }
}

/// Walks from the first frame to the end of the view, or to what is no good frame.
pub(super) fn walk(window: &mut Window, header: &Header, depth: Depth) -> io::Result<Walk> {
    let mut walk = Walk { end: FIRST_FRAME, head: header.start, settled: FIRST_FRAME, stop: None };
    while walk.stop.is_none() {
        match window.frame(header.seed, walk.end)? {
            Found::End => break,
            Found::Broken(what) => walk.stop = Some(Stop::Broken(what)),
            Found::Frame(head) => {
                if head.sequence != walk.head.next {
                    walk.stop = Some(Stop::Foreign("a record is out of order"));
                } else if depth == Depth::Everything && !head.follows(&walk.head) {
                    walk.stop = Some(Stop::Foreign("a record does not follow from the one before it"));
                } else if depth == Depth::Everything && head.digest != *Sha256::digest(window.payload(walk.end, &head)?) {
                    walk.stop = Some(Stop::Foreign("a payload does not match its digest"));
                } else {
                    walk.settled = if head.settled { walk.end } else { walk.settled };
                    walk.end += head.frame_bytes() as u64;
                    walk.head = head.head();
                }
            }
        }
    }
    Ok(walk)
}
