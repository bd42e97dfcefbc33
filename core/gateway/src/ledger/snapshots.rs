//! What is done beside the requests: snapshots of the histories, and dropping what is older than it has to be kept.

use super::Ledger;
use super::recovery::identity;
use crate::config::Decisions;
use crate::listening::chain;
use jiff::Timestamp;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use synod_store::Retention;

/// How long rows may be kept waiting for those under way, before a snapshot is given up for now.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

impl Ledger {
    /// Takes a snapshot of the histories if enough was decided since the last one.
    pub fn snapshot_if_due(&self, after: u64) {
        let due = self.storage.as_ref().is_some_and(|storage| storage.since_snapshot.load(Ordering::Relaxed) >= after);
        if due {
            self.write_snapshot();
        }
    }

    /// Writes the histories down. New rows wait while they are copied, a few hundred milliseconds for a million keys, because a snapshot
    /// must hold what the log held at one moment, no more and no less.
    pub fn write_snapshot(&self) {
        let Some(storage) = &self.storage else { return };
        let started = Instant::now();
        let Some((bytes, next, identity)) = self.copy_histories() else { return };
        let copied = started.elapsed();
        let written = storage.snapshots.write(&identity, next, &bytes);
        *storage.snapshot_failure.lock().unwrap_or_else(PoisonError::into_inner) = written.as_ref().err().map(|error| chain(error));
        match written {
            Ok(()) => {
                storage.since_snapshot.store(0, Ordering::Relaxed);
                tracing::info!(next, bytes = bytes.len(), paused_ms = copied.as_millis() as u64, "histories written down");
            }
            Err(error) => tracing::error!(%error, "the histories cannot be written down; a restart will take longer"),
        }
    }

    fn copy_histories(&self) -> Option<(Vec<u8>, u64, String)> {
        let storage = self.storage.as_ref()?;
        let mut state = self.state();
        if state.paused || state.histories.plan().width() == 0 {
            return None;
        }
        state.paused = true;
        let waited = self.changed.wait_timeout_while(state, LONGEST_WAIT, |state| state.in_flight > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let copied = (state.in_flight == 0).then(|| {
            // Growing it under way would take longer than filling it.
            let mut bytes = Vec::with_capacity(state.histories.facts().iter().map(|facts| facts.bytes).sum());
            let Ok(()) = state.histories.write(|piece| {
                bytes.extend_from_slice(piece);
                Ok::<(), std::convert::Infallible>(())
            });
            (bytes, storage.log.head().next, identity(&state.histories, &self.schema))
        });
        state.paused = false;
        drop(state);
        self.changed.notify_all();
        copied
    }

    /// Drops what is older than it has to be kept, and what neither the index nor the snapshots nor those who follow the log need any more.
    pub fn retain(&self, keep: &Decisions) {
        let Some(storage) = &self.storage else { return };
        if keep.keep_for.is_none() && keep.keep_bytes.is_none() {
            return;
        }
        let snapshot = if self.state().histories.plan().width() == 0 { Some(u64::MAX) } else { storage.snapshots.oldest().ok().flatten() };
        let now = Timestamp::now();
        let needed = storage.indexing.next().min(snapshot.unwrap_or(0)).min(storage.followers.needed_from(now));
        let retention = Retention { age: keep.keep_for, bytes: keep.keep_bytes, now: now.as_microsecond() };
        match storage.log.retain(retention, needed) {
            Ok(dropped) if dropped.is_empty() => {}
            Ok(dropped) => {
                tracing::info!(segments = dropped.len(), "older decisions were dropped, as `decisions.keep_for` and `keep_bytes` say")
            }
            Err(error) => tracing::error!(%error, "older decisions cannot be dropped"),
        }
    }
}
