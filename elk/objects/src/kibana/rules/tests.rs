//! The file keeps the rules, and each rule notices what breaks it.

use super::queries::named;
use super::*;
use crate::kibana::{CONSOLE, file};
use serde_json::json;

fn good() -> String {
    file(&Fields::read(), CONSOLE)
}

#[test]
fn the_file_keeps_the_rules() {
    assert_eq!(mistakes(&good(), &Fields::read()), [""; 0]);
}

/// The file with something else at a place of one object: a pointer, which passes into texts that are JSON themselves at `!`.
fn spoilt(id: &str, pointer: &str, value: &Value) -> String {
    let line = |line: &str| {
        let mut object: Value = serde_json::from_str(line).unwrap();
        if object["id"] == id {
            put(&mut object, pointer, value);
        }
        format!("{object}\n")
    };
    good().lines().map(line).collect()
}

fn put(within: &mut Value, pointer: &str, value: &Value) {
    let (outer, inner) = pointer.split_once('!').map_or((pointer, None), |(outer, inner)| (outer, Some(inner)));
    let place = within.pointer_mut(outer).unwrap_or_else(|| panic!("there is nothing at {pointer}"));
    *place = match inner {
        None => value.clone(),
        Some(inner) => {
            let mut nested: Value = serde_json::from_str(place.as_str().unwrap()).unwrap();
            put(&mut nested, inner, value);
            nested.to_string().into()
        }
    };
}

const DECISIONS: &str = "synod-dashboard-decisions";
const RATE: &str = "synod-lens-rate";
const BLOCKED: &str = "synod-search-blocked";
const SOURCE: &str = "/attributes/kibanaSavedObjectMeta/searchSourceJSON";

