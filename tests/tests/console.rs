//! The console: its pages as they are served, and used in a real browser (`scripts/check-console.sh`; Debian: chromium, nodejs, npm). Where that is
//! missing the test is skipped and says so.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fmt::Write as _;
use synod_tests::browser::use_console;
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Installation, Server, guests, send};

const NOBODY: [(&str, &str); 1] = [("SYNOD_IDENTITY__ANONYMOUS", "[]")];
const HOSTILE: &str = "<img src=x onerror=\"window.hostile=1\">";
/// Few rows are compared, and whatever they say, the rollout goes on.
const GUARDS: &str =
    "rollout:\n  guards: {rows: 50, looks: 1, score_shift: 100, flag_rate: 1000, disagreement: 1, slower: 1000000, failures: 1}\n";

/// Rows that lie closely together: most other rows are odd beside them.
fn narrow_csv(rows: u64) -> String {
    let mut text = "a,b,c\n".to_owned();
    for row in 0..rows {
        let number = |step: u64| 0.25 + (row * step % 997) as f64 / 997_000.0;
        let _ = writeln!(text, "{},{},{}", number(7), number(113), number(31));
    }
    text
}

/// A detector with a version that judges and one that does not, whose owner, purpose and author want to be markup.
fn installation() -> Installation {
    let template = guests().join("template.wasm").display().to_string();
    let detector = format!(
        "  robust:\n    plugin: {template}\n    owner: '{HOSTILE}'\n    purpose: '<script>window.hostile=1</script> of the | desk'\n"
    );
    let at = Installation::new(&(patient(&three_numbers(&detector)) + GUARDS));
    at.write("rows.csv", three_numbers_csv(300));
    at.write("narrow.csv", narrow_csv(300));
    at.run("fit --data rows.csv").ok();
    at.run("fit --data narrow.csv --candidate").ok();
    at.run("models export robust 2 --output robust.bundle").ok();
    let path = at.path("data/models/robust/2.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    manifest["manifest"]["author"] = json!(HOSTILE);
    std::fs::write(&path, manifest.to_string()).unwrap();
    at
}

fn key(at: &Installation, role: &str) -> String {
    at.run(&format!("keys create --role {role}")).ok().output.trim().to_owned()
}

#[test]
fn pages_are_served_to_anybody_and_tell_nothing() {
    let at = installation();
    let server = Server::start_with(&at, &NOBODY);
    let pages = ["/console", "/console/models"].map(|path| server.get(path));
    for page in &pages {
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!((page.header("x-frame-options"), page.header("referrer-policy")), (Some("DENY"), Some("no-referrer")));
        assert!(!page.body.contains("robust"), "it holds no data");
    }
    for named in pages[0].body.split("\"/console/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let file = server.get(&format!("/console/assets/{named}"));
        assert_eq!((file.status, file.header("x-content-type-options")), (200, Some("nosniff")), "{named}");
    }
    for path in ["/console/", "/console/assets/", "/console/assets/models.html", "/console/assets/..%2fmodels.html", "/console/assets/%ff"]
    {
        server.get(path).problem(404, "not_found");
    }
}

#[test]
fn a_page_can_know_what_its_caller_may() {
    let at = installation();
    let operator = key(&at, "operator");
    let server = Server::start_with(&at, &NOBODY);
    server.get("/console/session").problem(404, "not_found");
    let who = |key: &str| send(server.data, "GET", "/console/session", &[("authorization", &format!("Bearer {key}"))], b"").ok();
    let told = who(&operator);
    let expected = ["read:decisions", "read:scores", "read:detectors", "read:quality", "read:audit", "operate:service"];
    assert_eq!((&told["roles"], &told["permissions"], &told["login"]), (&json!(["operator"]), &json!(expected), &json!(false)), "{told}");
    assert!(told.get("csrf_token").is_none(), "{told}");
    server.stop();
    // Where anybody may do something, the page says so without a credential.
    let open = Server::start_with(&at, &[("SYNOD_IDENTITY__ANONYMOUS", "[\"scorer\"]")]).get("/console/session").ok();
    assert_eq!((&open["caller"], &open["roles"]), (&json!("anonymous"), &json!(["scorer"])), "{open}");
    assert_eq!(open["permissions"], json!(["score", "read:scores", "read:detectors"]));
}

#[test]
fn people_use_it_in_a_browser() {
    let at = installation();
    let keys = ["viewer", "operator", "admin"].map(|role| key(&at, role));
    let server = Server::start_with(&at, &NOBODY);
    let bundle = at.path("robust.bundle").display().to_string();
    let settings =
        [("SYNOD_VIEWER_KEY", &*keys[0]), ("SYNOD_OPERATOR_KEY", &*keys[1]), ("SYNOD_ADMIN_KEY", &*keys[2]), ("SYNOD_BUNDLE", &*bundle)];
    if !use_console("use", &format!("http://{}", server.data), &settings) {
        return;
    }
    // The acts are on record under who did them.
    let moved = at.audited("model.moved", 6);
    let acts = ["promote", "rollback", "propose"];
    assert!(acts.iter().all(|act| moved.iter().any(|record| record["reason"].as_str().unwrap().starts_with(act))), "{moved:?}");
    assert_eq!(at.audited("rollout.changed", 3).len(), 3, "begun, a step, stopped");
    server.stop();
}
