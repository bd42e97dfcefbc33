//! The index follows the log: a thread of its own reads what is new there and folds it in. There is one way into the index, whether a
//! record is a millisecond or a year old, so that a rebuilt index is the same index.

use super::reading::outcome_number;
use crate::decision::{LabelRecord, RecordKind, RequestKey};
use crate::hexadecimal::digest_of;
use jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use synod_detection::Outcome;
use synod_store::{DecisionFact, Fact, Index, IndexError, LabelFact, LogError, LogReader, Place, Record, Records};
use thiserror::Error;
use uuid::Uuid;

/// Records that are folded in one transaction.
const RECORDS_AT_A_TIME: usize = 1000;
/// How often the log is looked at. Decisions of the time between are folded in one transaction, which costs a third of one each; who wants
/// to read what was just decided wakes the thread.
const ROUND: Duration = Duration::from_millis(25);

/// Why the index cannot follow.
#[derive(Debug, Error)]
pub enum IndexingError {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// How far the index is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    next: AtomicU64,
    awake: AtomicBool,
    stop: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

impl Progress {
    /// The first sequence that the index does not know.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// There is something new.
    pub(super) fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.awake.store(false, Ordering::Release);
        self.wake();
    }
}

/// What the index wants to know of a decision.
#[derive(Deserialize)]
struct Indexed<'a> {
    id: Uuid,
    #[serde(borrow, default)]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    entity: Option<Cow<'a, str>>,
    #[serde(default)]
    request: Option<RequestKey>,
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(default)]
    at: Option<Timestamp>,
    decided: Timestamp,
    verdict: IndexedVerdict,
    #[serde(borrow)]
    votes: Vec<IndexedVote<'a>>,
    #[serde(borrow)]
    abstentions: Vec<IndexedAbstention<'a>>,
}

#[derive(Deserialize)]
struct IndexedVerdict {
    anomalous: bool,
    outcome: Outcome,
    score: f64,
}

#[derive(Deserialize)]
struct IndexedVote<'a> {
    #[serde(borrow)]
    detector: Cow<'a, str>,
    anomalous: bool,
}

#[derive(Deserialize)]
struct IndexedAbstention<'a> {
    #[serde(borrow)]
    detector: Cow<'a, str>,
}

/// Folds all that is new, and answers the first sequence that is not folded. `records` stands where the last call ended: a reader that began
/// anew each time would walk through the whole segment.
pub(super) fn catch_up(index: &mut Index, records: &mut Records, from: u64, mut progress: impl FnMut(u64)) -> Result<u64, IndexingError> {
    let mut next = from;
    let mut some = Vec::with_capacity(RECORDS_AT_A_TIME);
    loop {
        some.clear();
        for record in records.by_ref().take(RECORDS_AT_A_TIME) {
            some.push(record?);
        }
        let Some(last) = some.last() else { return Ok(next) };
        next = last.position.sequence + 1;
        fold(index, &some, next)?;
        progress(next);
    }
}

fn fold(index: &mut Index, records: &[Record], next: u64) -> Result<(), IndexError> {
    let parsed: Vec<Parsed<'_>> = records.iter().filter_map(parse).collect();
    let votes: Vec<Vec<(&str, Option<bool>)>> = parsed.iter().map(Parsed::votes).collect();
    let facts: Vec<Fact<'_>> = parsed.iter().zip(&votes).map(|(parsed, votes)| parsed.fact(votes)).collect();
    index.fold(&facts, next)
}

enum Parsed<'a> {
    Decision(Place, Box<Indexed<'a>>),
    Label(Place, LabelRecord),
}

