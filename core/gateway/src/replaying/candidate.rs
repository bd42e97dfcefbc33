//! What another configuration would have decided.

use super::columns::{Made, made, names};
use super::folding::{Folding, Passing};
use super::versions::{Makers, Versions};
use super::{AT_A_TIME, Choice, Progress, Reasons, Recorded, ReplayError, Selection, is_decision};
use crate::config::Config;
use crate::decision::{Decision, Label, LabelRecord, RecordKind};
use crate::engine::{Engine, JudgedRow};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Instant;
use synod_detection::measure::decided;
use synod_detection::{Ballot, Matrix, Outcome, View};
use synod_store::{Record, Secret};
use uuid::Uuid;

/// Most flips that a report lists.
const MOST_FLIPS: usize = 10_000;
/// Every outcome, from the mildest on.
const OUTCOMES: [Outcome; 3] = [Outcome::Approve, Outcome::Review, Outcome::Block];

/// Another configuration, with the live models of its detectors.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// It, put together.
    pub engine: &'a Engine,
    /// What each of its detectors sees, in their order.
    pub views: &'a [View],
}

/// Where the features came from that the candidate judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// All of them were recorded with the decisions.
    Recorded,
    /// They were computed from the stored rows, and from histories that were folded from the log.
    Folded,
}

/// A decision whose outcome would have been another.
#[derive(Debug, Clone, Serialize)]
pub struct Flip {
    /// The decision.
    pub decision: Uuid,
    /// The row's id, as it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Whom the row is about, as it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// When it was decided.
    pub decided: Timestamp,
    /// What was decided.
    pub recorded: Outcome,
    /// What the candidate would have decided.
    pub candidate: Outcome,
    /// The score that was recorded.
    pub recorded_score: f64,
    /// The candidate's score.
    pub candidate_score: f64,
}

/// How decisions compare with labels.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Measures {
    /// Share of the flagged decisions that were fraud.
    pub precision: f64,
    /// Share of the fraud that was flagged.
    pub recall: f64,
}

/// What labels say.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LabelReport {
    /// Decisions that are labelled fraud or legitimate.
    pub labelled: usize,
    /// Those labelled fraud.
    pub fraud: usize,
    /// Of the recorded verdicts.
    pub recorded: Measures,
    /// Of the candidate's.
    pub candidate: Measures,
}

/// What the candidate came to.
#[derive(Debug, Serialize)]
pub struct CandidateReport {
    /// Where the features came from.
    pub way: Way,
    /// The versions of the candidate's models.
    pub models: IndexMap<String, u64>,
    /// Why the recorded ones could not be used, and what is to be known of the others.
    pub notes: Vec<String>,
    /// Decisions that were selected.
    pub decisions: u64,
    /// Those that the candidate judged.
    pub judged: u64,
    /// Why it could not judge the others.
    pub not_judged: Reasons,
    /// How many decisions had which outcome (first), and have which by the candidate.
    pub outcomes: IndexMap<&'static str, IndexMap<&'static str, u64>>,
    /// The share of anomalous verdicts among the judged decisions, as recorded.
    pub recorded_flag_rate: f64,
    /// The same by the candidate.
    pub candidate_flag_rate: f64,
    /// Abstentions of the candidate's detectors, by detector and reason.
    pub abstentions: IndexMap<String, u64>,
    /// Decisions whose outcome would have been another.
    pub flipped: u64,
    /// The first ten thousand of them.
    pub flips: Vec<Flip>,
    /// What labels say, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelReport>,
    /// What it took.
    pub seconds: f64,
}

/// What is known of the log before anything is judged.
#[derive(Default)]
struct Survey {
    versions: Vec<Versions>,
    labels: HashMap<Uuid, Label>,
}

/// Has a candidate judge the selected decisions.
///
/// # Errors
/// When the log cannot be read, or what is stored of the rows is not enough to compute a feature of the candidate.
pub fn judge_by(
    candidate: Candidate<'_>,
    recorded: &Recorded,
    selection: &Selection,
    makers: &mut Makers<'_>,
    secret: &Secret,
    progress: Progress<'_>,
) -> Result<CandidateReport, ReplayError> {
    let started = Instant::now();
    // Two passes: which way can be taken depends on everything that is selected, and labels come after their decisions.
    let survey = survey(recorded, selection, &mut |done, all| progress(done, 2 * all))?;
    let mut tally = Tally::new(candidate.engine, survey.labels);
    let wanted = made(candidate.engine.plan(), &candidate.views.iter().collect::<Vec<_>>(), &candidate.config.recorded);
    let there = recorded_names(makers, &survey.versions, candidate.config, &wanted);
    let mut progress = |done, all| progress(all + done, 2 * all);
    match there {
        Ok(there) => judge_recorded(recorded, selection, &there, &mut tally, &mut progress)?,
        Err(why) => {
            tally.way = Way::Folded;
            tally.notes.push(why);
            if recorded.first > 1 && candidate.config.history.width() > 0 {
                tally.notes.push(format!("the log begins with record {}: what was before it is not in the histories", recorded.first));
            }
            let mut folding = Folding::new(candidate.config, secret);
            judge_folded(recorded, selection, makers, &mut folding, &mut tally, &mut progress)?;
        }
    }
    Ok(tally.report(started.elapsed().as_secs_f64()))
}

