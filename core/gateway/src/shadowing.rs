//! What is asked beside the policy in force: detectors without a vote, other policies, what a rollout tries. It happens after the request, on a
//! thread of its own, so that nobody waits for it; when too many rows wait, some are left out, and counted. What comes of it is kept in the log
//! beside the decision, measured, and counts for nothing.

use crate::config::Config;
use crate::deciding::Part;
use crate::decision::{AbstentionOf, ShadowRecord, ShadowVerdict, VoteOf, ballots};
use crate::engine::{Call, Engine, Judged};
use crate::ledger::Ledger;
use crate::rollout::{Pair, Side, Trial};
use crate::telemetry::metrics::{Metrics, ROLLOUT};
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use synod_detection::history::PastValues;
use synod_detection::{Ballot, Batch, Policy};
use tokio::sync::watch;
use uuid::Uuid;

/// How often it is looked whether the service ends.
const ROUND: Duration = Duration::from_millis(200);
/// Requests and rows that wait at most.
const WAITING: usize = 1024;
const WAITING_ROWS: usize = 50_000;
/// Rows of a request that are asked about; of a larger one these are enough to compare.
const ROWS_OF_ONE: usize = 10_000;

/// The detectors and policies that are asked beside, by the configuration.
#[derive(Debug)]
pub struct Shadows {
    /// All detectors, with a vote and without.
    engine: Engine,
    policies: Vec<ShadowPolicy>,
}

#[derive(Debug)]
struct ShadowPolicy {
    name: String,
    /// The places of the detectors whose votes it counts.
    members: Vec<usize>,
    policy: Policy,
}

impl Shadows {
    /// Of an engine of all detectors of this configuration.
    pub fn new(config: &Config, engine: Engine) -> Self {
        let policy = |shadow: &crate::config::ShadowPolicy| {
            let members: Vec<usize> = shadow.detectors.iter().filter_map(|name| engine.detector(name)).collect();
            let samples: Vec<_> = members.iter().map(|member| engine.detectors()[*member].sample()).collect();
            ShadowPolicy { name: shadow.name.clone(), policy: shadow.policy.clone().with_reference(&samples), members }
        };
        Self { policies: config.shadow_policies.iter().map(policy).collect(), engine }
    }

    /// All detectors.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// Rows that were judged, with all that it takes to ask others about them.
#[derive(Debug)]
pub struct Asking {
    /// What judged the rows that a rollout did not.
    pub engine: Arc<Engine>,
    /// What is tried.
    pub trial: Option<Arc<Trial>>,
    /// What is asked beside.
    pub shadows: Option<Arc<Shadows>>,
    /// The rows of the request.
    pub batch: Batch,
    /// Which of them were judged.
    pub fresh: Vec<usize>,
    /// The values of their past, a row for each of these.
    pub past: PastValues,
    /// What judged them.
    pub parts: Vec<Part>,
    /// The decisions about them.
    pub decisions: Vec<Uuid>,
}

/// Rows that wait to be asked about.
#[derive(Debug)]
pub struct Shadowing {
    waiting: SyncSender<Asking>,
    rows: Arc<AtomicUsize>,
}

impl Shadowing {
    /// With the other end, for [`Asker::run`].
    pub fn new(ledger: Arc<Ledger>, metrics: Arc<Metrics>) -> (Self, Asker) {
        let (waiting, asked) = sync_channel(WAITING);
        let rows = Arc::new(AtomicUsize::new(0));
        (Self { waiting, rows: rows.clone() }, Asker { asked, rows, ledger, metrics })
    }