/// A record of another kind is none of the index' business; one that cannot be read is passed over here and named by the verification.
fn parse(record: &Record) -> Option<Parsed<'_>> {
    let position = record.position;
    let place = Place { sequence: position.sequence, segment: position.segment, offset: position.offset };
    let parsed = match record.kind {
        kind if kind == RecordKind::Decision as u8 => {
            serde_json::from_slice(&record.payload).map(|decision| Parsed::Decision(place, Box::new(decision)))
        }
        kind if kind == RecordKind::Label as u8 => serde_json::from_slice(&record.payload).map(|label| Parsed::Label(place, label)),
        _ => return None,
    };
    parsed.inspect_err(|error| tracing::error!(sequence = position.sequence, %error, "a record of the log cannot be indexed")).ok()
}

impl Parsed<'_> {
    fn votes(&self) -> Vec<(&str, Option<bool>)> {
        let Self::Decision(_, decision) = self else { return Vec::new() };
        let votes = decision.votes.iter().map(|vote| (&*vote.detector, Some(vote.anomalous)));
        votes.chain(decision.abstentions.iter().map(|abstention| (&*abstention.detector, None))).collect()
    }

    fn fact<'a>(&'a self, votes: &'a [(&'a str, Option<bool>)]) -> Fact<'a> {
        match self {
            Self::Decision(place, decision) => Fact::Decision(DecisionFact {
                place: *place,
                id: *decision.id.as_bytes(),
                tenant: decision.tenant.as_deref(),
                event: decision.event.as_deref(),
                key: decision.request.as_ref().and_then(|request| digest_of(&request.key)),
                content: digest_of(&decision.content).unwrap_or_default(),
                entity: decision.entity.as_deref(),
                at: decision.at.map(Timestamp::as_microsecond),
                decided: decision.decided.as_microsecond(),
                outcome: outcome_number(decision.verdict.outcome),
                anomalous: decision.verdict.anomalous,
                score: decision.verdict.score,
                votes,
            }),
            Self::Label(place, label) => Fact::Label(LabelFact {
                place: *place,
                decision: *label.decision.as_bytes(),
                label: label.label as u8,
                by: &label.by,
                at: label.at.as_microsecond(),
                note: label.note.as_deref(),
            }),
        }
    }
}

/// Starts the thread that follows the log.
pub(super) fn start(mut index: Index, log: LogReader, next: u64, progress: &Arc<Progress>) -> std::io::Result<JoinHandle<()>> {
    progress.next.store(next, Ordering::Release);
    let shared = Arc::clone(progress);
    let handle = std::thread::Builder::new().name("indexing".into()).spawn(move || follow(&mut index, &log, &shared))?;
    let _ = progress.thread.set(handle.thread().clone());
    Ok(handle)
}

fn follow(index: &mut Index, log: &LogReader, progress: &Progress) {
    let (mut failing, mut first, mut records) = (false, 0, None);
    while !progress.stop.load(Ordering::Acquire) {
        progress.awake.store(false, Ordering::Release);
        let followed = follow_once(index, log, &mut records, progress);
        if let Err(error) = &followed {
            // What was read and not folded must be read again.
            records = None;
            if !failing {
                tracing::error!(%error, "the index cannot follow the log; it is tried again");
            }
        }
        failing = followed.is_err();
        forget(index, log, &mut first);
        if !progress.awake.load(Ordering::Acquire) || failing {
            std::thread::park_timeout(ROUND);
        }
    }
}

fn follow_once(index: &mut Index, log: &LogReader, records: &mut Option<Records>, progress: &Progress) -> Result<(), IndexingError> {
    let next = progress.next();
    let records = match records {
        Some(records) => records,
        none => none.insert(log.from(next)?),
    };
    catch_up(index, records, next, |next| progress.next.store(next, Ordering::Release))?;
    Ok(())
}

/// What retention has dropped from the log is dropped here as well.
fn forget(index: &mut Index, log: &LogReader, first: &mut u64) {
    let Some(now) = log.first().filter(|now| now > first) else { return };
    match index.forget_before(now) {
        // In steps: the rest is done in the next rounds.
        Ok(0) => *first = now,
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the index cannot forget what the log has dropped; it is tried again"),
    }
}
