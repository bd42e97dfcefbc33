//! Documents against the list of fields, and against those who want to forge them.

use super::*;
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use crate::decision::{Label, LabelRecord, StoredLabel};
use crate::events::{AccessEvent, AppEvent};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use synod_elk::fields::{Fields, Kind};
use synod_store::Position;
use uuid::Uuid;

/// What a client may write into a text.
const HOSTILE: &str = "x\"}\n{\"@timestamp\":\"1999-01-01T00:00:00Z\",\"host\":{\"name\":\"forged\"}}\r\n\u{2028}\u{0}\u{7f}\\";

fn record(kind: u8, payload: Vec<u8>) -> Record {
    let position = Position { sequence: 7, segment: 1, offset: 0 };
    Record { position, at: 1_700_000_000_000_001, kind, payload, chain: [9; 32] }
}

fn decision() -> Value {
    json!({
        "id": "0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07", "event": HOSTILE, "entity": HOSTILE, "tenant": HOSTILE, "principal": HOSTILE,
        "request": {"key": "k", "content": "c"}, "content": "ab", "at": "2026-01-31T12:00:00Z", "decided": "2026-01-31T12:00:00.000001Z",
        "row": {"@timestamp": HOSTILE, "host.name": HOSTILE, "amount": 1e300, "ok": true, HOSTILE: null},
        "past": {"remembered": true, "late": false, "full": false},
        "features": {"amount": 0.1, "missing": null}, "configuration": "cd",
        "verdict": {"anomalous": true, "outcome": "review", "score": 0.61, "threshold": 0.5, "policy": {"at_least": 2}, "combined": 2.0, "votes": 1,
            "too_few_votes": false, "degraded": {"from": "block", "by": "breaker"}},
        "votes": [{"detector": "forest", "raw_score": 0.7, "score": 0.61, "extrapolated": false, "threshold": 0.5, "anomalous": true,
            "model_version": 3, "model_digest": "m", "plugin_digest": "p", "duration_us": 12.5}],
        "abstentions": [{"detector": "network", "reason": "timeout", "detail": HOSTILE, "model_version": 1}],
        "reasons": [HOSTILE]
    })
}

fn origin() -> Origin {
    Origin::new("default", "synod", Some("node-1"))
}

fn documents() -> Documents {
    Documents::new(origin(), Stream::ASKED.to_vec(), Sample::ALL)
}

fn made(record: &Record) -> Value {
    let made = if record.kind < 16 { documents().of_log(record) } else { documents().of_events(record) }.unwrap();
    read(&made)
}

/// The object, once it is seen to be one line that is what it says.
fn read(document: &Document) -> Value {
    assert!(!document.json.contains(&b'\n') && !document.json.contains(&b'\r'), "{}", String::from_utf8_lossy(&document.json));
    let text = String::from_utf8(document.json.clone()).unwrap();
    assert_eq!(text.matches("\"@timestamp\":\"20").count(), 1, "{text}");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["event"]["id"], document.id);
    assert_eq!(value["event"]["dataset"], document.stream.dataset());
    assert_eq!((&value["service"]["node"]["name"], value["host"].as_object().unwrap().len()), (&"node-1".into(), 1));
    listed(document.stream, &value);
    value
}

/// Every field of it is in the list, of this stream, and of a kind that the value fits.
fn listed(stream: Stream, value: &Value) {
    let listed = synod_elk::fields::Stream::ALL.into_iter().find(|of| of.dataset() == stream.dataset()).unwrap();
    let fields = Fields::read();
    let mut seen = BTreeSet::new();
    walk(&fields, listed, "", value, &mut seen);
    for field in ["@timestamp", "event.id", "event.dataset", "data_stream.namespace", "ecs.version", "service.version", "message"] {
        assert!(seen.contains(field), "{field} is missing");
    }
}

fn walk(fields: &Fields, stream: synod_elk::fields::Stream, path: &str, value: &Value, seen: &mut BTreeSet<String>) {
    let field = fields.of(stream).find(|field| field.name == path);
    if let Some(field) = field {
        seen.insert(path.to_owned());
        let values = value.as_array().map_or_else(|| vec![value], |values| values.iter().collect());
        assert!(field.many || !value.is_array(), "{path} has several values");
        for value in values {
            let fits = match field.kind {
                Kind::Keyword | Kind::Text => value.is_string(),
                Kind::Ip => value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
                Kind::Date => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
                Kind::Long => value.is_u64() || value.is_i64(),
                Kind::Double => value.is_number(),
                Kind::Boolean => value.is_boolean(),
                Kind::Flattened | Kind::Object => value.is_object(),
            };
            assert!(fits, "{path}: {value}");
        }
        return;
    }
    let object = value.as_object().unwrap_or_else(|| panic!("elk/fields.yaml does not list `{path}` for {stream:?}"));
    for (name, value) in object {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(fields, stream, &path, value, seen);
    }
}

