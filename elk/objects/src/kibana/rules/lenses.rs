//! Visualisations: that each column asks a field for what it can give, and that what is drawn is a column.

use super::{Found, Report, entries, items, text};
use crate::fields::Kind as FieldKind;
use crate::kibana::column::RECORDS;
use crate::kibana::data_view::View;
use crate::kibana::object::Kind;
use serde_json::Value;
use std::collections::BTreeSet;

/// Shapes, and the keys by which each names columns.
const SHAPES: &[(&str, &[&str])] = &[
    ("lnsXY", &["xAccessor", "splitAccessor", "accessors"]),
    ("lnsMetric", &["metricAccessor", "secondaryMetricAccessor"]),
    ("lnsPie", &["primaryGroups", "metrics"]),
    ("lnsDatatable", &["columnId"]),
    ("lnsHeatmap", &["xAccessor", "yAccessor", "valueAccessor"]),
];

pub(super) fn check(report: &mut Report<'_>, object: &Found) {
    if !object.is(Kind::Lens) {
        return;
    }
    let (id, state) = (&object.id, &object.attributes["state"]);
    let layers = &state["datasourceStates"]["formBased"]["layers"];
    report.holds(entries(layers).next().is_some(), "column", id, "there is no layer");
    let mut shown = BTreeSet::new();
    for (name, layer) in entries(layers) {
        let view = object.view(&format!("indexpattern-datasource-layer-{name}"));
        entries(&layer["columns"]).for_each(|(_, column)| of_column(report, id, view, column));
        order(report, id, layer);
        shown.extend(shown_of(layer));
    }
    drawn(report, object, &shown);
}

/// A column's field is one of the data view, and of a type that the operation takes.
fn of_column(report: &mut Report<'_>, id: &str, view: Option<View>, column: &Value) {
    let operation = text(column, "operationType");
    let name = text(column, "sourceField");
    if matches!(operation, "filters" | "formula" | "math") {
        return report.holds(name.is_empty(), "type", id, format!("`{operation}` is of no field"));
    }
    if operation == "count" && name == RECORDS {
        return;
    }
    let Some(field) = view.and_then(|view| report.field(id, name, view)) else { return };
    let numeric = matches!(field.kind, FieldKind::Long | FieldKind::Double);
    let whole = matches!(field.kind, FieldKind::Keyword | FieldKind::Boolean | FieldKind::Long);
    let good = match operation {
        "date_histogram" => field.kind == FieldKind::Date,
        "terms" | "unique_count" => whole,
        "percentile" | "sum" | "max" => numeric,
        _ => return report.mistake("type", id, format!("`{operation}` is no operation that is used here")),
    };
    report.holds(good, "type", id, format!("`{operation}` cannot be asked of `{name}`, a {:?}", field.kind));
    let expected = match field.kind {
        _ if !matches!(operation, "terms" | "date_histogram") => "number",
        FieldKind::Boolean => "boolean",
        FieldKind::Date => "date",
        FieldKind::Long | FieldKind::Double => "number",
        _ => "string",
    };
    report.holds(column["dataType"] == expected, "type", id, format!("{} of `{name}` is {}", operation, column["dataType"]));
}

/// The order names each column once, what divides before what counts, and columns name columns of the same layer.
fn order(report: &mut Report<'_>, id: &str, layer: &Value) {
    let columns: BTreeSet<&str> = entries(&layer["columns"]).map(|(column, _)| column.as_str()).collect();
    let order: Vec<&str> = items(&layer["columnOrder"]).filter_map(Value::as_str).collect();
    let named: BTreeSet<&str> = order.iter().copied().collect();
    report.holds(named == columns && order.len() == columns.len(), "column", id, "columnOrder does not name each column once");
    let divides: Vec<bool> = order.iter().map(|column| layer["columns"][*column]["isBucketed"] == true).collect();
    report.holds(divides.is_sorted_by(|one, next| one >= next), "column", id, "a column that divides comes after one that counts");
    for (_, column) in entries(&layer["columns"]) {
        let ordered = &column["params"]["orderBy"]["columnId"];
        for other in items(&column["references"]).chain([ordered]).filter_map(Value::as_str) {
            report.holds(columns.contains(other), "column", id, format!("there is no column `{other}`"));
        }
    }
}

/// The columns of a layer that are there to be shown: all but the parts of others.
fn shown_of(layer: &Value) -> BTreeSet<String> {
    let parts: BTreeSet<&str> =
        entries(&layer["columns"]).flat_map(|(_, column)| items(&column["references"])).filter_map(Value::as_str).collect();
    entries(&layer["columns"]).map(|(id, _)| id).filter(|id| !parts.contains(id.as_str())).cloned().collect()
}

/// What is drawn are the columns of the layers, all of them.
fn drawn(report: &mut Report<'_>, object: &Found, shown: &BTreeSet<String>) {
    let id = &object.id;
    let shape = text(&object.attributes, "visualizationType");
    let Some((_, keys)) = SHAPES.iter().find(|(name, _)| *name == shape) else {
        return report.mistake("shape", id, format!("`{shape}` is no shape"));
    };
    let drawing = &object.attributes["state"]["visualization"];
    let layers: Vec<&Value> = match shape {
        "lnsXY" | "lnsPie" => items(&drawing["layers"]).collect(),
        _ => vec![drawing],
    };
    let known: BTreeSet<&str> =
        entries(&object.attributes["state"]["datasourceStates"]["formBased"]["layers"]).map(|(name, _)| name.as_str()).collect();
    let named: BTreeSet<&str> = layers.iter().map(|layer| text(layer, "layerId")).collect();
    report.holds(named == known, "shape", id, "it draws other layers than there are");
    let parts = layers.into_iter().chain(layers_of_table(drawing));
    let found: BTreeSet<String> = parts.flat_map(|part| keys.iter().flat_map(|key| ids(&part[*key]))).collect();
    report.holds(found == *shown, "shape", id, format!("it draws {found:?} of {shown:?}"));
}

fn layers_of_table(drawing: &Value) -> impl Iterator<Item = &Value> {
    items(&drawing["columns"])
}

/// One id or several.
fn ids(value: &Value) -> Vec<String> {
    value.as_str().into_iter().chain(items(value).filter_map(Value::as_str)).map(str::to_owned).collect()
}
