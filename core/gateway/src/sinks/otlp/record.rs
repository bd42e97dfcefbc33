//! Documents as log records of OpenTelemetry.

use crate::documents::Document;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Is;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Map, Value};

/// What of a document says who sends it, and what OpenTelemetry calls that.
const OF_RESOURCE: [(&str, &str); 4] = [
    ("service.name", "service.name"),
    ("service.version", "service.version"),
    ("service.node.name", "service.instance.id"),
    ("host.name", "host.name"),
];
/// What stands elsewhere in a record.
const ELSEWHERE: [&str; 5] = ["@timestamp", "message", "log.level", "trace.id", "span.id"];

/// Records of documents of one service.
pub(super) fn resources(documents: &[Document]) -> Vec<ResourceLogs> {
    let read = |document: &Document| {
        let mut fields = Vec::new();
        // What cannot be read as JSON was never a document.
        if let Ok(value) = serde_json::from_slice::<Value>(&document.json) {
            flatten(String::new(), value, &mut fields);
        }
        (document.at, fields)
    };
    let all: Vec<_> = documents.iter().map(read).collect();
    let Some((_, first)) = all.first() else { return Vec::new() };
    let attributes = OF_RESOURCE.iter().filter_map(|(ours, theirs)| {
        let value = first.iter().find(|(name, _)| name == ours)?.1.clone();
        Some(attribute((*theirs).to_owned(), value))
    });
    let resource = Resource { attributes: attributes.collect(), ..Resource::default() };
    let scope = InstrumentationScope { name: "synod".into(), version: env!("CARGO_PKG_VERSION").into(), ..InstrumentationScope::default() };
    let log_records = all.into_iter().map(|(at, fields)| record(at, fields)).collect();
    vec![ResourceLogs {
        resource: Some(resource),
        scope_logs: vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    }]
}

fn record(at: i64, fields: Vec<(String, Value)>) -> LogRecord {
    let text = |name: &str| fields.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_str());
    let nanoseconds = u64::try_from(at).unwrap_or_default().saturating_mul(1000);
    let severity = severity(text("log.level"), text("synod.verdict.outcome"), text("event.outcome"));
    let mut record = LogRecord {
        time_unix_nano: nanoseconds,
        observed_time_unix_nano: nanoseconds,
        severity_number: severity as i32,
        severity_text: text("log.level").unwrap_or_default().to_owned(),
        body: text("message").map(|message| AnyValue { value: Some(Is::StringValue(message.to_owned())) }),
        trace_id: text("trace.id").and_then(bytes).unwrap_or_default(),
        span_id: text("span.id").and_then(bytes).unwrap_or_default(),
        event_name: text("event.action").unwrap_or_default().to_owned(),
        ..LogRecord::default()
    };
    let id = text("event.id").map(|id| Value::String(id.to_owned()));
    record.attributes.extend(id.map(|id| attribute("log.record.uid".into(), id)));
    let is_attribute = |name: &String| !ELSEWHERE.contains(&name.as_str()) && !OF_RESOURCE.iter().any(|(ours, _)| ours == name);
    record.attributes.extend(fields.into_iter().filter(|(name, _)| is_attribute(name)).map(|(name, value)| attribute(name, value)));
    record
}

/// How much it matters: a line's own level; of a decision what is to be done; of a request or an act whether it failed.
fn severity(level: Option<&str>, verdict: Option<&str>, outcome: Option<&str>) -> SeverityNumber {
    match (level, verdict, outcome) {
        (Some("trace"), ..) => SeverityNumber::Trace,
        (Some("debug"), ..) => SeverityNumber::Debug,
        (Some("error"), ..) => SeverityNumber::Error,
        (Some("warn"), ..) | (None, Some("review" | "block"), _) | (None, None, Some("failure")) => SeverityNumber::Warn,
        _ => SeverityNumber::Info,
    }
}

/// The leaves of an object, each by its path. A list is a leaf.
fn flatten(path: String, value: Value, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                flatten(path, value, into);
            }
        }
        Value::Null => {}
        value => into.push((path, value)),
    }
}

fn attribute(key: String, value: Value) -> KeyValue {
    KeyValue { key, value: Some(any(value)), ..KeyValue::default() }
}

fn any(value: Value) -> AnyValue {
    let is = match value {
        Value::Bool(truth) => Is::BoolValue(truth),
        Value::String(text) => Is::StringValue(text),
        Value::Number(number) => number.as_i64().map_or_else(|| Is::DoubleValue(number.as_f64().unwrap_or_default()), Is::IntValue),
        Value::Array(values) => Is::ArrayValue(ArrayValue { values: values.into_iter().map(any).collect() }),
        // What is in a list of ours is no object.
        Value::Null | Value::Object(Map { .. }) => Is::StringValue(String::new()),
    };
    AnyValue { value: Some(is) }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Stream;
    use serde_json::json;

    #[test]
    fn a_document_becomes_a_record_with_its_fields_as_attributes() {
        let value = json!({
            "@timestamp": "2026-01-01T00:00:00Z", "message": "x", "service": {"name": "synod", "node": {"name": "n"}}, "host": {"name": "h"},
            "event": {"id": "i", "action": "decision", "sequence": 7}, "trace": {"id": "0a0b"},
            "synod": {"verdict": {"outcome": "block", "score": 0.5, "anomalous": true}, "votes": {"anomalous": ["a", "b"]}, "row": {"n": null}}
        });
        let document = Document { stream: Stream::Decision, id: "i".into(), at: 5, sequence: 7, json: value.to_string().into_bytes() };
        let resources = resources(&[document]);
        let of_resource: Vec<&str> = resources[0].resource.as_ref().unwrap().attributes.iter().map(|of| of.key.as_str()).collect();
        assert_eq!(of_resource, ["service.name", "service.instance.id", "host.name"]);
        let record = &resources[0].scope_logs[0].log_records[0];
        assert_eq!((record.time_unix_nano, record.severity_number, &record.trace_id), (5000, SeverityNumber::Warn as i32, &vec![10, 11]));
        let mut attributes: Vec<String> =
            record.attributes.iter().map(|of| format!("{}={:?}", of.key, of.value.as_ref().unwrap().value)).collect();
        attributes.sort();
        let keys: Vec<&str> = attributes.iter().filter_map(|of| of.split('=').next()).collect();
        assert_eq!(
            keys,
            [
                "event.action",
                "event.id",
                "event.sequence",
                "log.record.uid",
                "synod.verdict.anomalous",
                "synod.verdict.outcome",
                "synod.verdict.score",
                "synod.votes.anomalous"
            ]
        );
        assert!(attributes.iter().any(|of| of.contains("DoubleValue(0.5)")) && attributes.iter().any(|of| of.contains("IntValue(7)")));
    }
}
