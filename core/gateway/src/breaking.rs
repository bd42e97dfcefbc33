//! Breakers at work: each tenant has one for each policy. See `synod_detection::Breaker` for when one opens.
//!
//! Which ones are open stands in `breakers.json`, written before an opening takes effect, so that a crash closes none. It goes only when
//! somebody resets the breaker: by the running service, or by a command that changes the file, which the service follows. If the file cannot be
//! written the breaker opens all the same, and writing is tried again every second. What was counted in a window ends with the process.
//!
//! Openings and resets are audited; an entry of the file says whether the log has the record of its opening, and as long as not it is written
//! again. So the record is there at least once.

mod keeping;
mod table;

pub use keeping::KeepError;

use crate::auditing::{Action, AuditOutcome, AuditRecord};
use crate::identity::keys::COMMAND_LINE;
use crate::listening::chain;
use jiff::Timestamp;
use keeping::{Keeping, put};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use synod_detection::{BreakerRule, Outcome, Passage, Tally};
use synod_store::{BreakerEntry, DataDirectory, FileStamp, Kept, KeptListError};
use table::{Open, Standing, Table};
use thiserror::Error;
use utoipa::ToSchema;

/// The policy over all detectors, as breakers name it.
pub const CONSENSUS: &str = "consensus";

/// Why a breaker is not reset.
#[derive(Debug, Error)]
pub enum ResetError {
    /// There is none with this id, for whoever asks.
    #[error("there is no breaker with this id")]
    NoBreaker,
    /// It would be open again after a restart.
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// All breakers of a service.
#[derive(Debug)]
pub struct Breakers {
    rule: BreakerRule,
    keeping: Keeping,
    state: Mutex<State>,
    openings: AtomicU64,
    degraded: AtomicU64,
    told_full: AtomicBool,
    /// Windows are counted by a clock that nobody sets.
    started: Instant,
}

#[derive(Debug)]
struct State {
    table: Table,
    /// What the file was known by when it was read last.
    seen: FileStamp,
    /// What is to be audited, beside openings of breakers that are still open.
    acts: Vec<AuditRecord>,
}

/// What an operator wants to know of all breakers together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BreakerFacts {
    /// Those that are open.
    pub open: usize,
    /// How often one opened.
    pub openings: u64,
    /// Outcomes that were made milder.
    pub degraded: u64,
    /// The highest share of `block` in a window with enough outcomes; 0 if there is none.
    pub block_share: f64,
}

/// A breaker, as operators are told of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Breaker)]
pub struct BreakerView {
    /// What it is reset by.
    pub id: String,
    /// Whose outcomes it is about; absent for those without a tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tenant: Option<String>,
    /// Which policy's.
    pub policy: String,
    /// Whether `block` becomes `review`.
    pub open: bool,
    /// Outcomes in the window now.
    pub outcomes: u64,
    /// Those of them that the policy wanted to block.
    pub blocks: u64,
    /// What opened it, if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub opened: Option<Opening>,
}

/// What opened a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BreakerOpening)]
pub struct Opening {
    /// When.
    pub at: Timestamp,
    /// The outcomes in the window then.
    pub outcomes: u64,
    /// Those of them that were to be blocked.
    pub blocks: u64,
}

impl Opening {
    /// What is kept of it.
    pub fn of(entry: &BreakerEntry) -> Self {
        Self { at: entry.opened, outcomes: entry.outcomes, blocks: entry.blocks }
    }
}

/// The audit record of an opening.
pub fn opening_record(entry: &BreakerEntry) -> AuditRecord {
    let reason = format!("{}: {} of {} outcomes were block at {}", entry.policy, entry.blocks, entry.outcomes, entry.opened);
    AuditRecord::new(Action::BREAKER_OPENED, AuditOutcome::Allowed).of_tenant(entry.tenant.as_deref()).to(&entry.id).because(&reason)
}

/// The audit record of a reset by somebody at the machine.
pub fn command_record(entry: &BreakerEntry) -> AuditRecord {
    AuditRecord::new(Action::BREAKER_RESET, AuditOutcome::Allowed).of_tenant(entry.tenant.as_deref()).to(&entry.id).because(COMMAND_LINE)
}

