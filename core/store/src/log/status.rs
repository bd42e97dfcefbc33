//! What the thread that writes tells everybody else.

use super::format::FIRST_FRAME;
use super::record::Head;
use super::segment::Segment;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What an operator needs to know of a log. Counts are since it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFacts {
    /// Records that were acknowledged.
    pub records: u64,
    /// What they took on disk, in bytes.
    pub bytes: u64,
    /// Writes, each of one batch of records.
    pub writes: u64,
    /// Times that the disk was asked to make records safe from a power failure.
    pub syncs: u64,
    /// How long that took in all.
    pub sync_time: Duration,
    /// How long it took the last time.
    pub last_sync: Duration,
    /// Bytes that wait to be written, or are being written.
    pub queue_bytes: usize,
    /// Segments.
    pub segments: usize,
    /// What the segments take on disk, in bytes.
    pub bytes_on_disk: u64,
    /// Entries that were refused because the disk refused. Those refused as [`super::AppendError::Busy`] are in `busy`.
    pub refused: u64,
    /// Entries that were refused because too much waited.
    pub busy: u64,
    /// Records that were acknowledged without a sync and then lost because the sync failed. Always 0 when [`super::LogSettings::sync`] is set.
    pub lost: u64,
    /// Errors of the disk.
    pub failures: u64,
    /// Since when nothing could be written: microseconds since 1970. None if the last attempt succeeded.
    pub failing_since: Option<i64>,
    /// The last error, also when it is over.
    pub last_failure: Option<String>,
}

/// What is durable, and the facts.
#[derive(Debug)]
pub(super) struct State {
    /// The end of what is durable.
    pub(super) head: Head,
    /// Where in the last segment that is.
    pub(super) end: u64,
    /// All segments, the last of which is being written.
    pub(super) segments: Vec<Segment>,
    /// The counters. Sizes of queue and disk are filled in when somebody asks.
    pub(super) facts: LogFacts,
}

/// Shared by the thread that writes, the handle and its readers.
#[derive(Debug)]
pub(super) struct Status(Mutex<State>);

impl Status {
    pub(super) fn new(head: Head, end: u64, segments: Vec<Segment>) -> Self {
        Self(Mutex::new(State { head, end, segments, facts: LogFacts::default() }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn facts(&self) -> LogFacts {
        let state = self.lock();
        let bytes_on_disk = state.segments.iter().map(|segment| segment.bytes).sum();
        LogFacts { segments: state.segments.len(), bytes_on_disk, ..state.facts.clone() }
    }
}

impl State {
    /// Notes how long the segment is that is being written.
    pub(super) fn set_active_bytes(&mut self, bytes: u64) {
        if let Some(active) = self.segments.last_mut() {
            active.bytes = bytes;
        }
    }

    /// Up to where the durable records of a segment reach; none if it has none.
    pub(super) fn durable_end(&self, segment: u64) -> Option<u64> {
        let active = self.segments.last()?.first;
        match segment.cmp(&active) {
            std::cmp::Ordering::Less => Some(u64::MAX),
            std::cmp::Ordering::Equal => Some(self.end).filter(|end| *end > FIRST_FRAME),
            std::cmp::Ordering::Greater => None,
        }
    }
}
