//! Kibana's saved objects against a real Elasticsearch with the shipped mappings, on documents that are made of the list of fields: that searches
//! and panels find something, that controls have something to choose from, and that links lead to what they are to. Kibana itself is not here;
//! its queries are translated by its own parser (`scripts/check-kibana.sh`).

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

#[path = "kibana/documents.rs"]
mod documents;
#[path = "kibana/panels.rs"]
mod panels;

use documents::{DOCUMENTS, document};
use panels::{answered, asked};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use synod_elk::fields::{Fields, Stream};
use synod_elk::kibana::View;
use synod_gateway::kibana::Kibana;
use synod_tests::elasticsearch::Elasticsearch;
use synod_tests::repository;

/// What queries ask Elasticsearch, by their text.
type Translated = BTreeMap<String, Value>;

/// The saved objects.
fn objects() -> Vec<Value> {
    let file = fs::read_to_string(repository().join("elk/kibana/synod.ndjson")).unwrap();
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All queries of a file of saved objects, as Kibana's parser translates them; none where there is no npm to fetch it with.
fn translated(file: &Path) -> Option<Translated> {
    if !Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: it needs Kibana's parser of queries, which npm fetches (Debian: apt-get install npm)");
        return None;
    }
    let output = Command::new(repository().join("scripts/check-kibana.sh")).arg("--dsl").arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    let lines = String::from_utf8(output.stdout).unwrap();
    let pair =
        |line: &str| serde_json::from_str::<Value>(line).map(|pair| (pair["query"].as_str().unwrap().to_owned(), pair["dsl"].clone()));
    Some(lines.lines().map(|line| pair(line).unwrap()).collect())
}

/// Installs the shipped templates, as far as this server knows what they ask for.
fn install(server: &Elasticsearch) {
    let read =
        |path: String| serde_json::from_str::<Value>(&fs::read_to_string(repository().join("elk/templates").join(path)).unwrap()).unwrap();
    let component = |name: &str| server.put(&format!("/_component_template/{name}"), &read(format!("component/{name}.json")));
    component("synod@settings");
    for stream in Stream::ALL {
        let name = stream.dataset().strip_prefix("synod.").unwrap();
        component(&format!("synod@mappings-{name}"));
        component(&format!("synod@lifecycle-{name}"));
        server.put(&format!("/_index_template/logs-synod.{name}"), &read(format!("index/logs-synod.{name}.json")));
    }
}

/// A server with documents of every kind.
fn filled(fields: &Fields) -> Option<Elasticsearch> {
    let server = Elasticsearch::start(&[])?;
    install(&server);
    for stream in Stream::ALL {
        let documents: Vec<Value> = (0..DOCUMENTS).map(|number| document(fields, stream, number)).collect();
        let named: Vec<(&str, Value)> =
            documents.iter().map(|document| (document["event.id"].as_str().unwrap(), document.clone())).collect();
        let target = format!("logs-{}-default", stream.dataset());
        let created = server.create(&target, &named);
        assert!(created.iter().all(|item| item["status"] == 201), "{target}: {:?}", created.iter().find(|item| item["status"] != 201));
        server.refresh(&target);
    }
    Some(server)
}

/// The data streams of a reference.
fn target(object: &Value, name: &str) -> String {
    let references = object["references"].as_array().unwrap();
    let found = references.iter().find(|reference| reference["name"] == name).unwrap_or_else(|| panic!("{name} in {}", object["id"]));
    View::find(found["id"].as_str().unwrap()).unwrap().title()
}

fn nested(object: &Value, pointer: &str) -> Value {
    serde_json::from_str(object.pointer(pointer).and_then(Value::as_str).unwrap()).unwrap()
}

fn counted(server: &Elasticsearch, target: &str, query: &Value) -> u64 {
    let answer = server.request("POST", &format!("/{target}/_count"), &json!({"query": query})).ok();
    answer["count"].as_u64().unwrap()
}

#[test]
fn all_that_kibana_asks_is_answered() {
    let Some(queries) = translated(&repository().join("elk/kibana/synod.ndjson")) else { return };
    let fields = Fields::read();
    let Some(server) = filled(&fields) else { return };
    let objects = objects();
    let of = |kind: &'static str| objects.iter().filter(move |object| object["type"] == kind);
    of("index-pattern").for_each(|object| view_has_its_fields(&server, object));
    of("search").for_each(|object| search_finds_some(&server, object, &queries));
    of("dashboard").for_each(|object| controls_have_values(&server, object));
    for object in of("lens") {
        for layer in asked(object, &queries) {
            let answer = server.request("POST", &format!("/{}/_search", target(object, &layer.reference)), &layer.body).ok();
            assert_eq!((&answer["timed_out"], &answer["_shards"]["failed"]), (&json!(false), &json!(0)), "{answer}");
            answered(&layer, &answer).unwrap_or_else(|wrong| panic!("{}: {wrong}\n{}\n{answer}", object["id"], layer.body));
        }
    }
    what_shows_nothing_is_noticed(&server, of("lens").find(|object| object["id"] == "synod-lens-rate").unwrap(), &queries);
}

/// Each field that a data view describes is mapped.
fn view_has_its_fields(server: &Elasticsearch, object: &Value) {
    let title = object["attributes"]["title"].as_str().unwrap();
    let known = server.get(&format!("/{title}/_field_caps?fields=*")).ok()["fields"].clone();
    let described = nested(object, "/attributes/fieldAttrs");
    for name in described.as_object().unwrap().keys() {
        assert!(known[name].is_object(), "{title} has no field {name}");
    }
    assert_eq!(known["@timestamp"]["date"]["type"], "date", "{title}");
}

