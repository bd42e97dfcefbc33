//! Documents of every kind, made of the list of fields: each field has one of a few values, or is left out, as the number of the document has it.

use serde_json::{Map, Value, json};
use synod_elk::fields::{Field, Fields, Kind, Stream};

/// How many there are of each kind: enough for every combination that something asks for.
pub(crate) const DOCUMENTS: u64 = 400;
/// When the first one happened, in milliseconds, and how far they are apart.
const FIRST: u64 = 1_764_158_400_000;
const APART: u64 = 120_000;

/// A document, with its fields by their whole names.
pub(crate) fn document(fields: &Fields, stream: Stream, number: u64) -> Value {
    let mut document: Map<String, Value> =
        fields.of(stream).filter_map(|field| Some((field.name.clone(), value(field, stream, number)?))).collect();
    document.insert("@timestamp".into(), json!(FIRST + number * APART));
    document.insert("event.id".into(), json!(format!("{}-{number}", stream.dataset())));
    document.insert("data_stream.dataset".into(), json!(stream.dataset()));
    Value::Object(document)
}

/// A number that looks as if it were drawn, and is always the same.
fn drawn(name: &str, number: u64) -> u64 {
    name.bytes()
        .chain(number.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        >> 20
}

/// A field's value, or none.
fn value(field: &Field, stream: Stream, number: u64) -> Option<Value> {
    let name = field.name.as_str();
    let drawn = drawn(name, number);
    let one_of = |values: &[&str]| json!(values[drawn as usize % values.len()]);
    let words = words(name, stream);
    if !words.is_empty() {
        return Some(if field.many { json!([one_of(words)]) } else { one_of(words) });
    }
    // What is not a word of its own may be missing.
    if drawn.is_multiple_of(7) {
        return None;
    }
    let made = match (name, field.kind) {
        ("data_stream.type", _) => json!("logs"),
        ("data_stream.namespace", _) => json!("default"),
        ("http.response.status_code", _) => json!([200, 201, 301, 404, 429, 500, 503][drawn as usize % 7]),
        ("event.duration", _) => json!(1_000 << (drawn % 24)),
        (_, Kind::Keyword | Kind::Text) => json!(format!("{name} {}", drawn % 9)),
        (_, Kind::Ip) => json!(format!("192.0.2.{}", drawn % 9)),
        (_, Kind::Boolean) => json!(drawn.is_multiple_of(3)),
        (_, Kind::Long) => json!(1 + drawn % 50),
        (_, Kind::Double) => json!((drawn % 1000) as f64 / 1000.0),
        (_, Kind::Date) => json!(FIRST + number * APART),
        (_, Kind::Flattened) => json!({"amount": drawn % 100, "channel": "atm"}),
        (_, Kind::Object) => json!({"one": {"score": 0.5, "anomalous": true}}),
    };
    Some(if field.many { json!([made]) } else { made })
}

/// The words of a field that has few.
fn words(name: &str, stream: Stream) -> &'static [&'static str] {
    match (name, stream) {
        ("event.action", Stream::Decision) => &["decision", "decision", "label"],
        ("event.action", Stream::Audit) => {
            &["credential.refused", "permission.denied", "key.created", "key.rotated", "key.revoked", "signing_key.created", "label.set"]
        }
        ("event.action", Stream::Access | Stream::Edge) => &["request"],
        ("event.action", _) => &["log"],
        ("event.outcome", _) => &["success", "failure"],
        ("log.level", _) => &["debug", "info", "warn", "error"],
        ("synod.verdict.outcome" | "synod.label.outcome", _) => &["approve", "review", "block"],
        ("synod.verdict.degraded.by", _) => &["breaker"],
        ("synod.label.value", _) => &["fraud", "legitimate", "unsure"],
        ("synod.dropped.stream", _) => &["access", "app"],
        _ => &[],
    }
}
