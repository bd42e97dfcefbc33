//! What is counted of rows and verdicts.

use super::registering::{Gauges, Nothing, Registries, scores, show};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use synod_detection::{Outcome, Verdict};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug)]
pub(super) struct OfVerdicts {
    refused: Counter,
    /// In the order of [`Outcome`].
    outcomes: [Counter; 3],
    anomalous: Counter,
    expected: Gauges<Nothing>,
    too_few_votes: Counter,
    scores: Histogram,
}

const OUTCOMES: [Outcome; 3] = [Outcome::Approve, Outcome::Review, Outcome::Block];

impl OfVerdicts {
    pub(super) fn new(registries: &mut Registries) -> Self {
        let outcomes: Family<OutcomeLabels, Counter> = registries.counters(&names::VERDICTS);
        let scores = scores();
        registries.add(&names::VERDICT_SCORE, &scores);
        Self {
            refused: registries.counter(&names::ROWS_REFUSED),
            outcomes: OUTCOMES.map(|outcome| outcomes.get_or_create_owned(&OutcomeLabels { outcome: outcome.name() })),
            anomalous: registries.counter(&names::VERDICTS_ANOMALOUS),
            expected: registries.float_gauges(&names::POLICY_EXPECTED_FLAG_RATE),
            too_few_votes: registries.counter(&names::TOO_FEW_VOTES),
            scores,
        }
    }

    pub(super) fn expect(&self, flag_rate: Option<f64>) {
        show(&self.expected, &[], flag_rate);
    }

    pub(super) fn refused(&self, rows: usize) {
        self.refused.inc_by(rows as u64);
    }

    pub(super) fn outcomes(&self) -> [(Outcome, u64); 3] {
        OUTCOMES.map(|outcome| (outcome, self.outcomes[outcome as usize].get()))
    }

    pub(super) fn judged(&self, verdict: &Verdict) {
        self.outcomes[verdict.outcome as usize].inc();
        self.anomalous.inc_by(u64::from(verdict.anomalous));
        self.too_few_votes.inc_by(u64::from(verdict.too_few_votes));
        self.scores.observe(verdict.score);
    }
}
