//! A dashboard in Grafana's classic schema: variables, annotations, links, and rows of panels that find their places by themselves.

use super::panel::{Panel, source};
use super::scope;
use crate::Artifact;
use crate::query::Query;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The version of the schema that Grafana 10 has; later ones read it.
const SCHEMA: u32 = 39;
/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;
/// What all dashboards are found by, and link each other by.
const TAG: &str = "synod";

/// A dashboard.
#[derive(Debug)]
pub(super) struct Dashboard {
    /// What it is about: the end of its uid and its file's name.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Whether it can be narrowed down to detectors.
    pub by_detector: bool,
    /// Its rows, each with its title.
    pub rows: Vec<Row>,
}

/// A row of panels with a title.
#[derive(Debug)]
pub(super) struct Row {
    /// Its title.
    pub title: &'static str,
    /// Its panels, from left to right; what does not fit goes below.
    pub panels: Vec<Panel>,
}

impl Row {
    pub(super) fn new(title: &'static str, panels: Vec<Panel>) -> Self {
        Self { title, panels }
    }
}

impl Dashboard {
    /// Its file.
    pub(super) fn artifact(&self) -> Artifact {
        let path = PathBuf::from(format!("deploy/grafana/dashboards/{}.json", self.name));
        Artifact { path, contents: format!("{:#}\n", self.json()) }
    }

    /// As Grafana reads it.
    pub(super) fn json(&self) -> Value {
        json!({
            "uid": format!("synod-{}", self.name),
            "title": format!("Synod / {}", self.title),
            "description": self.description,
            "tags": [TAG],
            "editable": false,
            "graphTooltip": 1,
            "schemaVersion": SCHEMA,
            "timezone": "browser",
            "time": {"from": "now-1h", "to": "now"},
            "refresh": "30s",
            "templating": {"list": self.variables()},
            "annotations": {"list": annotations()},
            "links": [{
                "title": "Synod", "type": "dashboards", "tags": [TAG], "asDropdown": false, "includeVars": true, "keepTime": true,
                "targetBlank": false, "icon": "external link", "tooltip": "", "url": "",
            }],
            "panels": self.panels(),
        })
    }

    fn variables(&self) -> Vec<Value> {
        let data_source = json!({
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
            "hide": 0, "includeAll": false, "multi": false, "refresh": 1, "regex": "",
        });
        let mut variables = vec![data_source];
        variables.push(variable("job", "Job", &scope::jobs()));
        variables.push(variable("instance", "Instance", &scope::instances()));
        if self.by_detector {
            variables.push(variable("detector", "Detector", &scope::detectors()));
        }
        variables
    }

    fn panels(&self) -> Vec<Value> {
        let mut placed = Vec::new();
        let mut top = 0;
        for row in &self.rows {
            placed.push(json!({
                "id": placed.len() + 1, "type": "row", "title": row.title, "collapsed": false, "panels": [],
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
            }));
            top += 1;
            let (mut left, mut height) = (0, 0);
            for panel in &row.panels {
                if left + panel.width() > COLUMNS {
                    (top, left, height) = (top + height, 0, 0);
                }
                placed.push(panel.json(placed.len() + 1, left, top));
                (left, height) = (left + panel.width(), height.max(panel.height()));
            }
            top += height;
        }
        placed
    }
}

/// A variable whose values are those of a label. All of them are meant at first.
fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": source(),
        "query": {"query": query, "refId": format!("{name}-variable")}, "definition": query,
        "multi": true, "includeAll": true, "allValue": ".+", "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
        "hide": 0, "refresh": 2, "regex": "", "sort": 1,
    })
}

/// What is marked in all panels: alerts that fire, and starts of processes.
fn annotations() -> Vec<Value> {
    let start = scope::starts();
    vec![
        json!({
            "name": "Annotations & Alerts", "type": "dashboard", "builtIn": 1, "enable": true, "hide": true, "iconColor": "rgba(0, 211, 255, 1)",
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        }),
        annotation("Alerts", "red", &scope::firing(), json!({"titleFormat": "{{alertname}}", "textFormat": "{{severity}} {{detector}}"})),
        annotation("Restarts", "blue", &start, json!({"titleFormat": "Started", "textFormat": "{{instance}}", "useValueForTime": "on"})),
    ]
}

fn annotation(name: &str, colour: &str, query: &Query, more: Value) -> Value {
    let mut annotation = json!({
        "name": name, "enable": true, "hide": false, "iconColor": colour, "datasource": source(),
        // Versions differ in where they look for the expression.
        "expr": query.text(), "target": {"expr": query.text(), "refId": "Anno"},
    });
    if let (Some(annotation), Value::Object(more)) = (annotation.as_object_mut(), more) {
        annotation.extend(more);
    }
    annotation
}
