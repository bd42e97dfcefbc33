//! What the spans of the detectors and of the consensus tell. Facts, counts and words alone: no feature, no score of a row.

use super::{Call, Detector, JudgedRow};
use crate::telemetry::tracing::{Hop, Passing, key};
use synod_detection::{Ballot, Matrix, Outcome, Rule};

/// Has a detector vote, which is a hop.
pub(super) fn vote(detector: &Detector, matrix: &Matrix) -> (Vec<Ballot>, Call) {
    let hop = Hop::Detector.begin();
    let (ballots, call) = hop.during(|| detector.vote(matrix));
    if hop.is_recorded() {
        note_detector(&hop, detector, &ballots, &call);
    }
    (ballots, call)
}

fn note_detector(hop: &Passing, detector: &Detector, ballots: &[Ballot], call: &Call) {
    let identity = detector.identity();
    hop.note(key::DETECTOR, detector.name().to_owned());
    hop.count(key::MODEL_VERSION, usize::try_from(identity.version).unwrap_or(usize::MAX));
    hop.note(key::PLUGIN_VERSION, identity.plugin.version.clone());
    hop.count(key::ROWS, ballots.len());
    let votes =
        |anomalous: bool| ballots.iter().filter(|ballot| matches!(ballot, Ballot::Vote(vote) if vote.anomalous == anomalous)).count();
    let (yes, no) = (votes(true), votes(false));
    let abstentions = ballots.len() - yes - no;
    hop.note(key::VOTE, vote_word(yes, no, abstentions));
    hop.count(key::YES, yes);
    hop.count(key::NO, no);
    hop.count(key::ABSTENTIONS, abstentions);
    if let Some(reason) = ballots.iter().find_map(abstention) {
        hop.note(key::ABSTENTION_REASON, reason);
        // With a vote on any row, the detector works.
        if yes + no == 0 {
            hop.failed(reason);
        }
    }
    hop.count(key::SCORED, call.rows);
    hop.note(key::WAITING, call.waiting.as_secs_f64());
    hop.note(key::INSTANTIATING, call.instantiating.as_secs_f64());
    hop.note(key::SCORING, call.scoring.as_secs_f64());
    // Of a sandbox that failed nothing is known: it is gone.
    if call.memory > 0 {
        hop.count(key::MEMORY, call.memory);
    }
}

fn abstention(ballot: &Ballot) -> Option<&'static str> {
    match ballot {
        Ballot::Abstention(abstention) => Some(abstention.reason),
        Ballot::Vote(_) => None,
    }
}

fn vote_word(yes: usize, no: usize, abstentions: usize) -> &'static str {
    match (yes, no, abstentions) {
        (1.., 0, 0) => "yes",
        (0, 1.., 0) => "no",
        (0, 0, 1..) => "abstained",
        _ => "mixed",
    }
}

/// Notes what a batch came to.
pub(super) fn note_consensus(hop: &Passing, rule: Rule, rows: &[JudgedRow]) {
    if !hop.is_recorded() {
        return;
    }
    hop.note(key::RULE, rule.name());
    hop.count(key::ROWS, rows.len());
    hop.count(key::ANOMALOUS, rows.iter().filter(|row| row.verdict.anomalous).count());
    let gravest = rows.iter().map(|row| row.verdict.outcome).max_by_key(|outcome| gravity(*outcome));
    if let Some(outcome) = gravest {
        hop.note(key::OUTCOME, outcome.name());
    }
}

fn gravity(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Approve => 0,
        Outcome::Review => 1,
        Outcome::Block => 2,
    }
}
