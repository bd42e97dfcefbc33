//! Whether rows are still like those that the models were fitted on, and what people said of the decisions.

use super::dashboard::{Dashboard, Row};
use super::panel::{Panel, Unit};
use super::scope::{INTERVAL, now, of, of_detectors, rate};
use synod_gateway::telemetry::names;

/// From where on a population stability index is worth a look, and from where on the model is out of date.
const STABILITY: [(f64, &str); 2] = [(0.1, "orange"), (0.25, "red")];
/// The same of a distance between distributions.
const DISTANCE: [(f64, &str); 2] = [(0.1, "orange"), (0.2, "red")];
/// So many features are shown: those that have moved the most.
const MOST: usize = 12;

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "drift-and-labels",
        title: "Drift and labels",
        description: "Are rows still like those that the models were fitted on, and what did people say of the decisions?",
        by_detector: true,
        rows: vec![Row::new("Drift of scores", of_scores()), Row::new("Drift of features", of_features()), Row::new("Labels", labels())],
    }
}

fn of_scores() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Stability index of scores",
            Unit::Score,
            "Population stability index of each detector's raw scores against its held-out rows. Below 0.1 is normal, above 0.25 the rows are \
             no longer those that it was fitted on: look at the features below, then fit again.",
        )
        .query(of_detectors(&names::DETECTOR_SCORE_PSI).now().by("max", &["detector"]), "{{detector}}")
        .levels("green", &STABILITY),
        Panel::lines(
            "Distance of scores",
            Unit::Score,
            "Kolmogorov-Smirnov distance of each detector's raw scores from its held-out rows: how far the two distributions are apart where \
             they are the furthest. Normal is below 0.1.",
        )
        .query(of_detectors(&names::DETECTOR_SCORE_KS).now().by("max", &["detector"]), "{{detector}}")
        .levels("green", &DISTANCE),
        Panel::lines(
            "Rows of the window",
            Unit::Count,
            "Rows that indices and distances rest on. With less than a thousand they jump by chance.",
        )
            .query(now(&names::DRIFT_ROWS).by("min", &[]), "rows"),
    ]
}

fn of_features() -> Vec<Panel> {
    let of = |name| now(name).by("max", &["feature"]).top(MOST);
    vec![
        Panel::bars(
            "Stability index of features",
            Unit::Score,
            "The features that have moved the most from the training rows. Below 0.1 is normal; above 0.25 find out what changed: a \
             source, a unit, a season, or whom the rows are about.",
        )
            .query(of(&names::FEATURE_PSI), "{{feature}}")
            .levels("green", &STABILITY),
        Panel::lines(
            "Stability index over time",
            Unit::Score,
            "The same over time. A step is a change of a source; a slope is the world.",
        )
            .query(of(&names::FEATURE_PSI), "{{feature}}")
            .levels("green", &STABILITY),
        Panel::lines(
            "Distance of features",
            Unit::Score,
            "Kolmogorov-Smirnov distance from the training rows, of the values that are there. Normal is below 0.1.",
        )
            .query(of(&names::FEATURE_KS), "{{feature}}")
            .levels("green", &DISTANCE),
        Panel::lines(
            "Missing features",
            Unit::PerSecond,
            "Rows a second without a value of a feature. Normal is steady: new accounts have no past. A rise is a field that a client does not \
             send any more.",
        )
        .query(rate(&names::FEATURES_MISSING, &["feature"]).top(MOST), "{{feature}}")
        .wide(24),
    ]
}

fn labels() -> Vec<Panel> {
    let labelled = || now(&names::LABELLED_DECISIONS).by("max", &["verdict", "label"]);
    vec![
        Panel::stack(
            "Labels",
            Unit::Count,
            "Labels that people gave, in each interval. Normal is that somebody gives some every day: without labels nobody knows how \
             good the verdicts are.",
        )
            .query(of(&names::LABELS).increase(INTERVAL).sum_by(&["label"]), "{{label}}")
            .coloured(&[("fraud", "red"), ("legitimate", "green")]),
        Panel::matrix(
            "Verdicts and labels",
            Unit::Count,
            "Decisions of the last 30 days with a label, by verdict and label. Anomalous and legitimate are false alarms; normal and fraud were \
             missed.",
            "verdict",
            "label",
        )
        .query(labelled(), "")
        .levels("blue", &[]),
        Panel::lines(
            "Precision and recall",
            Unit::Share,
            "Of what the policy called anomalous, how much was fraud; of the labelled fraud, how much it called so (the last 30 days; mind that \
             only what somebody looked at has a label). If precision falls, raise the threshold or fit again.",
        )
        .query(now(&names::POLICY_PRECISION).by("min", &[]), "precision")
        .query(now(&names::POLICY_RECALL).by("min", &[]), "recall")
        .up_to(1.0)
        .if_nothing("no labels"),
        Panel::lines(
            "Precision of detectors",
            Unit::Share,
            "Of what a detector voted for, how much was fraud (the last 30 days). One that is far below the others may deserve less \
             weight.",
        )
            .query(of_detectors(&names::DETECTOR_PRECISION).now().by("min", &["detector"]), "{{detector}}")
            .up_to(1.0)
            .if_nothing("no labels")
            .wide(12),
        Panel::lines(
            "Recall of detectors",
            Unit::Share,
            "Of the labelled fraud, how much a detector voted for (the last 30 days). One that finds what the others miss is worth its \
             time.",
        )
            .query(of_detectors(&names::DETECTOR_RECALL).now().by("min", &["detector"]), "{{detector}}")
            .up_to(1.0)
            .if_nothing("no labels")
            .wide(12),
    ]
}
