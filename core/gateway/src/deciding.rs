//! From rows to decisions: the one way, whatever route the rows came by.

use crate::breaking::{Breakers, CONSENSUS};
use crate::config::OnFailure;
use crate::decision::{Decision, Degraded, DegradedBy, RolloutOf, RolloutSide, Verdict, ballots};
use crate::engine::{Call, Engine, JudgedRow, MISSING_FEATURE};
use crate::ledger::{Admission, AdmitError, Admittance, Asked, Ledger, ReadError};
use crate::rollout::Trial;
use crate::telemetry::tracing::{Hop, Passing, key};
use indexmap::IndexMap;
use jiff::Timestamp;
use std::sync::Arc;
use synod_detection::history::PastValues;
use synod_detection::{Batch, Matrix, Outcome, Passage};
use synod_store::AppendError;
use thiserror::Error;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Why rows are not decided.
#[derive(Debug, Error)]
pub enum DecideError {
    /// They cannot be taken in.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// A detector failed, and its `on_failure` is `fail`.
    #[error("detector {detector} does not vote ({reason}), and without it there is no verdict")]
    Failed {
        /// Which.
        detector: String,
        /// Why it did not vote.
        reason: &'static str,
    },
}

/// What became of a row.
#[derive(Debug, Clone)]
pub enum Decided {
    /// It was judged now: its place among the new decisions.
    New(usize),
    /// It was judged before: the decision, as it is recorded.
    Before(Arc<Decision>),
    /// It was judged before, and the record cannot be read.
    Unreadable(Arc<ReadError>),
    /// Its id or the request's key was used for something else.
    Conflict,
    /// Another request with its id or key is under way.
    InProgress,
}

/// Rows that one side judged: all of a request, unless something is tried.
#[derive(Debug)]
pub struct Part {
    /// Whether what is tried has judged them.
    pub tried: bool,
    /// Their places among the new decisions.
    pub rows: Vec<usize>,
    /// What the detectors gave for them, with the outcomes that the decisions have.
    pub judged: Vec<JudgedRow>,
    /// What the detectors' calls took.
    pub calls: Vec<Call>,
    /// The values of the features that they rest on, a row for each.
    pub features: Matrix,
    /// What the policy said of each, whatever a breaker made of it.
    pub outcomes: Vec<Outcome>,
}

/// Rows that were judged, and whose decisions are on their way to the disk.
#[derive(Debug)]
pub struct Deciding {
    /// What became of each row.
    pub rows: Vec<Decided>,
    /// The new decisions.
    pub decisions: Vec<Decision>,
    /// What judged them.
    pub parts: Vec<Part>,
    /// The rows of the request that were judged.
    pub fresh: Vec<usize>,
    /// The values of their past, a row for each.
    pub past: PastValues,
    /// The hop that ends when they are durable.
    pub storing: Passing,
    /// Comes when the decisions are durable.
    pub receipt: oneshot::Receiver<Result<(), AppendError>>,
}

/// What judges rows, and what their decisions name.
#[derive(Debug, Clone, Copy)]
pub struct Judges<'a> {
    /// What is in force.
    pub engine: &'a Engine,
    /// What is tried on some of them.
    pub trial: Option<&'a Trial>,
    /// What keeps policies from blocking too much; without it every outcome is the policy's.
    pub breakers: Option<&'a Breakers>,
    /// SHA-256 of the configuration.
    pub configuration: &'a str,
}

impl<'a> Judges<'a> {
    /// The engine alone.
    pub fn alone(engine: &'a Engine, configuration: &'a str) -> Self {
        Self { engine, trial: None, breakers: None, configuration }
    }
}

