//! Rollouts as people and programs are told of them.

use super::{Report, what};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use synod_store::RolloutEntry;
use utoipa::ToSchema;

/// A rollout.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Rollout)]
pub struct Told {
    /// What it is found by.
    pub id: String,
    /// `under_way`, `promoted`, `rolled_back`, `stopped` or `superseded`.
    pub state: String,
    /// The version of each detector that is tried.
    pub versions: BTreeMap<String, u64>,
    /// The versions that judged when it began, of the same detectors.
    pub before: BTreeMap<String, u64>,
    /// The policy of `consensus.shadows` that is tried, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub policy: Option<String>,
    /// The steps.
    pub steps: Vec<Step>,
    /// The step that it is at, or was at when it ended, from 1.
    pub step: usize,
    /// The share of the entities whose rows are judged by what is tried.
    pub share: f64,
    /// Whether it is promoted by itself after the last step.
    pub promote: bool,
    /// Who began it.
    pub by: String,
    /// When it began.
    pub began: Timestamp,
    /// Since when it is at this step.
    pub since: Timestamp,
    /// How it ended, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ended: Option<Ended>,
    /// How it does, or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub report: Option<Report>,
}

/// A step of a rollout.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = RolloutStep)]
pub struct Step {
    /// The share of the entities whose rows are judged by what is tried, 0 to 1.
    pub share: f64,
    /// How long it takes at least, in seconds.
    pub hold_seconds: u64,
}

/// How a rollout ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RolloutEnd)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
    /// Who ended it: `synod` if no person did.
    pub by: String,
}

impl Told {
    /// Of an entry, with how it does by now, if that is known better than it is written down.
    pub fn new(entry: &RolloutEntry, report: Option<Report>) -> Self {
        let written = || entry.report.clone().and_then(|report| serde_json::from_value(report).ok());
        Self {
            id: entry.id.clone(),
            state: entry.ended.as_ref().map_or_else(|| "under_way".to_owned(), |ended| ended.how.clone()),
            versions: entry.versions.clone(),
            before: entry.before.clone(),
            policy: entry.policy.clone(),
            steps: entry.steps.iter().map(|step| Step { share: step.share, hold_seconds: step.hold }).collect(),
            step: entry.step + 1,
            share: if entry.ended.is_some() { 0.0 } else { entry.steps.get(entry.step).map_or(0.0, |step| step.share) },
            promote: entry.promote,
            by: entry.by.clone(),
            began: entry.began,
            since: entry.since,
            ended: entry.ended.as_ref().map(|ended| Ended { at: ended.at, why: ended.why.clone(), by: ended.by.clone() }),
            report: report.or_else(written),
        }
    }
}

/// A rollout in words, for the command line.
pub fn in_words(entry: &RolloutEntry) -> String {
    let told = Told::new(entry, None);
    let mut lines = vec![format!("{}  {}  {}", told.id, told.state, what(entry))];
    let before = told.before.iter().map(|(detector, version)| format!("{detector}/{version}")).collect::<Vec<_>>().join(" ");
    lines.push(format!(
        "  begun      {:.0} by {}{}",
        told.began,
        told.by,
        if before.is_empty() { before } else { format!(", instead of {before}") }
    ));
    let hold = told.steps.get(entry.step).map_or(0, |step| step.hold_seconds);
    lines.push(format!(
        "  step       {} of {}: a share of {}, since {:.0}, for {hold} s at least",
        told.step,
        told.steps.len(),
        told.share,
        told.since
    ));
    if let Some(ended) = &told.ended {
        lines.push(format!("  ended      {:.0} by {}: {}", ended.at, ended.by, ended.why));
    } else {
        lines.push(format!(
            "  then       {}",
            if told.promote { "promoted by itself after the last step" } else { "waits for `synod rollout promote`" }
        ));
    }
    match &told.report {
        None => lines.push("  compared   nothing yet: no running server has reported".into()),
        Some(report) => lines.extend(report_in_words(report)),
    }
    lines.join("\n") + "\n"
}

fn report_in_words(report: &Report) -> Vec<String> {
    const OUTCOMES: [&str; 3] = ["approve", "review", "block"];
    let mut lines = vec![format!("  compared   {} rows, {} left out", report.rows, report.dropped)];
    lines.push(format!("             {:>12}  {:>10}  {:>10}  {:>10}   (tried)", "", OUTCOMES[0], OUTCOMES[1], OUTCOMES[2]));
    for (outcome, row) in OUTCOMES.iter().zip(&report.outcomes) {
        lines.push(format!("             {outcome:>12}  {:>10}  {:>10}  {:>10}", row[0], row[1], row[2]));
    }
    match report.measures {
        None => lines.push("  guards     too few rows to say anything".into()),
        Some(measures) => lines.push(format!(
            "  guards     score_shift {:.3}, flag_rate {:.2}, disagreement {:.4}, slower {:.2}, failures {:.4}",
            measures.score_shift, measures.flag_rate, measures.disagreement, measures.slower, measures.failures
        )),
    }
    for (guard, looks) in &report.breached {
        lines.push(format!("             {} does not hold, at {looks} looks in a row", guard.name()));
    }
    for found in report.disagreements.iter().take(5) {
        let (control, tried) = (found.control.name(), found.tried.name());
        lines
            .push(format!("  differs    {}  {control} {:.3}, tried {tried} {:.3}", found.decision, found.control_score, found.tried_score));
    }
    lines
}
