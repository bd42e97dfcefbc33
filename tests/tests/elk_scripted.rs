//! `synod elk` at servers that answer by a script: what the real one of the tests does not have (security, lifecycle policies, processors,
//! Kibana), and what servers say seldom.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use synod_elk::fields::Fields;
use synod_tests::webhook::{Reply, Request, Webhook};
use synod_tests::{Installation, repository};

/// What an Elasticsearch with security and all its modules keeps.
#[derive(Debug, Default)]
struct Kept {
    objects: BTreeMap<String, Value>,
    keys: Vec<Value>,
    lifecycles: BTreeMap<String, Value>,
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply::new(status, &body.to_string())
}

fn missing() -> Reply {
    reply(404, &json!({"error": {"type": "resource_not_found_exception", "reason": "not found"}, "status": 404}))
}

/// Answers as that Elasticsearch, to who says that he is elastic, in the one form that it takes.
fn elasticsearch(kept: &Mutex<Kept>, request: &Request) -> Reply {
    let basic = format!("Basic {}", STANDARD.encode("elastic:open sesame"));
    if request.header("authorization") != Some(&*basic) {
        return reply(
            401,
            &json!({"error": {"type": "security_exception", "reason": "missing authentication credentials"}, "status": 401}),
        );
    }
    assert_eq!(request.header("content-type"), Some("application/json"), "{request:?}");
    let mut kept = kept.lock().unwrap();
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (&*request.method, parts.as_slice()) {
        ("GET", [""]) => reply(200, &json!({"version": {"number": "9.5.3"}})),
        ("GET", ["_component_template", name]) => kept
            .objects
            .get(path)
            .map_or_else(missing, |object| reply(200, &json!({"component_templates": [{"name": name, "component_template": object}]}))),
        ("GET", ["_index_template", name]) => kept
            .objects
            .get(path)
            .map_or_else(missing, |object| reply(200, &json!({"index_templates": [{"name": name, "index_template": object}]}))),
        ("GET", ["_ilm", "policy", name]) => kept.objects.get(path).map_or_else(missing, |object| {
            reply(200, &json!({*name: {"version": 1, "modified_date": "2026-01-01", "policy": object["policy"], "in_use_by": {}}}))
        }),
        ("GET", ["_ingest", "pipeline", name]) => kept.objects.get(path).map_or_else(missing, |object| reply(200, &json!({*name: object}))),
        ("PUT", ["_component_template" | "_index_template", _] | ["_ilm" | "_ingest", "policy" | "pipeline", _]) => {
            kept.objects.insert(path.to_owned(), request.json());
            reply(200, &json!({"acknowledged": true}))
        }
        ("GET", ["_resolve", "index", name]) => match kept.lifecycles.contains_key(*name) {
            true => reply(200, &json!({"indices": [], "aliases": [], "data_streams": [{"name": name}]})),
            false => missing(),
        },
        ("GET", ["_data_stream", name]) => reply(200, &json!({"data_streams": [{"name": name, "lifecycle": kept.lifecycles[*name]}]})),
        ("PUT", ["_data_stream", name, "_lifecycle"]) => {
            kept.lifecycles.insert((*name).to_owned(), request.json());
            reply(200, &json!({"acknowledged": true}))
        }
        ("POST", ["_security", "api_key"]) => {
            let id = format!("id{}", kept.keys.len());
            let body = request.json();
            kept.keys.push(
                json!({"id": id, "name": body["name"], "invalidated": false, "role_descriptors": with_defaults(&body["role_descriptors"])}),
            );
            let encoded = STANDARD.encode(format!("{id}:secret-of-{id}"));
            reply(200, &json!({"id": id, "name": body["name"], "api_key": format!("secret-of-{id}"), "encoded": encoded}))
        }
        ("GET", ["_security", "api_key"]) => {
            let id = query.strip_prefix("id=").unwrap();
            let found: Vec<&Value> = kept.keys.iter().filter(|key| key["id"] == id).collect();
            reply(200, &json!({"api_keys": found}))
        }
        ("DELETE", ["_security", "api_key"]) => {
            let ids = request.json()["ids"].clone();
            kept.keys
                .iter_mut()
                .filter(|key| ids.as_array().unwrap().contains(&key["id"]))
                .for_each(|key| key["invalidated"] = json!(true));
            reply(200, &json!({"invalidated_api_keys": ids, "error_count": 0}))
        }
        _ => panic!("nobody asks this of Elasticsearch: {request:?}"),
    }
}