/// A saved search finds some of the documents, and not all of them if it asks for some; what it sorts by can be sorted by.
fn search_finds_some(server: &Elasticsearch, object: &Value, queries: &Translated) {
    let source = nested(object, "/attributes/kibanaSavedObjectMeta/searchSourceJSON");
    let target = target(object, source["indexRefName"].as_str().unwrap());
    let text = source["query"]["query"].as_str().unwrap();
    let (found, all) = (counted(server, &target, &queries[text]), counted(server, &target, &json!({"match_all": {}})));
    assert!(found > 0 && (text.is_empty() || found < all), "{}: {found} of {all}", object["id"]);
    let sort = json!([{object["attributes"]["sort"][0][0].as_str().unwrap(): "desc"}]);
    let hits = server.search(&target, &json!({"query": queries[text], "sort": sort, "size": 20}));
    for column in object["attributes"]["columns"].as_array().unwrap() {
        assert!(hits.iter().any(|hit| !hit["_source"][column.as_str().unwrap()].is_null()), "{}: {column} is always empty", object["id"]);
    }
}

fn controls_have_values(server: &Elasticsearch, object: &Value) {
    for (name, control) in nested(object, "/attributes/controlGroupInput/panelsJSON").as_object().unwrap() {
        let target = target(object, &format!("controlGroup_{name}:optionsListDataView"));
        let asked = json!({"size": 0, "aggs": {"values": {"terms": {"field": control["explicitInput"]["fieldName"], "size": 10}}}});
        let answer = server.request("POST", &format!("/{target}/_search"), &asked).ok();
        assert!(!answer["aggregations"]["values"]["buckets"].as_array().unwrap().is_empty(), "{name}: {answer}");
    }
}

/// A panel that asks for a field that is not there, or for documents that are not, is not taken for a good one.
fn what_shows_nothing_is_noticed(server: &Elasticsearch, good: &Value, queries: &Translated) {
    let spoilt = |from: &str, to: &str| serde_json::from_str::<Value>(&good.to_string().replace(from, to)).unwrap();
    let field = spoilt("\"sourceField\":\"synod.verdict.outcome\"", "\"sourceField\":\"synod.verdict.result\"");
    let query = spoilt("event.action: decision", "http.response.status_code >= 500");
    for object in [field, query] {
        assert_ne!(object, *good);
        let layer = &asked(&object, queries)[0];
        let answer = server.request("POST", &format!("/{}/_search", target(&object, &layer.reference)), &layer.body).ok();
        answered(layer, &answer).expect_err("it shows nothing");
    }
}

/// What a link asks for, as Kibana reads it: the state is decoded, and the text that it holds is unquoted.
fn query_of(link: &str) -> String {
    let state = link.split_once("&_a=").unwrap().1;
    let mut bytes = Vec::new();
    let mut rest = state.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next().unwrap()).to_digit(16).unwrap() as u8;
        bytes.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
    }
    let state = String::from_utf8(bytes).unwrap();
    let mut letters = state.strip_prefix("(query:(language:kuery,query:'").unwrap().chars();
    let mut query = String::new();
    loop {
        match letters.next().unwrap() {
            '!' => query.push(letters.next().unwrap()),
            '\'' => return query,
            letter => query.push(letter),
        }
    }
}

#[test]
fn a_link_finds_what_it_is_to_whatever_a_client_wrote() {
    let kibana = Kibana::at(&"https://kibana.example/s/fraud".parse().unwrap());
    let entities = [
        "ACC-1",
        "ACC-*",
        "\" or event.action: *  or a: \"",
        "\\\" or event.action: * or a: \\\"",
        "'))&_a=(query:(language:kuery,query:'event.action: *",
        "a b\nc\td\\",
        "not x: (y) {z} <1>",
        "Zoë – 東京 🏦 %22",
    ];
    let links: Vec<String> = entities.iter().map(|entity| query_of(&kibana.entity(entity, None))).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("links.ndjson");
    let line =
        |query: &String| json!({"type": "link", "id": query, "attributes": {"query": {"language": "kuery", "query": query}}}).to_string();
    fs::write(&file, links.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap();
    let Some(queries) = translated(&file) else { return };
    let Some(server) = Elasticsearch::start(&[]) else { return };
    install(&server);
    let document =
        |entity: &str| json!({"@timestamp": "2026-11-26T12:00:00Z", "event.action": "decision", "synod.decision.entity": entity});
    let ids: Vec<String> = (0..entities.len()).map(|number| number.to_string()).collect();
    let documents: Vec<(&str, Value)> = ids.iter().zip(entities).map(|(id, entity)| (id.as_str(), document(entity))).collect();
    let target = "logs-synod.decision-default";
    assert!(server.create(target, &documents).iter().all(|item| item["status"] == 201));
    server.refresh(target);
    for (entity, query) in entities.iter().zip(&links) {
        let hits = server.search(target, &json!({"query": queries[query]}));
        let found: Vec<&Value> = hits.iter().map(|hit| &hit["_source"]["synod.decision.entity"]).collect();
        assert_eq!(found, [&json!(entity)], "{query}");
    }
}