impl Breakers {
    /// The breakers of a data directory, open as they were left.
    ///
    /// # Errors
    /// When the file of open breakers cannot be read. It is never taken for an empty one.
    pub fn open(rule: BreakerRule, directory: &DataDirectory) -> Result<Self, KeptListError> {
        let keeping = Keeping::of(directory);
        // The stamp comes first: what changes while it is read is read again.
        let seen = keeping.list.stamp();
        let entries = keeping.list.read()?;
        let breakers = Self {
            rule,
            keeping,
            state: Mutex::new(State { table: Table::new(BreakerEntry::MOST), seen, acts: Vec::new() }),
            openings: AtomicU64::new(0),
            degraded: AtomicU64::new(0),
            told_full: AtomicBool::new(false),
            started: Instant::now(),
        };
        entries.into_iter().for_each(|entry| breakers.state().adopt(entry, 0));
        Ok(breakers)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in the middle leaves counts that can be gone on from.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// Counts what a policy said of a tenant's rows, in their order, and says what becomes of each.
    pub fn pass(&self, tenant: Option<&str>, policy: &str, outcomes: impl ExactSizeIterator<Item = Outcome>) -> Vec<Passage> {
        let (mut state, count) = (self.state(), outcomes.len());
        // After the lock, so that times come in order.
        let now = self.now();
        let Some(standing) = state.table.of(tenant, policy, now) else {
            if !self.told_full.swap(true, Ordering::Relaxed) {
                tracing::error!("as many breakers are open as there can be: what other tenants' rows come to is not counted");
            }
            return vec![Passage::Stands; count];
        };
        let passages: Vec<Passage> = outcomes
            .map(|outcome| {
                let passage = standing.breaker.note(&self.rule, now, outcome);
                if standing.breaker.is_open() && standing.open.is_none() {
                    // Before the answer to the row that did it, or to any other.
                    standing.open = Some(self.opening(standing, now));
                }
                passage
            })
            .collect();
        let degraded = passages.iter().filter(|passage| **passage == Passage::Degraded).count();
        self.degraded.fetch_add(degraded as u64, Ordering::Relaxed);
        passages
    }

    fn opening(&self, standing: &Standing, now: i64) -> Open {
        let Tally { outcomes, blocks } = standing.breaker.tally(&self.rule, now);
        let entry = BreakerEntry {
            id: standing.id.clone(),
            tenant: standing.tenant.clone(),
            policy: standing.policy.clone(),
            opened: Timestamp::now(),
            outcomes,
            blocks,
            recorded: false,
        };
        self.openings.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            breaker = entry.id,
            tenant = entry.tenant,
            policy = entry.policy,
            outcomes,
            blocks,
            share = blocks as f64 / outcomes.max(1) as f64,
            maximum_share = self.rule.maximum_share,
            "breaker opened: what the policy blocks is reviewed until an operator resets it"
        );
        Open { kept: self.keep(&entry), record: Some(opening_record(&entry)), entry }
    }

    /// Whether an entry could be put into the file.
    fn keep(&self, entry: &BreakerEntry) -> bool {
        let own = entry.clone();
        let kept = self.keeping.change(move |entries| put(entries, own));
        if let Err(error) = &kept {
            tracing::error!(breaker = entry.id, error = chain(error), "an open breaker cannot be kept yet: a restart would close it");
        }
        kept.is_ok()
    }

    /// Closes a breaker for somebody: one of a tenant only one of their own tenant. One that is closed stays so. Says whether it was open, and
    /// tells of it as it is now. The caller audits it.
    ///
    /// # Errors
    /// When there is none for them, or the file cannot be changed: then nothing is.
    pub fn reset(&self, id: &str, tenant: Option<&str>) -> Result<(bool, BreakerView), ResetError> {
        let (mut guard, now) = (self.state(), self.now());
        let state = &mut *guard;
        let standing = state.table.find(id).filter(|standing| is_of(standing, tenant)).ok_or(ResetError::NoBreaker)?;
        let was_open = standing.open.is_some();
        if was_open {
            let own = standing.id.clone();
            self.keeping.change(move |entries| entries.retain(|entry| entry.id != own))?;
            close(standing, &mut state.acts);
        }
        Ok((was_open, self.view(standing, now)))
    }

    /// The breakers that somebody is told of: those of their tenant, or all. The open ones first, then those with the highest share.
    pub fn list(&self, tenant: Option<&str>) -> Vec<BreakerView> {
        let (state, now) = (self.state(), self.now());
        let mut views: Vec<_> =
            state.table.all().filter(|standing| is_of(standing, tenant)).map(|standing| self.view(standing, now)).collect();
        drop(state);
        let share = |view: &BreakerView| Tally { outcomes: view.outcomes, blocks: view.blocks }.share().unwrap_or(0.0);
        views.sort_by(|a, b| b.open.cmp(&a.open).then(share(b).total_cmp(&share(a))).then_with(|| a.id.cmp(&b.id)));
        views
    }

    fn view(&self, standing: &Standing, now: i64) -> BreakerView {
        let Tally { outcomes, blocks } = standing.breaker.tally(&self.rule, now);
        BreakerView {
            id: standing.id.clone(),
            tenant: standing.tenant.clone(),
            policy: standing.policy.clone(),
            open: standing.open.is_some(),
            outcomes,
            blocks,
            opened: standing.open.as_ref().map(|open| Opening::of(&open.entry)),
        }
    }

