//! Which old segments are dropped.

use super::disk::Disk;
use super::error::LogError;
use super::format::segment_name;
use super::segment::Segment;
use super::status::Status;
use std::time::Duration;

/// How much of the log is kept. Whatever goes beyond one of the limits may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long records are kept after they were written, by the clock of the machine that wrote them.
    pub age: Option<Duration>,
    /// How many bytes all segments may have together.
    pub bytes: Option<u64>,
    /// The time that ages are counted to: microseconds since 1970.
    pub now: i64,
}

/// A segment that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Its first record.
    pub first: u64,
    /// Its last record.
    pub last: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Drops old segments, the oldest first, each durably before the next, so that a power failure leaves no hole.
pub(super) fn retain(disk: &dyn Disk, status: &Status, keep: Retention, needed_from: u64) -> Result<Vec<Dropped>, LogError> {
    let mut dropped = Vec::new();
    loop {
        let oldest = droppable(&status.lock().segments, keep, needed_from);
        let Some(segment) = oldest else { return Ok(dropped) };
        let name = segment_name(segment.first);
        let removed = disk.sync_folder().and_then(|()| disk.remove(&name)).and_then(|()| disk.sync_folder());
        removed.map_err(|source| LogError::Write { path: disk.path(&name), source })?;
        status.lock().segments.retain(|known| known.first != segment.first);
        dropped.push(segment);
    }
}

/// The oldest segment, if it may go: it is complete, nobody needs it, and it is too old or too much. A segment's youngest record is older
/// than the segment after it, whose header says when it was made.
fn droppable(segments: &[Segment], keep: Retention, needed_from: u64) -> Option<Dropped> {
    let [oldest, after, ..] = segments else { return None };
    let age = Duration::from_micros(keep.now.saturating_sub(after.created).try_into().unwrap_or(0));
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let too_old = keep.age.is_some_and(|limit| age > limit);
    let too_much = keep.bytes.is_some_and(|limit| bytes > limit);
    let needed = after.first > needed_from;
    (!needed && (too_old || too_much)).then_some(Dropped { first: oldest.first, last: after.first - 1, bytes: oldest.bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENTS: [Segment; 3] = [
        Segment { first: 1, bytes: 100, created: 0 },
        Segment { first: 11, bytes: 100, created: 50_000_000 },
        Segment { first: 21, bytes: 10, created: 90_000_000 },
    ];

    fn first(segments: &[Segment], age: Option<u64>, bytes: Option<u64>, needed_from: u64) -> Option<u64> {
        let keep = Retention { age: age.map(Duration::from_secs), bytes, now: 100_000_000 };
        droppable(segments, keep, needed_from).map(|dropped| dropped.last)
    }

    #[test]
    fn only_what_is_too_old_or_too_much_and_not_needed_goes() {
        assert_eq!(first(&SEGMENTS, None, None, 99), None, "nothing is asked for");
        assert_eq!(first(&SEGMENTS, Some(49), None, 99), Some(10), "written 50 s ago or earlier");
        assert_eq!(first(&SEGMENTS, Some(50), None, 99), None);
        assert_eq!(first(&SEGMENTS, None, Some(209), 99), Some(10));
        assert_eq!(first(&SEGMENTS, None, Some(210), 99), None);
        assert_eq!(first(&SEGMENTS, Some(0), Some(0), 10), None, "record 10 is needed");
        assert_eq!(first(&SEGMENTS, Some(0), Some(0), 11), Some(10));
        assert_eq!(first(&SEGMENTS[2..], Some(0), Some(0), 99), None, "the active segment stays");
    }
}
