//! The append-only log: the truth of an installation, of which everything else is a fold. It takes records in order and gives each a
//! number; a record is acknowledged once it survives a power failure; a chain of hashes shows whether one was changed, removed or added
//! later. It does not know what a payload means.
//!
//! # On disk
//! `<data directory>/log/<first sequence, 20 digits>.log`: segments, for their owner alone. All numbers are little-endian, all times are
//! microseconds since 1970. A segment begins with a header of 64 bytes:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `SYNODLOG` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 8 | sequence of the first record |
//! | 20 | 32 | chain before that record; zeros before record 1 |
//! | 52 | 8 | when the segment was made |
//! | 60 | 4 | CRC32C of the 60 bytes before |
//!
//! Then frames follow one another, 89 bytes and a payload each:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | bits 0 to 30: length of the payload, at most 16 MiB; bit 31: everything before this frame had been synced when it was written |
//! | 4 | 4 | CRC32C of the segment header's first 60 bytes, then this frame's first 4 bytes, then everything from its offset 8 on |
//! | 8 | 8 | sequence; from 1, without holes |
//! | 16 | 8 | time |
//! | 24 | 1 | kind |
//! | 25 | 32 | digest: SHA-256 of the payload |
//! | 57 | 32 | chain: SHA-256 of the chain before, the sequence, the time, the kind and the digest, 81 bytes as they are stored |
//! | 89 | | payload |
//!
//! `cut-<sequence>-<time>.bin` holds what was cut off after a crash, where record `sequence` would have been. It is for people and may be
//! deleted; so may what begins with a dot while no server runs.
//!
//! # What opening does
//! Every segment is read, of a long log the newest 4 GiB ([`LogSettings::read_at_open`]) and the headers of the others. Of all but the last the checksums are believed, so that frames are whole and numbered without holes, and each
//! segment has to begin with the chain that the one before ends with. In the last one every payload is hashed and every link computed.
//! What is no frame at its end is what a crash leaves and is cut off; if a whole frame behind it says by bit 31 that it had been synced,
//! it is damage, and so is everything else that is not as it was written. Damage is refused: it is for people to look at. What stays and
//! is not known to have been synced is written once more and synced before anything is built on it.
//!
//! The last batch is the one place where a crash and a damaged disk look alike, for nothing behind it says that it had been synced. It is
//! cut off, kept in a file, and told of in [`Recovery`]; an [`Anchor`] noted elsewhere shows whether it had been acknowledged.

mod copying;
mod disk;
mod error;
mod fault;
mod format;
mod queue;
mod reader;
mod record;
mod records;
mod recovery;
mod retention;
mod segment;
mod status;
mod verify;
mod window;
mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod disk_error_tests;
#[cfg(test)]
mod model_disk;
#[cfg(test)]
mod power_cut_tests;
#[cfg(test)]
mod test_logs;
#[cfg(test)]
mod verify_tests;

pub(crate) use copying::{Checked, Extent, SegmentCheck, joined, name_of_segment, segment_of_name};
pub use error::{AppendError, LogError};
pub use fault::{Anchor, Fault, FaultKind, Verification};
pub use format::LONGEST_PAYLOAD;
pub use reader::LogReader;
pub use record::{Entry, Head, Position, Record};
pub use records::Records;
pub use recovery::{Cut, Recovery};
pub use retention::{Dropped, Retention};
pub use status::LogFacts;

use crate::data_directory::DataDirectory;
use disk::{Disk, Folder};
use queue::{Call, Queue};
use status::Status;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use writer::{Writer, microseconds_now};

/// How long a running server may take to finish the frame that it is writing, before a verification calls it cut.
const PATIENCE: Duration = Duration::from_millis(200);

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// A new segment is begun when the active one is longer than this, in bytes.
    pub segment_bytes: u64,
    /// How much may wait to be written, in bytes. It bounds the memory that a slow disk costs.
    pub queue_bytes: usize,
    /// Whether records are acknowledged once they survive a power failure. Without it they are acknowledged once they are written, and
    /// synced at least every 200 ms: a power failure, or a disk that fails to sync, loses what came since.
    pub sync: bool,
    /// How much of the segments before the last is read when the log is opened, the newest first, in bytes. Of older ones only the headers
    /// are looked at: damage in them is found by who reads it, and by [`verify`].
    pub read_at_open: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, queue_bytes: 64 << 20, sync: true, read_at_open: 4 << 30 }
    }
}

