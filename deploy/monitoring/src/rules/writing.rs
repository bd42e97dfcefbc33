//! Rules as Prometheus reads them, in YAML; and as JSON, for the mixin.

use super::{Alert, Board, Group, Recording, RuleFile, Rules};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long a line of the files is, without what it is indented by.
const WIDTH: usize = 132;

/// Where the links in alerts begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// The address of the page made of `deploy/README.md`; each alert has an anchor there.
    pub runbook: String,
    /// The address of Grafana.
    pub dashboards: String,
}

impl Default for Links {
    /// Two hosts of a domain that is everybody's own (`.internal`): whoever gives them an address need not change the rules.
    fn default() -> Self {
        Self { runbook: "http://runbook.synod.internal/".to_owned(), dashboards: "http://grafana.synod.internal".to_owned() }
    }
}

impl Links {
    /// The section of the runbook about an alert. Where Markdown is shown, headings have anchors in lower case.
    #[must_use]
    pub fn runbook_of(&self, alert: &str) -> String {
        format!("{}#{}", self.runbook, alert.to_lowercase())
    }

    fn dashboard(&self, board: Board, detector: bool) -> String {
        let of_one = if detector { "?var-detector={{ $labels.detector }}" } else { "" };
        format!("{}/d/synod-{}{of_one}", self.dashboards.trim_end_matches('/'), board.name())
    }
}

#[derive(Serialize)]
struct WrittenFile {
    groups: Vec<WrittenGroup>,
}

#[derive(Serialize)]
struct WrittenGroup {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<&'static str>,
    rules: Vec<WrittenRule>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WrittenRule {
    Alert {
        alert: String,
        expr: String,
        #[serde(rename = "for", skip_serializing_if = "str::is_empty")]
        hold: &'static str,
        labels: BTreeMap<&'static str, String>,
        annotations: BTreeMap<&'static str, String>,
    },
    Recording {
        record: String,
        expr: String,
    },
}

pub(super) fn yaml(file: &RuleFile, links: &Links) -> String {
    let head = format!("# {}\n# Made by deploy/monitoring (cargo run -p synod-monitoring): change it there.\n", file.about);
    let written = WrittenFile { groups: file.groups.iter().map(|group| written_group(group, links)).collect() };
    let options = serde_saphyr::ser_options! { folded_wrap_chars: WIDTH, compact_list_indent: false };
    head + &serde_saphyr::to_string_with_options(&written, options).expect("plain texts can be written")
}

pub(super) fn json(files: &[RuleFile], alerting: bool, links: &Links) -> Value {
    let groups = files.iter().flat_map(|file| &file.groups);
    let wanted = groups.filter(|group| matches!(group.rules, Rules::Alerts(_)) == alerting);
    json!({"groups": wanted.map(|group| written_group(group, links)).collect::<Vec<_>>()})
}

fn written_group(group: &Group, links: &Links) -> WrittenGroup {
    let rules = match &group.rules {
        Rules::Alerts(alerts) => alerts.iter().map(|alert| written_alert(alert, links)).collect(),
        Rules::Recordings(recordings) => recordings.iter().map(written_recording).collect(),
    };
    WrittenGroup { name: group.name.clone(), interval: group.interval, rules }
}

fn written_alert(alert: &Alert, links: &Links) -> WrittenRule {
    let own = [("severity", alert.severity.name().to_owned()), ("service", "synod".to_owned())];
    let annotations = [
        ("summary", alert.summary.clone()),
        ("description", alert.description.clone()),
        ("runbook_url", links.runbook_of(&alert.name)),
        ("dashboard_url", links.dashboard(alert.board, alert.summary.contains("$labels.detector"))),
    ];
    WrittenRule::Alert {
        alert: alert.name.clone(),
        expr: alert.expr.clone(),
        hold: alert.hold,
        labels: own.into_iter().chain(alert.labels.iter().cloned()).collect(),
        annotations: annotations.into_iter().collect(),
    }
}

fn written_recording(recording: &Recording) -> WrittenRule {
    WrittenRule::Recording { record: recording.name.clone(), expr: recording.expr.clone() }
}
