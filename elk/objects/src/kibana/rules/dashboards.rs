//! Dashboards: where panels stand, what is chosen above them, and where their texts lead.

use super::{Found, Report, entries, items, text};
use crate::fields::Kind as FieldKind;
use crate::kibana::dashboard::COLUMNS;
use crate::kibana::object::Kind;
use serde_json::Value;

/// Where a panel stands: left, top, right, bottom.
type Place = [u64; 4];

pub(super) fn check(report: &mut Report<'_>, object: &Found, all: &[Found]) {
    if !object.is(Kind::Dashboard) {
        return;
    }
    let (id, attributes) = (&object.id, &object.attributes);
    for key in ["/optionsJSON", "/kibanaSavedObjectMeta/searchSourceJSON", "/controlGroupInput/ignoreParentSettingsJSON"] {
        report.nested(id, attributes, key);
    }
    let restored = attributes["timeRestore"] == true && attributes["timeFrom"].is_string() && attributes["timeTo"].is_string();
    report.holds(restored, "time", id, "it does not begin with a time of its own");
    let panels = report.nested(id, attributes, "/panelsJSON");
    places(report, id, &panels);
    items(&panels).for_each(|panel| links(report, id, panel, all));
    let controls = report.nested(id, attributes, "/controlGroupInput/panelsJSON");
    entries(&controls).for_each(|(name, control)| self::control(report, object, name, control));
}

fn places(report: &mut Report<'_>, id: &str, panels: &Value) {
    let mut taken: Vec<(String, Place)> = Vec::new();
    for panel in items(panels) {
        let grid = &panel["gridData"];
        let [x, y, width, height] = ["x", "y", "w", "h"].map(|key| grid[key].as_u64().unwrap_or_default());
        let index = text(panel, "panelIndex").to_owned();
        report.holds(!index.is_empty() && grid["i"] == index, "place", id, format!("panel {index} has two names"));
        let place = [x, y, x + width, y + height];
        report.holds(width > 0 && height > 0 && place[2] <= u64::from(COLUMNS), "place", id, format!("panel {index} does not fit"));
        for (other, there) in &taken {
            let apart = place[2] <= there[0] || there[2] <= place[0] || place[3] <= there[1] || there[3] <= place[1];
            report.holds(apart && *other != index, "place", id, format!("panels {other} and {index} overlap, or have one name"));
        }
        taken.push((index, place));
    }
}

/// A text leads to dashboards of this file alone.
fn links(report: &mut Report<'_>, id: &str, panel: &Value, all: &[Found]) {
    let markdown = panel["embeddableConfig"]["savedVis"]["params"]["markdown"].as_str().unwrap_or_default();
    for link in markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let there = |id: &str| all.iter().any(|other| other.is(Kind::Dashboard) && other.id == id);
        let leads = link.strip_prefix("#/view/").is_some_and(there);
        report.holds(leads, "link", id, format!("`{link}` leads to no dashboard"));
    }
}

fn control(report: &mut Report<'_>, object: &Found, name: &str, control: &Value) {
    let (id, input) = (&object.id, &control["explicitInput"]);
    report.holds(input["id"] == name, "control", id, format!("control {name} has two names"));
    let Some(view) = object.view(&format!("controlGroup_{name}:optionsListDataView")) else { return };
    let Some(field) = report.field(id, text(input, "fieldName"), view) else { return };
    let good = matches!(field.kind, FieldKind::Keyword | FieldKind::Boolean);
    report.holds(good, "type", id, format!("values of `{}` cannot be chosen", field.name));
}
