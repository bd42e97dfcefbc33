//! What has to hold of the file, so that Kibana takes it and shows something: it is read as Kibana would read it, line by line, and nothing is
//! taken from the builders. No Kibana is needed for this, and none replaces it: that a name exists is not that a picture is good.

mod dashboards;
mod identity;
mod lenses;
mod queries;
#[cfg(test)]
mod tests;
mod views;

use super::data_view::View;
use super::object::Kind;
use crate::fields::{Field, Fields, Kind as FieldKind};
use serde::Deserialize;
use serde_json::Value;

/// A line of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    attributes: Value,
    #[serde(rename = "coreMigrationVersion")]
    core: String,
    id: String,
    managed: bool,
    references: Vec<Referred>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "typeMigrationVersion")]
    version: String,
}

/// That a line uses another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Referred {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl Found {
    fn is(&self, kind: Kind) -> bool {
        self.kind == kind.name()
    }

    fn reference(&self, name: &str) -> Option<&Referred> {
        self.references.iter().find(|reference| reference.name == name)
    }

    /// The data view that a reference leads to.
    fn view(&self, name: &str) -> Option<View> {
        self.reference(name).filter(|reference| reference.kind == Kind::DataView.name()).and_then(|reference| View::find(&reference.id))
    }
}

/// Mistakes, each as `rule: id of the object: what is wrong`.
#[derive(Debug)]
struct Report<'a> {
    fields: &'a Fields,
    mistakes: Vec<String>,
}

impl Report<'_> {
    fn mistake(&mut self, rule: &str, id: &str, text: impl std::fmt::Display) {
        self.mistakes.push(format!("{rule}: {id}: {text}"));
    }

    fn holds(&mut self, is: bool, rule: &str, id: &str, text: impl std::fmt::Display) {
        if !is {
            self.mistake(rule, id, text);
        }
    }

    /// A field of a data view, which is a mistake if there is none.
    fn field(&mut self, id: &str, name: &str, view: View) -> Option<Field> {
        let found = self.fields.fields.iter().find(|field| is_of(field, name)).cloned();
        let Some(field) = found else {
            self.mistake("field", id, format!("there is no field `{name}`"));
            return None;
        };
        self.holds(view.has(&field), "field-stream", id, format!("`{name}` is no field of {}", view.title()));
        Some(field)
    }

    /// The value of a text that is JSON itself, which is a mistake if it is none.
    fn nested(&mut self, id: &str, attributes: &Value, pointer: &str) -> Value {
        let Some(text) = attributes.pointer(pointer).and_then(Value::as_str) else {
            self.mistake("nested", id, format!("{pointer} is missing"));
            return Value::Null;
        };
        serde_json::from_str(text).unwrap_or_else(|error| {
            self.mistake("nested", id, format!("{pointer} is no JSON: {error}"));
            Value::Null
        })
    }
}

/// Whether a name is that of a field, or of something within one whose fields are not listed.
fn is_of(field: &Field, name: &str) -> bool {
    let within = matches!(field.kind, FieldKind::Flattened | FieldKind::Object);
    field.name == name || within && name.strip_prefix(field.name.as_str()).is_some_and(|rest| rest.starts_with('.'))
}

/// All that is wrong with a file of saved objects; nothing if it is as it should be.
pub fn mistakes(file: &str, fields: &Fields) -> Vec<String> {
    let mut report = Report { fields, mistakes: Vec::new() };
    let found: Vec<Found> = file.lines().enumerate().filter_map(|(index, line)| read(&mut report, index + 1, line)).collect();
    identity::check(&mut report, &found);
    for object in &found {
        views::check(&mut report, object);
        queries::check(&mut report, object);
        lenses::check(&mut report, object);
        dashboards::check(&mut report, object, &found);
    }
    report.mistakes
}

fn read(report: &mut Report<'_>, number: usize, line: &str) -> Option<Found> {
    let read = serde_json::from_str(line);
    read.map_err(|error| report.mistake("line", &format!("line {number}"), error)).ok()
}

/// The entries of an object.
fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The items of a list.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The text at a key, nothing if there is none.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
