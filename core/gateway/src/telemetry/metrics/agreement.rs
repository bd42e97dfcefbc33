//! How far the detectors agree: with each other, and with the verdict.

use super::registering::Registries;
use crate::engine::{Detector, JudgedRow};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family};
use std::sync::Arc;
use synod_detection::Ballot;

/// Detectors whose pairs are counted: 28 pairs are as many as a table can show.
const PAIRED: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PairLabels {
    detector: String,
    other: String,
    votes: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    detector: String,
    votes: &'static str,
}

/// What is counted of agreement, whichever detectors there are.
#[derive(Debug)]
pub(super) struct Families {
    pairs: Family<PairLabels, Counter>,
    verdicts: Family<VerdictLabels, Counter>,
}

/// What is counted of the agreement of the detectors of one engine.
#[derive(Debug)]
pub(super) struct OfAgreement {
    /// With the places of both detectors.
    pairs: Vec<([usize; 2], Agreement)>,
    /// Of each detector with the verdict.
    verdicts: Vec<Agreement>,
}

/// How often two were of one mind.
#[derive(Debug)]
struct Agreement {
    agree: Counter,
    disagree: Counter,
}

impl Agreement {
    fn new(counter: impl Fn(&'static str) -> Counter) -> Self {
        Self { agree: counter("agree"), disagree: counter("disagree") }
    }

    /// Counts pairs of votes; one that is not there is not counted.
    fn count(&self, pairs: impl Iterator<Item = (Option<bool>, Option<bool>)>) {
        let (mut agree, mut disagree) = (0, 0);
        for (one, other) in pairs.filter_map(|(one, other)| one.zip(other)) {
            *if one == other { &mut agree } else { &mut disagree } += 1;
        }
        for (counter, count) in [(&self.agree, agree), (&self.disagree, disagree)] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}

impl Families {
    pub(super) fn new(registries: &mut Registries) -> Self {
        Self { pairs: registries.counters(&names::DETECTOR_PAIRS), verdicts: registries.counters(&names::DETECTOR_VERDICT_AGREEMENT) }
    }

    /// Those of these detectors: there from the start, at zero.
    pub(super) fn of_all(&self, detectors: &[Arc<Detector>]) -> OfAgreement {
        let names: Vec<String> = detectors.iter().map(|detector| detector.name().to_owned()).collect();
        let Self { pairs, verdicts } = self;
        let paired = names.len().min(PAIRED);
        let places = (0..paired).flat_map(|one| (one + 1..paired).map(move |other| [one, other]));
        let pair = |places: [usize; 2]| {
            let [detector, other] = places.map(|place| &names[place]);
            let labels = |votes| PairLabels { detector: detector.clone(), other: other.clone(), votes };
            (places, Agreement::new(|votes| pairs.get_or_create_owned(&labels(votes))))
        };
        let verdict =
            |detector: &String| Agreement::new(|votes| verdicts.get_or_create_owned(&VerdictLabels { detector: detector.clone(), votes }));
        OfAgreement { pairs: places.map(pair).collect(), verdicts: names.iter().map(verdict).collect() }
    }
}

impl OfAgreement {
    pub(super) fn judged(&self, rows: &[JudgedRow]) {
        for ([one, other], agreement) in &self.pairs {
            agreement.count(rows.iter().map(|row| (vote(&row.ballots[*one]), vote(&row.ballots[*other]))));
        }
        for (detector, agreement) in self.verdicts.iter().enumerate() {
            agreement.count(rows.iter().map(|row| (vote(&row.ballots[detector]), Some(row.verdict.anomalous))));
        }
    }
}

fn vote(ballot: &Ballot) -> Option<bool> {
    match ballot {
        Ballot::Vote(vote) => Some(vote.anomalous),
        Ballot::Abstention(_) => None,
    }
}