fn survey(recorded: &Recorded, selection: &Selection, progress: Progress<'_>) -> Result<Survey, ReplayError> {
    let (mut survey, mut choosing) = (Survey::default(), selection.choosing());
    for record in recorded.records(progress)? {
        let record = record?;
        if let Choice::Chosen(decision) = choosing.choose(&record) {
            let versions = Versions::of(&decision);
            if !survey.versions.contains(&versions) {
                survey.versions.push(versions);
            }
        }
        if record.kind == RecordKind::Label as u8
            && let Ok(label) = serde_json::from_slice::<LabelRecord>(&record.payload)
        {
            // The last one holds.
            survey.labels.insert(label.decision, label.label);
        }
    }
    Ok(survey)
}

type Names = HashMap<Versions, Vec<String>>;

/// Under which names the records of each of these versions have what the candidate wants.
fn recorded_names(makers: &mut Makers<'_>, all: &[Versions], candidate: &Config, wanted: &[Made]) -> Result<Names, String> {
    all.iter().map(|versions| Ok((versions.clone(), names(makers, versions, candidate, wanted)?))).collect()
}

fn judge_recorded(
    recorded: &Recorded,
    selection: &Selection,
    there: &Names,
    tally: &mut Tally<'_>,
    progress: Progress<'_>,
) -> Result<(), ReplayError> {
    let mut choosing = selection.choosing();
    for record in recorded.records(progress)? {
        let record = record?;
        match choosing.choose(&record) {
            Choice::PassedOver => {}
            Choice::Unreadable(why) => tally.refuse(why, format!("record {}", record.position.sequence)),
            Choice::Chosen(decision) => {
                let names = there.get(&Versions::of(&decision)).map_or(&[][..], Vec::as_slice);
                let value = |name: &String| decision.features.get(name).map(|value| value.unwrap_or(f64::NAN));
                match names.iter().map(value).collect::<Option<Vec<f64>>>() {
                    Some(values) => tally.take(*decision, values),
                    None => tally.refuse("the record lacks a feature that its model sees".into(), decision.id),
                }
            }
        }
        if choosing.is_done() {
            break;
        }
    }
    tally.judge();
    Ok(())
}

fn judge_folded(
    recorded: &Recorded,
    selection: &Selection,
    makers: &mut Makers<'_>,
    folding: &mut Folding,
    tally: &mut Tally<'_>,
    progress: Progress<'_>,
) -> Result<(), ReplayError> {
    let mut choosing = selection.choosing();
    for record in recorded.records(progress)? {
        let record = record?;
        match choosing.choose(&record) {
            Choice::PassedOver if folding.has_past() && is_decision(&record) => pass(&record, makers, folding, tally)?,
            Choice::PassedOver => {}
            Choice::Unreadable(why) => tally.refuse(why, format!("record {}", record.position.sequence)),
            Choice::Chosen(decision) => {
                check(&decision.configuration, makers, folding, true)?;
                match folding.judged(&decision, tally.engine.plan()) {
                    Ok(values) => tally.take(*decision, values),
                    Err(why) => tally.refuse(why, decision.id),
                }
            }
        }
        if choosing.is_done() {
            break;
        }
    }
    tally.judge();
    Ok(())
}

/// A row that is not judged may be the past of one that is.
fn pass(record: &Record, makers: &mut Makers<'_>, folding: &mut Folding, tally: &mut Tally<'_>) -> Result<(), ReplayError> {
    let passed = match serde_json::from_slice::<Passing>(&record.payload) {
        Ok(passing) => {
            check(&passing.configuration, makers, folding, false)?;
            folding.passes(&passing)
        }
        Err(error) => Err(error.to_string()),
    };
    if passed.is_err() {
        tally.not_remembered += 1;
    }
    Ok(())
}

fn check(configuration: &str, makers: &mut Makers<'_>, folding: &mut Folding, judged: bool) -> Result<(), ReplayError> {
    if folding.knows(configuration, judged) {
        return Ok(());
    }
    let config = makers.configuration(configuration).map_err(ReplayError::Candidate)?;
    folding.check(configuration, &config, judged).map_err(ReplayError::Candidate)
}

/// What has been judged so far, and what waits to be.
struct Tally<'a> {
    engine: &'a Engine,
    labels: HashMap<Uuid, Label>,
    way: Way,
    notes: Vec<String>,
    pending: Vec<Decision>,
    values: Vec<f64>,
    decisions: u64,
    not_judged: Reasons,
    /// Rows before those that are judged, which do not fit the candidate.
    not_remembered: u64,
    outcomes: [[u64; 3]; 3],
    flagged: [u64; 2],
    abstentions: IndexMap<String, u64>,
    flips: Vec<Flip>,
    /// Of the labelled decisions: the truth, the recorded and the candidate's verdict.
    labelled: [Vec<bool>; 3],
}

