//! Those who are told what is in the log, each from a position of its own: everything before it was acknowledged. A follower that is down keeps
//! its place, and keeps the log from dropping what it has not read, for as long as that is of use to it (its patience) and no longer: a
//! receiver that never comes back must not fill the disk. What was dropped unread is counted as skipped.

use super::Ledger;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use synod_store::{DataDirectory, LogPosition, LogReader, PositionError};
use thiserror::Error;

/// Why nobody can follow the log.
#[derive(Debug, Error)]
pub enum FollowError {
    /// There is none.
    #[error("decisions are not stored: `decisions.durability` is `none`")]
    NotStored,
    /// It is not known where to begin.
    #[error(transparent)]
    Position(#[from] PositionError),
}

/// What came of records, or what was made of them: counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The receiver has taken them.
    pub(crate) delivered: u64,
    /// They came too late to be of use.
    pub(crate) skipped: u64,
    /// The receiver will never take them.
    pub(crate) dead: u64,
}

/// How a follower does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerFacts {
    /// Its name.
    pub name: String,
    /// Whether its receiver takes what it is told.
    pub healthy: bool,
    /// Since when that is so.
    pub since: Timestamp,
    /// Why not.
    pub reason: Option<String>,
    /// Records of the log that were not acknowledged.
    pub behind: u64,
    /// How old the first of them is; nothing if there is none.
    pub age: Duration,
    /// Records that its receiver has taken.
    pub delivered: u64,
    /// Records that came too late, or were dropped before they were read.
    pub skipped: u64,
    /// Records that its receiver will never take.
    pub dead: u64,
    /// Attempts that failed, by a stable word for the reason.
    pub failures: Vec<(&'static str, u64)>,
}

/// One who follows the log. Shared by the thread that follows and those who ask how it does.
#[derive(Debug)]
pub(crate) struct Follower {
    name: String,
    /// For how long a record is of use.
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The first record that was not acknowledged.
    next: u64,
    /// When the first record happened that is being told; microseconds since 1970.
    oldest: Option<i64>,
    since: Timestamp,
    reason: Option<String>,
    told: Tally,
    failures: BTreeMap<&'static str, u64>,
}

/// What a follower works with.
#[derive(Debug)]
pub(crate) struct Followed {
    /// Who it is.
    pub(crate) follower: Arc<Follower>,
    /// The log.
    pub(crate) log: LogReader,
    /// Where its position is kept.
    pub(crate) position: LogPosition,
}