    /// What an operator wants to know of all of them.
    pub fn facts(&self) -> BreakerFacts {
        let (state, now) = (self.state(), self.now());
        let share = |standing: &Standing| {
            let tally = standing.breaker.tally(&self.rule, now);
            tally.share().filter(|_| tally.outcomes >= self.rule.minimum).unwrap_or(0.0)
        };
        BreakerFacts {
            open: state.table.all().filter(|standing| standing.open.is_some()).count(),
            openings: self.openings.load(Ordering::Relaxed),
            degraded: self.degraded.load(Ordering::Relaxed),
            block_share: state.table.all().map(share).fold(0.0, f64::max),
        }
    }

    /// When breakers open.
    pub fn rule(&self) -> &BreakerRule {
        &self.rule
    }

    /// Follows the file, which a command may have changed, and keeps what could not be kept yet. To be called every second.
    pub fn look(&self) {
        let (mut guard, now) = (self.state(), self.now());
        let state = &mut *guard;
        for open in state.table.all_mut().filter_map(|standing| standing.open.as_mut()).filter(|open| !open.kept) {
            open.kept = self.keep(&open.entry);
        }
        let stamp = self.keeping.list.stamp();
        if stamp == state.seen {
            return;
        }
        state.seen = stamp;
        if !self.keeping.list.path().exists() {
            // Nobody resets breakers by removing the file: this is an accident.
            state.table.all_mut().filter_map(|standing| standing.open.as_mut()).for_each(|open| open.kept = false);
            return;
        }
        match self.keeping.list.read() {
            Ok(entries) => state.follow(entries, now),
            Err(error) => tracing::error!(error = chain(&error), "the open breakers cannot be read; they stay as they are"),
        }
    }

    /// What is to be audited and has no breaker to be noted at.
    pub fn take_acts(&self) -> Vec<AuditRecord> {
        std::mem::take(&mut self.state().acts)
    }

    /// The records of openings that the log may not have yet.
    pub fn unrecorded(&self) -> Vec<AuditRecord> {
        self.state().table.all().filter_map(|standing| standing.open.as_ref()?.record.clone()).collect()
    }

    /// The log has the record of an opening.
    pub fn recorded(&self, record: &AuditRecord) {
        let mut state = self.state();
        let open = state.table.all_mut().filter_map(|standing| standing.open.as_mut());
        let Some(open) = open.into_iter().find(|open| open.record.as_ref().is_some_and(|own| own.id() == record.id())) else { return };
        open.record = None;
        open.entry.recorded = true;
        let id = open.entry.id.clone();
        // Only noted where it stands: a command may just have reset it. If this fails it is recorded once more after a restart, which does no
        // harm.
        let noted = self.keeping.change(move |entries| {
            entries.iter_mut().filter(|entry| entry.id == id).for_each(|entry| entry.recorded = true);
        });
        if let Err(error) = noted {
            tracing::warn!(error = chain(&error), "it cannot be noted that the opening of a breaker is recorded");
        }
    }
}

impl State {
    /// Takes over what the file holds.
    fn follow(&mut self, entries: Vec<BreakerEntry>, now: i64) {
        for standing in self.table.all_mut() {
            let Some(open) = standing.open.as_ref().filter(|open| open.kept) else { continue };
            if !entries.iter().any(|entry| entry.id == open.entry.id) {
                let record = command_record(&open.entry);
                tracing::info!(breaker = standing.id, tenant = standing.tenant, "breaker reset by command");
                close(standing, &mut self.acts);
                self.acts.push(record);
            }
        }
        entries.into_iter().for_each(|entry| self.adopt(entry, now));
    }

    /// Opens a breaker that the file says is open.
    fn adopt(&mut self, entry: BreakerEntry, now: i64) {
        let Some(standing) = self.table.of(entry.tenant.as_deref(), &entry.policy, now).filter(|standing| standing.open.is_none()) else {
            return;
        };
        tracing::warn!(breaker = entry.id, tenant = entry.tenant, policy = entry.policy, opened = %entry.opened, "breaker is open");
        standing.breaker = synod_detection::Breaker::opened();
        let record = (!entry.recorded).then(|| opening_record(&entry));
        standing.open = Some(Open { entry: BreakerEntry { id: standing.id.clone(), ..entry }, kept: true, record });
    }
}

/// Closes a breaker. If the log has no record of its opening yet, that is still to be written.
fn close(standing: &mut Standing, acts: &mut Vec<AuditRecord>) {
    standing.breaker.reset();
    acts.extend(standing.open.take().and_then(|open| open.record));
}

fn is_of(standing: &Standing, tenant: Option<&str>) -> bool {
    tenant.is_none_or(|own| standing.tenant.as_deref() == Some(own))
}

#[cfg(test)]
mod tests;
