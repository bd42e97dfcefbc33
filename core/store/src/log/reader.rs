//! Reading: one record by its position, or all from a sequence on.

use super::disk::{Access, Disk, DiskFile, Folder};
use super::error::LogError;
use super::format::{FIRST_FRAME, FRAME_BYTES, FrameHead, LONGEST_PAYLOAD, frame_matches, segment_name};
use super::record::{Position, Record};
use super::records::Records;
use super::segment::{list_segments, open_segment, read_header};
use super::status::Status;
use super::window::{Found, Window, read_full};
use crate::data_directory::DataDirectory;
use std::sync::{Arc, Mutex, PoisonError};

/// How many segments stay open for random access. A dropped segment takes space for as long as it is open.
const OPEN_SEGMENTS: usize = 8;
/// What is read at first: most records are shorter.
const FIRST_READ: usize = 4 << 10;

/// Reads records. A reader from [`super::Log::reader`] sees all durable records and nothing else. One from [`LogReader::open`] sees what is
/// in the files: beside a running server that may be a record whose sync is still under way.
///
/// Clones share what is open.
#[derive(Debug, Clone)]
pub struct LogReader {
    disk: Arc<dyn Disk>,
    status: Option<Arc<Status>>,
    open: Arc<Mutex<Vec<Opened>>>,
}

#[derive(Debug, Clone)]
struct Opened {
    segment: u64,
    seed: u32,
    file: Arc<dyn DiskFile>,
}

