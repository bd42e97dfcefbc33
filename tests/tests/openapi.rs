//! The OpenAPI document is true: schemathesis, browsers and odd requests find nothing else than what it says. `tests/openapi/` has the
//! installation that all of them see, and what schemathesis is told beside the document.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use synod_tests::{Connection, Installation, Server, configurations, repository, send};

/// Set, schemathesis goes on for so many minutes, from a seed of its own.
const MINUTES: &str = "SYNOD_SCHEMATHESIS_MINUTES";

/// Rows of the installation, always the same ones.
fn rows(count: u64) -> String {
    let mut text = "event,account,at,amount,balance,items,abroad,channel,country,opened,device\n".to_owned();
    for row in 0..count {
        let (day, minute) = (row / 40 + 1, row % 40);
        let amount = (row * 7919 % 10_007) as f64 / 100.0;
        let (abroad, channel) = (row % 11 == 0, ["atm", "online", "branch"][(row % 3) as usize]);
        let _ = writeln!(
            text,
            "e{row},a{},2026-01-{day:02}T12:{minute:02}:00Z,{amount},{},{},{abroad},{channel},,,d{}",
            row % 20,
            row * 31 % 5000,
            row % 9 + 1,
            row % 7
        );
    }
    text
}

fn installation() -> Installation {
    let text = std::fs::read_to_string(repository().join("tests/openapi/synod.yaml")).expect("the installation is there");
    let at = Installation::new(&configurations::patient(&text));
    at.write("rows.csv", rows(600));
    at.run("fit --data rows.csv").ok();
    at
}

/// The operations of a document: method, path, and what is said of them.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("there are paths");
    let of_path = |(path, item): (&String, &Value)| {
        let operations = item.as_object().expect("a path has operations").clone();
        operations.into_iter().map(|(method, operation)| (method.to_uppercase(), path.clone(), operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

/// A path with something in the place of each parameter.
fn called(path: &str) -> String {
    let known = [("{detector}", "forest"), ("{model}", "forest"), ("{version}", "1"), ("{file}", "start.js")];
    let path = known.into_iter().fold(path.to_owned(), |path, (parameter, value)| path.replace(parameter, value));
    path.replace(['{', '}'], "")
}

/// What a program wrote, if it is there and ends.
fn output(command: &mut Command) -> Option<(Output, String)> {
    let output = command.output().ok()?;
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("\n");
    Some((output, text))
}

/// The Python environment that the script makes; none, with the reason printed, if it cannot.
fn python() -> Option<PathBuf> {
    let ran = output(Command::new("bash").arg(repository().join("scripts/schemathesis.sh")));
    match ran {
        Some((output, _)) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).trim().into()),
        ran => {
            println!("skipped: no schemathesis: {}", ran.map_or_else(|| "no bash".into(), |(_, text)| text));
            None
        }
    }
}

#[test]
fn schemathesis_finds_nothing() {
    let Some(python) = python() else { return };
    let at = installation();
    let server = Server::start(&at);
    let document = server.get("/openapi.json").ok();
    at.write("openapi.json", document.to_string());
    let (valid, text) = output(Command::new(python.join("bin/openapi-spec-validator")).arg(at.path("openapi.json"))).expect("it runs");
    assert!(valid.status.success(), "the document is not OpenAPI 3.1:\n{text}");

    let mut command = Command::new(python.join("bin/schemathesis"));
    command.current_dir(at.path("")).env("SCHEMATHESIS_HOOKS", repository().join("tests/openapi/hooks.py"));
    // From a file: it leaves out the operation that it got a document from.
    command.args(["run", "openapi.json", &format!("--url=http://{}", server.data)]);
    command.args(["--checks=all", "--continue-on-failure", "--no-color"]);
    // In the place of the first two stand checks of hooks.py. As to the third: a key that was revoked is told of all the same, as revoked.
    command.arg("--exclude-checks=negative_data_rejection,positive_data_acceptance,use_after_free");
    match std::env::var(MINUTES).ok().and_then(|minutes| minutes.parse::<u64>().ok()) {
        Some(minutes) => command.arg(format!("--max-time={}", minutes * 60)),
        None => command.args(["--max-examples=20", "--seed=1", "--no-shrink"]),
    };
    let (ran, text) = output(&mut command).expect("it runs");
    println!("{text}");
    assert!(ran.status.success(), "{text}");
    let all = operations(&document).len();
    assert!(text.contains(&format!("Selected: {all}/{all}")) && text.contains(&format!("Tested: {all}\n")), "{text}");
    server.stop();
}

#[test]
fn whoever_has_no_credential_is_told_so_by_every_operation_that_needs_one() {
    let at = installation();
    let server = Server::start_with(&at, &[("SYNOD_IDENTITY__ANONYMOUS", "[]")]);
    let document = server.get("/openapi.json").ok();
    let mut needing = 0;
    for (method, path, operation) in operations(&document) {
        let needs = !operation["security"].as_array().expect("each says so").is_empty();
        let path = called(&path.replace("{id}", "0"));
        let told = send(server.data, &method, &path, &[], b"");
        if needs {
            told.problem(401, "no_credential");
            assert!(told.header("www-authenticate").is_some(), "{method} {path}");
            needing += 1;
        } else {
            let status = match path.as_str() {
                // It wants a form, and has its own words for everything.
                "/oauth2/token" => 400,
                // No login is configured here.
                "/console/login" | "/console/callback" | "/console/session" | "/console/logout" => 404,
                // Whoever asks is no proxy.
                "/v1/forward-auth" => 404,
                _ => 200,
            };
            assert_eq!(told.status, status, "{method} {path}: {}", told.body);
        }
        if path != "/oauth2/token" {
            send(server.data, &method, &path, &[("authorization", "Bearer nonsense")], b"").problem(401, "invalid_credential");
        }
    }
    assert!(needing > 10, "{needing}");
}

#[test]
fn the_document_is_asked_for_again_only_when_it_changed() {
    let at = installation();
    let server = Server::start(&at);
    let first = server.get("/openapi.json");
    let tag = first.header("etag").expect("it has one").to_owned();
    let again = send(server.data, "GET", "/openapi.json", &[("if-none-match", &tag)], b"");
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(tag.as_str())));
    assert_eq!(send(server.data, "GET", "/openapi.json", &[("if-none-match", "\"other\"")], b"").status, 200);
    drop(server);
    // The same installation has the same document after a restart, another one another.
    assert_eq!(Server::start(&at).get("/openapi.json").body, first.body);
    at.edit("maximum: 1000000", "maximum: 2000000");
    let changed = Server::start(&at).get("/openapi.json");
    assert_eq!(changed.json()["components"]["schemas"]["Row"]["properties"]["amount"]["maximum"], 2_000_000);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
}