/// Roles as Elasticsearch gives them back.
fn with_defaults(roles: &Value) -> Value {
    let mut roles = roles.clone();
    for role in roles.as_object_mut().unwrap().values_mut() {
        role["applications"] = json!([]);
        role["run_as"] = json!([]);
        role["indices"][0]["allow_restricted_indices"] = json!(false);
    }
    roles
}

struct Scripted {
    kept: Arc<Mutex<Kept>>,
    server: Webhook,
    at: Installation,
}

impl Scripted {
    fn start() -> Self {
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let server = Webhook::answering({
            let kept = Arc::clone(&kept);
            move |request| elasticsearch(&kept, request)
        });
        let at = Installation::new("");
        at.write("password", "open sesame\n");
        Self { kept, server, at }
    }

    /// The command line.
    fn words(&self, words: &str) -> String {
        let (command, options) = words.split_once(' ').unwrap_or((words, ""));
        format!("elk {command} --url {} --user elastic --password-file password {options}", self.server.url(""))
    }

    /// What changed something since so many requests.
    fn changes(&self, since: usize) -> Vec<String> {
        let requests = self.server.requests();
        let changes = requests.iter().skip(since).filter(|request| request.method != "GET");
        changes.map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

#[test]
fn everything_is_made_in_an_order_in_which_each_finds_what_it_names_and_nothing_twice() {
    let scripted = Scripted::start();
    scripted.kept.lock().unwrap().lifecycles.insert("logs-synod.audit-default".into(), json!({"enabled": true, "data_retention": "9d"}));
    let words = scripted.words("install --ilm --pipeline --failure-store --retention decision=700d");
    let ran = scripted.at.run(&words).ok();
    assert!(ran.output.contains("changed    lifecycle of logs-synod.audit-default: documents are kept for 9d, not 400d"), "{}", ran.output);
    let changes = scripted.changes(0);
    assert_eq!(changes.len(), 34 + 1, "{changes:#?}");
    for (index, change) in changes.iter().enumerate() {
        let Some(name) = change.strip_prefix("PUT /_index_template/") else { continue };
        let template = &scripted.kept.lock().unwrap().objects[&format!("/_index_template/{name}")];
        for component in template["composed_of"].as_array().unwrap().iter().filter(|component| *component != "synod@custom") {
            let made = changes.iter().position(|change| *change == format!("PUT /_component_template/{}", component.as_str().unwrap()));
            assert!(made.is_some_and(|made| made < index), "{name} before {component}");
        }
    }
    let position = |change: &str| changes.iter().position(|made| made == change).unwrap();
    assert!(position("PUT /_ingest/pipeline/synod@ingest") < position("PUT /_component_template/synod@pipeline"));
    assert!(position("PUT /_ilm/policy/synod-app") < position("PUT /_component_template/synod@ilm-app"));
    {
        let kept = scripted.kept.lock().unwrap();
        assert_eq!(kept.objects["/_ilm/policy/synod-decision"]["policy"]["phases"]["delete"]["min_age"], "700d");
        let store = &kept.objects["/_component_template/synod@failure-store"]["template"]["data_stream_options"]["failure_store"];
        assert_eq!(store["enabled"], true);
    }

    let before = scripted.server.requests().len();
    scripted.at.run(&words).ok();
    scripted.at.run(&words.replace("install", "verify")).ok();
    assert_eq!(scripted.changes(before), [""; 0]);
    scripted.kept.lock().unwrap().objects.get_mut("/_ilm/policy/synod-app").unwrap()["policy"]["phases"]["delete"]["min_age"] = json!("1d");
    let drift = scripted.at.run(&words.replace("install", "verify"));
    assert!(drift.output.contains("lifecycle policy synod-app: policy.phases.delete.min_age is 1d, not 30d"), "{}", drift.output);
    drift.failed(3, &["one thing is not as it should be"]);
    assert_eq!(scripted.changes(before), [""; 0], "who verifies changes nothing");
}

#[test]
fn a_key_is_made_once_kept_from_others_rotated_on_demand_and_never_shown() {
    let scripted = Scripted::start();
    let install = scripted.words("install --key-file shipper.key");
    let run = |words: &str| {
        let ran = scripted.at.run(words).ok();
        assert!(!ran.output.contains("secret-of") && !ran.output.contains(scripted.at.read("shipper.key").trim()), "{}", ran.output);
        assert!(!ran.errors.contains("secret-of"), "{}", ran.errors);
        ran.output
    };
    let key = || String::from_utf8(STANDARD.decode(scripted.at.read("shipper.key").trim()).unwrap()).unwrap();
    scripted.at.run(&scripted.words("install --key-file shipper.key --dry-run")).ok();
    assert!(!scripted.at.path("shipper.key").exists());

    assert!(run(&install).contains("made       API key in shipper.key"));
    assert_eq!(key(), "id0:secret-of-id0");
    assert_eq!(fs::metadata(scripted.at.path("shipper.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let made = scripted.server.requests().into_iter().find(|request| request.path == "/_security/api_key").unwrap().json();
    let role = json!({"cluster": ["monitor"], "indices": [
        {"names": ["logs-synod.*-default"], "privileges": ["auto_configure", "create_doc", "read", "maintenance"]}]});
    assert_eq!((&made["name"], &made["role_descriptors"]), (&json!("synod-shipper-default"), &json!({"synod_shipper": role})));

    assert!(run(&install).contains("unchanged  API key in shipper.key"));
    assert!(run(&format!("{install} --rotate")).contains("changed    API key in shipper.key: rotated"));
    assert_eq!((key().as_str(), &scripted.kept.lock().unwrap().keys[0]["invalidated"]), ("id1:secret-of-id1", &json!(true)));
    let changes = scripted.changes(0);
    assert_eq!(changes[changes.len() - 2..], ["POST /_security/api_key", "DELETE /_security/api_key"], "the former ends last");

    let verify = scripted.words("verify --key-file shipper.key");
    scripted.at.run(&verify).ok();
    scripted.kept.lock().unwrap().keys[1]["invalidated"] = json!(true);
    let drift = scripted.at.run(&verify);
    assert!(drift.output.contains("differs    API key in shipper.key: it was revoked"), "{}", drift.output);
    drift.failed(3, &[]);
    assert!(run(&install).contains("changed    API key in shipper.key: it was revoked"));
    scripted.kept.lock().unwrap().keys[2]["role_descriptors"]["synod_shipper"]["indices"][0]["privileges"] = json!(["all"]);
    assert!(run(&install).contains("its privileges are others"));
    scripted.kept.lock().unwrap().keys[3]["expiration"] = json!(1_600_000_000_000_u64);
    assert!(run(&install).contains("it has expired"));
    assert_eq!(key(), "id4:secret-of-id4");

    let made = scripted.kept.lock().unwrap().keys.len();
    scripted.at.write("shipper.key", "my notes, in a file of that name\n");
    scripted.at.run(&install).failed(2, &["shipper.key holds no API key"]);
    assert_eq!(scripted.at.read("shipper.key"), "my notes, in a file of that name\n", "somebody's file is not written over");
    scripted.at.run(&scripted.words("install --key-file none/such.key")).failed(1, &["cannot write none/such.key"]);
    assert_eq!(scripted.kept.lock().unwrap().keys.len(), made, "a key that cannot be kept is not made");
}

/// The one part of a form, which must be as Kibana wants it.
fn file_of(request: &Request) -> String {
    let form = request.header("content-type").unwrap();
    let boundary = form.strip_prefix("multipart/form-data; boundary=").unwrap_or_else(|| panic!("{form}"));
    let inner =
        request.body.strip_prefix(&format!("--{boundary}\r\n")).and_then(|rest| rest.strip_suffix(&format!("\r\n--{boundary}--\r\n")));
    let (head, file) = inner.expect("one part between boundaries").split_once("\r\n\r\n").expect("headers and a body");
    let head = head.to_lowercase();
    assert!(head.contains("content-disposition: form-data; name=\"file\"; filename=\"synod.ndjson\""), "{head}");
    assert!(!file.contains(boundary));
    file.to_owned()
}

/// A Kibana that has these objects, in a space.
fn kibana(objects: Arc<Mutex<Vec<Value>>>) -> Webhook {
    Webhook::answering(move |request| {
        assert_eq!((&*request.method, request.header("kbn-xsrf")), ("POST", Some("true")), "{request:?}");
        assert!(request.header("authorization").is_some_and(|value| value.starts_with("Basic ")), "{request:?}");
        let mut objects = objects.lock().unwrap();
        match &*request.path {
            "/s/fraud/api/saved_objects/_export" => {
                assert_eq!(request.header("content-type"), Some("application/json"));
                let asked = request.json()["objects"].as_array().unwrap().clone();
                let has = |key: &Value| objects.iter().find(|object| object["type"] == key["type"] && object["id"] == key["id"]);
                let absent: Vec<&Value> = asked.iter().filter(|key| has(key).is_none()).collect();
                if !absent.is_empty() {
                    return reply(400, &json!({"message": "Error fetching objects to export", "attributes": {"objects": absent}}));
                }
                Reply::new(200, &asked.iter().filter_map(has).map(|object| format!("{object}\n")).collect::<String>())
            }
            "/s/fraud/api/saved_objects/_import?overwrite=true" => {
                *objects = file_of(request).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                reply(200, &json!({"success": true, "successCount": objects.len()}))
            }
            other => panic!("nobody asks this of Kibana: {other}"),
        }
    })
}

#[test]
fn kibanas_objects_are_imported_once_and_drift_is_named() {
    let scripted = Scripted::start();
    let objects: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kibana = kibana(Arc::clone(&objects));
    let options = format!("--kibana-url {}", kibana.url("/s/fraud"));
    let install = scripted.words(&format!("install {options}"));
    let verify = scripted.words(&format!("verify {options}"));
    let told = |words: &str| scripted.at.run(words).output.lines().last().unwrap().to_owned();
    assert_eq!(told(&install), "made       Kibana's data views, searches and dashboards");
    let file = fs::read_to_string(repository().join("elk/kibana/synod.ndjson")).unwrap();
    let import = kibana.requests().into_iter().find(|request| request.path.contains("_import")).unwrap();
    assert_eq!(file_of(&import), file);

    // Where people reach Synod is a part of the objects.
    let elsewhere = format!("{install} --synod-url https://synod.bank.example/");
    assert!(told(&elsewhere).starts_with("changed    Kibana's"));
    let linked = kibana.requests().into_iter().rfind(|request| request.path.contains("_import")).unwrap();
    assert_eq!(file_of(&linked), synod_elk::kibana::file(&Fields::read(), "https://synod.bank.example"));
    assert!(told(&install).starts_with("changed    Kibana's"));

    let imports = || kibana.requests().iter().filter(|request| request.path.contains("_import")).count();
    assert_eq!((told(&install), imports()), ("unchanged  Kibana's data views, searches and dashboards".into(), 3));
    scripted.at.run(&verify).ok();
    let gone = objects.lock().unwrap().remove(0);
    objects.lock().unwrap()[0]["attributes"]["title"] = json!("Mine");
    let drift = scripted.at.run(&verify);
    let line = drift.output.lines().last().unwrap().to_owned();
    assert!(
        line.starts_with("differs    Kibana's") && line.contains("1 are missing; ") && line.contains("attributes.title is Mine"),
        "{line} {gone}"
    );
    drift.failed(3, &[]);
    assert!(told(&install).starts_with("changed    Kibana's") && imports() == 4);

    objects.lock().unwrap().clear();
    kibana.answer(|request| match request.path.contains("_export") {
        true => reply(400, &json!({"message": "Error", "attributes": {"objects": request.json()["objects"]}})),
        false => {
            let error = json!({"type": "lens", "id": "a", "error": {"type": "unsupported_type"}});
            reply(200, &json!({"success": false, "successCount": 0, "errors": [error]}))
        }
    });
    scripted.at.run(&install).failed(1, &["Kibana's import", "1 objects were not taken", "unsupported_type"]);
    kibana.answer(|_| reply(403, &json!({"statusCode": 403, "message": "Unable to export"})));
    scripted.at.run(&install).failed(1, &["Kibana's export is refused with status 403: Unable to export"]);
    kibana.answer(|_| Reply::new(200, "<html>log in</html>"));
    scripted.at.run(&install).failed(1, &["no Elasticsearch or Kibana", "<html>"]);
}

#[test]
fn what_a_server_says_instead_is_told_with_the_mend() {
    let scripted = Scripted::start();
    scripted.at.write("password", "wrong\n");
    scripted.at.run(&scripted.words("install")).failed(1, &["status 401", "missing authentication credentials", "--password-file"]);
    scripted.at.write("password", "open sesame\n");

    let answering = |status: u16, body: &'static str| {
        scripted.server.answer(move |request| match (&*request.method, &*request.path) {
            ("GET", "/") => Reply::new(200, r#"{"version": {"number": "9.5.3"}}"#),
            ("GET", _) => missing(),
            _ => Reply::new(status, body),
        });
        scripted.at.run(&scripted.words("install"))
    };
    let object = "component template synod@mappings-decision";
    answering(403, r#"{"error":{"reason":"action [x] is unauthorized"}}"#)
        .failed(1, &[object, "status 403: action [x] is unauthorized", "elk/README.md"]);
    answering(409, r#"{"error":{"reason":"a conflict"}}"#).failed(1, &[object, "status 409: a conflict"]);
    answering(500, "<html>Oops</html>").failed(1, &[object, "status 500: <html>Oops</html>"]);
    answering(200, "{\"acknow").failed(1, &[object, "no Elasticsearch", "{\"acknow"]);
    let requests = scripted.server.requests().len();

    scripted.at.write("bad.key", "not base64\n");
    scripted
        .at
        .run(&format!("elk install --url {} --api-key-file bad.key", scripted.server.url("")))
        .failed(2, &["bad.key holds no API key", "`encoded`"]);
    scripted.at.run(&format!("elk install --url {} --api-key-file none.key", scripted.server.url(""))).failed(2, &["cannot read none.key"]);
    scripted.at.run("elk install --url https://a:b@es.example").failed(2, &["`es.example` is no address"]);
    scripted.at.run("elk install --url http://es.example --retention access=7m").failed(2, &["--retention", "as access=7d"]);
    scripted.at.run("elk install --url http://es.example --namespace a-b").failed(2, &["--namespace", "lower-case letters"]);
    scripted.at.run("elk install --url http://es.example --root password").failed(2, &["password holds no certificates"]);
    assert_eq!(scripted.server.requests().len(), requests, "nobody was called");
}

#[test]
fn of_several_nodes_one_that_answers_is_taken_whatever_the_environment_says_of_proxies() {
    let scripted = Scripted::start();
    let words = scripted.words("install").replacen("--url", "--url http://127.0.0.1:1 --url", 1);
    let mut command = scripted.at.command(&words);
    let output = command.env("http_proxy", "http://127.0.0.1:2").env("HTTPS_PROXY", "http://127.0.0.1:2").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(scripted.changes(0).len(), 20);
}

#[test]
fn what_elasticsearch_kept_among_its_failures_stays_a_dead_letter() {
    let scripted = Scripted::start();
    let original = r#"{"@timestamp":"2026-01-01"}"#;
    let letter = json!({"_index": ".ds-1", "_id": "l", "sort": ["l"], "_source": {"event": {"original": original},
        "synod": {"dead_letter": {"stream": "logs-synod.app-default", "id": "a", "type": "x"}}}});
    let hits = json!({"hits": {"hits": [letter]}});
    scripted.server.answer(move |request| match &*request.path {
        "/logs-synod.dead_letter-default/_search" if !request.body.contains("search_after") => reply(200, &hits),
        "/_bulk" => {
            assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
            assert_eq!(request.body, format!("{{\"create\":{{\"_index\":\"logs-synod.app-default\",\"_id\":\"a\"}}}}\n{original}\n"));
            reply(200, &json!({"errors": false, "items": [{"create": {"status": 201, "failure_store": "used"}}]}))
        }
        path if path.ends_with("/_search") => reply(200, &json!({"hits": {"hits": []}})),
        path => {
            assert!(path.ends_with("/_refresh"), "nothing is deleted: {path}");
            reply(200, &json!({}))
        }
    });
    let ran = scripted.at.run(&scripted.words("redeliver"));
    assert!(
        ran.output.contains("0 were taken") && ran.output.contains("1 are refused again: kept by Elasticsearch's failure store"),
        "{}",
        ran.output
    );
    ran.failed(3, &["1 are left"]);
}
