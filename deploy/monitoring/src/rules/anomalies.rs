//! Whether as many rows are anomalous as have been lately. What is usual differs from one installation to another, so that each is compared with
//! its own last week.

use super::series::{increase, rate};
use super::{Alert, Board, Group, Levels, Recording, RuleFile, Severity};
use synod_gateway::telemetry::names;

const SHARE: &str = "synod:anomalies:ratio_rate1h";
const MEAN: &str = "synod:anomalies:ratio_mean1w";
const DEVIATION: &str = "synod:anomalies:ratio_deviation1w";
/// Verdicts within the hour, fewer of which have no share to speak of.
const ROWS: u32 = 1000;

pub(super) fn rules(levels: &Levels) -> RuleFile {
    let deviations = levels.limits.anomaly_deviations;
    let groups = vec![
        Group::of_recordings("anomalies", Some("5m"), recordings()),
        Group::of_alerts("anomalies", vec![too_many(deviations), too_few(deviations), none()]),
    ];
    RuleFile { name: "anomalies", about: "Whether as many rows are anomalous as have been in the last week.", groups }
}

fn recordings() -> Vec<Recording> {
    let sum = |name| format!("sum by (job) ({})", rate(name, "", "1h"));
    let share = format!("{} / ({} > 0)", sum(&names::VERDICTS_ANOMALOUS), sum(&names::VERDICTS));
    // A day of it at least.
    let weekly = |function: &str| format!("{function}({SHARE}[1w])\nand {SHARE} offset 1d");
    [(SHARE, share), (MEAN, weekly("avg_over_time")), (DEVIATION, weekly("stddev_over_time"))]
        .map(|(name, expr)| Recording { name: name.to_owned(), expr })
        .into()
}

fn verdicts(range: &str) -> String {
    format!("sum by (job) ({})", increase(&names::VERDICTS, "", range))
}

fn too_many(deviations: f64) -> Alert {
    Alert::new("SynodAnomalyRateHigh", Severity::Warning, Board::Overview)
        .when(format!(
            "{SHARE} > {MEAN} + {deviations} * {DEVIATION}\n\
             and {SHARE} > 1.5 * {MEAN}\n\
             and {SHARE} > {MEAN} + 0.005\n\
             and {} >= {ROWS}",
            verdicts("1h")
        ))
        .hold("15m")
        .says(
            "{{ $value | humanizePercentage }} of the rows of {{ $labels.job }} are anomalous, far more than in the last week",
            "Either there is an attack, or what detectors see has changed: a feed, a feature, the season. Whoever works on reviews gets more of them.",
        )
}

fn too_few(deviations: f64) -> Alert {
    Alert::new("SynodAnomalyRateLow", Severity::Warning, Board::Overview)
        .when(format!(
            "{SHARE} < {MEAN} - {deviations} * {DEVIATION}\n\
             and {SHARE} < 0.5 * {MEAN}\n\
             and {} * {MEAN} >= 20\n\
             and {} >= {ROWS}",
            verdicts("1h"),
            verdicts("1h")
        ))
        .hold("30m")
        .says(
            "Only {{ $value | humanizePercentage }} of the rows of {{ $labels.job }} are anomalous, far fewer than in the last week",
            "What used to be found may pass now: see whether a detector, a threshold or a feature has changed.",
        )
}

/// With twenty expected, none is no chance: it has a probability of e^-20.
fn none() -> Alert {
    let anomalous = format!("sum by (job) ({})", increase(&names::VERDICTS_ANOMALOUS, "", "6h"));
    Alert::new("SynodNoAnomalies", Severity::Warning, Board::Overview)
        .when(format!("{} * {MEAN} >= 20\nand {anomalous} == 0", verdicts("6h")))
        .hold("10m")
        .says(
            "No row of {{ $labels.job }} has been anomalous for six hours",
            "By the last week, {{ $value | humanize }} would have been. Rows are judged, and nothing is found any more.",
        )
}
