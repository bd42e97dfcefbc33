//! Consensus: from the votes of the detectors to one verdict.
//!
//! A rule combines the calibrated scores of the detectors that voted into one number. What that number means is learnt, like a
//! detector's own raw score, from held-out rows ([`Reference`]): the verdict's score is calibrated too, so that a contamination of 1 %
//! is 1 % of the verdicts, whatever the rule.

use crate::{Calibration, Threshold};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use thiserror::Error;

/// Most subsets of detectors that a reference is computed for beforehand.
const MOST_SUBSETS: usize = 64;

/// One detector's yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// On the detector's own scale; higher is more anomalous.
    pub raw_score: f64,
    /// Calibrated, 0 to 1.
    pub score: f64,
    /// Whether the raw score lies beyond all that the calibration has seen.
    pub extrapolated: bool,
    /// Where the score turns into a yes.
    pub threshold: f64,
    /// The vote.
    pub anomalous: bool,
}

impl Vote {
    /// Judges a raw score.
    pub fn new(raw_score: f64, calibration: &Calibration, threshold: f64) -> Self {
        let calibrated = calibration.score(raw_score);
        let anomalous = calibrated.score >= threshold;
        Self { raw_score, score: calibrated.score, extrapolated: calibrated.extrapolated, threshold, anomalous }
    }
}

/// Why a detector did not vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Abstention {
    /// One of a few stable words, such as `timeout`, `trap`, `bad_output`, `missing_feature`.
    pub reason: &'static str,
    /// For people.
    pub detail: String,
}

/// What a detector gave for a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Ballot {
    /// A vote.
    Vote(Vote),
    /// No vote.
    Abstention(Abstention),
}

impl Ballot {
    /// The vote, if there is one.
    pub fn vote(&self) -> Option<&Vote> {
        match self {
            Self::Vote(vote) => Some(vote),
            Self::Abstention(_) => None,
        }
    }

    /// Why it did not vote, if it did not.
    pub fn abstention(&self) -> Option<&Abstention> {
        match self {
            Self::Vote(_) => None,
            Self::Abstention(abstention) => Some(abstention),
        }
    }
}

/// How votes become a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Every detector that voted says yes.
    All,
    /// At least one says yes.
    Any,
    /// More than half say yes.
    Majority,
    /// At least so many say yes.
    AtLeast(usize),
    /// The weighted mean of the scores.
    WeightedMean,
    /// The mean of the scores.
    Mean,
    /// The highest score.
    Maximum,
    /// The median of the scores.
    Median,
}

impl Rule {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::Majority => "majority",
            Self::AtLeast(_) => "at_least",
            Self::WeightedMean => "weighted_mean",
            Self::Mean => "mean",
            Self::Maximum => "maximum",
            Self::Median => "median",
        }
    }

    /// How many yeses the rule asks for among so many votes; nothing for a rule over scores.
    fn quorum(self, votes: usize) -> Option<usize> {
        match self {
            Self::All => Some(votes.max(1)),
            Self::Any => Some(1),
            Self::Majority => Some(votes / 2 + 1),
            Self::AtLeast(count) => Some(count),
            Self::WeightedMean | Self::Mean | Self::Maximum | Self::Median => None,
        }
    }

    /// One number from scores and their weights. For a rule over votes it is the score of the vote that decides: the k-th highest.
    fn combine(self, scores: &[(f64, f64)]) -> f64 {
        let mut sorted: Vec<f64> = scores.iter().map(|(score, _)| *score).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        match self {
            Self::WeightedMean => weighted_mean(scores),
            Self::Mean => sorted.iter().sum::<f64>() / sorted.len() as f64,
            Self::Maximum => sorted[0],
            Self::Median => (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0,
            Self::All | Self::Any | Self::Majority | Self::AtLeast(_) => {
                let quorum = self.quorum(sorted.len()).unwrap_or(1);
                sorted.get(quorum - 1).copied().unwrap_or(0.0)
            }
        }
    }
}

