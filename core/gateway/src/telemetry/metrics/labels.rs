//! What is counted of labels, and what follows from them.

use super::registering::{Gauges, Nothing, Registries, show};
use crate::decision::Label;
use crate::engine::Detector;
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::Arc;
use synod_store::{Confusion, Quality};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LabelLabels {
    label: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LabelledLabels {
    verdict: &'static str,
    label: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetectorLabels {
    detector: String,
}

/// What is counted of labels.
#[derive(Debug)]
pub struct OfLabels {
    /// In the order of [`Label`].
    set: [Counter; 3],
    labelled: Family<LabelledLabels, Gauge>,
    precision: Gauges<Nothing>,
    recall: Gauges<Nothing>,
    of_detectors: [Gauges<DetectorLabels>; 2],
}

impl OfLabels {
    pub(super) fn new(registries: &mut Registries) -> Self {
        let set: Family<LabelLabels, Counter> = registries.counters(&names::LABELS);
        Self {
            set: [Label::Fraud, Label::Legitimate, Label::Unsure]
                .map(|label| set.get_or_create_owned(&LabelLabels { label: label.name() })),
            labelled: registries.gauges(&names::LABELLED_DECISIONS),
            precision: registries.float_gauges(&names::POLICY_PRECISION),
            recall: registries.float_gauges(&names::POLICY_RECALL),
            of_detectors: [&names::DETECTOR_PRECISION, &names::DETECTOR_RECALL].map(|name| registries.float_gauges(name)),
        }
    }

    /// Notes a label that is stored.
    pub fn set(&self, label: Label) {
        self.set[label as usize].inc();
    }

    /// Shows how well the policy and the detectors did on decisions that have a label. What is not defined is not shown.
    pub fn show(&self, quality: &Quality, detectors: &[Arc<Detector>]) {
        let Confusion { true_positive, false_positive, true_negative, false_negative } = quality.policy;
        for (verdict, label, count) in [
            ("anomalous", "fraud", true_positive),
            ("anomalous", "legitimate", false_positive),
            ("normal", "fraud", false_negative),
            ("normal", "legitimate", true_negative),
        ] {
            self.labelled.get_or_create(&LabelledLabels { verdict, label }).set(count as i64);
        }
        show(&self.precision, &[], quality.policy.precision());
        show(&self.recall, &[], quality.policy.recall());
        self.of_detectors.iter().for_each(Family::clear);
        for labels in detectors.iter().map(|detector| DetectorLabels { detector: detector.name().to_owned() }) {
            // A detector of an earlier configuration is none of these, so that there are never more than are configured.
            let votes = quality.detectors.iter().find(|(name, ..)| *name == labels.detector).map(|(_, votes, _)| votes);
            let [precision, recall] = &self.of_detectors;
            show(precision, &labels, votes.and_then(Confusion::precision));
            show(recall, &labels, votes.and_then(Confusion::recall));
        }
    }
}