/// Mistakes, each with the rule that it breaks.
fn examples() -> Vec<(&'static str, &'static str, String, Value)> {
    let column = |name: &str, key: &str| format!("/attributes/state/datasourceStates/formBased/layers/layer/columns/{name}/{key}");
    let at = str::to_owned;
    vec![
        ("line", BLOCKED, at("/references/0"), json!({"name": "x"})),
        ("line", BLOCKED, at("/managed"), json!("no")),
        ("id", BLOCKED, at("/id"), json!("synod-search-labels")),
        ("id", BLOCKED, at("/id"), json!("Blocked")),
        ("version", BLOCKED, at("/typeMigrationVersion"), json!("10.2.0")),
        ("version", RATE, at("/coreMigrationVersion"), json!("9.0.0")),
        ("version", RATE, at("/type"), json!("visualization")),
        ("version", RATE, at("/managed"), json!(true)),
        ("nested", DECISIONS, at("/attributes/panelsJSON"), json!("[")),
        ("nested", DECISIONS, at("/attributes/optionsJSON"), json!({})),
        ("nested", "synod-audit", at("/attributes/fieldAttrs"), json!("{,}")),
        ("nested", BLOCKED, at(SOURCE), json!("no")),
        ("reference", RATE, at("/references/0/id"), json!("synod-nothing")),
        ("reference", DECISIONS, at("/references/1/id"), json!("synod-lens-nothing")),
        ("reference", DECISIONS, at("/references/1/name"), json!("2:panel_2")),
        ("reference-use", RATE, at("/references/0/name"), json!("indexpattern-datasource-layer-other")),
        ("reference-use", DECISIONS, at("/attributes/panelsJSON!/1/panelRefName"), json!("panel_9")),
        ("reference-use", DECISIONS, at("/attributes/panelsJSON!/1/type"), json!("search")),
        ("reference-use", BLOCKED, format!("{SOURCE}!/indexRefName"), json!("index")),
        ("reference-use", RATE, at("/references"), json!([])),
        ("view", "synod-audit", at("/attributes/title"), json!("logs-synod.audits-*")),
        ("view", "synod-all", at("/attributes/timeFieldName"), json!("timestamp")),
        ("view", "synod-all", at("/attributes/fieldAttrs!/message/customDescription"), json!("x".repeat(301))),
        ("field", "synod-audit", at("/attributes/fieldFormatMap"), json!(r#"{"synod.audits":{}}"#)),
        ("field-stream", "synod-audit", at("/attributes/fieldAttrs"), json!(r#"{"log.level":{}}"#)),
        ("field", BLOCKED, at("/attributes/columns/0"), json!("synod.verdict.result")),
        ("field-stream", BLOCKED, at("/attributes/columns/0"), json!("log.level")),
        ("type", BLOCKED, at("/attributes/sort/0/0"), json!("message")),
        ("field", BLOCKED, format!("{SOURCE}!/query/query"), json!("synod.verdict.result: block")),
        ("field-stream", BLOCKED, format!("{SOURCE}!/query/query"), json!("not log.level: (warn or error)")),
        ("type", BLOCKED, format!("{SOURCE}!/query/query"), json!("synod.verdict.outcome >= 5")),
        ("query", BLOCKED, format!("{SOURCE}!/query/language"), json!("lucene")),
        ("field", RATE, at("/attributes/state/query/query"), json!("event.actions: decision")),
        ("field-stream", "synod-lens-late", column("layer_split", "params/filters/0/input/query"), json!("event.duration > 5")),
        ("field", "synod-lens-blocked-share", column("layer_value_1X0", "filter/query"), json!("outcome: block")),
        ("field", RATE, column("layer_split", "sourceField"), json!("synod.outcome")),
        ("field-stream", RATE, column("layer_split", "sourceField"), json!("log.level")),
        ("type", RATE, column("layer_split", "sourceField"), json!("message")),
        ("type", RATE, column("layer_across", "sourceField"), json!("event.id")),
        ("type", "synod-lens-scores", column("layer_value_1", "sourceField"), json!("synod.verdict.outcome")),
        ("type", "synod-lens-scores", column("layer_value_1", "operationType"), json!("p50")),
        ("type", RATE, column("layer_split", "dataType"), json!("boolean")),
        ("column", RATE, at("/attributes/state/datasourceStates/formBased/layers/layer/columnOrder/0"), json!("layer_value_1")),
        ("column", RATE, column("layer_split", "isBucketed"), json!(false)),
        ("column", RATE, column("layer_split", "params/orderBy/columnId"), json!("layer_value_2")),
        ("column", "synod-lens-blocked-share", column("layer_value_1X2", "references/0"), json!("layer_value_2X0")),
        ("column", RATE, at("/attributes/state/datasourceStates/formBased/layers"), json!({})),
        ("shape", RATE, at("/attributes/visualizationType"), json!("lnsXYZ")),
        ("shape", RATE, at("/attributes/state/visualization/layers/0/accessors/0"), json!("layer_value_9")),
        ("shape", RATE, at("/attributes/state/visualization/layers/0/layerId"), json!("other")),
        ("shape", "synod-lens-tenants", at("/attributes/state/visualization/columns/0/columnId"), json!("layer_split")),
        ("shape", "synod-lens-policies", at("/attributes/state/visualization/layers/0/metrics"), json!([])),
        ("shape", "synod-lens-errors", at("/attributes/state/visualization/valueAccessor"), json!(null)),
        ("time", DECISIONS, at("/attributes/timeRestore"), json!(false)),
        ("place", DECISIONS, at("/attributes/panelsJSON!/1/gridData/w"), json!(9)),
        ("place", DECISIONS, at("/attributes/panelsJSON!/1/gridData/w"), json!(0)),
        ("place", DECISIONS, at("/attributes/panelsJSON!/6/gridData/w"), json!(9)),
        ("place", DECISIONS, at("/attributes/panelsJSON!/1/gridData/i"), json!("3")),
        ("link", DECISIONS, at("/attributes/panelsJSON!/0/embeddableConfig/savedVis/params/markdown"), json!("[x](#/view/y)")),
        (
            "field",
            DECISIONS,
            at("/attributes/controlGroupInput/panelsJSON!/control_organization_id/explicitInput/fieldName"),
            json!("tenant"),
        ),
        (
            "type",
            DECISIONS,
            at("/attributes/controlGroupInput/panelsJSON!/control_organization_id/explicitInput/fieldName"),
            json!("synod.verdict.score"),
        ),
        ("control", DECISIONS, at("/attributes/controlGroupInput/panelsJSON!/control_organization_id/explicitInput/id"), json!("tenant")),
    ]
}

#[test]
fn every_rule_notices_what_breaks_it() {
    let fields = Fields::read();
    for (rule, id, pointer, value) in examples() {
        let found = mistakes(&spoilt(id, &pointer, &value), &fields);
        assert!(found.iter().any(|mistake| mistake.starts_with(&format!("{rule}: "))), "{rule}: {id} {pointer} {value}: {found:?}");
    }
    assert!(mistakes("{}\n", &fields)[0].starts_with("line: line 1"));
}

#[test]
fn a_field_that_the_list_loses_is_noticed_wherever_it_is_named() {
    let mut fields = Fields::read();
    fields.fields.retain(|field| field.name != "synod.verdict.outcome");
    let found = mistakes(&good(), &fields);
    for id in ["synod-decisions", BLOCKED, RATE, "synod-lens-blocked-share", DECISIONS] {
        assert!(found.iter().any(|mistake| mistake.starts_with(&format!("field: {id}: "))), "{id}: {found:?}");
    }
}

#[test]
fn fields_are_found_in_queries() {
    for (query, expected) in [
        ("", vec![]),
        ("a.b: c", vec![("a.b", false)]),
        ("@timestamp >= 5 and not b : (c or \"d: e\\\" f: g\")", vec![("@timestamp", true), ("b", false)]),
        ("a:* or (b.c<1 and d > 2)", vec![("a", false), ("b.c", true), ("d", true)]),
        ("words alone", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(name, by_size)| (name.to_owned(), by_size)).collect();
        assert_eq!(named(query), expected, "{query}");
    }
}
