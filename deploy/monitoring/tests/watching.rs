//! What holds of all alerts: each has its tests, its section in the runbook and its place on a dashboard, and names only what there is.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use synod_gateway::telemetry::names::{ALL, Kind, of_notify};
use synod_monitoring::rules::{Alert, Board, Links, RuleFile, Rules, Severity, files};
use synod_monitoring::{mixin, repository};

/// It fires always: there is no input on which it could be silent.
const ALWAYS: &str = "SynodWatchdog";

fn alerts() -> Vec<Alert> {
    files().iter().flat_map(RuleFile::alerts).cloned().collect()
}

fn names(alerts: &[Alert]) -> BTreeSet<&str> {
    alerts.iter().map(|alert| alert.name.as_str()).collect()
}

fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The checks of alerts in the tests of promtool: each with the alert's name, and what is expected to fire.
fn checks() -> Vec<(String, Vec<Value>)> {
    let folder = repository().join("alertmanager/rules/tests");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let tests = paths.iter().flat_map(|path| yaml(path)["tests"].as_array().cloned().unwrap());
    let of_alerts = tests.flat_map(|test| test["alert_rule_test"].as_array().cloned().unwrap());
    of_alerts
        .map(|check| {
            let expected = check.get("exp_alerts").and_then(Value::as_array).cloned().unwrap_or_default();
            (check["alertname"].as_str().unwrap().to_owned(), expected)
        })
        .collect()
}

#[test]
fn each_alert_fires_in_one_test_and_is_silent_in_another() {
    let (alerts, checks) = (alerts(), checks());
    let of = |fires: bool| -> BTreeSet<&str> {
        checks.iter().filter(|(_, expected)| expected.is_empty() != fires).map(|(name, _)| name.as_str()).collect()
    };
    let all = names(&alerts);
    assert_eq!(of(true), all, "alerts that fire in the tests, and those that there are");
    let mut silent = of(false);
    silent.insert(ALWAYS);
    assert_eq!(silent, all, "alerts that stay silent in a test, and those that there are");
}

#[test]
fn tests_of_firing_hold_all_that_people_get() {
    for (name, expected) in checks() {
        for alert in expected {
            let alert_has = |part: &str, key: &str| alert[part].get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
            for label in ["severity", "service"] {
                assert!(alert_has("exp_labels", label), "{name}: {label}");
            }
            for annotation in ["summary", "description", "runbook_url", "dashboard_url"] {
                assert!(alert_has("exp_annotations", annotation), "{name}: {annotation}");
            }
            // What could not be filled in is written so by Prometheus.
            let text = alert["exp_annotations"].to_string();
            assert!(!text.contains("<no value>") && !text.contains("NaN") && !text.contains("  "), "{name}: {text}");
            let message = format!("CRITICAL {name}: {}", alert["exp_annotations"]["summary"].as_str().unwrap());
            assert!(message.chars().count() <= 160, "{name} is cut off in a text message: {message}");
        }
    }
}

#[test]
fn alerts_are_called_once_and_few_call_at_night() {
    let alerts = alerts();
    assert_eq!(names(&alerts).len(), alerts.len(), "two alerts have one name");
    assert!(alerts.iter().all(|alert| alert.name.starts_with("Synod") && alert.name.chars().all(|c| c.is_ascii_alphanumeric())));
    let critical: Vec<&Alert> = alerts.iter().filter(|alert| alert.severity == Severity::Critical).collect();
    assert!(critical.len() * 4 <= alerts.len(), "{} of {} alerts call somebody at night", critical.len(), alerts.len());
    // Whoever is called at night finds something that has lasted. What has ended, or is counted over a time, has lasted already.
    let at_once: Vec<&str> = alerts.iter().filter(|alert| alert.hold.is_empty()).map(|alert| alert.name.as_str()).collect();
    assert_eq!(
        at_once,
        [
            ALWAYS,
            "SynodRestarts",
            "SynodRolloutRolledBack",
            "SynodAuditNotStored",
            "SynodSinkDeadLetters",
            "SynodSinkCredentialRefused",
            "SynodEventsDropped",
            "SynodCertificateExpired"
        ]
    );
}

#[test]
fn the_runbook_has_a_section_for_each_alert_and_no_other() {
    let alerts = alerts();
    let runbook = text("deploy/README.md");
    let sections: Vec<(&str, &str)> = runbook.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    assert_eq!(sections.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), names(&alerts));
    assert_eq!(sections.len(), alerts.len(), "a section is there twice");
    for (name, section) in sections {
        for part in ["**Look at**", "**Do**", "**Over when**", "**Tell**"] {
            assert!(section.contains(part), "{name} has no {part}");
        }
    }
}

/// Names of series: those of the list with what their kinds append, and those that are recorded.
fn series() -> BTreeSet<String> {
    let ends = |kind| if kind == Kind::Histogram { &["_bucket", "_count", "_sum", ""][..] } else { &[""] };
    let of_metrics = ALL.iter().chain(of_notify::ALL).flat_map(|name| ends(name.kind).iter().map(|end| name.series() + end));
    let groups = files().into_iter().flat_map(|file| file.groups);
    let recorded = groups.flat_map(|group| match group.rules {
        Rules::Recordings(recordings) => recordings.into_iter().map(|recording| recording.name).collect(),
        Rules::Alerts(_) => Vec::new(),
    });
    of_metrics.chain(recorded).collect()
}

