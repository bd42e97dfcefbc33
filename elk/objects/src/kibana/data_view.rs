//! Data views: one for each kind of document, and one for all. What the fields mean is taken from the list of fields.

use super::object::{Kind, Object};
use crate::fields::{Field, Fields, Kind as FieldKind, Stream};
use serde_json::{Map, Value, json};

/// What documents are about when they are shown: their time.
pub(super) const TIME: &str = "@timestamp";

/// A data view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Of one kind of document.
    Of(Stream),
    /// Of all.
    All,
}

impl View {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Of(Stream::Decision),
        Self::Of(Stream::Audit),
        Self::Of(Stream::Access),
        Self::Of(Stream::App),
        Self::Of(Stream::Edge),
        Self::Of(Stream::DeadLetter),
        Self::All,
    ];

    /// The saved object's id.
    pub fn id(self) -> &'static str {
        match self {
            Self::Of(Stream::Decision) => "synod-decisions",
            Self::Of(Stream::Audit) => "synod-audit",
            Self::Of(Stream::Access) => "synod-access",
            Self::Of(Stream::App) => "synod-app",
            Self::Of(Stream::Edge) => "synod-edge",
            Self::Of(Stream::DeadLetter) => "synod-dead-letters",
            Self::All => "synod-all",
        }
    }

    /// The one with this id.
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.id() == id)
    }

    /// Which data streams it is of: those of every namespace.
    pub fn title(self) -> String {
        match self {
            Self::Of(stream) => format!("logs-{}-*", stream.dataset()),
            Self::All => "logs-synod.*".into(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Of(Stream::Decision) => "Synod: decisions",
            Self::Of(Stream::Audit) => "Synod: audit",
            Self::Of(Stream::Access) => "Synod: requests",
            Self::Of(Stream::App) => "Synod: the service's log",
            Self::Of(Stream::Edge) => "Synod: requests at the edge",
            Self::Of(Stream::DeadLetter) => "Synod: dead letters",
            Self::All => "Synod: everything",
        }
    }

    /// Whether its documents can have a field.
    pub fn has(self, field: &Field) -> bool {
        match self {
            Self::Of(stream) => field.is_of(stream),
            Self::All => true,
        }
    }
}

/// What a field is called where people see it, if its own name says little.
fn label(name: &str) -> Option<&'static str> {
    Some(match name {
        "organization.id" => "tenant",
        "user.name" => "principal",
        "http.response.status_code" => "status",
        "synod.route" => "route",
        "synod.decision.id" => "decision",
        "synod.decision.entity" => "entity",
        "synod.verdict.outcome" => "outcome",
        "synod.verdict.score" => "score",
        "synod.verdict.policy" => "policy",
        "synod.label.value" => "label",
        _ => return None,
    })
}

/// How a field's values are written, where the plain number or text is not what people want to see. `console` is what a link to a decision
/// begins with.
fn format(name: &str, console: &str) -> Option<Value> {
    Some(match name {
        "event.duration" => json!({"id": "duration", "params": {
            "inputFormat": "nanoseconds", "outputFormat": "humanizePrecise", "outputPrecision": 1, "useShortSuffix": true}}),
        "synod.verdict.score" | "synod.verdict.threshold" | "synod.verdict.combined" => {
            json!({"id": "number", "params": {"pattern": "0.000"}})
        }
        "synod.sample.share" => json!({"id": "percent", "params": {"pattern": "0.[000]%"}}),
        "synod.decision.id" => json!({"id": "url", "params": {
            "type": "a", "urlTemplate": format!("{console}/v1/decisions/{{{{value}}}}"), "labelTemplate": "{{value}}",
            "openLinkInCurrentTab": false}}),
        // Plain, for a sequence or a status is a name rather than a quantity.
        "event.sequence" | "http.response.status_code" | "synod.dead_letter.sequence" | "synod.dead_letter.status" => {
            json!({"id": "number", "params": {"pattern": "0"}})
        }
        _ => return None,
    })
}

/// The saved object of a data view.
pub(super) fn object(view: View, fields: &Fields, console: &str) -> Object {
    let shown: Vec<&Field> = fields.fields.iter().filter(|field| view.has(field) && field.kind != FieldKind::Object).collect();
    let described: Map<String, Value> = shown.iter().map(|field| (field.name.clone(), described(field))).collect();
    let formats: Map<String, Value> = shown.iter().filter_map(|field| Some((field.name.clone(), format(&field.name, console)?))).collect();
    let attributes = json!({
        "title": view.title(),
        "name": view.name(),
        "timeFieldName": TIME,
        // A stream is there once it has a document; until then nothing is to be an error.
        "allowNoIndex": true,
        "fieldAttrs": Value::Object(described).to_string(),
        "fieldFormatMap": Value::Object(formats).to_string(),
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    });
    Object { kind: Kind::DataView, id: view.id().into(), attributes, references: Vec::new() }
}

fn described(field: &Field) -> Value {
    let mut described = json!({"customDescription": field.text});
    if let Some(label) = label(&field.name) {
        described["customLabel"] = label.into();
    }
    described
}
