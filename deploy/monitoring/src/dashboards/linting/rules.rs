//! The rules. Their names are dashboard-linter's, where it has them.

use super::selectors::{Selector, selectors};
use crate::rules::burning;
use serde_json::{Value, json};
use synod_gateway::telemetry::names::{ALL, Kind, Name};

/// The names of all rules.
pub(super) const RULES: [&str; 20] = [
    "template-datasource",
    "template-job",
    "template-instance",
    "template-label-promql",
    "template-on-time-change-reload",
    "uneditable",
    "uid",
    "panel-datasource",
    "panel-title-description",
    "panel-units",
    "panel-no-targets",
    "panel-place",
    "target-legend",
    "target-promql",
    "target-metric",
    "target-rate-interval",
    "target-job",
    "target-instance",
    "target-counter-agg",
    "target-histogram",
];

/// Units that Grafana knows, of those that make sense here.
const UNITS: [&str; 14] =
    ["none", "short", "percentunit", "s", "ms", "dtdurations", "bytes", "Bps", "reqps", "ops", "cps", "rps", "wps", "dateTimeAsIso"];
/// What Prometheus says of alerts: they are about results of rules, which need not have a job or an instance.
const ALERTS: &str = "ALERTS";
/// Windows that shares of errors are recorded for.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
/// A description that says what is normal and what to do is not shorter.
const SHORTEST: usize = 40;
/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;
/// Longest uid that Grafana takes.
const LONGEST_UID: usize = 40;

/// What is wrong with a dashboard: the rule that it breaks, and where.
pub(super) fn complaints(dashboard: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |rule: &str, broken: bool, what: &str| {
        if broken {
            complaints.push(format!("{rule}: {what}"));
        }
    };
    of_dashboard(dashboard, &mut complain);
    list(&dashboard["templating"]["list"]).iter().for_each(|variable| of_variable(variable, &mut complain));
    let panels: Vec<&Value> = list(&dashboard["panels"]).iter().collect();
    of_places(&panels, &mut complain);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        of_panel(panel, &mut complain);
        for target in list(&panel["targets"]) {
            of_target(panel, target, &mut complain);
        }
    }
    complaints
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn chosen_source(value: &Value) -> bool {
    *value == json!({"type": "prometheus", "uid": "${datasource}"})
}

fn of_dashboard(dashboard: &Value, complain: &mut dyn FnMut(&str, bool, &str)) {
    let variables = list(&dashboard["templating"]["list"]);
    let source = variables.iter().find(|variable| variable["type"] == "datasource");
    let is_right = |source: &Value| source["query"] == "prometheus" && source["name"] == "datasource" && source["label"] == "Data source";
    complain("template-datasource", !source.is_some_and(is_right), "no variable `datasource` for Prometheus, labelled `Data source`");
    for (rule, name, label) in [("template-job", "job", "Job"), ("template-instance", "instance", "Instance")] {
        let is_right = |variable: &Value| {
            variable["type"] == "query"
                && variable["label"] == label
                && variable["multi"] == true
                && variable["includeAll"] == true
                && variable["allValue"] == ".+"
                && chosen_source(&variable["datasource"])
        };
        let variable = variables.iter().find(|variable| variable["name"] == name);
        complain(
            rule,
            !variable.is_some_and(is_right),
            "no such variable of the chosen data source with several values, all of them by `.+`",
        );
    }
    complain("uneditable", dashboard["editable"] != false, "what is changed by hand is lost");
    let uid = text(&dashboard["uid"]);
    let is_plain = uid.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    complain("uid", !(uid.starts_with("synod-") && is_plain && uid.len() <= LONGEST_UID), uid);
}

fn of_variable(variable: &Value, complain: &mut dyn FnMut(&str, bool, &str)) {
    if variable["type"] != "query" {
        return;
    }
    let query = text(&variable["query"]["query"]);
    let asked = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).and_then(|inside| inside.rsplit_once(", "));
    let is_right = asked.is_some_and(|(series, label)| {
        selectors(series).is_ok_and(|found| matches!(found.as_slice(), [selector] if has_labels(selector, &[label])))
    });
    complain("template-label-promql", !is_right || variable["definition"] != query, query);
    complain("template-on-time-change-reload", variable["refresh"] != 2, text(&variable["name"]));
}

