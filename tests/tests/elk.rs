//! What Elasticsearch is set up with, on a real one.

use serde_json::json;
use synod_tests::elasticsearch::Elasticsearch;

#[test]
fn the_server_of_the_tests_keeps_what_it_acknowledged_when_it_is_killed() {
    let Some(mut server) = Elasticsearch::start(&[]) else { return };
    assert!(server.get("/").ok()["version"]["number"].is_string());
    server.put(
        "/_index_template/few",
        &json!({"index_patterns": ["few-*"], "data_stream": {}, "template": {"settings": {"number_of_replicas": 0}}}),
    );
    let document = |text: &str| json!({"@timestamp": "2026-01-02T03:04:05Z", "message": text});
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