fn weighted_mean(scores: &[(f64, f64)]) -> f64 {
    let total: f64 = scores.iter().map(|(_, weight)| weight).sum();
    scores.iter().map(|(score, weight)| score * weight).sum::<f64>() / total
}

/// What is done about a row, from the mildest to the hardest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Let it pass.
    Approve,
    /// Have a person look.
    Review,
    /// Stop it.
    Block,
}

impl Outcome {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Review => "review",
            Self::Block => "block",
        }
    }
}

/// What combined scores mean: for each set of detectors that may vote together, the combined scores of the held-out rows.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    by_voters: HashMap<u64, Meaning>,
    /// The share of the held-out rows that are anomalous by the policy when all detectors vote.
    expected: Option<f64>,
}

#[derive(Debug, Clone)]
struct Meaning {
    calibration: Calibration,
    /// From which score on a row is anomalous, for a rule over scores.
    threshold: f64,
}

/// What one detector says of the rows that a reference is made of, in one order of the rows for all detectors.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The held-out rows.
    pub calibration: &'a Calibration,
    /// The raw scores of the rows that the fit left out.
    pub left_out: &'a [f64],
    /// From which score on the detector votes yes.
    pub threshold: f64,
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyMistake {
    /// There is nobody to vote.
    #[error("no detector votes")]
    NoDetectors,
    /// More than 64 detectors.
    #[error("at most 64 detectors can vote")]
    TooMany,
    /// The rule asks for more votes than there can be.
    #[error("{asked} votes are asked for, and {detectors} detectors vote")]
    Unreachable {
        /// How many the rule or `minimum_votes` asks for.
        asked: usize,
        /// How many there are.
        detectors: usize,
    },
    /// A weight is negative or no number, or all are zero.
    #[error("weights must be positive numbers or 0, and not all 0")]
    Weights,
}

/// A consensus policy, ready to judge.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How votes become a verdict.
    pub rule: Rule,
    /// One for each detector; used by [`Rule::WeightedMean`].
    pub weights: Vec<f64>,
    /// Where the verdict's score turns into "anomalous", for a rule over scores.
    pub threshold: Threshold,
    /// Fewer votes than this, and [`Policy::on_missing`] holds.
    pub minimum_votes: usize,
    /// The mildest outcome that a row with too few votes can have.
    pub on_missing: Outcome,
    /// One for each detector: whether without its vote a row is one with too few votes, however many there are. Empty for none.
    pub needed: Vec<bool>,
    /// From which score on a row is reviewed even if it is not anomalous.
    pub review: Option<f64>,
    /// From which score on a row is blocked.
    pub block: Option<f64>,
    /// What combined scores mean.
    pub reference: Reference,
}

/// The consensus of the votes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Verdict {
    /// Anomalous or not.
    pub anomalous: bool,
    /// Calibrated, 0 to 1; 0 if nobody voted.
    pub score: f64,
    /// What the rule made of the votes' scores, before it was calibrated as a whole; 0 if nobody voted.
    pub combined: f64,
    /// Where the score turns into "anomalous"; absent for a rule that counts votes.
    pub threshold: Option<f64>,
    /// What to do.
    pub outcome: Outcome,
    /// How many detectors voted.
    pub votes: usize,
    /// Whether fewer detectors voted than the policy asks for.
    pub too_few_votes: bool,
}

impl Policy {
    /// A policy with an empty reference, for so many detectors, all of which must vote.
    pub fn new(rule: Rule, detectors: usize, contamination: f64) -> Self {
        Self {
            rule,
            weights: vec![1.0; detectors],
            threshold: Threshold::FlagRate(contamination),
            minimum_votes: detectors,
            on_missing: Outcome::Review,
            needed: Vec::new(),
            review: None,
            block: None,
            reference: Reference::default(),
        }
    }