impl<'a> Tally<'a> {
    fn new(engine: &'a Engine, labels: HashMap<Uuid, Label>) -> Self {
        Self {
            engine,
            labels,
            way: Way::Recorded,
            notes: Vec::new(),
            pending: Vec::with_capacity(AT_A_TIME),
            values: Vec::new(),
            decisions: 0,
            not_judged: Reasons::default(),
            not_remembered: 0,
            outcomes: [[0; 3]; 3],
            flagged: [0; 2],
            abstentions: IndexMap::new(),
            flips: Vec::new(),
            labelled: [const { Vec::new() }; 3],
        }
    }

    fn refuse(&mut self, why: String, first: impl ToString) {
        self.decisions += 1;
        self.not_judged.note(why, first);
    }

    fn take(&mut self, decision: Decision, values: Vec<f64>) {
        self.decisions += 1;
        self.pending.push(decision);
        self.values.extend(values);
        if self.pending.len() == AT_A_TIME {
            self.judge();
        }
    }

    fn judge(&mut self) {
        let width = self.engine.feature_names().len().max(1);
        let features = Matrix { width, values: std::mem::take(&mut self.values) };
        let rows = self.engine.judge_again(&features, &|_, _| true);
        for (decision, row) in std::mem::take(&mut self.pending).into_iter().zip(rows) {
            self.note(decision, &row);
        }
    }

    fn note(&mut self, decision: Decision, row: &JudgedRow) {
        let (recorded, candidate) = (&decision.verdict, &row.verdict);
        // Policies are compared: what a breaker made of an outcome was none of the policy's doing.
        let outcome = recorded.outcome_of_policy();
        self.outcomes[outcome as usize][candidate.outcome as usize] += 1;
        self.flagged[0] += u64::from(recorded.anomalous);
        self.flagged[1] += u64::from(candidate.anomalous);
        for (detector, ballot) in self.engine.detectors().iter().zip(&row.ballots) {
            if let Ballot::Abstention(abstention) = ballot {
                *self.abstentions.entry(format!("{}: {}", detector.name(), abstention.reason)).or_default() += 1;
            }
        }
        if let Some(label @ (Label::Fraud | Label::Legitimate)) = self.labels.get(&decision.id) {
            let verdicts = [*label == Label::Fraud, recorded.anomalous, candidate.anomalous];
            self.labelled.iter_mut().zip(verdicts).for_each(|(list, verdict)| list.push(verdict));
        }
        if outcome != candidate.outcome && self.flips.len() < MOST_FLIPS {
            self.flips.push(Flip {
                decision: decision.id,
                decided: decision.decided,
                recorded: outcome,
                candidate: candidate.outcome,
                recorded_score: recorded.score,
                candidate_score: candidate.score,
                event: decision.event,
                entity: decision.entity,
            });
        }
    }

    fn report(mut self, seconds: f64) -> CandidateReport {
        if self.not_remembered > 0 {
            self.notes.push(format!("{} rows do not fit the candidate's schema, and are in no history", self.not_remembered));
        }
        let of = |row: &[u64; 3]| OUTCOMES.iter().map(|outcome| (outcome.name(), row[*outcome as usize])).collect();
        let judged: u64 = self.outcomes.iter().flatten().sum();
        let unchanged: u64 = (0..OUTCOMES.len()).map(|outcome| self.outcomes[outcome][outcome]).sum();
        let rate = |flagged: u64| flagged as f64 / judged.max(1) as f64;
        CandidateReport {
            way: self.way,
            models: self.engine.detectors().iter().map(|detector| (detector.name().to_owned(), detector.identity().version)).collect(),
            decisions: self.decisions,
            judged,
            outcomes: OUTCOMES.iter().map(|outcome| (outcome.name(), of(&self.outcomes[*outcome as usize]))).collect(),
            recorded_flag_rate: rate(self.flagged[0]),
            candidate_flag_rate: rate(self.flagged[1]),
            flipped: judged - unchanged,
            labels: label_report(&self.labelled),
            notes: self.notes,
            not_judged: self.not_judged,
            abstentions: self.abstentions,
            flips: self.flips,
            seconds,
        }
    }
}

fn label_report([truth, recorded, candidate]: &[Vec<bool>; 3]) -> Option<LabelReport> {
    let measures = |flagged: &[bool]| {
        let decided = decided(flagged, truth);
        Measures { precision: decided.precision, recall: decided.recall }
    };
    (!truth.is_empty()).then(|| LabelReport {
        labelled: truth.len(),
        fraud: truth.iter().filter(|fraud| **fraud).count(),
        recorded: measures(recorded),
        candidate: measures(candidate),
    })
}
