//! The HTTP surface: what clients and operators call, what they are told, and how a server starts and stops.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use synod_tests::{Answer, Connection, Installation, Server, send};

/// An ordinary row of the example `three-fields`, as the older service's documentation has it.
const ORDINARY: &str = r#"{"Transaction_Amount":150.75,"Average_Transaction_Amount":120.00,"Frequency_of_Transactions":3}"#;
const WILD: &str = r#"{"Transaction_Amount":950000,"Average_Transaction_Amount":120.00,"Frequency_of_Transactions":3}"#;

fn three_fields() -> Installation {
    Installation::fitted_example("three-fields", 1000)
}

/// A row of the example `bank`.
fn bank_row(id: &str, amount: f64) -> Value {
    json!({
        "TransactionID": id, "AccountID": "AC00042", "TransactionAmount": amount, "TransactionDate": "2023-04-11 16:29:14",
        "TransactionType": "Debit", "Location": "Washington", "DeviceID": "D000376", "IP Address": "84.197.43.72", "MerchantID": "M077",
        "Channel": "Online", "CustomerAge": 46, "CustomerOccupation": "Doctor", "TransactionDuration": 95, "LoginAttempts": 1,
        "AccountBalance": 5712.53
    })
}

#[test]
fn the_routes_of_the_three_fields_service_answer_as_it_did() {
    let at = three_fields();
    let server = Server::start(&at);
    // curl's own content type counts as well as the right one, and as none.
    let types: [&[(&str, &str)]; 3] =
        [&[("content-type", "application/x-www-form-urlencoded")], &[("content-type", "application/json")], &[]];
    for headers in types {
        for path in ["/predict_isolation_forest", "/predict_autoencoder"] {
            for (row, expected) in [(ORDINARY, false), (WILD, true)] {
                let answer = send(server.data, "POST", path, headers, row.as_bytes());
                assert_eq!(answer.ok(), json!({"is_anomaly": expected}), "{path} {row}");
            }
        }
    }
    let list = format!("[{ORDINARY},{WILD}]");
    assert_eq!(server.post("/predict_autoencoder", &list).ok(), json!([{"is_anomaly": false}, {"is_anomaly": true}]));
    let problem = server.post("/predict_isolation_forest", &list.replace("120.00", "\"x\"")).problem(422, "invalid_row");
    assert_eq!(problem["errors"][0]["pointer"], "/0/Average_Transaction_Amount", "{problem}");
    server.stop();
}

#[test]
fn the_routes_of_the_bank_service_answer_as_it_did() {
    let at = Installation::fitted_example("bank", 1500);
    let server = Server::start(&at);
    assert_eq!(server.get("/models/").ok(), json!(["isolation_forest", "local_outlier_factor", "autoencoder"]));
    for model in ["isolation_forest", "local_outlier_factor", "autoencoder"] {
        let answer = server.post(&format!("/models/{model}/predict"), &bank_row("T1", 120.5).to_string()).ok();
        let score = answer["anomaly_score"].as_f64().unwrap();
        assert_eq!(answer, json!({"TransactionID": "T1", "is_anomaly": score >= 0.5, "anomaly_score": score}));
    }
    let rows = json!([bank_row("T1", 120.5), bank_row("T2", 5_000_000.0)]);
    let answers = server.post("/models/predict", &rows.to_string()).ok();
    assert_eq!(
        (&answers[0]["TransactionID"], &answers[0]["is_anomaly"], &answers[0]["decision"]),
        (&json!("T1"), &json!(false), &json!("approve"))
    );
    assert_eq!((&answers[1]["TransactionID"], &answers[1]["is_anomaly"]), (&json!("T2"), &json!(true)), "{answers}");
    assert!(["review", "block"].map(Value::from).contains(&answers[1]["decision"]), "{answers}");
    server.post("/models/nobody/predict", &rows.to_string()).problem(404, "no_such_detector");
    server.post("/models/predict", "[]").ok();
    server.stop();
}

