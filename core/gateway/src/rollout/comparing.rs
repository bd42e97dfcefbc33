//! What both sides of a rollout say of the same rows, and whether that is within the guards.

use crate::config::Guards;
use crate::engine::{Call, JudgedRow, MISSING_FEATURE};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use synod_detection::Outcome;
use synod_detection::drift::Reference;
use utoipa::ToSchema;
use uuid::Uuid;

/// Rows with other outcomes that are kept for people to look at.
const KEPT: usize = 50;
/// A difference of so few anomalous rows may be chance, whatever their ratio.
const FEW: usize = 10;
/// Less than this nobody notices, and a busy machine takes it now and then.
const SLACK: Duration = Duration::from_millis(5);

/// What is watched while something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// How the scores of the verdicts are distributed.
    ScoreShift,
    /// How many rows are anomalous.
    FlagRate,
    /// How many rows have another outcome.
    Disagreement,
    /// How long the detectors take, at the 99th percentile.
    Slower,
    /// How many votes fail.
    Failures,
}

impl Guard {
    /// All of them, in the order in which they are looked at.
    pub const ALL: [Self; 5] = [Self::Failures, Self::Slower, Self::Disagreement, Self::FlagRate, Self::ScoreShift];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScoreShift => "score_shift",
            Self::FlagRate => "flag_rate",
            Self::Disagreement => "disagreement",
            Self::Slower => "slower",
            Self::Failures => "failures",
        }
    }

    /// What it allows.
    pub fn limit(self, guards: &Guards) -> f64 {
        match self {
            Self::ScoreShift => guards.score_shift,
            Self::FlagRate => guards.flag_rate,
            Self::Disagreement => guards.disagreement,
            Self::Slower => guards.slower,
            Self::Failures => guards.failures,
        }
    }
}

/// What one side says of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// The verdict's score.
    pub score: f64,
    /// Whether the row is anomalous.
    pub anomalous: bool,
    /// What the policy says to do.
    pub outcome: Outcome,
    /// Detectors that failed to vote.
    pub failed: usize,
    /// Detectors that were asked.
    pub asked: usize,
    /// How long the detectors worked on the rows of the request.
    pub took: Duration,
}

impl Side {
    /// Of a judged row, of what the policy said of it, and of the calls for all rows that were judged with it.
    pub fn new(row: &JudgedRow, outcome: Outcome, calls: &[Call]) -> Self {
        let failed = row.ballots.iter().filter_map(|ballot| ballot.abstention()).filter(|abstention| abstention.reason != MISSING_FEATURE);
        Self {
            score: row.verdict.score,
            anomalous: row.verdict.anomalous,
            outcome,
            failed: failed.count(),
            asked: row.ballots.len(),
            took: calls.iter().map(|call| call.scoring).sum(),
        }
    }
}

/// A row as both sides saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// What is in force.
    pub control: Side,
    /// What is tried.
    pub tried: Side,
}

/// A row with two outcomes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Disagreement {
    /// The decision about it.
    pub decision: Uuid,
    /// What is in force says.
    #[schema(value_type = crate::described::Outcome)]
    pub control: Outcome,
    /// With which score.
    pub control_score: f64,
    /// What is tried says.
    #[schema(value_type = crate::described::Outcome)]
    pub tried: Outcome,
    /// With which score.
    pub tried_score: f64,
}

/// What was measured of the latest rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Measures {
    /// The population stability index of the verdicts' scores.
    pub score_shift: f64,
    /// How many times as many rows are anomalous; below 1 for fewer.
    pub flag_rate: f64,
    /// The share of rows with another outcome.
    pub disagreement: f64,
    /// How many times as long the detectors take, at the 99th percentile.
    pub slower: f64,
    /// The share of votes that fail and do not fail in force.
    pub failures: f64,
}