/// Judges rows and hands their decisions to the log. Blocks for as long as the detectors take, and not for the disk, except for a moment when a
/// breaker opens.
///
/// # Errors
/// When the rows cannot be taken in, or a detector fails without which there is to be no verdict.
pub fn decide(by: Judges<'_>, ledger: &Arc<Ledger>, batch: &Batch, asked: &Asked) -> Result<Deciding, DecideError> {
    let mut admission = Hop::Past.during(|| ledger.admit(batch, asked))?;
    let mut parts = judged(by, &admission, batch, asked);
    if let Some(failed) = parts.iter().find_map(|part| failed(by.engine, &part.judged)) {
        // The admission ends here: the rows were never seen, and can be sent again.
        return Err(failed);
    }
    let degraded = degrade(by.breakers, asked.tenant.as_deref(), &mut parts);
    let storing = Hop::Store.begin();
    let mut decisions: Vec<Option<Decision>> = admission.fresh.iter().map(|_| None).collect();
    for part in &parts {
        let record = Recording { by, part, ledger, asked, admission: &admission };
        for (place, fresh) in part.rows.iter().enumerate() {
            decisions[*fresh] = Some(record.decision(place, *fresh, degraded[*fresh]));
        }
    }
    // Each row is in one part.
    let decisions: Vec<Decision> = decisions.into_iter().flatten().collect();
    let rows = admission.rows.iter().map(|row| decided(*row, &admission, ledger)).collect();
    let (fresh, past) = (admission.fresh.clone(), std::mem::replace(&mut admission.past, PastValues::none(0)));
    let receipt = storing.during(|| ledger.commit(admission, &decisions));
    storing.count(key::DECISIONS, decisions.len());
    Ok(Deciding { rows, decisions, parts, fresh, past, storing, receipt })
}

/// The fresh rows, judged by what is in force, or by what is tried.
fn judged(by: Judges<'_>, admission: &Admission, batch: &Batch, asked: &Asked) -> Vec<Part> {
    let all: Vec<usize> = (0..admission.fresh.len()).collect();
    let Some(trial) = by.trial.filter(|trial| trial.share() > 0.0) else {
        return vec![part(by.engine, false, all, admission, batch)];
    };
    let (tried, mut control): (Vec<usize>, Vec<usize>) =
        all.into_iter().partition(|fresh| trial.judges(asked.tenant.as_deref(), &whose(by.engine, admission, *fresh)));
    let mut parts = Vec::with_capacity(2);
    if !tried.is_empty() {
        let mut part = part(&trial.engine, true, tried, admission, batch);
        control.extend(part.without_failures());
        control.sort_unstable();
        parts.push(part);
    }
    if !control.is_empty() {
        parts.push(part(by.engine, false, control, admission, batch));
    }
    parts.retain(|part| !part.rows.is_empty());
    parts
}

/// Whom a row is about, or what it is if it is about nobody: all rows of one are judged by the same side.
fn whose(engine: &Engine, admission: &Admission, fresh: usize) -> String {
    let (schema, place) = (engine.schema(), admission.fresh[fresh]);
    let label = [schema.entity(), schema.id()].into_iter().flatten().find_map(|field| admission.stored().label(field, place));
    label.unwrap_or_else(|| admission.content(fresh))
}

fn part(engine: &Engine, tried: bool, rows: Vec<usize>, admission: &Admission, batch: &Batch) -> Part {
    let all = rows.len() == batch.rows();
    let judged = match all {
        true => engine.judge(batch, &admission.past),
        false => {
            let places: Vec<usize> = rows.iter().map(|fresh| admission.fresh[*fresh]).collect();
            engine.judge(&batch.select(&places), &admission.past.select(&rows))
        }
    };
    let outcomes = judged.rows.iter().map(|row| row.verdict.outcome).collect();
    Part { tried, rows, judged: judged.rows, calls: judged.calls, features: judged.features, outcomes }
}

impl Part {
    /// Takes out the rows on which a detector failed, and answers them: what is in force judges them, so that what is tried costs nobody a verdict.
    fn without_failures(&mut self) -> Vec<usize> {
        let failed = |row: &JudgedRow| {
            row.ballots.iter().filter_map(|ballot| ballot.abstention()).any(|abstention| abstention.reason != MISSING_FEATURE)
        };
        let kept: Vec<bool> = self.judged.iter().map(|row| !failed(row)).collect();
        let taken = self.rows.iter().zip(&kept).filter(|(_, kept)| !**kept).map(|(row, _)| *row).collect();
        self.features = self.features.select((0..kept.len()).filter(|place| kept[*place]));
        keep(&mut self.rows, &kept);
        keep(&mut self.judged, &kept);
        keep(&mut self.outcomes, &kept);
        taken
    }
}

fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or_default());
}

/// The first failure of a detector without which there is to be no verdict.
fn failed(engine: &Engine, rows: &[JudgedRow]) -> Option<DecideError> {
    let needed = engine.detectors().iter().enumerate().filter(|(_, detector)| detector.on_failure() == OnFailure::Fail);
    needed.into_iter().find_map(|(place, detector)| {
        let abstention =
            rows.iter().find_map(|row| row.ballots[place].abstention().filter(|abstention| abstention.reason != MISSING_FEATURE))?;
        Some(DecideError::Failed { detector: detector.name().to_owned(), reason: abstention.reason })
    })
}

