//! Where events wait to be written down.

use super::{AppEvent, Dropped, EventKind};
use crate::redaction::redacted_line;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What may wait, in bytes.
pub(super) const MOST_BYTES: usize = 8 << 20;
/// What an event takes beside its payload.
const OVERHEAD: usize = 64;

/// An event that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) kind: EventKind,
    pub(super) at: i64,
    pub(super) payload: Vec<u8>,
}

/// Why an event was dropped: a stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Too many wait in memory: the disk is too slow.
    Memory,
    /// Their log takes as much as it may: nobody takes them.
    Quota,
    /// The disk refuses them.
    Disk,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Quota, Self::Disk];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Quota => "quota",
            Self::Disk => "disk",
        }
    }
}

/// Counts of one stream.
#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    dropped: [AtomicU64; 3],
    /// Of those dropped: about how many an event was written.
    told: AtomicU64,
}

/// Events that wait, and what became of them.
#[derive(Debug, Default)]
pub struct EventQueue {
    waiting: Mutex<(Vec<Waiting>, usize)>,
    counts: [Counts; 2],
    is_full: AtomicBool,
    is_refused: AtomicBool,
}

impl EventQueue {
    fn lock(&self) -> MutexGuard<'_, (Vec<Waiting>, usize)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event there, or drops it. It never waits.
    pub fn put(&self, kind: EventKind, event: &impl Serialize) {
        if self.is_full.load(Ordering::Relaxed) {
            return self.dropped(kind, DropReason::Quota, 1);
        }
        let Ok(payload) = serde_json::to_vec(event) else { return };
        let bytes = payload.len() + OVERHEAD;
        let at = Timestamp::now().as_microsecond();
        let mut waiting = self.lock();
        if waiting.1 + bytes > MOST_BYTES {
            drop(waiting);
            return self.dropped(kind, DropReason::Memory, 1);
        }
        waiting.1 += bytes;
        waiting.0.push(Waiting { kind, at, payload });
    }

    /// Takes all that waits, with what must not be read covered, and what has to be said about those that were dropped.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let (mut waiting, _) = std::mem::take(&mut *self.lock());
        for event in &mut waiting {
            if let Some(covered) = redacted_line(&event.payload) {
                event.payload = covered;
            }
        }
        if !self.is_full.load(Ordering::Relaxed) {
            waiting.extend(EventKind::ALL.into_iter().filter_map(|kind| self.tell_dropped(kind)));
        }
        waiting
    }

    /// The event that says how many were dropped since the last one of its kind.
    fn tell_dropped(&self, kind: EventKind) -> Option<Waiting> {
        let counts = &self.counts[index(kind)];
        let dropped: u64 = counts.dropped.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let count = dropped - counts.told.swap(dropped, Ordering::Relaxed).min(dropped);
        if count == 0 {
            return None;
        }
        let fields = RawValue::from_string("{}".into()).ok()?;
        let event = AppEvent {
            level: "warn".into(),
            target: module_path!().into(),
            message: format!("{count} {} events were dropped", kind.name()).into(),
            fields: &fields,
            trace_id: None,
            span_id: None,
            dropped: Some(Dropped { stream: kind.name().into(), count }),
        };
        let payload = serde_json::to_vec(&event).ok()?;
        Some(Waiting { kind: EventKind::App, at: Timestamp::now().as_microsecond(), payload })
    }

    /// Notes that events were written.
    pub(super) fn written(&self, counts: [u64; 2]) {
        for (of, count) in self.counts.iter().zip(counts) {
            of.written.fetch_add(count, Ordering::Relaxed);
        }
        self.is_refused.store(false, Ordering::Relaxed);
    }

    /// Notes that the disk refused events; `begins` is called if it did not before.
    pub(super) fn refused(&self, counts: [u64; 2], begins: impl FnOnce()) {
        for (kind, count) in EventKind::ALL.into_iter().zip(counts) {
            self.dropped(kind, DropReason::Disk, count);
        }
        if !self.is_refused.swap(true, Ordering::Relaxed) {
            begins();
        }
    }

    /// Notes whether the log of events has room.
    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    fn dropped(&self, kind: EventKind, reason: DropReason, count: u64) {
        self.counts[index(kind)].dropped[reason as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Events of a kind that were written.
    pub fn written_of(&self, kind: EventKind) -> u64 {
        self.counts[index(kind)].written.load(Ordering::Relaxed)
    }

    /// Events of a kind that were dropped for this reason.
    pub fn dropped_of(&self, kind: EventKind, reason: DropReason) -> u64 {
        self.counts[index(kind)].dropped[reason as usize].load(Ordering::Relaxed)
    }
}

/// How many of each kind there are.
pub(super) fn counts(waiting: &[Waiting]) -> [u64; 2] {
    EventKind::ALL.map(|kind| waiting.iter().filter(|event| event.kind == kind).count() as u64)
}

fn index(kind: EventKind) -> usize {
    match kind {
        EventKind::Access => 0,
        EventKind::App => 1,
    }
}