/// How a rollout does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = RolloutReport)]
pub struct Report {
    /// Rows that both sides saw, since it began or the service started.
    pub rows: u64,
    /// Rows that were not compared, because too many waited.
    pub dropped: u64,
    /// Rows by the outcome in force (first) and the outcome of what is tried: approve, review, block.
    pub outcomes: [[u64; 3]; 3],
    /// What was measured of the latest rows; none while there are too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub measures: Option<Measures>,
    /// Guards that do not hold, with the number of looks in a row at which they did not.
    pub breached: Vec<(Guard, u32)>,
    /// The latest rows with two outcomes; of requests only for those who may read all decisions with their scores.
    pub disagreements: Vec<Disagreement>,
}

/// A guard that does not hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// Which.
    pub guard: Guard,
    /// What was measured.
    pub measured: f64,
    /// What is allowed.
    pub limit: f64,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (measured, limit) = (self.measured, self.limit);
        match self.guard {
            Guard::ScoreShift => write!(f, "score_shift: the scores are distributed otherwise (index {measured:.3}, at most {limit})"),
            Guard::FlagRate if measured < 1.0 => {
                write!(f, "flag_rate: {:.2} times as few rows are anomalous (at most {limit} times)", 1.0 / measured)
            }
            Guard::FlagRate => write!(f, "flag_rate: {measured:.2} times as many rows are anomalous (at most {limit} times)"),
            Guard::Disagreement => write!(f, "disagreement: {measured:.4} of the rows have another outcome (at most {limit})"),
            Guard::Slower => write!(f, "slower: the detectors take {measured:.1} times as long (p99; at most {limit} times)"),
            Guard::Failures => write!(f, "failures: {measured:.4} of the votes fail (at most {limit})"),
        }
    }
}

/// What both sides say of the latest rows.
#[derive(Debug)]
pub struct Comparison {
    guards: Guards,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    window: VecDeque<Pair>,
    seen: u64,
    dropped: u64,
    outcomes: [[u64; 3]; 3],
    disagreements: VecDeque<Disagreement>,
    /// How many rows had been seen at the last look.
    looked: u64,
    /// In the order of [`Guard::ALL`].
    breached: [u32; 5],
    measures: Option<Measures>,
}