impl Follower {
    fn new(name: &str, patience: Duration, next: u64) -> Self {
        let (since, told, failures) = (Timestamp::now(), Tally::default(), BTreeMap::new());
        let state = State { next, oldest: None, since, reason: None, told, failures };
        Self { name: name.to_owned(), patience, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The first record that was not acknowledged.
    pub(crate) fn next(&self) -> u64 {
        self.state().next
    }

    /// Notes that records are being told, the first of which happened at this time.
    pub(crate) fn tells(&self, oldest: i64) {
        self.state().oldest = Some(oldest);
    }

    /// Counts what came of some records.
    pub(crate) fn told(&self, tally: Tally) {
        let told = &mut self.state().told;
        told.delivered += tally.delivered;
        told.skipped += tally.skipped;
        told.dead += tally.dead;
    }

    /// Notes that everything before this record was acknowledged.
    pub(crate) fn acknowledged(&self, next: u64) {
        let mut state = self.state();
        (state.next, state.oldest) = (next, None);
    }

    /// Notes an attempt that failed; answers whether the one before it went well. `code` is a word of the code.
    pub(crate) fn failed(&self, code: &'static str, reason: String) -> bool {
        let mut state = self.state();
        *state.failures.entry(code).or_default() += 1;
        let is_news = state.reason.is_none();
        if is_news {
            state.since = Timestamp::now();
        }
        state.reason = Some(reason);
        is_news
    }

    /// Notes an attempt that went well; answers for how long none did before it.
    pub(crate) fn recovered(&self) -> Option<Duration> {
        let mut state = self.state();
        state.reason.take()?;
        let (now, since) = (Timestamp::now(), state.since);
        state.since = now;
        Some(Duration::try_from(now.duration_since(since)).unwrap_or_default())
    }

    /// The first record that must not be dropped; none if what was not read is too old to be of use.
    fn needed_from(&self, now: Timestamp) -> Option<u64> {
        let state = self.state();
        (age(state.oldest, now) <= self.patience).then_some(state.next)
    }

    fn facts(&self, now: Timestamp, head: u64) -> FollowerFacts {
        let state = self.state();
        FollowerFacts {
            name: self.name.clone(),
            healthy: state.reason.is_none(),
            since: state.since,
            reason: state.reason.clone(),
            behind: head.saturating_sub(state.next),
            age: age(state.oldest, now),
            delivered: state.told.delivered,
            skipped: state.told.skipped,
            dead: state.told.dead,
            failures: state.failures.iter().map(|(code, count)| (*code, *count)).collect(),
        }
    }
}

fn age(oldest: Option<i64>, now: Timestamp) -> Duration {
    let micros = oldest.map_or(0, |oldest| now.as_microsecond().saturating_sub(oldest));
    Duration::from_micros(micros.try_into().unwrap_or(0))
}

/// All who follow a log.
#[derive(Debug, Default)]
pub(super) struct Followers(Mutex<Vec<Arc<Follower>>>);

impl Followers {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Follower>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first record that one of them needs.
    pub(super) fn needed_from(&self, now: Timestamp) -> u64 {
        self.lock().iter().filter_map(|follower| follower.needed_from(now)).min().unwrap_or(u64::MAX)
    }
}

impl Ledger {
    /// Lets somebody follow the log from where they were, by the name under which their position is kept; from the end of the log on if they were
    /// never there. `name` is what facts call them. `patience` is for how long a record is of use to them.
    ///
    /// # Errors
    /// When there is no log, or the position cannot be read or kept.
    pub(crate) fn follow(&self, directory: &DataDirectory, file: &str, name: &str, patience: Duration) -> Result<Followed, FollowError> {
        let storage = self.storage.as_ref().ok_or(FollowError::NotStored)?;
        let (position, kept) = LogPosition::open(directory, file)?;
        let head = storage.log.head().next;
        let next = kept.filter(|next| *next <= head).unwrap_or(head);
        if let Some(kept) = kept.filter(|kept| *kept > head) {
            tracing::warn!(
                sink = name,
                kept,
                head,
                "it was further than the log is: another log was put in its place. It begins at the end"
            );
        }
        if kept != Some(next) {
            // At once, so that a crash before the first record does not move the beginning.
            position.keep(next)?;
        }
        let follower = Arc::new(Follower::new(name, patience, next));
        storage.followers.lock().push(Arc::clone(&follower));
        Ok(Followed { follower, log: storage.log.reader(), position })
    }

    /// How those do who follow the log.
    pub fn followers(&self) -> Vec<FollowerFacts> {
        let Some(storage) = &self.storage else { return Vec::new() };
        let (now, head) = (Timestamp::now(), storage.log.head().next);
        storage.followers.lock().iter().map(|follower| follower.facts(now, head)).collect()
    }

    /// A short keyed digest of a tenant's entity, to be shown where its name must not be: equal ones can be recognised, and not read.
    pub(crate) fn alias(&self, tenant: Option<&str>, entity: &str) -> String {
        crate::hexadecimal::hexadecimal(&self.digest_of("alias", tenant, &[entity])[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower(patience: u64, oldest: Option<i64>) -> Follower {
        let follower = Follower::new("one", Duration::from_secs(patience), 7);
        follower.state().oldest = oldest;
        follower
    }

    #[test]
    fn what_was_not_read_is_needed_for_as_long_as_it_is_of_use() {
        let now = Timestamp::from_second(100).unwrap();
        let needed = |patience, oldest| follower(patience, oldest).needed_from(now);
        assert_eq!(needed(10, None), Some(7), "what comes next");
        assert_eq!((needed(10, Some(90_000_000)), needed(10, Some(89_999_999))), (Some(7), None));
        let followers = Followers::default();
        assert_eq!(followers.needed_from(now), u64::MAX);
        followers.lock().extend([Arc::new(follower(1, None)), Arc::new(follower(1, Some(0)))]);
        assert_eq!(followers.needed_from(now), 7);
    }

    #[test]
    fn a_failure_has_a_beginning_and_an_end() {
        let follower = follower(10, Some(1_000_000));
        assert!(follower.failed("late", "no answer".into()));
        assert!(!follower.failed("status", "answered 500".into()));
        let facts = follower.facts(Timestamp::from_second(4).unwrap(), 9);
        assert_eq!(
            (facts.healthy, facts.reason.as_deref(), facts.behind, facts.age),
            (false, Some("answered 500"), 2, Duration::from_secs(3))
        );
        assert_eq!(facts.failures, [("late", 1), ("status", 1)]);
        assert!(follower.recovered().is_some());
        assert!(follower.recovered().is_none());
        follower.told(Tally { delivered: 2, skipped: 1, dead: 0 });
        follower.acknowledged(9);
        let facts = follower.facts(Timestamp::from_second(4).unwrap(), 9);
        assert_eq!((facts.healthy, facts.behind, facts.age, facts.delivered, facts.skipped), (true, 0, Duration::ZERO, 2, 1));
    }
}