#[test]
fn a_row_and_a_list_of_rows_are_judged() {
    let at = three_fields();
    let server = Server::start(&at);
    let one = server.post("/v1/score", ORDINARY).ok();
    let verdict = &one["verdict"];
    assert_eq!((&verdict["anomalous"], &verdict["outcome"], &verdict["votes"]), (&json!(false), &json!("approve"), &json!(3)), "{one}");
    assert_eq!((&verdict["too_few_votes"], &one["abstentions"]), (&json!(false), &json!([])), "{one}");
    for vote in one["votes"].as_array().unwrap() {
        assert!((0.0..=1.0).contains(&vote["score"].as_f64().unwrap()) && vote["raw_score"].is_f64(), "{vote}");
        assert_eq!((&vote["model_version"], vote["model_digest"].as_str().map(str::len)), (&json!(1), Some(64)), "{vote}");
    }
    let several = server.post("/v1/score", &format!("[{ORDINARY},{WILD}]")).ok();
    assert_eq!((&several[0]["verdict"], several.as_array().unwrap().len()), (verdict, 2));
    assert_eq!(several[1]["verdict"]["anomalous"], true, "{several}");
    assert_eq!(server.post("/v1/score", "[]").ok(), json!([]), "no rows, no verdicts");

    let vote = server.post("/v1/detectors/autoencoder/score", ORDINARY).ok();
    let of_consensus = one["votes"].as_array().unwrap().iter().find(|vote| vote["detector"] == "autoencoder").unwrap();
    assert_eq!((&vote["vote"]["raw_score"], &vote["vote"]["score"]), (&of_consensus["raw_score"], &of_consensus["score"]));
    let listed = server.get("/v1/detectors").ok();
    assert_eq!(
        (&listed[1]["name"], &listed[1]["ready"], &listed[1]["model"]["version"]),
        (&json!("local_outlier_factor"), &json!(true), &json!(1))
    );
    server.stop();
}

#[test]
fn a_wrong_row_among_right_ones_is_refused_alone() {
    let at = three_fields();
    let server = Server::start(&at);
    let wrong = r#"{"Transaction_Amount":-1,"Frequency_of_Transactions":2.5,"Amount":1}"#;
    let answers = server.post("/v1/score", &format!("[{ORDINARY},{wrong},7,{ORDINARY}]")).ok();
    assert_eq!((&answers[0]["verdict"], answers.as_array().unwrap().len()), (&answers[3]["verdict"], 4));
    let problem = &answers[1]["error"];
    assert_eq!((&problem["code"], &problem["status"]), (&json!("invalid_row"), &json!(422)), "{problem}");
    let pointers: BTreeSet<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    let expected = ["/1/Amount", "/1/Average_Transaction_Amount", "/1/Frequency_of_Transactions", "/1/Transaction_Amount"];
    assert_eq!(pointers, BTreeSet::from(expected));
    assert_eq!((&answers[2]["error"]["errors"][0]["pointer"], answers[2].get("verdict")), (&json!("/2"), None));

    let problem = server.post("/v1/score", &format!("[{wrong},7]")).problem(422, "invalid_row");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 5, "all rows wrong: {problem}");
    let problem = server.post("/v1/score", wrong).problem(422, "invalid_row");
    assert!(problem["errors"].as_array().unwrap().iter().any(|error| error["pointer"] == "/Transaction_Amount"), "{problem}");
    server.stop();
}

const ODD_NAMES: &str = "version: 1
schema:
  fields:
    a/b: {type: number}
    c~d: {type: number}
    ~1 e/: {type: text}
features:
  first: {expression: '`a/b`'}
  second: {expression: '`c~d`'}
detectors:
  forest:
    plugin: isolation-forest
";

