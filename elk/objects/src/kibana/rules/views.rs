//! Data views, and the columns of saved searches.

use super::{Found, Report, entries, items};
use crate::fields::Kind as FieldKind;
use crate::kibana::data_view::{TIME, View};
use crate::kibana::object::Kind;
use serde_json::Value;

/// The longest description of a field that Kibana's own form takes.
const LONGEST: usize = 300;

pub(super) fn check(report: &mut Report<'_>, object: &Found) {
    if object.is(Kind::DataView) {
        view(report, object);
    }
    if object.is(Kind::Search) {
        search(report, object);
    }
}

fn view(report: &mut Report<'_>, object: &Found) {
    let (id, attributes) = (&object.id, &object.attributes);
    let Some(view) = View::find(id) else {
        return report.mistake("view", id, "is no data view of ours");
    };
    report.holds(attributes["title"] == view.title(), "view", id, format!("{} is not the data streams of it", attributes["title"]));
    report.holds(attributes["timeFieldName"] == TIME, "view", id, "its time is `@timestamp`");
    for key in ["/fields", "/runtimeFieldMap", "/sourceFilters", "/typeMeta"] {
        report.nested(id, attributes, key);
    }
    for key in ["/fieldAttrs", "/fieldFormatMap"] {
        let named = report.nested(id, attributes, key);
        for (name, said) in entries(&named) {
            let exact = report.field(id, name, view).is_some_and(|field| field.name == *name);
            report.holds(exact, "field", id, format!("`{name}` in {key} is no field of its own"));
            let length = said["customDescription"].as_str().map_or(0, |text| text.chars().count());
            report.holds(length <= LONGEST, "view", id, format!("the description of `{name}` has {length} characters"));
        }
    }
}

fn search(report: &mut Report<'_>, object: &Found) {
    let id = &object.id;
    let source = report.nested(id, &object.attributes, "/kibanaSavedObjectMeta/searchSourceJSON");
    let Some(view) = object.view(source["indexRefName"].as_str().unwrap_or_default()) else { return };
    for column in items(&object.attributes["columns"]).filter_map(Value::as_str) {
        report.field(id, column, view);
    }
    for column in items(&object.attributes["sort"]).filter_map(|pair| pair[0].as_str()) {
        let sorts = report.field(id, column, view).is_none_or(|field| !matches!(field.kind, FieldKind::Text | FieldKind::Object));
        report.holds(sorts, "type", id, format!("nothing can be sorted by `{column}`"));
    }
}
