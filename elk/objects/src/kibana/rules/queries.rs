//! Queries: that the fields that they name exist. Whether they are well formed is seen by `scripts/check-kibana.sh`, with Kibana's own parser.

use super::{Found, Report, entries, items, text};
use crate::fields::Kind as FieldKind;
use crate::kibana::data_view::View;
use crate::kibana::object::Kind;
use serde_json::Value;

/// Reads a text of Kibana's language as far as to say which fields it names, each with whether it is compared by size.
pub(super) fn named(query: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut rest = query.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '"' => skip_quoted(&mut rest),
            ':' | '<' | '>' if !word.is_empty() => found.push((std::mem::take(&mut word), letter != ':')),
            // A blank may stand between a field and what it is compared by.
            ' ' if rest.peek().is_some_and(|next| matches!(next, ':' | '<' | '>')) => {}
            letter if letter.is_ascii_alphanumeric() || "@._-".contains(letter) => word.push(letter),
            _ => word.clear(),
        }
    }
    found
}

fn skip_quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => drop(rest.next()),
            '"' => return,
            _ => {}
        }
    }
}

pub(super) fn check(report: &mut Report<'_>, object: &Found) {
    let id = &object.id;
    if object.is(Kind::Search) {
        let source = report.nested(id, &object.attributes, "/kibanaSavedObjectMeta/searchSourceJSON");
        if let Some(view) = object.view(text(&source, "indexRefName")) {
            query(report, id, view, &source["query"]);
        }
    }
    if object.is(Kind::Lens) {
        of_lens(report, object);
    }
}

fn of_lens(report: &mut Report<'_>, object: &Found) {
    let state = &object.attributes["state"];
    for (name, layer) in entries(&state["datasourceStates"]["formBased"]["layers"]) {
        let Some(view) = object.view(&format!("indexpattern-datasource-layer-{name}")) else { continue };
        query(report, &object.id, view, &state["query"]);
        for (_, column) in entries(&layer["columns"]) {
            let of_column = [&column["filter"]].into_iter().filter(|filter| !filter.is_null());
            let of_filters = items(&column["params"]["filters"]).map(|filter| &filter["input"]);
            of_column.chain(of_filters).for_each(|found| query(report, &object.id, view, found));
        }
    }
}

fn query(report: &mut Report<'_>, id: &str, view: View, query: &Value) {
    report.holds(query["language"] == "kuery", "query", id, format!("{} is not in Kibana's language", query));
    for (name, by_size) in named(text(query, "query")) {
        let Some(field) = report.field(id, &name, view) else { continue };
        let sized = matches!(field.kind, FieldKind::Date | FieldKind::Long | FieldKind::Double);
        report.holds(sized || !by_size, "type", id, format!("`{name}` cannot be compared by size"));
    }
}