#[test]
fn odd_requests_get_an_answer_that_says_what_is_odd() {
    let at = installation();
    let server = Server::start(&at);
    let row = r#"{"event": "e", "account": "a", "at": "2026-01-31T12:00:00Z", "amount": 1, "items": 1, "abroad": false, "channel": "atm""#;
    let bodies = [
        // Which of the two would it be?
        (format!("{row}, \"amount\": 2}}"), 422),
        (format!("{row}, \"balance\": 1e400}}"), 400),
        (format!("{row}, \"device\": \"\\ud800\"}}"), 400),
        (format!("{row}, \"device\": \"\\udc00\\ud800\"}}"), 400),
        (format!("{row}, \"device\": \"a\\u0000b\"}}"), 200),
        (format!("{row}, \"device\": \"a\u{0}b\"}}"), 400),
        (format!("{row}, \"balance\": -0}}"), 200),
        (format!("{row}, \"items\": 9007199254740993}}"), 422),
        (format!("{row}, \"items\": 99999999999999999999999999}}"), 422),
        (format!("\u{feff}{row}}}"), 400),
        ("[".repeat(100_000), 400),
        (format!("{}{}", "[".repeat(200), "]".repeat(200)), 422),
    ];
    for (body, status) in bodies {
        // Of one detector, so that no id is in the way.
        let told = server.post("/v1/detectors/forest/score", &body);
        assert_eq!(told.status, status, "{body:.200}: {}", told.body);
        if status != 200 {
            assert_eq!(told.header("content-type"), Some("application/problem+json"), "{body:.200}");
        }
    }
    let paths = [
        "/v1/decisions/%00",
        "/v1/decisions/%ff",
        "/v1/decisions/%2e%2e",
        "/v1/decisions/..%2f..%2fetc",
        "/v1/entities/%00",
        "/v1/entities/%ff",
        "/v1/entities/%f0%9f%92%a9",
        "/v1/entities/",
        "/transactions/%ff",
        "/docs/..%2f..%2fCargo.toml",
        "/docs/%ff",
        "/redoc/%00",
        "/docs/",
        "//v1/detectors",
        "/v1/detectors/",
        "/v1/detectors%00",
        "/%",
        "/%zz",
    ];
    for path in paths {
        let told = server.get(path);
        assert_eq!((told.status, told.header("content-type")), (404, Some("application/problem+json")), "{path}: {}", told.body);
    }
    // What is no text, or an odd one, is the name of no detector.
    for path in ["/v1/detectors/%ff/score", "/predict_by/%ff", "/predict_by/%00"] {
        server.post(path, "{}").problem(404, "no_such_detector");
    }
    // Bytes that no path can have.
    for path in ["/v1/decisions/\0", "/v1/decisions/\u{1}", "/v1/ä b"] {
        let mut connection = Connection::open(server.data);
        connection.write(format!("GET {path} HTTP/1.1\r\nhost: synod\r\n\r\n"));
        assert_eq!(connection.answer().status, 400, "{path:?}");
    }
    server.stop();
}

