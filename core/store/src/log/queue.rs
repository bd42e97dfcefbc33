//! What waits to be written, and the thread that takes it.

use super::error::{AppendError, LogError};
use super::record::{Entry, Position};
use super::writer::Writer;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The most that one write takes, unless a single call is larger. It bounds the memory of a batch, and how long its first call waits for
/// the last.
const LARGEST_BATCH: usize = 16 << 20;

type Done = Box<dyn FnOnce(Result<Vec<Position>, AppendError>) + Send>;

/// One call of [`super::Log::append`]. It is answered exactly once, whatever happens.
pub(super) struct Call {
    pub(super) entries: Vec<Entry>,
    bytes: usize,
    done: Option<Done>,
}

impl Call {
    pub(super) fn new(entries: Vec<Entry>, done: Done) -> Self {
        let bytes = entries.iter().map(Entry::frame_bytes).sum();
        Self { entries, bytes, done: Some(done) }
    }

    pub(super) fn answer(mut self, answer: Result<Vec<Position>, AppendError>) {
        self.answer_once(answer);
    }

    /// A caller that panics harms only itself; the panic has been reported by the hook already.
    fn answer_once(&mut self, answer: Result<Vec<Position>, AppendError>) {
        if let Some(done) = self.done.take() {
            let _ = catch_unwind(AssertUnwindSafe(|| done(answer)));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.answer_once(Err(AppendError::Closed));
    }
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<Call>,
    /// Of the calls that wait and of those that are being written.
    bytes: usize,
    /// Entries that were refused because of them.
    busy: u64,
    closed: bool,
}

impl Waiting {
    /// Why a call is not taken. One that is larger than the whole queue is taken when nothing else waits: it would never be otherwise.
    fn refusal(&mut self, call: &Call, limit: usize) -> Option<AppendError> {
        if self.closed {
            return Some(AppendError::Closed);
        }
        let full = self.bytes > 0 && call.bytes > limit.saturating_sub(self.bytes);
        self.busy += if full { call.entries.len() as u64 } else { 0 };
        full.then_some(AppendError::Busy)
    }
}

/// Calls on their way to the thread that writes.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    limit: usize,
}

/// What the thread does next.
enum Next {
    Write(Vec<Call>),
    Settle,
    Finish,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), limit }
    }

    /// Adds a call, or answers it at once: when the queue is full or closed, or nothing is to be written.
    pub(super) fn push(&self, call: Call) {
        let mut waiting = self.lock();
        let refusal = waiting.refusal(&call, self.limit);
        if refusal.is_none() && !call.entries.is_empty() {
            waiting.bytes += call.bytes;
            waiting.calls.push_back(call);
            drop(waiting);
            self.changed.notify_one();
        } else {
            // Whoever is answered may append again, so the lock must be free.
            drop(waiting);
            call.answer(refusal.map_or(Ok(Vec::new()), Err));
        }
    }

    /// Takes no more calls. Those that wait are still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Bytes that wait or are being written, and entries that were refused because of them.
    pub(super) fn facts(&self) -> (usize, u64) {
        let waiting = self.lock();
        (waiting.bytes, waiting.busy)
    }

    /// Writes what comes until the queue is closed and empty.
    pub(super) fn run(&self, mut writer: Writer) -> Result<(), LogError> {
        let _closes = Closes(self);
        loop {
            match self.next(writer.sync_due()) {
                Next::Write(calls) => {
                    let bytes: usize = calls.iter().map(|call| call.bytes).sum();
                    writer.commit(calls, || self.lock().bytes -= bytes);
                }
                // The failure is in the facts, and the next attempt to write mends it.
                Next::Settle => drop(writer.settle()),
                Next::Finish => return writer.finish(),
            }
        }
    }

    fn next(&self, sync_due: Option<Instant>) -> Next {
        let mut waiting = self.lock();
        loop {
            let left = sync_due.map(|due| due.saturating_duration_since(Instant::now()));
            match left {
                Some(left) if left.is_zero() => return Next::Settle,
                _ if !waiting.calls.is_empty() => return Next::Write(take_batch(&mut waiting.calls)),
                _ if waiting.closed => return Next::Finish,
                Some(left) => waiting = self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0,
                None => waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_batch(calls: &mut VecDeque<Call>) -> Vec<Call> {
    let mut bytes = 0;
    let fitting = calls.iter().take_while(|call| {
        bytes += call.bytes;
        bytes <= LARGEST_BATCH
    });
    let count = fitting.count().max(1);
    calls.drain(..count).collect()
}

/// If the thread ends in a panic nobody waits for it for ever: what waits is answered by being dropped.
struct Closes<'a>(&'a Queue);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        let left = std::mem::take(&mut waiting.calls);
        drop(waiting);
        drop(left);
    }
}