/// Words of a text that look like series of Synod.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && !"_:".contains(character));
    words.map(|word| word.trim_end_matches(':')).filter(|word| word.starts_with("synod_") || word.starts_with("synod:"))
}

#[test]
fn rules_and_the_runbook_name_what_there_is() {
    let series = series();
    for path in ["deploy/README.md", "alertmanager/README.md"] {
        for word in named(&text(path)) {
            assert!(series.contains(word), "{path}: there is no {word}");
        }
    }
    let groups: Vec<_> = files().into_iter().flat_map(|file| file.groups).collect();
    for expr in groups.iter().flat_map(|group| match &group.rules {
        Rules::Alerts(alerts) => alerts.iter().map(|alert| alert.expr.clone()).collect::<Vec<_>>(),
        Rules::Recordings(recordings) => recordings.iter().map(|recording| recording.expr.clone()).collect(),
    }) {
        for word in named(&expr) {
            assert!(series.contains(word), "{expr}: there is no {word}");
        }
        for label in grouped(&expr) {
            let known = ["job", "instance", "le"].contains(&label) || ALL.iter().any(|name| name.labels.contains(&label));
            assert!(known, "{expr}: there is no label {label}");
        }
    }
}

/// The labels that an expression groups and matches by.
fn grouped(expr: &str) -> Vec<&str> {
    let lists = [" by (", " on ("].into_iter().flat_map(|word| expr.split(word).skip(1));
    lists.flat_map(|rest| rest.split(')').next().unwrap_or_default().split(',')).map(str::trim).filter(|label| !label.is_empty()).collect()
}

/// A value that no series has would be an alert that never fires.
#[test]
fn reasons_and_results_in_rules_are_words_of_the_code() {
    let reasons =
        synod_host::Failure::REASONS.into_iter().chain([synod_gateway::engine::NOT_READY, synod_gateway::engine::MISSING_FEATURE]);
    let reasons: BTreeSet<&str> = reasons.collect();
    let limits: BTreeMap<&str, &str> = BTreeMap::from([("reason", "SynodDetectorFails"), ("limit", "SynodOverloaded")]);
    let metrics = include_str!("../../../core/gateway/src/telemetry/metrics/limits.rs");
    for (label, name) in limits {
        let expr = alerts().into_iter().find(|alert| alert.name == name).unwrap().expr;
        let start = expr.find(&format!("{label}=~\"")).unwrap() + label.len() + 3;
        for word in expr[start..].split('"').next().unwrap().split('|') {
            let known = if label == "reason" { reasons.contains(word) } else { metrics.contains(&format!("=> \"{word}\"")) };
            assert!(known, "{name}: nothing has {label} {word}");
        }
    }
}

#[test]
fn dashboards_that_alerts_link_to_are_there() {
    for board in Board::ALL {
        let path = format!("deploy/grafana/dashboards/{}.json", board.name());
        let dashboard: Value = serde_json::from_str(&text(&path)).unwrap();
        assert_eq!(dashboard["uid"], format!("synod-{}", board.name()), "{path}");
    }
}

#[test]
fn links_begin_as_they_are_told_to() {
    let links = Links { runbook: "https://wiki/synod".into(), dashboards: "https://grafana/".into() };
    let rules = synod_monitoring::rules::artifacts(&links);
    let down = rules.iter().map(|file| file.contents.as_str()).collect::<String>();
    for link in ["runbook_url: https://wiki/synod#synoddown\n", "dashboard_url: https://grafana/d/synod-overview\n"] {
        assert!(down.contains(link), "{link}");
    }
    assert!(!down.contains("synod.internal"));
}

/// `scripts/monitoring.sh` evaluates it; here, that its frame and its parts go together.
#[test]
fn the_mixin_has_all_groups_and_dashboards() {
    let frame = text("deploy/mixin/mixin.libsonnet");
    for part in ["alerts.json", "rules.json", "dashboards.libsonnet", mixin::RUNBOOK, mixin::DASHBOARDS] {
        assert!(frame.contains(part), "{part}");
    }
    let groups = |file: &str| {
        let json: Value = serde_json::from_str(&text(&format!("deploy/mixin/{file}"))).unwrap();
        json["groups"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let (alerting, recording) = (groups("alerts.json"), groups("rules.json"));
    assert!(alerting.is_disjoint(&recording), "groups of one name would replace each other");
    let all: BTreeSet<String> = files().into_iter().flat_map(|file| file.groups).map(|group| group.name).collect();
    assert_eq!(alerting.union(&recording).cloned().collect::<BTreeSet<_>>(), all);
}

#[test]
fn alertmanager_names_alerts_that_there_are() {
    let alerts = alerts();
    // Synod posts these itself.
    let posted = ["SynodAnomaly", "SynodAnomalyFlood"];
    let levels = ["SynodAvailabilityBurnsBudget", "SynodBurnsBudgetFast", "SynodBurnsBudgetSlow", "SynodVotesBurnsBudget"];
    for path in ["alertmanager/alertmanager.yaml", "alertmanager/tests/routes.tsv", "alertmanager/tests/message.json"] {
        let text = text(path).replace(".*", "");
        let words =
            text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| word.starts_with("Synod") && word.len() > 5);
        for word in words {
            let known = names(&alerts).contains(word) || posted.contains(&word) || levels.contains(&word) || word == "SynodBurnsBudget";
            assert!(known, "{path}: there is no alert {word}");
        }
    }
}