impl LogReader {
    /// A reader of the files, for tools, also beside a running server. It writes nothing; a half-written end of the log simply ends it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(directory: &DataDirectory) -> Result<Self, LogError> {
        let disk = Arc::new(Folder::new(directory.log()));
        list_segments(&*disk)?;
        Ok(Self::new(disk, None))
    }

    pub(super) fn new(disk: Arc<dyn Disk>, status: Option<Arc<Status>>) -> Self {
        Self { disk, status, open: Arc::default() }
    }

    /// The first record that is there; none if there is none, or the files cannot be read.
    pub fn first(&self) -> Option<u64> {
        match &self.status {
            Some(status) => {
                let state = status.lock();
                state.segments.first().map(|segment| segment.first).filter(|first| *first < state.head.next)
            }
            None => self.first_in_files().ok().flatten(),
        }
    }

    /// All records from this sequence on, in order. The iterator ends where the log ends for now; asked again later, it goes on with what
    /// has come since. After an error it is over. A sequence beyond the end gives nothing until the log has come that far.
    ///
    /// Every record's checksum, sequence and place in the chain are checked; that its payload has the digest that is in the chain is left
    /// to [`super::verify()`].
    ///
    /// # Errors
    /// [`LogError::NotThere`] when the record was dropped; another when the files cannot be read or are damaged.
    pub fn from(&self, sequence: u64) -> Result<Records, LogError> {
        Records::begin(self.clone(), sequence)
    }

    /// The record at a position that [`super::Log::append`] gave. Its checksum is checked, and that it is the record that was asked for.
    ///
    /// # Errors
    /// [`LogError::NotThere`] when it was dropped or is not durable; [`LogError::Damaged`] when something else is in its place.
    pub fn read(&self, position: Position) -> Result<Record, LogError> {
        if let Some(status) = &self.status {
            let state = status.lock();
            let first = state.segments.first().map_or(u64::MAX, |segment| segment.first);
            if position.sequence >= state.head.next || position.segment < first {
                return Err(LogError::NotThere { sequence: position.sequence });
            }
        }
        let opened = self.opened(position)?;
        let read = self.read_frame(&opened, position);
        if read.is_err() {
            // A segment without durable records may have been replaced by one of its name.
            self.lock().retain(|other| other.segment != opened.segment);
        }
        read
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Up to where a segment may be read; none if nothing of it may.
    pub(super) fn limit(&self, segment: u64) -> Option<u64> {
        self.status.as_ref().map_or(Some(u64::MAX), |status| status.lock().durable_end(segment))
    }

    /// Up to where a segment certainly reaches; 0 if that is not known.
    pub(super) fn durable_end(&self, segment: u64) -> u64 {
        let known = self.status.as_ref().and_then(|status| status.lock().durable_end(segment));
        known.filter(|end| *end < u64::MAX).unwrap_or(0)
    }

    /// Whether only durable records are seen, so that whatever cannot be read is damaged.
    pub(super) fn sees_durable_only(&self) -> bool {
        self.status.is_some()
    }

    /// The segments that may be read, in order.
    pub(super) fn segments(&self) -> Result<Vec<u64>, LogError> {
        match &self.status {
            Some(status) => Ok(status.lock().segments.iter().map(|segment| segment.first).collect()),
            None => list_segments(&*self.disk),
        }
    }

    fn first_in_files(&self) -> Result<Option<u64>, LogError> {
        let segments = self.segments()?;
        let Some(first) = segments.first().copied() else { return Ok(None) };
        if segments.len() > 1 {
            return Ok(Some(first));
        }
        let file = open_segment(&*self.disk, first, Access::Read)?;
        let header = read_header(&*self.disk, first, &*file)?;
        let found = Window::new(file, u64::MAX).and_then(|mut window| window.frame(header.seed, FIRST_FRAME));
        let found = found.map_err(|source| LogError::Read { path: self.disk.path(&segment_name(first)), source })?;
        Ok(matches!(found, Found::Frame(_)).then_some(first))
    }

    /// The position's segment, opened. Those that were used last stay open.
    fn opened(&self, position: Position) -> Result<Opened, LogError> {
        let segment = position.segment;
        let oldest = self.status.as_ref().and_then(|status| status.lock().segments.first().map(|segment| segment.first));
        let mut open = self.lock();
        open.retain(|opened| opened.segment >= oldest.unwrap_or(0));
        if let Some(index) = open.iter().position(|opened| opened.segment == segment) {
            let opened = open.remove(index);
            open.push(opened.clone());
            return Ok(opened);
        }
        drop(open);
        let file = self.disk.open(&segment_name(segment), Access::Read).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => LogError::NotThere { sequence: position.sequence },
            _ => LogError::Read { path: self.disk.path(&segment_name(segment)), source },
        })?;
        let seed = read_header(&*self.disk, segment, &*file)?.seed;
        let opened = Opened { segment, seed, file };
        let mut open = self.lock();
        if open.len() >= OPEN_SEGMENTS {
            open.remove(0);
        }
        open.push(opened.clone());
        Ok(opened)
    }

    fn read_frame(&self, opened: &Opened, position: Position) -> Result<Record, LogError> {
        let path = || self.disk.path(&segment_name(position.segment));
        let damaged = |what: &str| LogError::damaged(path(), position.offset, format!("record {} is not there: {what}", position.sequence));
        let failed = |source| LogError::Read { path: path(), source };
        let mut frame = vec![0; FIRST_READ];
        let filled = read_full(&*opened.file, &mut frame, position.offset).map_err(failed)?;
        let head = frame.first_chunk::<FRAME_BYTES>().map(FrameHead::decode).filter(|_| filled >= FRAME_BYTES);
        let head = head.ok_or_else(|| damaged("the file ends"))?;
        if head.sequence != position.sequence || head.length > LONGEST_PAYLOAD {
            return Err(damaged("another one is, or its frame is damaged"));
        }
        frame.resize(head.frame_bytes(), 0);
        if let Some(rest) = frame.get_mut(filled..) {
            read_full(&*opened.file, rest, position.offset + filled as u64).map_err(failed)?;
        }
        if !frame_matches(&frame, opened.seed) {
            return Err(damaged("its frame does not match its checksum"));
        }
        let payload = frame.split_off(FRAME_BYTES);
        Ok(Record { position, at: head.at, kind: head.kind, payload, chain: head.chain })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