#[test]
fn pointers_escape_the_names_of_fields() {
    let at = Installation::new(&synod_tests::configurations::patient(ODD_NAMES));
    let rows: String = (0..200).map(|row| format!("{},{},x\n", row % 17, row % 23)).collect();
    at.write("rows.csv", format!("a/b,c~d,~1 e/\n{rows}"));
    at.run("fit --data rows.csv").ok();
    let server = Server::start(&at);
    server.post("/v1/score", r#"{"a/b":1,"c~d":2,"~1 e/":"x"}"#).ok();
    let problem = server.post("/v1/score", r#"{"a/b":"x","c~d":null,"~1 e/":3,"/~":1}"#).problem(422, "invalid_row");
    let pointers: BTreeSet<&str> = problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, BTreeSet::from(["/a~1b", "/c~0d", "/~01 e~1", "/~1~0"]));
    server.stop();
}

/// Requests that go wrong: method, path, body, status, code.
const PROBLEMS: [(&str, &str, &str, u16, &str); 20] = [
    ("POST", "/v1/score", "", 400, "invalid_json"),
    ("POST", "/v1/score", "{", 400, "invalid_json"),
    ("POST", "/v1/score", "{} {}", 400, "invalid_json"),
    ("POST", "/v1/score", "[{\"Transaction_Amount\": 1e999}]", 400, "invalid_json"),
    ("POST", "/v1/score", "{\"Transaction_Amount\": NaN}", 400, "invalid_json"),
    ("POST", "/v1/score", "\u{1}", 400, "invalid_json"),
    ("POST", "/v1/score", "3", 422, "invalid_rows"),
    ("POST", "/v1/score", "\"row\"", 422, "invalid_rows"),
    ("POST", "/v1/score", "null", 422, "invalid_rows"),
    ("POST", "/v1/score", "{}", 422, "invalid_row"),
    ("POST", "/v1/score", "[{}, {}]", 422, "invalid_row"),
    ("POST", "/v1/score", "[1]", 422, "invalid_row"),
    ("POST", "/v1/detectors/nobody/score", "{}", 404, "no_such_detector"),
    ("POST", "/v1/detectors/%F0%9F%92%A5/score", "{}", 404, "no_such_detector"),
    ("POST", "/v1/nowhere", "{}", 404, "not_found"),
    ("GET", "/", "", 404, "not_found"),
    ("GET", "/metrics", "", 404, "not_found"),
    ("GET", "/v1/score", "", 405, "method_not_allowed"),
    ("POST", "/v1/detectors", "", 405, "method_not_allowed"),
    ("DELETE", "/predict_autoencoder", "", 405, "method_not_allowed"),
];

#[test]
fn errors_have_one_form_and_stable_codes() {
    let at = three_fields();
    let server = Server::start_with(&at, &[("SYNOD_LIMITS__ROWS", "3"), ("SYNOD_LIMITS__BODY", "64KiB")]);
    for (method, path, body, status, code) in PROBLEMS {
        let answer = send(server.data, method, path, &[], body.as_bytes());
        answer.problem(status, code);
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        if status == 405 {
            let allowed = answer.header("allow").unwrap_or_default();
            assert!(!allowed.is_empty() && !allowed.contains(method), "{method} {path}: Allow: {allowed}");
        }
    }
    let rows = |count: usize| format!("[{}]", vec![ORDINARY; count].join(","));
    server.post("/v1/score", &rows(3)).ok();
    let problem = server.post("/v1/score", &rows(4)).problem(422, "invalid_rows");
    assert!(problem["detail"].as_str().unwrap().contains("more than 3 rows"), "{problem}");
    let padded = |bytes: usize| format!("{ORDINARY}{}", " ".repeat(bytes - ORDINARY.len()));
    server.post("/v1/score", &padded(64 << 10)).ok();
    for bytes in [(64 << 10) + 1, 100 << 10] {
        let problem = server.post("/v1/score", &padded(bytes)).problem(413, "body_too_large");
        assert!(problem["detail"].as_str().unwrap().contains("65536 bytes"), "{problem}");
    }
    server.post("/v1/score", ORDINARY).ok();
    server.stop();
}

#[test]
fn a_body_far_beyond_the_limit_is_refused_with_an_answer() {
    let at = three_fields();
    let server = Server::start_with(&at, &[("SYNOD_LIMITS__BODY", "64KiB")]);
    let vast = vec![b' '; 20 << 20];
    send(server.data, "POST", "/v1/score", &[], &vast).problem(413, "body_too_large");
    server.post("/v1/score", ORDINARY).ok();
    server.stop();
}

#[test]
fn a_body_that_does_not_arrive_is_given_up() {
    let at = three_fields();
    let server = Server::start_with(&at, &[("SYNOD_LISTEN__LIMITS__BODY", "300ms")]);
    let mut connection = Connection::open(server.data);
    connection.write("POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
    let answer = connection.answer();
    answer.problem(408, "body_incomplete");
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    server.stop();
}

#[test]
fn a_request_keeps_its_id() {
    let at = three_fields();
    let server = Server::start(&at);
    let ask = |id: &str| send(server.data, "GET", "/v1/detectors", &[("x-request-id", id)], b"");
    let id = |answer: &Answer| answer.header("x-request-id").unwrap().to_owned();
    assert_eq!(id(&ask("client-7/a.b:c")), "client-7/a.b:c");
    let long = "x".repeat(129);
    let mut made = BTreeSet::new();
    for unbearable in ["", "two words", "t\u{e4}b", &long] {
        made.insert(id(&ask(unbearable)));
    }
    made.insert(id(&server.get("/v1/detectors")));
    assert_eq!(made.len(), 5, "each is another: {made:?}");
    assert!(made.iter().all(|id| id.len() == 36), "{made:?}");

    let events = server.stop();
    let logged = |id: &str| events.iter().filter(|event| event["request_id"] == id).count();
    assert!(logged("client-7/a.b:c") == 1 && made.iter().all(|id| logged(id) == 1), "{events:#?}");
}

/// The series of a scrape: names with labels, without values.
fn series(scrape: &str) -> BTreeSet<&str> {
    scrape.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' ').map(|(series, _)| series)).collect()
}

