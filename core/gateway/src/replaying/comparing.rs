//! A decision beside the same decision, judged again: they must be equal bit for bit.

use crate::decision::{Decision, Verdict, VoteOf};
use crate::engine::{Engine, JudgedRow, NOT_ASKED, NOT_READY};
use serde::Serialize;
use serde_json::{Value, json};
use synod_detection::{Abstention, Ballot, Matrix, Vote};
use uuid::Uuid;

/// Reasons of a detector that speak of this machine, and not of the row.
const OF_THE_MACHINE: [&str; 5] = ["timeout", "busy", "instantiation", NOT_READY, NOT_ASKED];

/// Something that came out otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The decision.
    pub decision: Uuid,
    /// What of it, as `verdict.score`.
    pub what: String,
    /// As it was recorded.
    pub recorded: Value,
    /// As it comes out now.
    pub replayed: Value,
}

/// Judges decisions again by the engine that they were made by, and answers for each what differs, or why it cannot be judged.
pub(super) fn judge_again(engine: &Engine, decisions: &[Decision]) -> Vec<Result<Vec<Difference>, String>> {
    let mut values = Vec::with_capacity(decisions.len() * engine.feature_names().len());
    let prepared: Vec<Result<Vec<Option<&VoteOf>>, String>> = decisions
        .iter()
        .map(|decision| {
            let votes = votes(engine, decision)?;
            append_features(engine, decision, &mut values)?;
            Ok(votes)
        })
        .collect();
    let rows = {
        let asked: Vec<&Vec<Option<&VoteOf>>> = prepared.iter().flatten().collect();
        let features = Matrix { width: engine.feature_names().len().max(1), values };
        engine.judge_again(&features, &|row, detector| asked[row][detector].is_some())
    };
    let mut judged = rows.iter();
    let compare = |(decision, prepared): (&Decision, Result<Vec<Option<&VoteOf>>, String>)| {
        let votes = prepared?;
        let row = judged.next().ok_or("it was not judged")?;
        compare(engine, decision, &votes, row)
    };
    decisions.iter().zip(prepared).map(compare).collect()
}

/// The recorded vote of each detector, in their order; none where it abstained.
fn votes<'a>(engine: &Engine, decision: &'a Decision) -> Result<Vec<Option<&'a VoteOf>>, String> {
    let vote = |detector: &std::sync::Arc<crate::engine::Detector>| {
        let (name, identity) = (detector.name(), detector.identity());
        let Some(vote) = decision.votes.iter().find(|vote| vote.detector == name) else { return Ok(None) };
        if vote.model_digest != identity.model {
            return Err(format!(
                "detector {name}: the model {} of version {} is not in the registry, which has {} in its place",
                vote.model_digest, vote.model_version, identity.model
            ));
        }
        if vote.plugin_digest != identity.plugin.sha256 {
            return Err(format!(
                "detector {name}: the vote names the plugin {}, and its model's manifest {}",
                vote.plugin_digest, identity.plugin.sha256
            ));
        }
        Ok(Some(vote))
    };
    engine.detectors().iter().map(vote).collect()
}

/// The features of a decision as its engine knows them, in the order of their names; all or none are appended.
pub(super) fn append_features(engine: &Engine, decision: &Decision, values: &mut Vec<f64>) -> Result<(), String> {
    let start = values.len();
    for name in engine.feature_names() {
        match decision.features.get(name) {
            Some(value) => values.push(value.unwrap_or(f64::NAN)),
            None => {
                values.truncate(start);
                return Err(format!("the record has no feature `{name}`"));
            }
        }
    }
    Ok(())
}

fn compare(engine: &Engine, decision: &Decision, votes: &[Option<&VoteOf>], row: &JudgedRow) -> Result<Vec<Difference>, String> {
    let mut differences = Differences { decision: decision.id, found: Vec::new() };
    for ((detector, recorded), ballot) in engine.detectors().iter().zip(votes).zip(&row.ballots) {
        let name = detector.name();
        match (recorded, ballot) {
            (None, _) => {}
            (Some(recorded), Ballot::Vote(vote)) => differences.of_votes(name, &recorded.vote, vote),
            (Some(_), Ballot::Abstention(Abstention { reason, detail })) if OF_THE_MACHINE.contains(reason) => {
                return Err(format!("detector {name} could not be asked: {reason} {detail}"));
            }
            (Some(recorded), Ballot::Abstention(Abstention { reason, .. })) => {
                differences.note(&format!("{name}.vote"), recorded.vote.raw_score.into(), format!("abstains: {reason}").into());
            }
        }
    }
    differences.of_verdicts(&decision.verdict, &Verdict::new(&row.verdict, engine.policy().rule));
    Ok(differences.found)
}