/// The log of a data directory, opened to append to it. One thread of its own writes.
pub struct Log {
    disk: Arc<dyn Disk>,
    status: Arc<Status>,
    queue: Arc<Queue>,
    /// Held while segments are dropped.
    retaining: Mutex<()>,
    thread: Option<JoinHandle<Result<(), LogError>>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("disk", &self.disk).field("head", &self.head()).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log, makes it if there is none, and cuts off what a crash left half written. The caller holds the server's lock.
    ///
    /// # Errors
    /// When a file cannot be read or written; when the log is damaged in a way that no crash explains, which changes nothing.
    pub fn open(directory: &DataDirectory, settings: LogSettings) -> Result<(Self, Recovery), LogError> {
        Self::open_on(Arc::new(Folder::new(directory.log())), settings)
    }

    /// Opens a log of its own in the data directory: that of events which are kept only until they are told.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_events(directory: &DataDirectory, settings: LogSettings) -> Result<(Self, Recovery), LogError> {
        let folder = directory.events();
        crate::draft::create_folder(&folder).map_err(|source| LogError::Write { path: folder.clone(), source })?;
        Self::open_on(Arc::new(Folder::new(folder)), settings)
    }

    fn open_on(disk: Arc<dyn Disk>, settings: LogSettings) -> Result<(Self, Recovery), LogError> {
        let recovered = recovery::recover_within(&*disk, microseconds_now(), settings.read_at_open)?;
        let recovery = recovered.recovery.clone();
        let writer = Writer::new(disk.clone(), settings, recovered);
        let status = writer.status().clone();
        let queue = Arc::new(Queue::new(settings.queue_bytes));
        let taking = queue.clone();
        let thread = std::thread::Builder::new().name("synod-log".to_owned()).spawn(move || taking.run(writer));
        let thread = Some(thread.map_err(|source| LogError::Thread { source })?);
        Ok((Self { disk, status, queue, retaining: Mutex::new(()), thread }, recovery))
    }

    /// Appends entries, all of one call side by side and in order, and calls `done` exactly once: with their positions when they are
    /// durable, or with the reason why none of them is in the log. Never blocks on the disk.
    ///
    /// `done` is called on the thread that writes, or on this one if the call is refused at once. It should hand over and return: while it
    /// runs nothing is written. It may append.
    pub fn append(&self, entries: Vec<Entry>, done: impl FnOnce(Result<Vec<Position>, AppendError>) + Send + 'static) {
        self.queue.push(Call::new(entries, Box::new(done)));
    }

    /// The end of the log: the next sequence, and the chain's hash at the last durable record.
    pub fn head(&self) -> Head {
        self.status.lock().head
    }

    /// Counters and sizes, now.
    pub fn facts(&self) -> LogFacts {
        let (queue_bytes, busy) = self.queue.facts();
        LogFacts { queue_bytes, busy, ..self.status.facts() }
    }

    /// What the segments take on disk that hold this record or later ones, in bytes: what somebody who reads from there on keeps.
    pub fn bytes_from(&self, sequence: u64) -> u64 {
        let state = self.status.lock();
        let later = state.segments.iter().skip(1).take_while(|segment| segment.first <= sequence).count();
        state.segments[later..].iter().map(|segment| segment.bytes).sum()
    }

    /// A reader of the durable records of this log.
    pub fn reader(&self) -> LogReader {
        LogReader::new(self.disk.clone(), Some(self.status.clone()))
    }

    /// Drops whole segments, the oldest first, that are older or more than what is to be kept; never the one that is being written, and
    /// never one with a record that is needed: `needed_from` or a later one.
    ///
    /// # Errors
    /// When a segment cannot be removed. Those before it are gone.
    pub fn retain(&self, keep: Retention, needed_from: u64) -> Result<Vec<Dropped>, LogError> {
        let _one_at_a_time = self.retaining.lock().unwrap_or_else(PoisonError::into_inner);
        retention::retain(&*self.disk, &self.status, keep, needed_from)
    }

    /// Writes what waits, syncs it, and ends the thread. Dropping the log does the same, and cannot say whether it went well.
    ///
    /// # Errors
    /// When the last sync fails, or an earlier error could not be mended. Every `done` has been told of what concerns it.
    pub fn close(mut self) -> Result<(), LogError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), LogError> {
        self.queue.close();
        match self.thread.take() {
            // The last handle was dropped by a `done`: the thread ends when that returns, and cannot wait for itself.
            Some(thread) if thread.thread().id() == std::thread::current().id() => Ok(()),
            Some(thread) => thread.join().unwrap_or(Err(LogError::Panicked)),
            None => Ok(()),
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Verifies the log of a data directory, also beside a running server: every checksum, digest, link and joint, and the anchors. It goes on
/// after a fault. `progress` is called now and then with the bytes that have been read, and with those that there are.
///
/// # Errors
/// When a file cannot be read, or was written by another version. What is wrong with the content is not an error but a [`Fault`].
pub fn verify(directory: &DataDirectory, anchors: &[Anchor], progress: &mut dyn FnMut(u64, u64)) -> Result<Verification, LogError> {
    verify::verify(&Folder::new(directory.log()), anchors, PATIENCE, progress)
}
