//! The one place that writes records: a batch becomes one write and one fdatasync, and a disk that fails is mended before it is used again.

use super::LogSettings;
use super::disk::{Access, Disk, DiskFile};
use super::error::{AppendError, LogError};
use super::format::{FIRST_FRAME, Header, encode_frame, segment_name};
use super::queue::Call;
use super::record::{Head, Position};
use super::recovery::Recovered;
use super::segment::{Depth, Segment, create_segment, open_segment, read_header, walk};
use super::status::Status;
use super::window::Window;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Without [`LogSettings::sync`], how long acknowledged records may wait for theirs.
const LONGEST_UNSYNCED: Duration = Duration::from_millis(200);
/// A buffer that one large batch has made larger than this is given back.
const KEPT_BUFFER: usize = 4 << 20;

/// Whether the active segment can be written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// It can.
    Sound,
    /// A write failed: there may be bytes behind the last acknowledged record.
    Overlong,
    /// A sync failed. The system may have thrown away what it could not write and call the next sync a success all the same, so this
    /// segment is left for a new one.
    Distrusted,
}

/// A point in the active segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    head: Head,
    end: u64,
}

/// Writes on the last segment of a log.
#[derive(Debug)]
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    settings: LogSettings,
    status: Arc<Status>,
    file: Arc<dyn DiskFile>,
    header: Header,
    /// The end of what was acknowledged.
    written: Point,
    /// The end of what was synced; the same, if every batch is.
    durable: Point,
    unsynced_since: Option<Instant>,
    condition: Condition,
    buffer: Vec<u8>,
}

impl Writer {
    pub(super) fn new(disk: Arc<dyn Disk>, settings: LogSettings, recovered: Recovered) -> Self {
        let Recovered { header, file, head, end, segments, .. } = recovered;
        let point = Point { head, end };
        Self {
            disk,
            settings,
            status: Arc::new(Status::new(head, end, segments)),
            file,
            header,
            written: point,
            durable: point,
            unsynced_since: None,
            condition: Condition::Sound,
            buffer: Vec::new(),
        }
    }

    pub(super) fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Writes all entries of these calls, and then answers every call. `release` is called in between, once the entries are done with.
    pub(super) fn commit(&mut self, calls: Vec<Call>, release: impl FnOnce()) {
        match self.store(&calls) {
            Ok(positions) => {
                release();
                let mut positions = positions.into_iter();
                for call in calls {
                    let own = positions.by_ref().take(call.entries.len()).collect();
                    call.answer(Ok(own));
                }
            }
            Err(error) => {
                let refusal = AppendError::from(&error);
                self.note_failure(&refusal, calls.iter().map(|call| call.entries.len() as u64).sum());
                // What reached the file goes now, so that what is refused does not come back. If this fails the next attempt does it.
                let _ = self.mend();
                release();
                calls.into_iter().for_each(|call| call.answer(Err(refusal.clone())));
            }
        }
    }