    /// Has others asked about these rows, unless too many wait. The answer is how many rows are left out.
    pub fn offer(&self, asking: Asking) -> usize {
        let (rows, trial) = (asking.fresh.len(), asking.trial.clone());
        let waiting = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        if rows <= ROWS_OF_ONE && waiting <= WAITING_ROWS && self.waiting.try_send(asking).is_ok() {
            return 0;
        }
        self.rows.fetch_sub(rows, Ordering::Relaxed);
        if let Some(trial) = trial {
            trial.comparison.dropped(rows);
        }
        rows
    }
}

/// Asks about rows, one request after another.
#[derive(Debug)]
pub struct Asker {
    asked: Receiver<Asking>,
    rows: Arc<AtomicUsize>,
    ledger: Arc<Ledger>,
    metrics: Arc<Metrics>,
}

impl Asker {
    /// Until it is told to stop, or nobody can ask any more. What waits then is left.
    pub fn run(self, stopped: &watch::Receiver<()>) {
        while !stopped.has_changed().unwrap_or(true) {
            let asking = match self.asked.recv_timeout(ROUND) {
                Ok(asking) => asking,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let rows = asking.fresh.len();
            let records = asking.parts.iter().flat_map(|part| self.ask(&asking, part)).collect::<Vec<_>>();
            // Waited for, so that what is asked beside never fills the log faster than it is written.
            self.ledger.note_shadows(&records);
            self.rows.fetch_sub(rows, Ordering::Relaxed);
        }
    }

    fn ask(&self, asking: &Asking, part: &Part) -> Vec<ShadowRecord> {
        let rows: Vec<usize> = part.rows.iter().map(|row| asking.fresh[*row]).collect();
        let (batch, past) = (asking.batch.select(&rows), asking.past.select(&part.rows));
        let mut records: Vec<ShadowRecord> =
            part.rows.iter().map(|row| ShadowRecord::new(asking.decisions[*row], Timestamp::now())).collect();
        let by: &Engine = match &asking.trial {
            Some(trial) if part.tried => &trial.engine,
            _ => &asking.engine,
        };
        if let Some(trial) = &asking.trial {
            self.compare(trial, &asking.engine, part, (&batch, &past), &mut records);
        }
        if let Some(shadows) = &asking.shadows {
            self.ask_shadows(shadows, by, part, (&batch, &past), &mut records);
        }
        records
    }

    /// Asks the other side of a rollout.
    fn compare(&self, trial: &Trial, control: &Engine, part: &Part, rows: (&Batch, &PastValues), records: &mut [ShadowRecord]) {
        let (by, other): (&Engine, &Engine) = if part.tried { (&trial.engine, control) } else { (control, &trial.engine) };
        let judged = beside(other, by, part, rows);
        let asked = asked(other, by);
        for (((row, mine), outcome), record) in judged.rows.iter().zip(&part.judged).zip(&part.outcomes).zip(records) {
            let [mine, other_side] = [Side::new(mine, *outcome, &part.calls), Side::new(row, row.verdict.outcome, &judged.calls)];
            let (control, tried) = if part.tried { (other_side, mine) } else { (mine, other_side) };
            trial.comparison.note(record.decision, Pair { control, tried });
            self.metrics.shadows.verdict(ROLLOUT, tried.outcome, control.outcome);
            let name = if part.tried { "control" } else { ROLLOUT };
            record.rollout = Some(trial.id.clone());
            record.verdicts.push(ShadowVerdict::new(name, &row.verdict));
            add_ballots(record, other, row, &judged.calls, &asked);
        }
    }

    fn ask_shadows(&self, shadows: &Shadows, by: &Engine, part: &Part, rows: (&Batch, &PastValues), records: &mut [ShadowRecord]) {
        let judged = beside(&shadows.engine, by, part, rows);
        let asked = asked(&shadows.engine, by);
        for place in &asked {
            self.metrics.shadows.took(shadows.engine.detectors()[*place].name(), judged.calls[*place].scoring);
        }
        for (((row, mine), outcome), record) in judged.rows.iter().zip(&part.judged).zip(&part.outcomes).zip(records) {
            for place in &asked {
                self.metrics.shadows.ballot(shadows.engine.detectors()[*place].name(), &row.ballots[*place], mine.verdict.anomalous);
            }
            for shadow in &shadows.policies {
                let votes: Vec<&Ballot> = shadow.members.iter().map(|member| &row.ballots[*member]).collect();
                let verdict = shadow.policy.judge(&votes);
                self.metrics.shadows.verdict(&shadow.name, verdict.outcome, *outcome);
                record.verdicts.push(ShadowVerdict::new(&shadow.name, &verdict));
            }
            add_ballots(record, &shadows.engine, row, &judged.calls, &asked);
        }
    }
}

/// What another engine says of rows that were judged: detectors that both have are not asked twice.
fn beside(other: &Engine, by: &Engine, part: &Part, (batch, past): (&Batch, &PastValues)) -> Judged {
    let ballots_of =
        |place: usize| -> (Vec<Ballot>, Call) { (part.judged.iter().map(|row| row.ballots[place].clone()).collect(), part.calls[place]) };
    let known = other.detectors().iter().map(|detector| by.same(detector).map(ballots_of)).collect();
    other.judge_beside(other.plan().values(batch, past), known)
}

/// The places of the detectors that are asked because the others do not have them.
fn asked(other: &Engine, by: &Engine) -> HashSet<usize> {
    (0..other.detectors().len()).filter(|place| by.same(&other.detectors()[*place]).is_none()).collect()
}

fn add_ballots(record: &mut ShadowRecord, engine: &Engine, row: &crate::engine::JudgedRow, calls: &[Call], asked: &HashSet<usize>) {
    let of_asked = |name: &str| engine.detector(name).is_some_and(|place| asked.contains(&place));
    let (votes, abstentions): (Vec<VoteOf>, Vec<AbstentionOf>) = ballots(engine, row, calls);
    record.votes.extend(votes.into_iter().filter(|vote| of_asked(&vote.detector)));
    record.abstentions.extend(abstentions.into_iter().filter(|abstention| of_asked(&abstention.detector)));
}