fn value(scrape: &str, series: &str) -> f64 {
    let found = scrape.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_else(|| panic!("no {series} in\n{scrape}"))
}

#[test]
fn operators_see_health_readiness_and_metrics() {
    let at = three_fields();
    let server = Server::start(&at);
    for answer in [server.get("/healthz"), server.administer("/healthz")] {
        assert_eq!((answer.status, answer.body.as_str()), (200, "alive\n"));
    }
    for answer in [server.get("/readyz"), server.administer("/readyz")] {
        let readiness = answer.ok();
        assert_eq!((&readiness["ready"], readiness["detectors"].as_array().map(Vec::len)), (&json!(true), Some(3)), "{readiness}");
    }
    server.administer("/v1/detectors").problem(404, "not_found");
    server.get("/metrics").problem(404, "not_found");

    let scrape = || {
        let answer = server.administer("/metrics");
        assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
        answer.body
    };
    let before = scrape();
    assert_eq!(value(&before, "synod_verdicts_total{outcome=\"approve\"}"), 0.0, "a counter is there before it counts");
    server.post("/v1/score", &format!("[{ORDINARY},{ORDINARY},{{}}]")).ok();
    server.post("/v1/detectors/autoencoder/score", WILD).ok();
    server.post("/v1/score", "{").problem(400, "invalid_json");
    let after = scrape();
    let moved = [
        ("synod_http_requests_total{route=\"/v1/score\",method=\"POST\",status=\"200\"}", 1.0),
        ("synod_http_requests_total{route=\"/v1/score\",method=\"POST\",status=\"400\"}", 1.0),
        ("synod_http_requests_total{route=\"/v1/detectors/{detector}/score\",method=\"POST\",status=\"200\"}", 1.0),
        ("synod_http_request_duration_seconds_count{route=\"/v1/score\"}", 2.0),
        ("synod_verdicts_total{outcome=\"approve\"}", 2.0),
        ("synod_rows_refused_total", 1.0),
        ("synod_detector_votes_total{detector=\"autoencoder\",vote=\"no\"}", 2.0),
        ("synod_detector_votes_total{detector=\"autoencoder\",vote=\"yes\"}", 1.0),
        ("synod_detector_score_count{detector=\"isolation_forest\"}", 2.0),
        ("synod_detector_ready{detector=\"local_outlier_factor\"}", 1.0),
    ];
    for (series, expected) in moved {
        assert_eq!(value(&after, series), expected, "{series}");
    }
    server.stop();
}

#[test]
fn no_client_can_grow_the_metrics() {
    let at = Installation::fitted_example("bank", 600);
    let server = Server::start(&at);
    let ask = |number: usize| {
        let id = format!("request-{number}");
        let headers = [("x-request-id", id.as_str()), ("user-agent", id.as_str())];
        send(server.data, "GET", &format!("/nowhere/{number}?q={number}"), &headers, b"").problem(404, "not_found");
        match number % 10 {
            0 => server.post("/v1/score", &bank_row(&id, number as f64).to_string()).ok(),
            1 => server.post(&format!("/v1/detectors/d{number}/score"), "{}").problem(404, "no_such_detector"),
            2 => server.post(&format!("/models/m{number}/predict"), "{}").problem(404, "no_such_detector"),
            3 => send(server.data, &format!("M{number}"), "/v1/score", &[], b"").problem(405, "method_not_allowed"),
            _ => Value::Null,
        }
    };
    (0..10).for_each(|number| drop(ask(number)));
    server.administer("/metrics");
    let before = server.administer("/metrics").body;
    (10..2010).for_each(|number| drop(ask(number)));
    let after = server.administer("/metrics").body;
    assert_eq!(value(&after, "synod_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"}"), 2010.0);
    let new: Vec<&str> = series(&after).difference(&series(&before)).copied().collect();
    assert!(new.is_empty(), "{new:#?}");
    server.stop();
}

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let at = three_fields();
    let mut server = Server::start(&at);
    let mut connection = Connection::open(server.data);
    let head = format!("POST /v1/score HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", ORDINARY.len());
    connection.write(head);
    assert_eq!(connection.head().status, 100, "the server has the request and waits for its body");
    server.ask_to_stop();
    let _ = server.await_event(|event| event["message"].as_str().is_some_and(|message| message.starts_with("stopping")));
    assert!(server.lives());
    connection.write(ORDINARY);
    assert_eq!(connection.answer().ok()["verdict"]["outcome"], "approve");
    assert_eq!(server.await_end(), 0);
    assert!(std::net::TcpStream::connect(server.data).is_err(), "nobody listens any more");
}