    /// Whether no trace of a refused entry is left on the disk.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        self.condition == Condition::Sound
    }

    /// When what was acknowledged without a sync has to get one.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        self.unsynced_since.map(|since| since + LONGEST_UNSYNCED)
    }

    /// Makes everything durable that was acknowledged.
    pub(super) fn settle(&mut self) -> Result<(), LogError> {
        if self.durable == self.written {
            return Ok(());
        }
        let settled = self.sync();
        match &settled {
            Ok(()) => {
                self.note_durable();
                self.status.lock().facts.failing_since = None;
            }
            Err(error) => {
                self.note_failure(&AppendError::from(error), 0);
                let _ = self.mend();
            }
        }
        settled
    }

    /// Leaves the log in order, when it is closed.
    pub(super) fn finish(&mut self) -> Result<(), LogError> {
        self.settle()?;
        self.mend()
    }

    fn store(&mut self, calls: &[Call]) -> Result<Vec<Position>, LogError> {
        self.mend()?;
        self.roll()?;
        let (positions, end) = self.encode(calls);
        let written = self.file.write_at(&self.buffer, self.written.end);
        self.buffer.shrink_to(KEPT_BUFFER);
        if let Err(source) = written {
            self.condition = Condition::Overlong;
            return Err(self.failed(source));
        }
        if self.settings.sync {
            self.sync()?;
        }
        self.note_written(end, positions.len() as u64);
        Ok(positions)
    }

    /// Fills the buffer with the frames of all entries, and says where each will be and where they end.
    fn encode(&mut self, calls: &[Call]) -> (Vec<Position>, Point) {
        self.buffer.clear();
        let mut point = self.written;
        let mut settled = self.durable == self.written;
        let entries = calls.iter().flat_map(|call| &call.entries);
        let positions = entries.map(|entry| {
            let position = Position { sequence: point.head.next, segment: self.header.start.next, offset: point.end };
            point.head = encode_frame(&mut self.buffer, entry, &point.head, settled, self.header.seed);
            point.end += entry.frame_bytes() as u64;
            settled = false;
            position
        });
        (positions.collect(), point)
    }

    /// Begins a new segment if the active one is long enough.
    fn roll(&mut self) -> Result<(), LogError> {
        if self.written.end <= self.settings.segment_bytes.max(FIRST_FRAME) {
            return Ok(());
        }
        if self.durable != self.written {
            self.sync()?;
            self.note_durable();
        }
        self.begin_segment()
    }

    fn begin_segment(&mut self) -> Result<(), LogError> {
        let now = microseconds_now();
        let (header, file) = create_segment(&*self.disk, self.durable.head, now)?;
        (self.header, self.file, self.condition) = (header, file, Condition::Sound);
        self.durable.end = FIRST_FRAME;
        self.written = self.durable;
        let mut state = self.status.lock();
        // A segment without a durable record was replaced by the new one, which has its name.
        state.segments.retain(|segment| segment.first < header.start.next);
        state.segments.push(Segment { first: header.start.next, bytes: FIRST_FRAME, created: now });
        state.end = FIRST_FRAME;
        Ok(())
    }

    /// Puts right what an earlier error left.
    fn mend(&mut self) -> Result<(), LogError> {
        match self.condition {
            Condition::Sound => Ok(()),
            Condition::Overlong => self.cut_overlong(),
            Condition::Distrusted => self.leave_segment(),
        }
    }

    fn cut_overlong(&mut self) -> Result<(), LogError> {
        self.file.truncate(self.written.end).map_err(|source| self.failed(source))?;
        self.sync()?;
        self.condition = Condition::Sound;
        self.note_durable();
        Ok(())
    }

    /// Goes on in a new segment, after the old one has been seen to hold what it should, and cut to that. What a segment without durable
    /// records holds does not matter: the new one takes its name.
    fn leave_segment(&mut self) -> Result<(), LogError> {
        let Point { head, end } = self.durable;
        if end > FIRST_FRAME {
            let first = self.header.start.next;
            let file = open_segment(&*self.disk, first, Access::Write)?;
            let header = read_header(&*self.disk, first, &*file)?;
            let window = Window::new(file.clone(), end);
            let walked = window.and_then(|mut window| walk(&mut window, &header, Depth::Everything));
            let path = || self.disk.path(&segment_name(first));
            let walked = walked.map_err(|source| LogError::Read { path: path(), source })?;
            if (walked.head, walked.end) != (head, end) {
                return Err(LogError::damaged(path(), walked.end, "durable records do not read back after a failed sync"));
            }
            file.truncate(end).and_then(|()| file.sync_all()).map_err(|source| LogError::Write { path: path(), source })?;
            self.status.lock().set_active_bytes(end);
        }
        self.begin_segment()
    }

    /// One fdatasync of the active segment, timed. After an error everything since the last one is given up.
    fn sync(&mut self) -> Result<(), LogError> {
        let begun = Instant::now();
        let synced = self.file.sync_data();
        let took = begun.elapsed();
        let mut state = self.status.lock();
        state.facts.syncs += 1;
        state.facts.sync_time += took;
        state.facts.last_sync = took;
        let Err(source) = synced else { return Ok(()) };
        state.facts.lost += self.written.head.next - self.durable.head.next;
        drop(state);
        self.condition = Condition::Distrusted;
        (self.written, self.unsynced_since) = (self.durable, None);
        Err(self.failed(source))
    }

    fn failed(&self, source: io::Error) -> LogError {
        LogError::Write { path: self.disk.path(&segment_name(self.header.start.next)), source }
    }

    fn note_written(&mut self, end: Point, records: u64) {
        let bytes = end.end - self.written.end;
        self.written = end;
        let mut state = self.status.lock();
        state.facts.records += records;
        state.facts.bytes += bytes;
        state.facts.writes += 1;
        if self.settings.sync {
            state.facts.failing_since = None;
        }
        state.set_active_bytes(end.end);
        drop(state);
        if self.settings.sync {
            self.note_durable();
        } else {
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
    }

    fn note_durable(&mut self) {
        (self.durable, self.unsynced_since) = (self.written, None);
        let mut state = self.status.lock();
        (state.head, state.end) = (self.durable.head, self.durable.end);
    }

    fn note_failure(&self, error: &AppendError, refused: u64) {
        let mut state = self.status.lock();
        state.facts.failures += 1;
        state.facts.refused += refused;
        state.facts.failing_since.get_or_insert_with(microseconds_now);
        state.facts.last_failure = Some(error.to_string());
    }
}

/// The clock: microseconds since 1970.
pub(super) fn microseconds_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
