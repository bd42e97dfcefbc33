//! Whether detectors vote.

use super::series::{increase, series};
use super::{Alert, Board, RuleFile, Severity};
use synod_gateway::telemetry::names;

/// Why a detector abstains when it is broken: not for want of a feature, nor of a free sandbox.
pub(super) const BROKEN: [&str; 5] = ["trap", "timeout", "memory", "bad_output", "instantiation"];

pub(super) fn rules() -> RuleFile {
    RuleFile::of_alerts("detectors", "Whether detectors vote.", vec![skipped(), paused(), fails(), rolled_back()])
}

fn skipped() -> Alert {
    Alert::new("SynodDetectorSkipped", Severity::Warning, Board::Detectors)
        .when(format!("{} == 0", series(&names::DETECTOR_READY, "")))
        .hold("5m")
        .says(
            "The detector {{ $labels.detector }} of {{ $labels.instance }} does not vote",
            "Its plugin does not start, or it has no model that fits the configuration. Verdicts are made without it; it is tried again every ten seconds.",
        )
}

fn paused() -> Alert {
    Alert::new("SynodDetectorPaused", Severity::Warning, Board::Detectors)
        .when(format!("{} > 0", series(&names::DETECTOR_PAUSED, "")))
        .hold("1m")
        .says(
            "The detector {{ $labels.detector }} of {{ $labels.instance }} is not asked: it failed again and again",
            "Verdicts are made without it. It is tried on its golden rows, with growing pauses; a value of 2 says that it is in quarantine until somebody \
             releases it, or another model takes its place.",
        )
}

fn rolled_back() -> Alert {
    Alert::new("SynodRolloutRolledBack", Severity::Warning, Board::Detectors)
        .when(format!("{} > 0", increase(&names::ROLLOUTS_ENDED, "end=\"rolled_back\"", "30m")))
        .says(
            "A rollout of {{ $labels.instance }} was rolled back by itself: {{ $labels.why }}",
            "What it tried judges nobody any more; what judged before judges all rows. `synod rollout show` has the measures, and rows that both sides judged \
             otherwise.",
        )
}

fn fails() -> Alert {
    let failed = increase(&names::DETECTOR_ABSTENTIONS, &format!("reason=~\"{}\"", BROKEN.join("|")), "10m");
    let asked = |name| format!("sum by (job, instance, detector) ({})", increase(name, "", "10m"));
    let (votes, abstentions) = (asked(&names::DETECTOR_VOTES), asked(&names::DETECTOR_ABSTENTIONS));
    let failed = format!("sum by (job, instance, detector, reason) ({failed})");
    Alert::new("SynodDetectorFails", Severity::Warning, Board::Detectors)
        .when(format!("{failed} / on (job, instance, detector) group_left () (({votes} + {abstentions}) > 0) > 0.01\nand {failed} >= 10"))
        .hold("5m")
        .says(
            "The detector {{ $labels.detector }} fails on {{ $value | humanizePercentage }} of rows ({{ $labels.reason }})",
            "It abstains on those rows, and their verdicts rest on the other detectors of {{ $labels.instance }}.",
        )
}