impl Comparison {
    /// Of nothing yet.
    pub fn new(guards: Guards) -> Self {
        Self { guards, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a row that both sides saw, and the decision about it.
    pub fn note(&self, decision: Uuid, pair: Pair) {
        let mut state = self.state();
        state.seen += 1;
        let Pair { control, tried } = pair;
        state.outcomes[control.outcome as usize][tried.outcome as usize] += 1;
        if control.outcome != tried.outcome {
            let (control_score, tried_score) = (control.score, tried.score);
            let found = Disagreement { decision, control: control.outcome, control_score, tried: tried.outcome, tried_score };
            state.disagreements.push_front(found);
            state.disagreements.truncate(KEPT);
        }
        state.window.push_back(pair);
        if state.window.len() > self.guards.rows {
            state.window.pop_front();
        }
    }

    /// Notes rows that could not be compared.
    pub fn dropped(&self, rows: usize) {
        self.state().dropped += rows as u64;
    }

    /// Whether so many rows were compared that the guards say something.
    pub fn says_something(&self) -> bool {
        self.state().window.len() >= self.guards.rows
    }

    /// Looks whether the guards hold. The answer is the first that has not held for so many looks in a row that it counts. Without new rows
    /// nothing changes.
    pub fn look(&self) -> Option<Breach> {
        let mut state = self.state();
        if state.window.len() < self.guards.rows || state.seen == state.looked {
            return None;
        }
        state.looked = state.seen;
        let (measures, slack) = measured(&state.window);
        state.measures = Some(measures);
        let mut first = None;
        for (place, guard) in Guard::ALL.into_iter().enumerate() {
            let breach = breach(guard, &measures, slack, &self.guards);
            state.breached[place] = if breach.is_some() { state.breached[place] + 1 } else { 0 };
            if state.breached[place] >= self.guards.looks {
                first = first.or(breach);
            }
        }
        first
    }

    /// How it does.
    pub fn report(&self) -> Report {
        let state = self.state();
        Report {
            rows: state.seen,
            dropped: state.dropped,
            outcomes: state.outcomes,
            measures: state.measures,
            breached: Guard::ALL.into_iter().zip(state.breached).filter(|(_, looks)| *looks > 0).collect(),
            disagreements: state.disagreements.iter().cloned().collect(),
        }
    }

    /// How near each guard is to what it allows: 1 is the limit.
    pub fn nearness(&self) -> Vec<(Guard, f64)> {
        let Some(measures) = self.state().measures else { return Vec::new() };
        Guard::ALL.into_iter().map(|guard| (guard, against(guard, &measures) / guard.limit(&self.guards).max(f64::MIN_POSITIVE))).collect()
    }
}

/// What is compared with a guard's limit.
fn against(guard: Guard, measures: &Measures) -> f64 {
    match guard {
        Guard::ScoreShift => measures.score_shift,
        Guard::FlagRate => measures.flag_rate.max(1.0 / measures.flag_rate),
        Guard::Disagreement => measures.disagreement,
        Guard::Slower => measures.slower,
        Guard::Failures => measures.failures,
    }
}

fn breach(guard: Guard, measures: &Measures, slack: bool, guards: &Guards) -> Option<Breach> {
    let limit = guard.limit(guards);
    let beyond = against(guard, measures) > limit && !(guard == Guard::Slower && slack);
    let measured = if guard == Guard::FlagRate { measures.flag_rate } else { against(guard, measures) };
    beyond.then_some(Breach { guard, measured, limit })
}

/// One side of a pair.
type OneSide = fn(&Pair) -> Side;

/// The measures of these rows, and whether the difference in time is too small to matter.
fn measured(rows: &VecDeque<Pair>) -> (Measures, bool) {
    let count = rows.len() as f64;
    let flagged = |side: OneSide| rows.iter().filter(|pair| side(pair).anomalous).count();
    let (control, tried): (OneSide, OneSide) = (|pair| pair.control, |pair| pair.tried);
    let (before, now) = (flagged(control), flagged(tried));
    let failed = |side: OneSide| rows.iter().map(|pair| side(pair).failed).sum::<usize>();
    let asked: usize = rows.iter().map(|pair| pair.tried.asked).sum();
    let (fast, slow) = (p99(rows, control), p99(rows, tried));
    let measures = Measures {
        score_shift: score_shift(rows),
        flag_rate: if before.abs_diff(now) < FEW { 1.0 } else { (now as f64 + 0.5) / (before as f64 + 0.5) },
        disagreement: rows.iter().filter(|pair| pair.control.outcome != pair.tried.outcome).count() as f64 / count,
        slower: slow.as_secs_f64() / fast.as_secs_f64().max(1e-9),
        failures: failed(tried).saturating_sub(failed(control)) as f64 / asked.max(1) as f64,
    };
    (measures, slow < fast + SLACK)
}

fn score_shift(rows: &VecDeque<Pair>) -> f64 {
    let reference = Reference::of_values(&rows.iter().map(|pair| pair.control.score).collect::<Vec<_>>());
    let mut counts = vec![0; reference.bins()];
    rows.iter().for_each(|pair| counts[usize::from(reference.bin(&[pair.tried.score]))] += 1);
    reference.psi(&counts).unwrap_or(0.0)
}

fn p99(rows: &VecDeque<Pair>, side: OneSide) -> Duration {
    let mut times: Vec<Duration> = rows.iter().map(|pair| side(pair).took).collect();
    let place = (times.len() * 99 / 100).min(times.len() - 1);
    *times.select_nth_unstable(place).1
}

#[cfg(test)]
mod tests;
