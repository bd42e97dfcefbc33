//! The alert rules for Prometheus, and the series that they rest on. Files in `alertmanager/rules` are made of them.
//!
//! A rule names metrics through [`series`] alone. Alerts tell what is wrong for whom; what to do stands in `deploy/README.md`.

mod anomalies;
mod decisions;
mod detectors;
mod drift;
mod edge;
mod levels;
mod routes;
mod series;
mod service;
mod verdicts;
mod writing;

pub(crate) use levels::{Burning, burning};
pub use levels::{Levels, LevelsMistake};
pub use writing::Links;

use crate::Artifact;
use std::path::PathBuf;

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody is called, also at night.
    Critical,
    /// Somebody looks at it in the hours of work.
    Warning,
    /// Nobody is told; it is there when one looks.
    Info,
}

impl Severity {
    /// As the label has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// The dashboard that shows what an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// Requests, verdicts, levels.
    Overview,
    /// Each detector.
    Detectors,
    /// Drift, labels, missing features.
    Drift,
    /// Connections, credentials, quotas.
    Edge,
    /// The process, the log, sinks.
    Own,
}

impl Board {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Overview, Self::Detectors, Self::Drift, Self::Edge, Self::Own];

    /// Its name: its file's in `deploy/grafana/dashboards`, and the end of its uid.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Detectors => "detectors",
            Self::Drift => "drift-and-labels",
            Self::Edge => "edge",
            Self::Own => "self",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its name: also the heading of its section in the runbook.
    pub name: String,
    /// When it fires.
    pub expr: String,
    /// For how long that must hold; empty for at once.
    pub hold: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Labels beside severity and service.
    pub labels: Vec<(&'static str, String)>,
    /// Where one sees more.
    pub board: Board,
    /// What is wrong, in one line that fits a text message.
    pub summary: String,
    /// What that means for others, and where to begin.
    pub description: String,
}

impl Alert {
    /// An alert that says nothing yet.
    fn new(name: &str, severity: Severity, board: Board) -> Self {
        let (expr, summary, description) = Default::default();
        Self { name: name.to_owned(), expr, hold: "", severity, labels: Vec::new(), board, summary, description }
    }

    /// That fires when this gives anything.
    fn when(self, expr: impl Into<String>) -> Self {
        Self { expr: expr.into(), ..self }
    }

    /// That waits for so long before it fires.
    fn hold(self, hold: &'static str) -> Self {
        Self { hold, ..self }
    }

    /// What it says: in one line, and at length.
    fn says(self, summary: &str, description: &str) -> Self {
        Self { summary: summary.to_owned(), description: description.to_owned(), ..self }
    }
}

/// A series that is worked out beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its name: level:metric:operations.
    pub name: String,
    /// What it is.
    pub expr: String,
}

/// What a group has.
#[derive(Debug, Clone, PartialEq)]
pub enum Rules {
    /// Alerts.
    Alerts(Vec<Alert>),
    /// Series.
    Recordings(Vec<Recording>),
}

/// Rules that are evaluated one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name: `synod-` and the file's, with `.rules` at the end if it records.
    pub name: String,
    /// How often, if not as often as Prometheus evaluates others.
    pub interval: Option<&'static str>,
    /// Its rules.
    pub rules: Rules,
}

/// A file of rules.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFile {
    /// Its name in `alertmanager/rules`, without the end.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What is in it.
    pub groups: Vec<Group>,
}

impl RuleFile {
    /// A file of alerts alone.
    fn of_alerts(name: &'static str, about: &'static str, alerts: Vec<Alert>) -> Self {
        Self { name, about, groups: vec![Group::of_alerts(name, alerts)] }
    }

    /// Its alerts.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.groups.iter().flat_map(|group| match &group.rules {
            Rules::Alerts(alerts) => alerts.as_slice(),
            Rules::Recordings(_) => &[],
        })
    }
}

impl Group {
    fn of_alerts(name: &str, alerts: Vec<Alert>) -> Self {
        Self { name: format!("synod-{name}"), interval: None, rules: Rules::Alerts(alerts) }
    }

    fn of_recordings(name: &str, interval: Option<&'static str>, recordings: Vec<Recording>) -> Self {
        Self { name: format!("synod-{name}.rules"), interval, rules: Rules::Recordings(recordings) }
    }
}

/// All files of rules.
#[must_use]
pub fn files() -> Vec<RuleFile> {
    let levels = levels::shipped();
    vec![
        levels.rules(),
        service::rules(&levels),
        detectors::rules(),
        verdicts::rules(&levels),
        anomalies::rules(&levels),
        drift::rules(&levels),
        decisions::rules(&levels),
        edge::rules(),
    ]
}

/// The files of rules as Prometheus reads them, with links that begin so.
#[must_use]
pub fn artifacts(links: &Links) -> Vec<Artifact> {
    let artifact = |file: &RuleFile| Artifact {
        path: PathBuf::from(format!("alertmanager/rules/{}.yaml", file.name)),
        contents: writing::yaml(file, links),
    };
    files().iter().map(artifact).collect()
}

/// The groups that alert, or those that record, as JSON.
#[must_use]
pub fn json(alerting: bool, links: &Links) -> serde_json::Value {
    writing::json(&files(), alerting, links)
}
