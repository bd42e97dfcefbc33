//! What a real Elasticsearch is set up with, what it then takes, and how what it refused is sent again.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use synod_elk::fields::{Fields, Kind, Stream};
use synod_tests::elasticsearch::Elasticsearch;
use synod_tests::{Installation, Ran, send};

const TIME: &str = "2026-01-02T03:04:05.678Z";

fn elk(at: &Installation, server: &Elasticsearch, words: &str) -> Ran {
    let (command, options) = words.split_once(' ').unwrap_or((words, ""));
    at.run(&format!("elk {command} --url {} {options}", server.url()))
}

/// How many lines begin with a word.
fn lines(ran: &Ran, word: &str) -> usize {
    ran.output.lines().filter(|line| line.starts_with(word)).count()
}

#[test]
fn the_server_of_the_tests_keeps_what_it_acknowledged_when_it_is_killed() {
    let Some(mut server) = Elasticsearch::start(&[]) else { return };
    assert!(server.get("/").ok()["version"]["number"].is_string());
    server.put(
        "/_index_template/few",
        &json!({"index_patterns": ["few-*"], "data_stream": {}, "template": {"settings": {"number_of_replicas": 0}}}),
    );
    let document = |text: &str| json!({"@timestamp": TIME, "message": text});
    let created =
        server.create("few-things", &[("a", document("one")), ("b", document("two")), ("a", document("three")), ("c", json!({}))]);
    let statuses: Vec<_> = created.iter().map(|item| item["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(201), Some(201), Some(409), Some(400)], "{created:?}");

    server.kill();
    server.resume();
    assert_eq!(server.count("few-things"), 2);
    let hits = server.search("few-things", &json!({"query": {"ids": {"values": ["a"]}}}));
    assert_eq!((hits.len(), &hits[0]["_source"]["message"]), (1, &json!("one")), "{hits:?}");
    assert!(server.mapped("few-things").contains(&("message".to_owned(), "text".to_owned())));
    assert_eq!(server.count("none-such"), 0);
    server.stop();
}

#[test]
fn a_server_is_set_up_once_and_drift_is_found_and_mended() {
    let Some(server) = Elasticsearch::start(&[]) else { return };
    let at = Installation::new("");
    elk(&at, &server, "verify").failed(3, &["20 things are not as they should be", "synod elk install"]);

    let shown = elk(&at, &server, "install --dry-run").ok();
    assert_eq!(shown.output.lines().filter(|line| line.starts_with("PUT /")).count(), 20, "{}", shown.output);
    assert_eq!(server.get("/_index_template/logs-synod.audit").status, 404, "nothing was sent");

    let first = elk(&at, &server, "install --retention access=7d").ok();
    assert_eq!((lines(&first, "made"), first.output.lines().count()), (20, 20), "{}", first.output);
    let again = elk(&at, &server, "install --retention access=7d").ok();
    assert_eq!((lines(&again, "unchanged"), again.output.lines().count()), (20, 20), "{}", again.output);
    elk(&at, &server, "verify --retention access=7d").ok();
    let simulated = send(server.address, "POST", "/_index_template/_simulate_index/logs-synod.access-default", &[], b"").ok();
    assert_eq!(simulated["template"]["lifecycle"]["data_retention"], "7d", "{simulated}");

    server.put("/_component_template/synod@settings", &json!({"template": {"settings": {"index.refresh_interval": "1s"}}}));
    server.delete("/_index_template/logs-synod.audit");
    let mut mappings = server.get("/_component_template/synod@mappings-app").ok()["component_templates"][0]["component_template"].clone();
    mappings["template"]["mappings"]["properties"]["mine"] = json!({"type": "keyword"});
    let body = json!({"template": mappings["template"], "_meta": mappings["_meta"]});
    server.put("/_component_template/synod@mappings-app", &body);
    let drift = elk(&at, &server, "verify --retention access=7d");
    let told = |text: &str| assert!(drift.output.contains(text), "no `{text}` in\n{}", drift.output);
    told("differs    component template synod@settings: _meta.description is missing");
    told("differs    component template synod@mappings-app: template.mappings.properties.mine.type is not ours");
    told("missing    index template logs-synod.audit");
    drift.failed(3, &["3 things are not as they should be"]);

    let mended = elk(&at, &server, "install --retention access=7d").ok();
    assert_eq!((lines(&mended, "changed"), lines(&mended, "made"), lines(&mended, "unchanged")), (2, 1, 17), "{}", mended.output);
    elk(&at, &server, "verify --retention access=7d").ok();
}

#[test]
fn what_a_server_does_not_know_is_left_out_and_documents_are_taken_all_the_same() {
    let Some(server) = Elasticsearch::start(&[]) else { return };
    let at = Installation::new("");
    let ran = elk(&at, &server, "install --ilm --pipeline");
    assert_eq!((lines(&ran, "made"), lines(&ran, "left out")), (20, 14), "{}", ran.output);
    ran.failed(1, &["--pipeline: No processor type exists with name [set]", "--ilm: no handler found"]);
    assert_eq!(server.get("/_component_template/synod@pipeline").status, 404, "nothing refers to what is not there");
    let created = server.create("logs-synod.audit-default", &[("a", json!({"@timestamp": TIME}))]);
    assert_eq!(created[0]["status"], 201, "{created:?}");
}

#[test]
fn a_changed_template_comes_to_a_data_stream_with_its_next_index() {
    let Some(server) = Elasticsearch::start(&[]) else { return };
    let at = Installation::new("");
    elk(&at, &server, "install").ok();
    server.create("logs-synod.app-default", &[("a", json!({"@timestamp": TIME}))]);
    server.put("/_component_template/synod@settings", &json!({"template": {"settings": {"index.refresh_interval": "1s"}}}));
    let told = elk(&at, &server, "install").ok();
    assert!(told.output.contains("from their next index on; --rollover begins one"), "{}", told.output);
    server.put("/_component_template/synod@settings", &json!({"template": {"settings": {"index.refresh_interval": "1s"}}}));
    let rolled = elk(&at, &server, "install --rollover").ok();
    assert!(rolled.output.contains("made       index of logs-synod.app-default"), "{}", rolled.output);
    assert_eq!(server.get("/logs-synod.app-default/_settings").ok().as_object().unwrap().len(), 2);
}

/// A document with all fields of a stream.
fn full(fields: &Fields, stream: Stream) -> Value {
    let mut document = json!({});
    for field in fields.of(stream) {
        let value = match field.kind {
            Kind::Keyword | Kind::Text => json!("word"),
            Kind::Ip => json!("192.0.2.1"),
            Kind::Date => json!(TIME),
            Kind::Long => json!(9_007_199_254_740_993_i64),
            Kind::Double => json!(0.25),
            Kind::Boolean => json!(true),
            Kind::Flattened => json!({"a": 1, "b": {"c": "x"}}),
            Kind::Object => json!({"first": {"score": 1, "raw_score": -2.5, "threshold": 0, "anomalous": true, "model_version": 3,
                "model_digest": "d", "plugin_digest": "d", "duration_us": 12}, "second": {"reason": "timeout", "detail": "x", "model_version": "3"}}),
        };
        let value = if field.many { json!([value, value]) } else { value };
        let mut place = &mut document;
        for part in field.name.split('.') {
            place = &mut place[part];
        }
        *place = value;
    }
    document
}

#[test]
fn every_field_is_searched_and_no_other_is_made_whatever_a_document_holds() {
    let Some(server) = Elasticsearch::start(&[]) else { return };
    elk(&Installation::new(""), &server, "install").ok();
    let fields = Fields::read();
    for stream in Stream::ALL {
        let target = format!("logs-{}-default", stream.dataset());
        let created = server.create(&target, &[("full", full(&fields, stream))]);
        assert_eq!(created[0]["status"], 201, "{stream:?} {created:?}");
        let mapped = server.mapped(&target);
        for field in fields.of(stream).filter(|field| field.kind != Kind::Object) {
            let kind = mapped.iter().find(|(name, _)| *name == field.name).map(|(_, kind)| kind.to_uppercase());
            assert_eq!(kind, Some(format!("{:?}", field.kind).to_uppercase()), "{stream:?} {}", field.name);
        }

        let created = server.create(&target, &hostile());
        assert!(created.iter().all(|item| item["status"] == 201), "{stream:?} {created:?}");
        assert_eq!(server.mapped(&target), mapped, "{stream:?}: a document made a field");
        assert_eq!(server.count(&target), 1 + created.len() as u64);
    }
    let query = |query: Value| server.search("logs-synod.decision-default", &json!({"query": query})).len();
    assert_eq!(query(json!({"term": {"synod.row.b.c": "x"}})), 1);
    assert_eq!(query(json!({"term": {"synod.row.a.b": "2"}})), 1, "a key with a dot is found like one within another");
    assert_eq!(query(json!({"range": {"synod.detectors.first.raw_score": {"lt": -2}}})), 1);
    assert_eq!(query(json!({"term": {"synod.detectors.first.model_version": "3"}})), 1);
    assert_eq!(query(json!({"term": {"event.sequence": 9_007_199_254_740_993_i64}})), 1, "to the last digit");
    assert_eq!(query(json!({"exists": {"field": "unknown"}})), 0);
}

/// Documents that somebody might wish to make a field with, or to have refused.
fn hostile() -> Vec<(&'static str, Value)> {
    let deep = (0..120).fold(json!("end"), |inner, _| json!({"k": inner}));
    let lists = (0..120).fold(json!("end"), |inner, _| json!([inner]));
    let row = |row: Value| json!({"@timestamp": TIME, "synod": {"row": row, "features": {}, "fields": {}}});
    let many: serde_json::Map<_, _> = (0..5000).map(|index| (format!("key{index}"), json!(index))).collect();
    vec![
        ("dots", row(json!({"a.b": 2, "a": {"c": 3}, ".": 3, "..": 4, "a..b": 5, "x.": 6, ".x": 7, "": 8, " ": 9}))),
        ("long value", row(json!({"v": "x".repeat(100_000)}))),
        ("long key", row(json!({"k".repeat(20_000): 1}))),
        ("long word", json!({"@timestamp": TIME, "message": "z".repeat(100_000), "user": {"name": "z".repeat(100_000)}})),
        ("long original", json!({"@timestamp": TIME, "event": {"original": "z".repeat(100_000)}})),
        ("deep", row(deep)),
        ("lists", row(json!({"a": lists}))),
        ("many", row(many.into())),
        ("time", row(json!({"@timestamp": "1970-01-01", "when": "2026-01-01T00:00:00Z", "host.name": "other"}))),
        ("lines", row(json!({"a": "one\n{\"create\":{}}\r\n\u{0}\u{1b}[31m\u{2028}"}))),
        ("unknown", json!({"@timestamp": TIME, "unknown": {"x": 1}, "a.b": "2026-01-01", "synod": {"unknown": {"y": [1, "2"]}}})),
        ("numbers", row(json!({"a": 123_456_789_012_345_678_u64, "b": 1e300, "c": -0.0, "d": [1, "x", null, true]}))),
    ]
}

/// A dead letter of a document.
fn letter(stream: &str, id: &str, kind: &str, time: &str, original: &str) -> Value {
    json!({
        "@timestamp": time,
        "event": {"id": format!("letter-{id}"), "original": original},
        "synod": {"dead_letter": {"stream": stream, "id": id, "type": kind, "status": 400}},
    })
}

#[test]
fn dead_letters_are_sent_again_once_and_what_is_still_refused_stays() {
    let Some(server) = Elasticsearch::start(&[]) else { return };
    let at = Installation::new("");
    elk(&at, &server, "redeliver").ok();
    elk(&at, &server, "install").ok();
    const DECISIONS: &str = "logs-synod.decision-default";
    const LETTERS: &str = "logs-synod.dead_letter-default";
    let good = |id: &str| json!({"@timestamp": TIME, "event": {"id": id}, "message": "Grüße"}).to_string();
    // Two arrived after all, one of them in an index before the present one.
    server.create(DECISIONS, &[("d000", serde_json::from_str(&good("d000")).unwrap())]);
    server.request("POST", &format!("/{DECISIONS}/_rollover"), &json!({})).ok();
    server.create(DECISIONS, &[("d001", serde_json::from_str(&good("d001")).unwrap())]);

    let ids: Vec<String> = (0..250).map(|index| format!("d{index:03}")).collect();
    let mut letters: Vec<(String, Value)> =
        ids.iter().map(|id| (format!("letter-{id}"), letter(DECISIONS, id, "mapper_exception", TIME, &good(id)))).collect();
    let bad = json!({"@timestamp": TIME, "synod": {"verdict": {"score": "no number"}}}).to_string();
    letters.push(("letter-bad".into(), letter(DECISIONS, "bad", "document_parsing_exception", "2026-02-01T00:00:00Z", &bad)));
    let mut truncated = letter(DECISIONS, "large", "document_parsing_exception", "2026-02-01T00:00:00Z", "{\"@timest");
    truncated["synod"]["dead_letter"]["truncated"] = json!(true);
    letters.push(("letter-large".into(), truncated));
    letters.push(("letter-other".into(), letter("other-index", "x", "odd", TIME, &good("x"))));
    let written: Vec<(&str, Value)> = letters.iter().map(|(id, letter)| (&**id, letter.clone())).collect();
    assert!(server.create(LETTERS, &written).iter().all(|item| item["status"] == 201));

    let looked = elk(&at, &server, "redeliver --dry-run");
    assert!(looked.output.contains("253 dead letters were read\n"), "{}", looked.output);
    assert!(looked.output.contains(&format!("  250 of {DECISIONS}: mapper_exception\n")), "{}", looked.output);
    looked.failed(3, &["2 could not be sent"]);
    assert_eq!((server.count(DECISIONS), server.count(LETTERS)), (2, 253));

    let some = elk(&at, &server, "redeliver --type document_parsing_exception --since 2026-01-15");
    for text in
        ["2 dead letters were read", "0 were taken", "1 are refused again: document_parsing_exception", "only their beginning was kept"]
    {
        assert!(some.output.contains(text), "no `{text}` in\n{}", some.output);
    }
    some.failed(3, &["2 are left among the dead letters"]);

    let all = elk(&at, &server, "redeliver");
    for text in ["253 dead letters were read", "248 were taken", "2 were there already", "they belong to no data stream of this namespace"]
    {
        assert!(all.output.contains(text), "no `{text}` in\n{}", all.output);
    }
    all.failed(3, &["3 are left among the dead letters"]);
    assert_eq!((server.count(DECISIONS), server.count(LETTERS)), (250, 3));
    let found = server.search(DECISIONS, &json!({"size": 1000}));
    let known: BTreeSet<String> = found.iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((found.len(), known), (250, ids.into_iter().collect()), "each is there, and once");
    assert!(found.iter().all(|hit| hit["_source"]["message"] == "Grüße"));
    let left = server.search(LETTERS, &json!({"sort": ["event.id"]}));
    assert_eq!(left.iter().map(|hit| hit["_id"].as_str().unwrap()).collect::<Vec<_>>(), ["letter-bad", "letter-large", "letter-other"]);
    assert_eq!(server.get("/other-index").status, 404, "no other index was written to");

    // Whoever was ended in between begins again.
    let again = elk(&at, &server, "redeliver --type mapper_exception").ok();
    assert!(again.output.starts_with("0 dead letters were read"), "{}", again.output);
}
