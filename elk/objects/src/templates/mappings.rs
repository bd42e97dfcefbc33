//! How fields are mapped. Only what is in the list is searched; everything else is kept as it came, and neither makes a field nor refuses a
//! document.

use super::stream_name;
use crate::fields::{Field, Fields, Kind, Stream};
use serde_json::{Map, Value, json};

/// Longer texts are kept, and not searched: Lucene refuses a term of more than 32,766 bytes, and a document with it.
const LONGEST: u32 = 1024;
/// How deep a free object may be: deeper than any JSON that Synod takes.
const DEPTH: u32 = 1000;
/// What is there to be read alone.
const ORIGINAL: &str = "event.original";

/// What a detector's fields are, by the last part of their names: its own is that of a configured detector.
const DETECTORS: [(&str, &[&str]); 4] = [
    ("double", &["score", "raw_score", "threshold"]),
    ("long", &["duration_us"]),
    ("boolean", &["anomalous"]),
    ("keyword", &["model_version", "model_digest", "plugin_digest", "reason", "detail"]),
];

/// The mappings of a stream.
pub(super) fn mappings(fields: &Fields, stream: Stream) -> (String, Value) {
    let mut properties = Map::new();
    let mut templates = Vec::new();
    for field in fields.of(stream) {
        insert(&mut properties, &field.name, mapping(field));
        if field.kind == Kind::Object {
            templates.extend(dynamic(&field.name));
        }
    }
    let mut mappings = json!({"dynamic": false, "date_detection": false, "numeric_detection": false});
    if !templates.is_empty() {
        mappings["dynamic_templates"] = templates.into();
    }
    mappings["properties"] = properties.into();
    (format!("The fields of Synod's {} documents.", stream_name(stream)), json!({"mappings": mappings}))
}

fn mapping(field: &Field) -> Value {
    match field.kind {
        Kind::Keyword if field.name == ORIGINAL => json!({"type": "keyword", "index": false, "doc_values": false}),
        Kind::Keyword => json!({"type": "keyword", "ignore_above": LONGEST}),
        Kind::Text => json!({"type": "text"}),
        Kind::Date => json!({"type": "date"}),
        // What is none, as a link-local address with its zone, is kept and not searched.
        Kind::Ip => json!({"type": "ip", "ignore_malformed": true}),
        Kind::Long => json!({"type": "long"}),
        Kind::Double => json!({"type": "double"}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Flattened => json!({"type": "flattened", "ignore_above": LONGEST, "depth_limit": DEPTH}),
        Kind::Object => json!({"type": "object", "dynamic": true}),
    }
}

/// Puts a field to its place among objects.
fn insert(properties: &mut Map<String, Value>, path: &str, mapping: Value) {
    match path.split_once('.') {
        None => {
            properties.insert(path.to_owned(), mapping);
        }
        Some((first, rest)) => {
            let object = properties.entry(first).or_insert_with(|| json!({"properties": {}}));
            if let Some(inner) = object["properties"].as_object_mut() {
                insert(inner, rest, mapping);
            }
        }
    }
}

/// How the fields of an object by detectors' names are mapped, whatever the detectors are called.
fn dynamic(path: &str) -> Vec<Value> {
    let known = DETECTORS.iter().flat_map(|(kind, names)| names.iter().map(move |name| (*kind, *name)));
    let mut templates: Vec<Value> = known
        .map(|(kind, name)| {
            let mut mapping = json!({"type": kind});
            if kind == "keyword" {
                mapping["ignore_above"] = LONGEST.into();
            }
            json!({format!("detectors_{name}"): {"path_match": format!("{path}.*.{name}"), "mapping": mapping}})
        })
        .collect();
    // One for each kind of value, and none for objects: lists of kinds are not known to every version.
    templates.extend(["string", "long", "double", "boolean"].map(|kind| {
        let mapping = json!({"type": "keyword", "ignore_above": LONGEST});
        json!({format!("detectors_other_{kind}"): {"path_match": format!("{path}.*"), "match_mapping_type": kind, "mapping": mapping}})
    }));
    templates
}