#[test]
fn the_streams_and_their_names_are_those_of_the_list() {
    use synod_elk::fields::Stream as Listed;
    // The edge's requests are shipped by somebody else.
    let of_list: BTreeSet<&str> = Listed::ALL.into_iter().filter(|stream| *stream != Listed::Edge).map(Listed::dataset).collect();
    assert_eq!(Stream::ALL.map(Stream::dataset).into_iter().collect::<BTreeSet<_>>(), of_list);
    assert_eq!(origin().data_stream(Stream::DeadLetter), "logs-synod.dead_letter-default");
}

#[test]
fn a_decision_is_told_with_all_that_it_rests_on_and_nothing_can_be_forged() {
    let value = made(&record(1, serde_json::to_vec(&decision()).unwrap()));
    assert_eq!(value["@timestamp"], "2023-11-14T22:13:20.000001Z");
    assert_eq!((&value["event"]["kind"], &value["event"]["sequence"]), (&"alert".into(), &7.into()));
    assert_eq!((&value["organization"]["id"], &value["user"]["name"]), (&HOSTILE.into(), &HOSTILE.into()));
    let synod = &value["synod"];
    assert_eq!(synod["row"], decision()["row"], "as it is recorded");
    assert_eq!((&synod["features"]["amount"], &synod["verdict"]["policy"]), (&0.1.into(), &"at_least".into()));
    assert_eq!((&synod["votes"]["anomalous"], &synod["votes"]["normal"]), (&json!(["forest"]), &json!([])));
    assert_eq!((&synod["votes"]["abstained"], &synod["votes"]["abstentions"]), (&json!(["network"]), &json!(["network: timeout"])));
    assert_eq!((&synod["detectors"]["forest"]["score"], &synod["detectors"]["network"]["reason"]), (&0.61.into(), &"timeout".into()));
    assert_eq!((&synod["verdict"]["degraded"]["from"], &synod["decision"]["entity"]), (&"block".into(), &HOSTILE.into()));
    assert_eq!(synod["sample"], Value::Null);
}

#[test]
fn blanks_of_any_kind_in_a_record_do_not_end_a_line() {
    let pretty = serde_json::to_vec_pretty(&decision()).unwrap();
    let value = made(&record(1, pretty));
    assert_eq!(value["synod"]["row"], decision()["row"]);
}

#[test]
fn labels_audit_records_and_events_are_told() {
    let decided = Uuid::now_v7();
    let label = LabelRecord {
        decision: decided,
        label: Label::Fraud,
        by: HOSTILE.into(),
        at: jiff::Timestamp::UNIX_EPOCH,
        note: Some("card 4111 1111 1111 1111".into()),
    };
    // As earlier versions wrote it, and as it is written now.
    let value = made(&record(2, serde_json::to_vec(&label).unwrap()));
    assert_eq!((&value["synod"]["label"]["outcome"], &value["organization"]), (&Value::Null, &Value::Null));
    let stored = StoredLabel { said: label, outcome: Some(synod_detection::Outcome::Block), tenant: Some(HOSTILE.into()) };
    let value = made(&record(2, serde_json::to_vec(&stored).unwrap()));
    assert_eq!((&value["synod"]["label"]["outcome"], &value["organization"]["id"]), (&"block".into(), &HOSTILE.into()));
    assert_eq!((&value["event"]["action"], &value["synod"]["decision"]["id"]), (&"label".into(), &decided.to_string().into()));
    assert!(!value.to_string().contains("4111 1111"));
    let audit =
        AuditRecord::new(Action::CREDENTIAL_REFUSED, AuditOutcome::Denied).because(HOSTILE).in_request(HOSTILE).on_route("/v1/score");
    let value = made(&record(3, serde_json::to_vec(&audit).unwrap()));
    assert_eq!((&value["event"]["outcome"], &value["event"]["category"]), (&"failure".into(), &json!(["authentication"])));
    let access = AccessEvent {
        request_id: HOSTILE.into(),
        method: "GET".into(),
        route: "/v1/score".into(),
        status: 503,
        duration_ns: 1_500_000,
        caller: Some(HOSTILE.into()),
        tenant: None,
        trace_id: Some("t".into()),
        span_id: None,
    };
    let value = made(&record(16, serde_json::to_vec(&access).unwrap()));
    assert_eq!((&value["message"], &value["event"]["outcome"]), (&"GET /v1/score 503 in 1.5 ms".into(), &"failure".into()));
    let fields = to_raw_value(&json!({"@timestamp": HOSTILE, "a": {"b": 1}})).unwrap();
    let app = AppEvent {
        level: "warn".into(),
        target: "synod".into(),
        message: HOSTILE.into(),
        fields: &fields,
        trace_id: None,
        span_id: None,
        dropped: None,
    };
    let value = made(&record(17, serde_json::to_vec(&app).unwrap()));
    assert_eq!((&value["message"], &value["log"]["level"]), (&HOSTILE.into(), &"warn".into()));
}

