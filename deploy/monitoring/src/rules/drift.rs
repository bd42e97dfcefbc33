//! Whether rows are still like those that models were fitted on.

use super::series::{increase, rate, series};
use super::{Alert, Board, Group, Levels, Recording, RuleFile, Severity};
use synod_gateway::telemetry::names::{DETECTOR_SCORE_PSI, DRIFT_ROWS, FEATURE_PSI, FEATURES_MISSING, Name, VERDICTS};

const MISSING: &str = "synod:features_missing:ratio_rate1h";

pub(super) fn rules(levels: &Levels) -> RuleFile {
    let groups = vec![
        Group::of_recordings("drift", None, vec![missing_share()]),
        Group::of_alerts("drift", vec![scores(levels), features(levels), missing()]),
    ];
    RuleFile { name: "drift", about: "Whether rows are still like those that models were fitted on.", groups }
}

fn drifted(levels: &Levels, name: &Name) -> String {
    let (limits, rows) = (levels.limits, series(&DRIFT_ROWS, ""));
    format!("{} > {}\nand on (job, instance) {rows} >= {}", series(name, ""), limits.stability_index, limits.stability_rows)
}

fn scores(levels: &Levels) -> Alert {
    Alert::new("SynodScoreDrift", Severity::Warning, Board::Drift).when(drifted(levels, &DETECTOR_SCORE_PSI)).hold("2h").says(
        "The scores of {{ $labels.detector }} have drifted (PSI {{ $value | humanize }})",
        "They are no longer spread as on the rows that it was calibrated on, so that its threshold flags another share of rows than was meant.",
    )
}

fn features(levels: &Levels) -> Alert {
    Alert::new("SynodFeatureDrift", Severity::Info, Board::Drift).when(drifted(levels, &FEATURE_PSI)).hold("6h").says(
        "The feature {{ $labels.feature }} has drifted (PSI {{ $value | humanize }})",
        "Its values are no longer spread as in training. While scores do not drift with it, this is something to know and no more.",
    )
}

fn missing_share() -> Recording {
    let (missing, rows) = (rate(&FEATURES_MISSING, "", "1h"), rate(&VERDICTS, "", "1h"));
    let expr =
        format!("sum by (job, instance, feature) ({missing})\n/ on (job, instance) group_left ()\n(sum by (job, instance) ({rows}) > 0)");
    Recording { name: MISSING.to_owned(), expr }
}

fn missing() -> Alert {
    let rows = increase(&VERDICTS, "", "1h");
    Alert::new("SynodFeatureMissing", Severity::Warning, Board::Drift)
        .when(format!(
            "{MISSING} > 0.05\nand {MISSING} > 3 * {MISSING} offset 1d\nand on (job, instance) sum by (job, instance) ({rows}) >= 500"
        ))
        .hold("30m")
        .says(
            "{{ $value | humanizePercentage }} of rows have no {{ $labels.feature }}, far more than a day ago",
            "Whoever sends the rows to {{ $labels.instance }} has probably changed them. Detectors that need the feature use a stand-in, or abstain.",
        )
}
