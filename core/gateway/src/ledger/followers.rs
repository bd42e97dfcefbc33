//! Those who are told what is in the log, each from a position of its own: everything before it was acknowledged. A follower that is down keeps
//! its place, and keeps the log from dropping what it has not read, for as long as that is of use to it (its patience) and no longer: a
//! receiver that never comes back must not fill the disk. What was dropped unread is counted as skipped.
//!
//! The log of events (`events.rs`) is followed in the same way.

use super::Ledger;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use synod_store::{DataDirectory, Log, LogPosition, LogReader, PositionError, Progress};
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
    /// Of those delivered: the receiver had them already.
    pub(crate) repeated: u64,
    /// Times that a record was sent again, because the receiver could not take it then, or nobody knows whether it did.
    pub(crate) retried: u64,
    /// Requests that were sent with records.
    pub(crate) requests: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.skipped += other.skipped;
        self.dead += other.dead;
        self.repeated += other.repeated;
        self.retried += other.retried;
        self.requests += other.requests;
        self.bytes += other.bytes;
    }
}

/// Somebody who wants to follow a log.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// What the position is kept under.
    pub(crate) file: String,
    /// What facts call them.
    pub(crate) name: String,
    /// For how long a record is of use to them.
    pub(crate) patience: Duration,
    /// Where they begin who were never there.
    pub(crate) begin: Begin,
}

/// Where somebody begins who was never there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With the first record that is there.
    Earliest,
    /// With what comes from now on.
    Latest,
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
    /// What came of records.
    pub(crate) told: Tally,
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
    /// The first record that was certainly not told before.
    pub(crate) untold: u64,
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
        self.state().told.add(&tally);
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
            told: state.told,
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
pub(crate) struct Followers(Mutex<Vec<Arc<Follower>>>);

impl Followers {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Follower>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first record that one of them needs.
    pub(crate) fn needed_from(&self, now: Timestamp) -> u64 {
        self.lock().iter().filter_map(|follower| follower.needed_from(now)).min().unwrap_or(u64::MAX)
    }

    /// What they keep of this log who never do without a record, in bytes.
    pub(crate) fn bytes_kept(&self, log: &Log) -> u64 {
        let needed = self.lock().iter().filter(|follower| follower.patience == Duration::MAX).map(|follower| follower.next()).min();
        // Whole files of the log; none if nothing waits.
        needed.filter(|next| *next < log.head().next).map_or(0, |next| log.bytes_from(next))
    }

    /// For tests: does something with each.
    #[cfg(test)]
    pub(crate) fn each(&self, what: impl Fn(&Follower)) {
        self.lock().iter().for_each(|follower| what(follower));
    }

    /// How they do who follow this log.
    pub(crate) fn facts(&self, log: &Log) -> Vec<FollowerFacts> {
        let (now, head) = (Timestamp::now(), log.head().next);
        self.lock().iter().map(|follower| follower.facts(now, head)).collect()
    }

    /// Lets somebody follow this log from where they were.
    ///
    /// # Errors
    /// When the position cannot be read or kept.
    pub(crate) fn follow(&self, log: &Log, directory: &DataDirectory, place: &Place) -> Result<Followed, PositionError> {
        let (position, kept) = LogPosition::open(directory, &place.file)?;
        let (head, reader) = (log.head().next, log.reader());
        let begin = match place.begin {
            Begin::Earliest => Progress::at(reader.first().unwrap_or(head)),
            Begin::Latest => Progress::at(head),
        };
        let progress = kept.filter(|kept| kept.next <= head).unwrap_or(begin);
        if let Some(Progress { next: kept, .. }) = kept.filter(|kept| kept.next > head) {
            let (sink, begin) = (&place.name, begin.next);
            tracing::warn!(sink, kept, head, begin, "it was further than the log is: another log was put in its place. It begins anew");
        }
        if kept != Some(progress) {
            // At once, so that a crash before the first record does not move the beginning.
            position.keep(progress)?;
        }
        let follower = Arc::new(Follower::new(&place.name, place.patience, progress.next));
        self.lock().push(Arc::clone(&follower));
        // What is not there yet was not told, however much was noted ahead.
        Ok(Followed { follower, log: reader, position, untold: progress.told.min(head) })
    }
}

impl Ledger {
    /// Lets somebody follow the log from where they were.
    ///
    /// # Errors
    /// When there is no log, or the position cannot be read or kept.
    pub(crate) fn follow(&self, directory: &DataDirectory, place: &Place) -> Result<Followed, FollowError> {
        let storage = self.storage.as_ref().ok_or(FollowError::NotStored)?;
        Ok(storage.followers.follow(&storage.log, directory, place)?)
    }

    /// What waits in the log for those who never do without a record, in bytes.
    pub fn spooled(&self) -> u64 {
        self.storage.as_ref().map_or(0, |storage| storage.followers.bytes_kept(&storage.log))
    }

    /// How those do who follow the log.
    pub fn followers(&self) -> Vec<FollowerFacts> {
        self.storage.as_ref().map_or_else(Vec::new, |storage| storage.followers.facts(&storage.log))
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
        follower.told(Tally { delivered: 2, skipped: 1, ..Tally::default() });
        follower.acknowledged(9);
        let facts = follower.facts(Timestamp::from_second(4).unwrap(), 9);
        assert_eq!((facts.healthy, facts.behind, facts.age, facts.told.delivered, facts.told.skipped), (true, 0, Duration::ZERO, 2, 1));
    }
}