/// What an open breaker makes milder, of the rows of one request in their order.
fn degrade(breakers: Option<&Breakers>, tenant: Option<&str>, parts: &mut [Part]) -> Vec<Option<Degraded>> {
    let mut rows: Vec<(usize, &mut JudgedRow)> =
        parts.iter_mut().flat_map(|part| part.rows.iter().copied().zip(part.judged.iter_mut())).collect();
    rows.sort_unstable_by_key(|(fresh, _)| *fresh);
    let Some(breakers) = breakers else { return vec![None; rows.len()] };
    let passages = breakers.pass(tenant, CONSENSUS, rows.iter().map(|(_, row)| row.verdict.outcome));
    let one = |((_, row), passage): (&mut (usize, &mut JudgedRow), Passage)| match passage {
        Passage::Stands => None,
        Passage::Degraded => {
            let from = std::mem::replace(&mut row.verdict.outcome, Outcome::Review);
            Some(Degraded { from, by: DegradedBy::Breaker })
        }
    };
    rows.iter_mut().zip(passages).map(one).collect()
}

fn decided(row: Admittance, admission: &Admission, ledger: &Ledger) -> Decided {
    match row {
        Admittance::Fresh(fresh) => Decided::New(fresh),
        Admittance::Known(known) => match ledger.read(known.position) {
            Ok(decision) => Decided::Before(Arc::new(decision)),
            Err(error) => Decided::Unreadable(Arc::new(error)),
        },
        Admittance::Conflict => Decided::Conflict,
        Admittance::InProgress => Decided::InProgress,
        Admittance::Same(first) => decided(admission.rows[first], admission, ledger),
    }
}

/// What the records of one part of a request share.
struct Recording<'a> {
    by: Judges<'a>,
    part: &'a Part,
    ledger: &'a Ledger,
    asked: &'a Asked,
    admission: &'a Admission,
}

impl<'a> Recording<'a> {
    /// What judged the rows.
    fn engine(&self) -> &'a Engine {
        match self.by.trial {
            Some(trial) if self.part.tried => &trial.engine,
            _ => self.by.engine,
        }
    }

    /// Which side of a rollout did, if one is under way.
    fn rollout(&self) -> Option<RolloutOf> {
        let trial = self.by.trial?;
        let side = if self.part.tried { RolloutSide::Canary } else { RolloutSide::Control };
        Some(RolloutOf { id: trial.id.clone(), side, policy: trial.policy.clone().filter(|_| self.part.tried) })
    }

    /// The decision about a row of the part, which has this place among all fresh ones.
    fn decision(&self, place_in_part: usize, fresh: usize, degraded: Option<Degraded>) -> Decision {
        let (engine, row) = (self.engine(), &self.part.judged[place_in_part]);
        let schema = engine.schema();
        let (stored, place) = (self.admission.stored(), self.admission.fresh[fresh]);
        let label = |field: Option<usize>| field.and_then(|field| stored.label(field, place));
        let (votes, abstentions) = ballots(engine, row, &self.part.calls);
        let features = features(engine.feature_names(), self.part.features.row(place_in_part));
        let reasons = match row.verdict.outcome {
            Outcome::Approve => Vec::new(),
            Outcome::Review | Outcome::Block => crate::explaining::reasons(engine, &features, row),
        };
        Decision {
            id: Uuid::now_v7(),
            event: label(schema.id()),
            entity: label(schema.entity()),
            tenant: self.asked.tenant.clone(),
            principal: self.asked.principal.clone(),
            request: self.asked.key.clone(),
            content: self.admission.content(fresh),
            at: schema.time().and_then(|time| Timestamp::from_microsecond(stored.moment(time, place)?).ok()),
            decided: Timestamp::from_microsecond(self.asked.now).unwrap_or_default(),
            row: self.ledger.form().row(stored, place),
            past: self.admission.standing(fresh),
            features,
            configuration: self.by.configuration.to_owned(),
            rollout: self.rollout(),
            verdict: Verdict { degraded, ..Verdict::new(&row.verdict, engine.policy().rule) },
            votes,
            abstentions,
            reasons,
        }
    }
}

/// Named values; a missing one is none.
pub fn features(names: &[String], values: &[f64]) -> IndexMap<String, Option<f64>> {
    names.iter().cloned().zip(values.iter().map(|value| Some(*value).filter(|value| value.is_finite()))).collect()
}