#[test]
fn what_cannot_be_read_becomes_a_dead_letter_and_what_is_not_known_nothing() {
    let unreadable = record(1, b"{\"id\": \n\xff".to_vec());
    let document = documents().of_log(&unreadable).unwrap();
    assert_eq!(document.stream, Stream::DeadLetter);
    let value = read(&document);
    assert_eq!(value["event"]["original"], "{\"id\": \n\u{fffd}");
    assert_eq!(value["synod"]["dead_letter"]["stream"], "logs-synod.decision-default");
    assert_eq!(documents().of_log(&unreadable).unwrap(), document, "always the same one");
    assert_eq!(documents().of_log(&record(99, b"{}".to_vec())), None);
    let only_audit = Documents::new(origin(), vec![Stream::Audit], Sample::ALL);
    assert_eq!(only_audit.of_log(&record(1, serde_json::to_vec(&decision()).unwrap())), None);
}

#[test]
fn a_dead_letter_has_the_document_letter_by_letter_or_its_beginning() {
    let refused = documents().of_log(&record(1, serde_json::to_vec(&decision()).unwrap())).unwrap();
    let refusal = Refusal { status: 400, kind: "document_parsing_exception", reason: HOSTILE };
    let whole = read(&dead_letter(&origin(), &refused, &refusal, usize::MAX));
    assert_eq!(whole["event"]["original"].as_str().unwrap().as_bytes(), refused.json);
    assert_eq!((&whole["event"]["id"], &whole["synod"]["dead_letter"]["truncated"]), (&refused.id.clone().into(), &false.into()));
    let short = read(&dead_letter(&origin(), &refused, &refusal, 100));
    assert_eq!((short["event"]["original"].as_str().unwrap().len(), &short["synod"]["dead_letter"]["truncated"]), (100, &true.into()));
}

#[test]
fn a_share_is_drawn_of_what_is_plain_and_all_of_the_rest() {
    let sample = Sample { decisions: 0.2, access: 0.2 };
    let documents = Documents::new(origin(), Stream::ASKED.to_vec(), sample);
    let plain = |id: Uuid| {
        let mut value = decision();
        value["id"] = id.to_string().into();
        value["verdict"]["outcome"] = "approve".into();
        value["abstentions"] = json!([]);
        record(1, serde_json::to_vec(&value).unwrap())
    };
    // Ids of a few milliseconds, as a burst has them.
    let records: Vec<Record> = (0..2000).map(|_| plain(Uuid::now_v7())).collect();
    let drawn: Vec<_> = records.iter().filter_map(|record| documents.of_log(record)).collect();
    assert!((300..500).contains(&drawn.len()), "{}", drawn.len());
    assert_eq!(read(&drawn[0])["synod"]["sample"]["share"], 0.2);
    assert_eq!(records.iter().filter_map(|record| documents.of_log(record)).collect::<Vec<_>>(), drawn, "always the same ones");
    for (key, value) in [("outcome", json!("block")), ("too_few_votes", json!(true))] {
        let mut other: Value = serde_json::from_slice(&records[0].payload).unwrap();
        other["verdict"][key] = value;
        let others = (0..50).map(|_| {
            other["id"] = Uuid::now_v7().to_string().into();
            record(1, serde_json::to_vec(&other).unwrap())
        });
        assert!(
            others
                .collect::<Vec<_>>()
                .iter()
                .all(|record| documents.of_log(record).is_some_and(|of| read(&of)["synod"]["sample"].is_null()))
        );
    }
}