#[test]
fn a_server_can_be_stopped_as_soon_as_it_is_ready() {
    let at = three_fields();
    let codes: Vec<i32> = (0..12)
        .map(|_| {
            let mut server = Server::start(&at);
            server.ask_to_stop();
            server.await_end()
        })
        .collect();
    assert!(codes.iter().all(|code| *code == 0), "-1 is an end by the signal itself: {codes:?}");
}

#[test]
fn idle_connections_do_not_hold_up_the_end() {
    let at = three_fields();
    let server = Server::start(&at);
    let mut kept = Connection::open(server.data);
    kept.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(kept.answer().status, 200);
    let mut of_operators = Connection::open(server.administration);
    of_operators.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(of_operators.answer().status, 200);
    server.stop();
}

#[test]
fn the_log_is_json_and_every_request_is_in_it() {
    let at = three_fields();
    let server = Server::start(&at);
    let answers =
        [server.post("/v1/score", ORDINARY), server.post("/v1/score", "{"), server.get("/nowhere"), server.administer("/nowhere")];
    let probes = [server.get("/readyz"), server.administer("/healthz"), server.administer("/metrics")];
    let events = server.stop();
    assert!(events.iter().any(|event| event["message"] == "ready"), "{events:#?}");
    for answer in answers {
        let found: Vec<&Value> = events.iter().filter(|event| event["request_id"].as_str() == answer.header("x-request-id")).collect();
        let [event] = found.as_slice() else { panic!("{answer:?} in {events:#?}") };
        assert_eq!(event["status"], answer.status);
        assert!(
            event["duration_us"].is_u64() && event["route"].is_string() && event["timestamp"].is_string() && event["level"] == "INFO",
            "{event}"
        );
    }
    for probe in probes {
        let id = probe.header("x-request-id");
        assert!(id.is_some() && events.iter().all(|event| event["request_id"].as_str() != id), "who watches is not in the way: {probe:?}");
    }
    assert!(events.iter().all(|event| !event.to_string().contains("150.75")), "rows are not logged");

    let server = Server::start_with(&at, &[("SYNOD_LOGGING__ACCESS", "false")]);
    server.post("/v1/score", ORDINARY).ok();
    assert!(server.stop().iter().all(|event| event.get("request_id").is_none()));
}

#[test]
fn one_data_directory_has_one_server() {
    let at = three_fields();
    let server = Server::start(&at);
    at.run("serve").failed(1, &["locked", "another server uses this data directory", "serve.lock"]);
    server.post("/v1/score", ORDINARY).ok();
    at.run("fit --data rows.csv").ok();
    assert_eq!(server.post("/v1/score", ORDINARY).ok()["votes"][0]["model_version"], 1, "a fit beside the server does not disturb it");
    server.stop();
    let server = Server::start(&at);
    assert_eq!(server.post("/v1/score", ORDINARY).ok()["votes"][0]["model_version"], 2);
    server.stop();
}

#[test]
fn an_address_in_use_is_named() {
    let at = three_fields();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in [("SYNOD_LISTEN__DATA", "listen.data"), ("SYNOD_LISTEN__ADMINISTRATION", "listen.administration")] {
        let other = if key == "listen.data" { "SYNOD_LISTEN__ADMINISTRATION" } else { "SYNOD_LISTEN__DATA" };
        let ran = at.command("serve").env(variable, &address).env(other, "127.0.0.1:0").output().unwrap();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(1) && errors.contains(key) && errors.contains(&address), "{errors}");
    }
}

/// Prints and does not judge: how long it takes depends on what else the machine does.
#[test]
fn a_start_with_a_warm_cache_is_timed() {
    let at = three_fields();
    let started = |server: &Server| server.await_event(|event| event["message"] == "ready")["start_ms"].as_u64().unwrap();
    let warm: Vec<u64> = (0..3)
        .map(|_| {
            let server = Server::start(&at);
            server.post("/v1/score", ORDINARY).ok();
            let took = started(&server);
            server.stop();
            took
        })
        .collect();
    std::fs::remove_dir_all(at.path("data/cache")).unwrap();
    let server = Server::start(&at);
    server.post("/v1/score", ORDINARY).ok();
    println!("ready after {warm:?} ms with a warm cache, {} ms without one", started(&server));
    server.stop();
}