struct Differences {
    decision: Uuid,
    found: Vec<Difference>,
}

impl Differences {
    fn note(&mut self, what: &str, recorded: Value, replayed: Value) {
        self.found.push(Difference { decision: self.decision, what: what.to_owned(), recorded, replayed });
    }

    fn number(&mut self, what: &str, recorded: f64, replayed: f64) {
        if recorded.to_bits() != replayed.to_bits() {
            self.note(what, recorded.into(), replayed.into());
        }
    }

    fn other<T: PartialEq + Serialize>(&mut self, what: &str, recorded: &T, replayed: &T) {
        if recorded != replayed {
            self.note(what, json!(recorded), json!(replayed));
        }
    }

    fn of_votes(&mut self, detector: &str, recorded: &Vote, replayed: &Vote) {
        let numbers = [
            ("raw_score", recorded.raw_score, replayed.raw_score),
            ("score", recorded.score, replayed.score),
            ("threshold", recorded.threshold, replayed.threshold),
        ];
        numbers.into_iter().for_each(|(what, recorded, replayed)| self.number(&format!("{detector}.{what}"), recorded, replayed));
        self.other(&format!("{detector}.anomalous"), &recorded.anomalous, &replayed.anomalous);
        self.other(&format!("{detector}.extrapolated"), &recorded.extrapolated, &replayed.extrapolated);
    }

    fn of_verdicts(&mut self, recorded: &Verdict, replayed: &Verdict) {
        self.number("verdict.score", recorded.score, replayed.score);
        self.number("verdict.combined", recorded.combined, replayed.combined);
        let bits = |threshold: Option<f64>| threshold.map(f64::to_bits);
        if bits(recorded.threshold) != bits(replayed.threshold) {
            self.note("verdict.threshold", json!(recorded.threshold), json!(replayed.threshold));
        }
        self.other("verdict.anomalous", &recorded.anomalous, &replayed.anomalous);
        // A breaker depends on what else was decided then, and the record says what it did: what is judged again is the policy.
        self.other("verdict.outcome", &recorded.outcome_of_policy(), &replayed.outcome_of_policy());
        self.other("verdict.policy", &recorded.policy, &replayed.policy);
        self.other("verdict.votes", &recorded.votes, &replayed.votes);
        self.other("verdict.too_few_votes", &recorded.too_few_votes, &replayed.too_few_votes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Degraded, DegradedBy};
    use synod_detection::{Outcome, Rule};

    #[test]
    fn the_last_bit_counts() {
        let vote = Vote { raw_score: 0.3, score: 0.5, extrapolated: false, threshold: 0.5, anomalous: true };
        let mut differences = Differences { decision: Uuid::nil(), found: Vec::new() };
        differences.of_votes("forest", &vote, &vote);
        assert!(differences.found.is_empty());
        differences.of_votes("forest", &vote, &Vote { raw_score: 0.1 + 0.2, score: -0.0, ..vote });
        let what: Vec<&str> = differences.found.iter().map(|difference| difference.what.as_str()).collect();
        assert_eq!(what, ["forest.raw_score", "forest.score"]);
        assert_eq!(differences.found[0].replayed, json!(0.30000000000000004));
        differences.number("zero", 0.0, -0.0);
        assert_eq!(differences.found.len(), 3);
    }

    #[test]
    fn a_degraded_outcome_is_compared_by_what_the_policy_said() {
        let verdict = |outcome, degraded| Verdict {
            anomalous: true,
            outcome,
            score: 0.9,
            threshold: Some(0.5),
            policy: Rule::WeightedMean,
            combined: 0.9,
            votes: 1,
            too_few_votes: false,
            degraded,
        };
        let degraded = Some(Degraded { from: Outcome::Block, by: DegradedBy::Breaker });
        let found = |recorded: &Verdict, replayed: Outcome| {
            let mut differences = Differences { decision: Uuid::nil(), found: Vec::new() };
            differences.of_verdicts(recorded, &verdict(replayed, None));
            differences.found.len()
        };
        let recorded = verdict(Outcome::Review, degraded);
        assert_eq!([Outcome::Block, Outcome::Review].map(|replayed| found(&recorded, replayed)), [0, 1]);
        let text = serde_json::to_string(&recorded).unwrap();
        assert!(text.contains(r#""outcome":"review""#) && text.ends_with(r#""degraded":{"from":"block","by":"breaker"}}"#), "{text}");
        assert!(!serde_json::to_string(&verdict(Outcome::Block, None)).unwrap().contains("degraded"), "old records are what they were");
    }
}