/// Panels are inside of the grid, do not overlap, and are told apart.
fn of_places(panels: &[&Value], complain: &mut dyn FnMut(&str, bool, &str)) {
    let place = |panel: &Value| ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap_or(COLUMNS));
    for (number, panel) in panels.iter().enumerate() {
        let [x, y, width, height] = place(panel);
        complain("panel-place", x + width > COLUMNS || width == 0 || height == 0, text(&panel["title"]));
        for other in &panels[..number] {
            let [left, top, its_width, its_height] = place(other);
            let apart = x + width <= left || left + its_width <= x || y + height <= top || top + its_height <= y;
            complain("panel-place", !apart || other["id"] == panel["id"], text(&panel["title"]));
        }
    }
}

fn of_panel(panel: &Value, complain: &mut dyn FnMut(&str, bool, &str)) {
    let title = text(&panel["title"]);
    let targets = list(&panel["targets"]);
    let sources = std::iter::once(panel).chain(targets).all(|place| chosen_source(&place["datasource"]));
    complain("panel-datasource", !sources, title);
    let description = text(&panel["description"]);
    complain("panel-title-description", title.is_empty() || description.len() < SHORTEST || !description.ends_with('.'), title);
    complain("panel-units", !UNITS.contains(&text(&panel["fieldConfig"]["defaults"]["unit"])), title);
    complain("panel-no-targets", targets.is_empty(), title);
}

fn of_target(panel: &Value, target: &Value, complain: &mut dyn FnMut(&str, bool, &str)) {
    let query = text(&target["expr"]);
    complain("target-legend", text(&target["legendFormat"]).is_empty() && target["format"] != "table", query);
    let found = selectors(query);
    complain("target-promql", found.as_ref().is_ok_and(Vec::is_empty) || found.is_err(), query);
    for selector in found.unwrap_or_default() {
        of_selector(&selector, panel["type"] == "heatmap", query, complain);
    }
}

fn of_selector(selector: &Selector, heat: bool, query: &str, complain: &mut dyn FnMut(&str, bool, &str)) {
    let function = selector.within.last().map_or("", String::as_str);
    let labels: Vec<&str> = selector.matchers.iter().filter_map(|matcher| matcher.split(['=', '!']).next()).collect();
    complain("target-metric", !has_labels(selector, &labels), query);
    let grows = ["rate", "irate", "increase"].contains(&function);
    complain("target-rate-interval", grows && selector.range.as_deref() != Some("$__rate_interval"), query);
    for (rule, matcher) in [("target-job", "job=~\"$job\""), ("target-instance", "instance=~\"$instance\"")] {
        // What is recorded of a level is about a job.
        let exempt = selector.name == ALERTS || (rule == "target-instance" && is_recorded(&selector.name));
        complain(rule, !exempt && !selector.matchers.iter().any(|own| own == matcher), query);
    }
    complain("target-counter-agg", selector.name.ends_with("_total") && !grows, query);
    let quantile = selector.within.iter().any(|function| function == "histogram_quantile");
    complain("target-histogram", selector.name.ends_with("_bucket") && !quantile && !heat, query);
}

/// Whether a metric of the list is named, and has these labels.
fn has_labels(selector: &Selector, labels: &[&str]) -> bool {
    let is_of = |name: &&&Name| match name.kind {
        Kind::Histogram => selector.name.strip_prefix(name.family).is_some_and(|end| ["_bucket", "_count", "_sum"].contains(&end)),
        _ => name.series() == selector.name,
    };
    let known = ["job", "instance", "le"];
    selector.name == ALERTS
        || is_recorded(&selector.name)
        || ALL.iter().find(is_of).is_some_and(|name| labels.iter().all(|label| name.labels.contains(label) || known.contains(label)))
}

/// Whether a rule records it.
fn is_recorded(series: &str) -> bool {
    let window = series.rsplit_once("_rate").map_or("", |(_, window)| window);
    WINDOWS.contains(&window) && burning(window).iter().any(|burning| burning.error_ratio == series)
}
