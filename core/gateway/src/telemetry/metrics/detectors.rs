//! What is counted of each detector.

use super::registering::{Registries, Timing, Timings, scores};
use crate::engine::{Call, Detector, MISSING_FEATURE, NOT_READY, PAUSED};
use crate::telemetry::names;
use crate::telemetry::tracing::sampled_trace_id;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use synod_detection::{Ballot, Circuit};
use synod_host::{Failure, Retired};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetectorLabels {
    detector: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VoteLabels {
    detector: String,
    vote: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    detector: String,
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstanceLabels {
    detector: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    detector: String,
    reason: &'static str,
}

/// What is counted of the detectors of one engine.
#[derive(Debug)]
pub(super) struct OfDetectors {
    abstentions: Family<ReasonLabels, Counter>,
    each: Vec<OfDetector>,
}

/// One detector's metrics, looked up once.
#[derive(Debug)]
struct OfDetector {
    name: String,
    yes: Counter,
    no: Counter,
    scores: Histogram,
    waiting: Timing,
    instantiating: Timing,
    scoring: Timing,
    ready: Gauge,
    paused: Gauge,
    idle: Gauge,
    live: Gauge,
    memory: Gauge,
    /// By [`Retired::by_reason`], in its order.
    retired: [Counter; 5],
}

/// Why a detector can abstain.
fn reasons() -> impl Iterator<Item = &'static str> {
    Failure::REASONS.into_iter().chain([NOT_READY, PAUSED, MISSING_FEATURE])
}

/// What is counted of detectors, whichever there are.
#[derive(Debug)]
pub(super) struct Families {
    abstentions: Family<ReasonLabels, Counter>,
    votes: Family<VoteLabels, Counter>,
    scores: Family<DetectorLabels, Histogram, fn() -> Histogram>,
    phases: Timings<PhaseLabels>,
    ready: Family<DetectorLabels, Gauge>,
    paused: Family<DetectorLabels, Gauge>,
    instances: Family<InstanceLabels, Gauge>,
    memory: Family<DetectorLabels, Gauge>,
    retired: Family<ReasonLabels, Counter>,
}

impl Families {
    pub(super) fn new(registries: &mut Registries) -> Self {
        Self {
            abstentions: registries.counters(&names::DETECTOR_ABSTENTIONS),
            votes: registries.counters(&names::DETECTOR_VOTES),
            scores: registries.histograms(&names::DETECTOR_SCORE, scores),
            phases: registries.timings(&names::DETECTOR_DURATION),
            ready: registries.gauges(&names::DETECTOR_READY),
            paused: registries.gauges(&names::DETECTOR_PAUSED),
            instances: registries.gauges(&names::DETECTOR_INSTANCES),
            memory: registries.gauges(&names::DETECTOR_MEMORY),
            retired: registries.counters(&names::DETECTOR_RETIRED),
        }
    }

    fn of(&self, detector: &Detector) -> OfDetector {
        let name = detector.name().to_owned();
        let labels = DetectorLabels { detector: name.clone() };
        let vote = |vote| self.votes.get_or_create_owned(&VoteLabels { detector: name.clone(), vote });
        let phase = |phase| self.phases.of(&PhaseLabels { detector: name.clone(), phase });
        let instances = |state| self.instances.get_or_create_owned(&InstanceLabels { detector: name.clone(), state });
        let retired = |reason| self.retired.get_or_create_owned(&ReasonLabels { detector: name.clone(), reason });
        OfDetector {
            yes: vote("yes"),
            no: vote("no"),
            scores: self.scores.get_or_create_owned(&labels),
            waiting: phase("waiting"),
            instantiating: phase("instantiating"),
            scoring: phase("scoring"),
            ready: self.ready.get_or_create_owned(&labels),
            paused: self.paused.get_or_create_owned(&labels),
            idle: instances("idle"),
            live: instances("live"),
            memory: self.memory.get_or_create_owned(&labels),
            retired: Retired::default().by_reason().map(|(reason, _)| retired(reason)),
            name,
        }
    }
}

impl Families {
    /// Those of these detectors: there from the start, at zero.
    pub(super) fn of_all(&self, detectors: &[Arc<Detector>]) -> OfDetectors {
        for (detector, reason) in detectors.iter().flat_map(|detector| reasons().map(|reason| (detector.name(), reason))) {
            // A counter that is there from the start shows its first increase too.
            drop(self.abstentions.get_or_create(&ReasonLabels { detector: detector.to_owned(), reason }));
        }
        OfDetectors { abstentions: self.abstentions.clone(), each: detectors.iter().map(|detector| self.of(detector)).collect() }
    }

    /// Shows nothing more of the state of detectors that are there no longer. What was counted of them stays.
    pub(super) fn forget(&self, names: &[&str]) {
        for name in names.iter().copied().map(str::to_owned) {
            self.ready.remove(&DetectorLabels { detector: name.clone() });
            self.paused.remove(&DetectorLabels { detector: name.clone() });
            self.memory.remove(&DetectorLabels { detector: name.clone() });
            for state in ["idle", "live"] {
                self.instances.remove(&InstanceLabels { detector: name.clone(), state });
            }
        }
    }
}

impl OfDetectors {
    pub(super) fn ballot(&self, detector: usize, ballot: &Ballot) {
        let of = &self.each[detector];
        match ballot {
            Ballot::Vote(vote) => {
                if vote.anomalous { &of.yes } else { &of.no }.inc();
                of.scores.observe(vote.score);
            }
            Ballot::Abstention(abstention) => {
                let labels = ReasonLabels { detector: of.name.clone(), reason: abstention.reason };
                self.abstentions.get_or_create(&labels).inc();
            }
        }
    }

    pub(super) fn call(&self, detector: usize, call: &Call) {
        let of = &self.each[detector];
        if call.rows > 0 {
            let trace = sampled_trace_id();
            of.waiting.observe(call.waiting.as_secs_f64(), trace.clone());
            of.instantiating.observe(call.instantiating.as_secs_f64(), trace.clone());
            of.scoring.observe(call.scoring.as_secs_f64(), trace);
        }
    }

    /// Shows what the host counts.
    pub(super) fn show(&self, detectors: &[Arc<Detector>]) {
        for (of, detector) in self.each.iter().zip(detectors) {
            of.ready.set(i64::from(detector.is_ready()));
            of.paused.set(match detector.circuit() {
                Circuit::Closed { .. } => 0,
                Circuit::Open { .. } => 1,
                Circuit::Quarantined => 2,
            });
            let Some(facts) = detector.pool().map(|pool| pool.facts()) else { continue };
            of.idle.set(facts.idle as i64);
            of.live.set(facts.live as i64);
            of.memory.set(i64::try_from(facts.memory).unwrap_or(i64::MAX));
            for (counter, (_, count)) in of.retired.iter().zip(facts.retired.by_reason()) {
                counter.inner().store(count, Ordering::Relaxed);
            }
        }
    }
}