    /// Checks that the policy can ever reach a verdict.
    ///
    /// # Errors
    /// When the rule asks for more than there is, or the weights are no weights.
    pub fn check(&self) -> Result<(), PolicyMistake> {
        let detectors = self.weights.len();
        let asked = self.minimum_votes.max(self.rule.quorum(detectors).unwrap_or(1));
        let weights =
            self.weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite()) && self.weights.iter().any(|weight| *weight > 0.0);
        match detectors {
            0 => Err(PolicyMistake::NoDetectors),
            65.. => Err(PolicyMistake::TooMany),
            _ if asked > detectors || asked == 0 => Err(PolicyMistake::Unreachable { asked, detectors }),
            _ if !weights => Err(PolicyMistake::Weights),
            _ => Ok(()),
        }
    }

    /// Learns what combined scores mean, from what all detectors say of the *same* rows. Where they are not the same rows, the combined
    /// score is used as it is.
    #[must_use]
    pub fn with_reference(mut self, samples: &[Sample<'_>]) -> Self {
        let sizes = |sample: &Sample<'_>| (sample.calibration.held_out().len(), sample.left_out.len());
        let Some(rows) = samples.first().map(sizes) else { return self };
        if rows.0 == 0 || samples.iter().any(|sample| sizes(sample) != rows) {
            return self;
        }
        let scored = |sample: &Sample<'_>, raw: &[f64]| raw.iter().map(|raw| sample.calibration.score(*raw).score).collect::<Vec<_>>();
        let held_out: Vec<Vec<f64>> = samples.iter().map(|sample| scored(sample, sample.calibration.held_out())).collect();
        let left_out: Vec<Vec<f64>> = samples.iter().map(|sample| scored(sample, sample.left_out)).collect();
        for voters in self.voter_sets(samples.len()) {
            let combined = |scores: &[Vec<f64>], rows: usize| -> Vec<f64> {
                (0..rows).map(|row| self.combine(voters, |detector| scores[detector][row])).collect()
            };
            let calibration = Calibration::from(combined(&held_out, rows.0));
            let threshold = self.threshold.score(&calibration, &combined(&left_out, rows.1));
            self.reference.by_voters.insert(voters, Meaning { calibration, threshold });
        }
        self.reference.expected = Some(self.flagged(samples, rows.0));
        self
    }

    /// The share of held-out rows that are anomalous when all vote.
    fn flagged(&self, samples: &[Sample<'_>], rows: usize) -> f64 {
        let vote = |sample: &Sample<'_>, row: usize| Vote::new(sample.calibration.held_out()[row], sample.calibration, sample.threshold);
        let anomalous = |row: &usize| {
            let ballots: Vec<Ballot> = samples.iter().map(|sample| Ballot::Vote(vote(sample, *row))).collect();
            self.judge(&ballots.iter().collect::<Vec<_>>()).anomalous
        };
        (0..rows).filter(anomalous).count() as f64 / rows as f64
    }

    /// The share of rows that are expected to be anomalous by this policy, from the held-out rows; `None` without a reference.
    pub fn expected_flag_rate(&self) -> Option<f64> {
        self.reference.expected
    }

    /// The sets of detectors (as bits) that are enough for a verdict, the full set first.
    fn voter_sets(&self, detectors: usize) -> Vec<u64> {
        let full = u64::MAX >> (64 - detectors.clamp(1, 64));
        if detectors > MOST_SUBSETS.ilog2() as usize {
            return vec![full];
        }
        let enough = |set: &u64| set.count_ones() as usize >= self.minimum_votes.max(1);
        (1..=full).rev().filter(enough).collect()
    }

    fn combine(&self, voters: u64, score: impl Fn(usize) -> f64) -> f64 {
        let voting = (0..self.weights.len()).filter(|detector| voters >> detector & 1 == 1);
        let scores: Vec<(f64, f64)> = voting.map(|detector| (score(detector), self.weights[detector])).collect();
        let combined = self.rule.combine(&scores);
        // Weights of zero on all that voted: nobody spoke.
        if combined.is_nan() { 0.0 } else { combined }
    }

    /// Judges a row. `ballots` has one entry for each detector, in the order of the weights.
    pub fn judge(&self, ballots: &[&Ballot]) -> Verdict {
        let votes: Vec<Option<&Vote>> = ballots.iter().map(|ballot| ballot.vote()).collect();
        let voters = votes.iter().enumerate().fold(0_u64, |set, (index, vote)| set | u64::from(vote.is_some()) << index);
        let count = voters.count_ones() as usize;
        if count == 0 {
            return self.verdict(false, 0.0, 0.0, 0, self.threshold_alone(), true);
        }
        let combined = self.combine(voters, |detector| votes[detector].map_or(0.0, |vote| vote.score));
        let meaning = self.reference.by_voters.get(&voters);
        let score = meaning.map_or(combined, |meaning| meaning.calibration.score(combined).score);
        let threshold = meaning.map_or_else(|| self.threshold_alone(), |meaning| meaning.threshold);
        let yes = votes.iter().flatten().filter(|vote| vote.anomalous).count();
        let anomalous = match self.rule.quorum(count) {
            Some(quorum) => yes >= quorum,
            None => score >= threshold,
        };
        let lacks_needed = self.needed.iter().zip(&votes).any(|(needed, vote)| *needed && vote.is_none());
        self.verdict(anomalous, score, combined, count, threshold, lacks_needed)
    }

    /// The threshold where no held-out rows say more.
    pub fn threshold_alone(&self) -> f64 {
        self.threshold.score(&Calibration::default(), &[])
    }

    fn verdict(&self, anomalous: bool, score: f64, combined: f64, votes: usize, threshold: f64, lacks_needed: bool) -> Verdict {
        let reaches = |step: Option<f64>| votes > 0 && step.is_some_and(|step| score >= step);
        let judged = match () {
            () if reaches(self.block) => Outcome::Block,
            () if anomalous || reaches(self.review) => Outcome::Review,
            () => Outcome::Approve,
        };
        let too_few_votes = votes < self.minimum_votes || lacks_needed;
        let outcome = if too_few_votes { judged.max(self.on_missing) } else { judged };
        let threshold = self.rule.quorum(votes).is_none().then_some(threshold);
        Verdict { anomalous, score, combined, threshold, outcome, votes, too_few_votes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(score: f64) -> Ballot {
        Ballot::Vote(Vote { raw_score: score, score, extrapolated: false, threshold: 0.5, anomalous: score >= 0.5 })
    }

    fn none() -> Ballot {
        Ballot::Abstention(Abstention { reason: "timeout", detail: String::new() })
    }

    fn judge(policy: &Policy, ballots: &[Ballot]) -> Verdict {
        policy.judge(&ballots.iter().collect::<Vec<_>>())
    }

    #[test]
    fn each_rule_does_what_its_name_says() {
        let table = [
            (Rule::All, [0.9, 0.6, 0.4], false, 0.4),
            (Rule::All, [0.9, 0.6, 0.5], true, 0.5),
            (Rule::Any, [0.5, 0.1, 0.1], true, 0.5),
            (Rule::Any, [0.4, 0.1, 0.1], false, 0.4),
            (Rule::Majority, [0.9, 0.6, 0.0], true, 0.6),
            (Rule::Majority, [0.9, 0.4, 0.4], false, 0.4),
            (Rule::AtLeast(2), [0.9, 0.5, 0.0], true, 0.5),
            (Rule::Mean, [0.9, 0.5, 0.1], true, 0.5),
            (Rule::Maximum, [0.7, 0.1, 0.1], true, 0.7),
            (Rule::Median, [0.9, 0.4, 0.1], false, 0.4),
        ];
        for (rule, scores, anomalous, score) in table {
            let verdict = judge(&Policy::new(rule, 3, 0.01), &scores.map(vote));
            assert!(verdict.anomalous == anomalous && (verdict.score - score).abs() < 1e-12, "{rule:?} {scores:?} {verdict:?}");
        }
        let mut policy = Policy::new(Rule::WeightedMean, 2, 0.01);
        policy.weights = vec![3.0, 1.0];
        assert_eq!(judge(&policy, &[vote(0.8), vote(0.0)]).score, 0.6000000000000001);
    }

    #[test]
    fn without_the_vote_of_a_detector_that_is_needed_nothing_is_approved() {
        let policy = Policy { minimum_votes: 1, needed: vec![false, true], ..Policy::new(Rule::Mean, 2, 0.01) };
        let outcome = |ballots: [Ballot; 2]| judge(&policy, &ballots).outcome;
        assert_eq!(outcome([none(), vote(0.0)]), Outcome::Approve);
        assert_eq!(outcome([vote(0.0), none()]), Outcome::Review);
        assert!(judge(&policy, &[vote(0.0), none()]).too_few_votes);
    }

    #[test]
    fn too_few_votes_are_never_silently_approved() {
        for rule in [Rule::All, Rule::Any, Rule::Majority, Rule::AtLeast(2), Rule::Mean, Rule::Maximum, Rule::Median, Rule::WeightedMean] {
            let policy = Policy::new(rule, 3, 0.01);
            for ballots in [vec![vote(0.0), vote(0.0), none()], vec![none(), none(), none()]] {
                let verdict = judge(&policy, &ballots);
                assert!(verdict.too_few_votes && verdict.outcome == Outcome::Review && !verdict.anomalous, "{rule:?} {verdict:?}");
            }
        }
        let mut policy = Policy::new(Rule::Mean, 3, 0.01);
        policy.minimum_votes = 2;
        assert_eq!(judge(&policy, &[vote(0.0), vote(0.0), none()]).outcome, Outcome::Approve);
    }

    #[test]
    fn the_ladder_maps_the_score() {
        let mut policy = Policy::new(Rule::Mean, 1, 0.01);
        (policy.review, policy.block) = (Some(0.4), Some(0.75));
        let outcome = |score| judge(&policy, &[vote(score)]).outcome;
        assert_eq!([0.39, 0.4, 0.5, 0.75].map(outcome), [Outcome::Approve, Outcome::Review, Outcome::Review, Outcome::Block]);
    }

    fn sample(calibration: &Calibration) -> Sample<'_> {
        Sample { calibration, left_out: &[], threshold: 0.5 }
    }

    #[test]
    fn one_percent_is_one_percent_of_the_verdicts_whatever_the_rule() {
        // Two detectors whose held-out scores are unrelated.
        let first: Vec<f64> = (0..5000).map(|i| f64::from(i * 7919 % 5000)).collect();
        let second: Vec<f64> = (0..5000).map(|i| f64::from(i * 104_729 % 4999)).collect();
        let calibrations = [Calibration::from(first), Calibration::from(second)];
        for rule in [Rule::Mean, Rule::Maximum, Rule::Median] {
            let policy = Policy::new(rule, 2, 0.01).with_reference(&calibrations.each_ref().map(sample));
            let flagged = (0..5000).filter(|row| {
                let ballots = calibrations.each_ref().map(|c| Ballot::Vote(Vote::new(c.held_out()[*row], c, 0.5)));
                policy.judge(&ballots.each_ref()).anomalous
            });
            let count = flagged.count();
            assert!((40..=52).contains(&count), "{rule:?} {count}");
            assert!((policy.expected_flag_rate().unwrap() - count as f64 / 5000.0).abs() < 1e-12);
        }
    }

    #[test]
    fn what_can_never_be_reached_is_a_mistake() {
        assert_eq!(Policy::new(Rule::AtLeast(4), 3, 0.01).check(), Err(PolicyMistake::Unreachable { asked: 4, detectors: 3 }));
        assert_eq!(Policy::new(Rule::Mean, 0, 0.01).check(), Err(PolicyMistake::NoDetectors));
        let mut policy = Policy::new(Rule::WeightedMean, 2, 0.01);
        policy.weights = vec![0.0, 0.0];
        assert_eq!(policy.check(), Err(PolicyMistake::Weights));
        assert_eq!(Policy::new(Rule::Majority, 3, 0.01).check(), Ok(()));
    }
}
