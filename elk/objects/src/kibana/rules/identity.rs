//! Ids, versions, and what refers to what.

use super::{Found, Report, entries, items, text};
use crate::kibana::object::Kind;
use std::collections::BTreeSet;

pub(super) fn check(report: &mut Report<'_>, found: &[Found]) {
    let mut known: BTreeSet<(&str, &str)> = BTreeSet::new();
    for object in found {
        let is_new = known.insert((&object.kind, &object.id));
        report.holds(is_new, "id", &object.id, "there are two of this id");
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = object.id.starts_with("synod-") && object.id.chars().all(letters);
        report.holds(good, "id", &object.id, "an id is `synod-` and small letters, digits and `-`");
        version(report, object);
    }
    for object in found {
        references(report, object, &known);
    }
}

fn version(report: &mut Report<'_>, object: &Found) {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| object.is(*kind)) else {
        return report.mistake("version", &object.id, format!("`{}` is no kind of object that belongs here", object.kind));
    };
    report.holds(object.version == kind.version(), "version", &object.id, format!("{} is no version of Kibana 8.12", object.version));
    report.holds(object.core == "8.8.0", "version", &object.id, format!("{} is no version of the core's format", object.core));
    report.holds(!object.managed, "version", &object.id, "what is managed cannot be changed by people");
}

/// Every reference leads somewhere and is used, each once, and everything that is used has one.
fn references(report: &mut Report<'_>, object: &Found, known: &BTreeSet<(&str, &str)>) {
    let id = &object.id;
    let used = used(report, object);
    let mut names = BTreeSet::new();
    for reference in &object.references {
        let name = &reference.name;
        report.holds(names.insert(name.as_str()), "reference", id, format!("there are two references `{name}`"));
        let leads = known.contains(&(reference.kind.as_str(), reference.id.as_str()));
        report.holds(leads, "reference", id, format!("`{name}` leads to no {} `{}`", reference.kind, reference.id));
        report.holds(used.contains(&(name.clone(), reference.kind.clone())), "reference-use", id, format!("nothing uses `{name}`"));
    }
    for (name, kind) in &used {
        let there = object.reference(name).is_some_and(|reference| reference.kind == *kind);
        report.holds(there, "reference-use", id, format!("there is no reference `{name}` to a {kind}"));
    }
}

/// The references that an object's attributes ask for, by name and kind.
fn used(report: &mut Report<'_>, object: &Found) -> BTreeSet<(String, String)> {
    let view = |name: String| (name, Kind::DataView.name().to_owned());
    let attributes = &object.attributes;
    if object.is(Kind::Search) {
        let source = report.nested(&object.id, attributes, "/kibanaSavedObjectMeta/searchSourceJSON");
        return BTreeSet::from([view(text(&source, "indexRefName").to_owned())]);
    }
    if object.is(Kind::Lens) {
        let layers = &attributes["state"]["datasourceStates"]["formBased"]["layers"];
        return entries(layers).map(|(layer, _)| view(format!("indexpattern-datasource-layer-{layer}"))).collect();
    }
    if object.is(Kind::Dashboard) {
        let panels = report.nested(&object.id, attributes, "/panelsJSON");
        let referring = items(&panels).filter(|panel| !panel["panelRefName"].is_null());
        let panels: BTreeSet<_> = referring
            .map(|panel| (format!("{}:{}", text(panel, "panelIndex"), text(panel, "panelRefName")), text(panel, "type").to_owned()))
            .collect();
        let controls = report.nested(&object.id, attributes, "/controlGroupInput/panelsJSON");
        let controls = entries(&controls).map(|(control, _)| view(format!("controlGroup_{control}:optionsListDataView")));
        return controls.chain(panels).collect();
    }
    BTreeSet::new()
}
