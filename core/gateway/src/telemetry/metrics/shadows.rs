//! What is counted of what is asked beside the policy in force, and of rollouts.

use super::registering::{Gauges, Registries, scores, seconds, show};
use crate::rollout::{Ending, Guard, Trial};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use synod_detection::{Ballot, Outcome};

/// The name of what a rollout tries, among policies.
pub const ROLLOUT: &str = "rollout";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    policy: String,
    outcome: &'static str,
    in_force: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VoteLabels {
    detector: String,
    vote: &'static str,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetectorLabels {
    detector: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GuardLabels {
    guard: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    end: &'static str,
    why: &'static str,
}

/// What is counted of what is asked beside.
#[derive(Debug)]
pub struct OfShadows {
    verdicts: Family<VerdictLabels, Counter>,
    votes: Family<VoteLabels, Counter>,
    scores: Family<DetectorLabels, Histogram, fn() -> Histogram>,
    durations: Family<DetectorLabels, Histogram, fn() -> Histogram>,
    dropped: Counter,
    share: Gauge<f64, AtomicU64>,
    guards: Gauges<GuardLabels>,
    ended: Family<EndLabels, Counter>,
}

impl OfShadows {
    pub(super) fn new(registries: &mut Registries) -> Self {
        let ended: Family<EndLabels, Counter> = registries.counters(&names::ROLLOUTS_ENDED);
        // All are there from the start, at zero: an alert must see the first one.
        Ending::all().for_each(|ending| drop(ended.get_or_create(&labels(ending))));
        Self {
            verdicts: registries.counters(&names::SHADOW_VERDICTS),
            votes: registries.counters(&names::SHADOW_VOTES),
            scores: registries.histograms(&names::SHADOW_SCORE, scores),
            durations: registries.histograms(&names::SHADOW_DURATION, seconds),
            dropped: registries.counter(&names::SHADOW_DROPPED),
            share: registries.float_gauge(&names::ROLLOUT_SHARE),
            guards: registries.float_gauges(&names::ROLLOUT_GUARD),
            ended,
        }
    }

    /// Notes what a policy that was asked beside says of a row, and what the one in force says.
    pub fn verdict(&self, policy: &str, outcome: Outcome, in_force: Outcome) {
        let labels = VerdictLabels { policy: policy.to_owned(), outcome: outcome.name(), in_force: in_force.name() };
        self.verdicts.get_or_create(&labels).inc();
    }

    /// Notes what a detector that was asked beside gave for a row, and whether the row is anomalous by the policy in force.
    pub fn ballot(&self, detector: &str, ballot: &Ballot, anomalous: bool) {
        let vote = match ballot.vote() {
            Some(vote) if vote.anomalous => "yes",
            Some(_) => "no",
            None => "abstained",
        };
        let verdict = if anomalous { "anomalous" } else { "normal" };
        self.votes.get_or_create(&VoteLabels { detector: detector.to_owned(), vote, verdict }).inc();
        if let Some(vote) = ballot.vote() {
            self.scores.get_or_create(&DetectorLabels { detector: detector.to_owned() }).observe(vote.score);
        }
    }

    /// Notes what a detector that was asked beside took for the rows of a request.
    pub fn took(&self, detector: &str, took: Duration) {
        self.durations.get_or_create(&DetectorLabels { detector: detector.to_owned() }).observe(took.as_secs_f64());
    }

    /// Notes rows about which nobody was asked.
    pub fn dropped(&self, rows: usize) {
        self.dropped.inc_by(rows as u64);
    }

    /// Notes that a rollout ended.
    pub fn ended(&self, ending: Ending) {
        self.ended.get_or_create(&labels(ending)).inc();
    }

    pub(super) fn show(&self, trial: Option<&Trial>) {
        self.share.set(trial.map_or(0.0, Trial::share));
        let nearness = trial.map(|trial| trial.comparison.nearness()).unwrap_or_default();
        for guard in Guard::ALL {
            let measured = nearness.iter().find(|(of, _)| *of == guard).map(|(_, nearness)| *nearness);
            show(&self.guards, &GuardLabels { guard: guard.name() }, measured);
        }
    }
}

fn labels(ending: Ending) -> EndLabels {
    EndLabels { end: ending.name(), why: ending.why() }
}
