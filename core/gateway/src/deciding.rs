//! From rows to decisions: the one way, whatever route the rows came by.

use crate::breaking::{Breakers, CONSENSUS};
use crate::config::OnFailure;
use crate::decision::{Decision, Degraded, DegradedBy, Verdict, ballots};
use crate::engine::{Call, Engine, JudgedRow, MISSING_FEATURE};
use crate::ledger::{Admission, AdmitError, Admittance, Asked, Ledger, ReadError};
use crate::telemetry::tracing::{Hop, Passing, key};
use indexmap::IndexMap;
use jiff::Timestamp;
use std::sync::Arc;
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

/// Rows that were judged, and whose decisions are on their way to the disk.
#[derive(Debug)]
pub struct Deciding {
    /// What became of each row.
    pub rows: Vec<Decided>,
    /// The new decisions.
    pub decisions: Vec<Decision>,
    /// What the detectors gave for them, with the outcomes that the decisions have.
    pub judged: Vec<JudgedRow>,
    /// What the detectors' calls took.
    pub calls: Vec<Call>,
    /// The values of the features that they rest on, a row for each.
    pub features: Matrix,
    /// The hop that ends when they are durable.
    pub storing: Passing,
    /// Comes when the decisions are durable.
    pub receipt: oneshot::Receiver<Result<(), AppendError>>,
}

/// Judges rows and hands their decisions to the log. Blocks for as long as the detectors take, and not for the disk, except for a moment when a
/// breaker opens. Without `breakers` every outcome is the policy's.
///
/// # Errors
/// When the rows cannot be taken in, or a detector fails without which there is to be no verdict.
pub fn decide(
    engine: &Engine,
    ledger: &Arc<Ledger>,
    breakers: Option<&Breakers>,
    configuration: &str,
    batch: &Batch,
    asked: &Asked,
) -> Result<Deciding, DecideError> {
    let admission = Hop::Past.during(|| ledger.admit(batch, asked))?;
    let all_fresh = admission.fresh.len() == batch.rows();
    let mut judged = match all_fresh {
        true => engine.judge(batch, &admission.past),
        false => engine.judge(&batch.select(&admission.fresh), &admission.past),
    };
    if let Some(failed) = failed(engine, &judged.rows) {
        // The admission ends here: the rows were never seen, and can be sent again.
        return Err(failed);
    }
    let degraded = degrade(breakers, asked.tenant.as_deref(), &mut judged.rows);
    let storing = Hop::Store.begin();
    let record =
        Recording { engine, ledger, configuration, asked, admission: &admission, features: &judged.features, calls: &judged.calls };
    let decisions: Vec<Decision> =
        judged.rows.iter().enumerate().map(|(fresh, row)| record.decision(fresh, row, degraded[fresh])).collect();
    let rows = admission.rows.iter().map(|row| decided(*row, &admission, ledger)).collect();
    let receipt = storing.during(|| ledger.commit(admission, &decisions));
    storing.count(key::DECISIONS, decisions.len());
    Ok(Deciding { rows, decisions, judged: judged.rows, calls: judged.calls, features: judged.features, storing, receipt })
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
fn degrade(breakers: Option<&Breakers>, tenant: Option<&str>, rows: &mut [JudgedRow]) -> Vec<Option<Degraded>> {
    let Some(breakers) = breakers else { return vec![None; rows.len()] };
    let passages = breakers.pass(tenant, CONSENSUS, rows.iter().map(|row| row.verdict.outcome));
    let one = |(row, passage): (&mut JudgedRow, Passage)| match passage {
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

/// What the records of one request share.
struct Recording<'a> {
    engine: &'a Engine,
    ledger: &'a Ledger,
    configuration: &'a str,
    asked: &'a Asked,
    admission: &'a Admission,
    features: &'a Matrix,
    calls: &'a [Call],
}

impl Recording<'_> {
    fn decision(&self, fresh: usize, row: &JudgedRow, degraded: Option<Degraded>) -> Decision {
        let schema = self.engine.schema();
        let (stored, place) = (self.admission.stored(), self.admission.fresh[fresh]);
        let label = |field: Option<usize>| field.and_then(|field| stored.label(field, place));
        let (votes, abstentions) = ballots(self.engine, row, self.calls);
        let features = features(self.engine.feature_names(), self.features.row(fresh));
        let reasons = match row.verdict.outcome {
            Outcome::Approve => Vec::new(),
            Outcome::Review | Outcome::Block => crate::explaining::reasons(self.engine, &features, row),
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
            configuration: self.configuration.to_owned(),
            verdict: Verdict { degraded, ..Verdict::new(&row.verdict, self.engine.policy().rule) },
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