#[test]
fn a_body_must_be_what_it_says() {
    let at = installation();
    let server = Server::start(&at);
    let row =
        br#"{"event": "e", "account": "a", "at": "2026-01-31T12:00:00Z", "amount": 1, "items": 1, "abroad": false, "channel": "atm"}"#;
    for path in ["/v1/score", "/v1/detectors/forest/score", "/predict", "/predict_forest"] {
        for kind in ["application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded"] {
            assert_eq!(send(server.data, "POST", path, &[("content-type", kind)], row).status, 200, "{path} {kind}");
        }
        assert_eq!(send(server.data, "POST", path, &[], row).status, 200, "{path}: a body that says nothing is read");
        for header in [("content-type", "text/csv"), ("content-type", "text/plain"), ("content-encoding", "gzip")] {
            send(server.data, "POST", path, &[header], row).problem(415, "unsupported_media_type");
        }
    }
    let label = "/v1/decisions/01a217d2-d628-7638-a426-10f81bf5f32e/label";
    send(server.data, "POST", label, &[("content-type", "text/plain")], b"{}").problem(415, "unsupported_media_type");
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    send(server.data, "POST", "/v1/score", &twice, row).problem(400, "bad_idempotency_key");
    send(server.data, "POST", "/v1/score", &[("idempotency-key", "a\tb")], row).problem(400, "bad_idempotency_key");
}

#[test]
fn every_path_says_which_methods_it_knows() {
    let at = installation();
    let server = Server::start(&at);
    let document = server.get("/openapi.json").ok();
    let mut known = BTreeMap::<String, BTreeSet<String>>::new();
    for (method, path, _) in operations(&document) {
        // Whatever can be read can be asked about.
        let head = (method == "GET").then(|| "HEAD".to_owned());
        known.entry(called(&path)).or_default().extend([method].into_iter().chain(head));
    }
    for (path, expected) in known {
        let told = send(server.data, "PATCH", &path, &[], b"");
        told.problem(405, "method_not_allowed");
        let allowed: BTreeSet<String> =
            told.header("allow").expect("it says which").split(',').map(|name| name.trim().to_owned()).collect();
        assert_eq!(allowed, expected, "{path}");
    }
}

/// A browser without a window, and the packages that have it.
fn browser() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = known.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()));
    if found.is_none() {
        println!("skipped: none of {} is installed", known.join(", "));
    }
    found
}

#[test]
fn the_pages_show_the_document_in_a_browser() {
    let Some(browser) = browser() else { return };
    let at = installation();
    let server = Server::start(&at);
    for page in ["/docs", "/redoc"] {
        let policy = server.get(page).header("content-security-policy").expect("it has one").to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        let mut command = Command::new("timeout");
        command.args(["120", browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]);
        command.arg(format!("--user-data-dir={}", at.path("browser").display()));
        command.args(["--virtual-time-budget=30000", "--dump-dom", &format!("http://{}{page}", server.data)]);
        let (ran, _) = output(&mut command).expect("it can be started");
        let (shown, log) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        for text in ["Score rows by all detectors", "Explain a decision", "/predict_by/", "Declared routes"] {
            assert!(shown.contains(text), "{page} does not show `{text}`:\n{log}\n{shown}");
        }
        // The logo of Redoc's makers is the one thing that is asked for from elsewhere, and refused.
        let refused: Vec<&str> = log.lines().filter(|line| line.contains("Security Policy") && !line.contains("cdn.redoc.ly")).collect();
        assert!(refused.is_empty() && !log.contains("Uncaught"), "{page}: {log}");
    }
}
