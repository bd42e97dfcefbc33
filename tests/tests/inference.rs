//! The Open Inference Protocol, as its own clients speak it: Triton's by HTTP and gRPC, with what they send by default; and plain requests
//! as other clients write them. Scores are those of Synod's own routes, bit for bit; no mistake of a client is taken for a fault.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use synod_tests::configurations::three_numbers;
use synod_tests::{Answer, Installation, Server, send};

/// The exit code of `tests/clients/python.sh` on a machine without Python.
const NO_PYTHON: i32 = 3;
const DETECTORS: [&str; 3] = ["isolation_forest", "local_outlier_factor", "autoencoder"];
const FOREST: &str = "  forest: {plugin: isolation-forest, parameters: {trees: 20}, limits: {timeout: 20s, load_timeout: 60s}}\n";

/// A Python with Triton's client; none, with a word about it, on a machine without Python.
fn python() -> Option<PathBuf> {
    let script = synod_tests::repository().join("tests/clients/python.sh");
    let ran = Command::new(&script).output().expect("the script can be started");
    let (output, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if ran.status.code() == Some(NO_PYTHON) {
        println!("skipped: {}", errors.trim());
        return None;
    }
    assert!(ran.status.success(), "{} fails:\n{errors}", script.display());
    Some(output.lines().last().expect("the script prints a path").into())
}

/// Runs Triton's client, and answers what it printed.
fn triton(python: &PathBuf, mode: &str, what: &Value) -> String {
    let program = synod_tests::repository().join("tests/clients/triton.py");
    let mut command = Command::new(python);
    command.arg(program).arg(mode).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.spawn().expect("Python can be started");
    client.stdin.take().unwrap().write_all(what.to_string().as_bytes()).expect("the client reads");
    let ran = client.wait_with_output().unwrap();
    let (output, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{mode}:\n{output}\n{errors}");
    output.into_owned()
}

/// An installation of three numbers, fitted. More lines may follow in its configuration.
fn numbers(more: &str) -> Installation {
    let at = Installation::new(&format!("{}{more}", three_numbers(FOREST)));
    at.write("rows.csv", synod_tests::configurations::three_numbers_csv(400));
    at.run("fit --data rows.csv").ok();
    at
}

/// Rows of three numbers as columns for Triton's client.
fn columns_of_numbers() -> Value {
    json!({
        "a": {"datatype": "FP64", "values": [0.1, 0.25, 0.4999999999999999]},
        "b": {"datatype": "FP64", "values": [0.3, 0.7, 1e-300]},
        "c": {"datatype": "INT32", "values": [0, 1, 0]},
    })
}

/// Generated transactions of a bank, and the same as columns.
fn bank_rows(at: &Installation) -> (Vec<Value>, Value) {
    at.run("generate --kind bank --rows 12 --seed 9 --fraud 0.2 --output new.jsonl").ok();
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        ["label", "kind"].iter().for_each(|name| drop(row.as_object_mut().unwrap().shift_remove(*name)));
        row
    };
    let rows: Vec<Value> = at.read("new.jsonl").lines().map(row).collect();
    let mut columns = Map::new();
    for name in rows.iter().flat_map(|row| row.as_object().unwrap().keys()) {
        let values: Vec<Value> = rows.iter().map(|row| row.get(name).cloned().unwrap_or_default()).collect();
        let datatype = match values.iter().find(|value| !value.is_null()) {
            Some(value) if value.is_string() => "BYTES",
            _ if values.iter().all(|value| value.is_i64() || value.is_null()) => "INT64",
            _ => "FP64",
        };
        columns.insert(name.clone(), json!({"datatype": datatype, "values": values}));
    }
    (rows, columns.into())
}

/// What a detector says of rows by Synod's own route, as the outputs of its model.
fn votes(server: &Server, detector: &str, rows: &[Value]) -> Value {
    let answer = server.post(&format!("/v1/detectors/{detector}/score"), &json!(rows).to_string()).ok();
    let of = |name: &str| answer.as_array().unwrap().iter().map(|row| row["vote"][name].clone()).collect::<Vec<_>>();
    assert!(of("score").iter().all(Value::is_number), "{answer}");
    json!({"score": of("score"), "anomalous": of("anomalous"), "raw_score": of("raw_score"), "abstention": vec![""; rows.len()]})
}

#[test]
fn tritons_client_scores_as_synods_own_routes_do() {
    let Some(python) = python() else { return };
    let at = Installation::fitted_example("bank", 800);
    let server = Server::start(&at);
    let (rows, columns) = bank_rows(&at);
    let votes: Map<String, Value> = DETECTORS.map(|name| (name.to_owned(), votes(&server, name, &rows))).into_iter().collect();
    let fields: Vec<String> = server.get("/v2/models/policy").ok()["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|input| input["name"].as_str().unwrap().into())
        .collect();
    assert_eq!((fields.len(), fields[0].as_str()), (16, "TransactionID"));
    let what = json!({"address": server.data, "columns": columns, "votes": votes, "fields": fields});
    let said: Value = serde_json::from_str(&triton(&python, "score", &what)).unwrap();
    // The decisions that the client was told are those that are stored: the rows were the same rows, to the last bit of their digest.
    let answer = server.post("/v1/score", &json!(rows).to_string()).ok();
    for (place, row) in answer.as_array().unwrap().iter().enumerate() {
        let verdict = &row["verdict"];
        assert_eq!(row["decision"], said["decision"][place]);
        assert_eq!((&verdict["outcome"], &verdict["anomalous"]), (&said["outcome"][place], &said["anomalous"][place]));
        assert_eq!(verdict["score"].as_f64().unwrap().to_bits(), said["score"][place].as_f64().unwrap().to_bits());
    }
    assert!(!server.stop().iter().any(|event| event["level"] == "ERROR"));
}

#[test]
fn all_numbers_in_one_tensor_are_the_same_rows() {
    let at = numbers("");
    let server = Server::start(&at);
    let values = [[0.1, 0.25, 0.4], [0.3, 0.7, 0.9], [0.5, 0.0, 1e-9]];
    let rows: Vec<Value> = values.iter().map(|[a, b, c]| json!({"a": a, "b": b, "c": c})).collect();
    let own = server.post("/v1/score", &json!(rows).to_string()).ok();
    let own: Vec<&Value> = own.as_array().unwrap().iter().map(|row| &row["verdict"]["score"]).collect();
    // As MLServer's client encodes an array.
    let tensor = json!({"name": "input-0", "datatype": "FP64", "shape": [3, 3], "parameters": {"content_type": "np"}, "data": values});
    let answer =
        server.post("/v2/models/policy/infer", &json!({"parameters": {"content_type": "np"}, "inputs": [tensor]}).to_string()).ok();
    assert_eq!(output(&answer, "score")["data"], json!(own));
    // As MLServer's client encodes a data frame.
    let column = |name: &str, place: usize| {
        let data: Vec<f64> = values.iter().map(|row| row[place]).collect();
        json!({"name": name, "datatype": "FP64", "shape": [3, 1], "data": data})
    };
    let frame = json!({
        "id": "frame-1",
        "parameters": {"content_type": "pd"},
        "inputs": [column("c", 2), column("a", 0), column("b", 1)],
        "outputs": null
    });
    let answer = server.post("/v2/models/policy/versions/1/infer", &frame.to_string()).ok();
    assert_eq!((&answer["id"], &answer["model_version"]), (&"frame-1".into(), &"1".into()));
    assert_eq!(answer["parameters"], json!({"content_type": "pd"}));
    assert_eq!(output(&answer, "score")["data"], json!(own));
    assert_eq!(output(&answer, "outcome")["parameters"], json!({"content_type": "str"}));
    if let Some(python) = python() {
        let columns = json!({"predict": {"datatype": "FP64", "shape": [3, 3], "values": values.concat()}});
        let said: Value = serde_json::from_str(&triton(&python, "matrix", &json!({"address": server.data, "columns": columns}))).unwrap();
        assert_eq!(said["score"], json!(own));
    }
}

fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["outputs"].as_array().unwrap().iter().find(|output| output["name"] == name).unwrap_or_else(|| panic!("no {name}: {answer}"))
}

#[test]
fn mistakes_raise_errors_that_name_the_input() {
    let Some(python) = python() else { return };
    let at = numbers("");
    let server = Server::start(&at);
    let case = |columns: Value, text: &str| json!({"columns": columns, "text": text});
    let mistakes = json!([
        case(json!({"a": null}), "input `a` is missing: every row must have a number"),
        case(json!({"d": {"datatype": "FP64", "values": [1, 2, 3]}}), "input `d` is no field of the schema, which has a, b, c"),
        case(json!({"b": {"datatype": "BYTES", "values": ["1", "2", "3"]}}), "input `b`, row 0: must be a number, not text"),
        case(json!({"b": {"datatype": "BOOL", "values": [true, true, false]}}), "input `b`, row 0: must be a number, not a boolean"),
        case(json!({"b": {"datatype": "FP64", "values": [1, null, 3]}}), "input `b`, row 1: is missing: must be a number"),
        case(json!({"b": {"datatype": "FP64", "values": [1, 1, 1, 1]}}), "input `b` has 4 rows, and `a` has 3"),
        case(
            json!({"b": {"datatype": "INT64", "values": [1, 9_007_199_254_740_993_i64, 3]}}),
            "input `b`, row 1: must be a number, not an integer beyond 2^53"
        ),
        case(
            json!({"b": {"datatype": "FP64", "values": [1, 2, 3], "shape": [1, 3]}}),
            "input `b` has the shape [1, 3]: a field takes [rows] or [rows, 1]"
        ),
        case(
            json!({"a": null, "b": null, "c": null, "x": {"datatype": "FP64", "values": [1, 2], "shape": [1, 2]}}),
            "a tensor of all fields has [rows, 3], for a, b, c"
        ),
        case(json!({"b": {"datatype": "FP64", "values": [], "shape": [0]}}), "input `b` has no values: its shape is [0]"),
    ]);
    let what = json!({"address": server.data, "model": "forest", "columns": columns_of_numbers(), "mistakes": mistakes});
    triton(&python, "mistakes", &what);
    assert!(!server.stop().iter().any(|event| event["level"] == "ERROR"));
}

#[test]
fn both_protocols_are_spoken_on_one_encrypted_port() {
    let Some(python) = python() else { return };
    let at = numbers("listen:\n  tls: {certificate: server.pem, key: server.key}\n");
    let authority = Authority::new();
    let (certificate, key) = authority.certificate();
    [("server.pem", certificate), ("server.key", key), ("authority.pem", authority.pem())]
        .iter()
        .for_each(|(name, text)| at.write(name, text));
    let server = Server::start(&at);
    let what = json!({"address": server.data, "authority": at.path("authority.pem"), "model": "forest", "columns": columns_of_numbers()});
    triton(&python, "encrypted", &what);
    let lines = server.stop();
    assert!(!lines.iter().any(|event| event["level"] == "ERROR"), "{lines:?}");
}

/// A certificate authority that only this test trusts.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // By its name OpenSSL tells it from those that it signs.
        params.distinguished_name.push(DnType::CommonName, "authority of the tests");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this machine, and its key.
    fn certificate(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

#[test]
fn clients_without_a_credential_are_told_so_by_both_protocols() {
    let Some(python) = python() else { return };
    let at = numbers("");
    let server = Server::start_with(&at, &[("SYNOD_IDENTITY__ANONYMOUS", "[]")]);
    triton(&python, "refused", &json!({"address": server.data, "model": "forest", "columns": columns_of_numbers()}));
}

#[test]
fn scores_are_withheld_from_those_who_may_not_see_them() {
    let Some(python) = python() else { return };
    let at = numbers("roles:\n  desk: [score]\n");
    let server = Server::start_with(&at, &[("SYNOD_IDENTITY__ANONYMOUS", "[\"desk\"]")]);
    triton(&python, "withheld", &json!({"address": server.data, "model": "forest", "columns": columns_of_numbers()}));
}

const GOOD: &str = r#"{"id":"r-1","inputs":[{"name":"predict","shape":[1,3],"datatype":"FP64","data":[0.1,0.2,0.3]}]}"#;

/// What each route answers to the usual mistakes: method, path, body, status, and a word of what is said.
#[rustfmt::skip]
const PROBES: &[(&str, &str, &str, u16, &str)] = &[
    ("GET", "/v2", "", 200, "synod"),
    ("GET", "/v2/", "", 404, "nothing at this path"),
    ("GET", "/v2/health/live", "", 200, "true"),
    ("GET", "/v2/health/ready", "", 200, "true"),
    ("POST", "/v2/health/ready", "", 405, "another method"),
    ("GET", "/v2/models", "", 404, "nothing at this path"),
    ("GET", "/v2/models/forest", "", 200, "\"columns_of_matrix\":\"a,b,c\""),
    ("GET", "/v2/models/forest/versions/1", "", 200, "synod_detector"),
    ("GET", "/v2/models/forest/versions/9", "", 404, "no version `9`"),
    ("GET", "/v2/models/forest/versions/v1/ready", "", 404, "no version `v1`"),
    ("GET", "/v2/models/forest/versions/1/config", "", 200, "TYPE_FP64"),
    ("GET", "/v2/models/forest/versions/1/stats", "", 200, "model_stats"),
    ("GET", "/v2/models/forest/ready", "", 200, "forest"),
    ("GET", "/v2/models/nope/ready", "", 404, "no model `nope`; there are policy, forest"),
    ("GET", "/v2/models/nope", "", 404, "no model `nope`"),
    ("GET", "/v2/models/%ff", "", 404, "nothing at this path"),
    ("GET", "/v2/models/policy", "", 200, "synod_policy"),
    ("GET", "/v2/models/stats", "", 200, "policy"),
    ("GET", "/v2/models/forest/infer", "", 405, "another method"),
    ("POST", "/v2/models/forest/infer", GOOD, 200, "score"),
    ("POST", "/v2/models/forest/versions/1/infer", GOOD, 200, "\"id\":\"r-1\""),
    ("POST", "/v2/models/forest/versions/9/infer", GOOD, 404, "no version `9`"),
    ("POST", "/v2/models/nope/infer", GOOD, 404, "no model `nope`"),
    ("POST", "/v2/models/%ff/infer", GOOD, 404, "nothing at this path"),
    ("POST", "/v2/models/forest/infer", "", 400, "the request is no JSON"),
    ("POST", "/v2/models/forest/infer", "{\"inputs\":", 400, "the request is no JSON"),
    ("POST", "/v2/models/forest/infer", "{}", 400, "missing field `inputs`"),
    ("POST", "/v2/models/forest/infer", "{\"inputs\":[]}", 400, "input `a` is missing"),
    ("POST", "/v2/models/forest/infer", "[1]", 400, "the request is no JSON object"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP64","data":[1,2,3]}]}"#, 400, "input `x` has 3 values, and a shape of 4"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]}"#, 400, "has [rows, 3], for a, b, c"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP65","data":[1,2,3]}]}"#, 400, "the datatype `FP65`"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[NaN,2,3]}]}"#, 400, "write null for a missing value"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[null,2,3]}]}"#, 400, "input `a`, row 0: is missing"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[9223372036854775808,3],"datatype":"FP64","data":[1]}]}"#, 400, "`inputs[0].shape[0]`"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[9223372036854775807,3],"datatype":"FP64","data":[1]}]}"#, 400, "values are the most"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[-1,3],"datatype":"FP64","data":[1,2,3]}]}"#, 400, "a dimension of -1"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[0,3],"datatype":"FP64","data":[]}]}"#, 400, "has no values"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[2,3],"datatype":"FP64","data":[[0.1,0.2,0.3],[0.4,0.5,0.6]]}]}"#, 200, "\"shape\":[2]"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[1,2,3]}],"outputs":[{"name":"decision_function"}]}"#, 400, "output `decision_function` is none"),
    ("POST", "/v2/models/forest/infer", r#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP64","data":[0.1,0.2,0.3]}],"outputs":[{"name":"score"}]}"#, 200, "\"outputs\":[{\"name\":\"score\",\"datatype\":\"FP64\",\"shape\":[1],\"data\":["),
    ("POST", "/v2/repository/index", "", 200, "READY"),
    ("POST", "/v2/repository/index", "{\"ready\": true}", 200, "READY"),
    ("POST", "/v2/repository/index", "{\"ready\": 1}", 400, "invalid type"),
    ("POST", "/v2/repository/models/forest/unload", "", 400, "not loaded or unloaded by clients"),
    ("POST", "/v2/repository/models/forest/load", "{}", 400, "not loaded or unloaded by clients"),
    ("GET", "/v2/models/forest/ready", "", 200, "true"),
    ("GET", "/v2/systemsharedmemory/status", "", 400, "shared memory is not served"),
    ("POST", "/v2/systemsharedmemory/region/x/register", "{}", 400, "shared memory is not served"),
    ("POST", "/v2/cudasharedmemory/unregister", "", 400, "shared memory is not served"),
    ("POST", "/inference.GRPCInferenceService/ModelInfer", GOOD, 415, "application/grpc"),
];

/// An error of the protocol that is a problem of Synod's, too.
#[track_caller]
fn refusal(answer: &Answer, status: u16, text: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")), "{}", answer.body);
    let body = answer.json();
    assert!(body["code"].is_string() && body["status"] == status && body["title"].is_string(), "{body}");
    assert!(body["detail"].as_str().unwrap().contains(text), "`{text}`: {body}");
}

#[test]
fn every_route_answers_and_no_mistake_is_a_fault() {
    let at = numbers("");
    let server = Server::start(&at);
    for (method, path, body, status, text) in PROBES {
        let answer = send(server.data, method, path, &[("content-type", "application/json")], body.as_bytes());
        if *status == 200 {
            assert_eq!(answer.status, 200, "{method} {path} {body}: {}", answer.body);
            assert!(answer.body.contains(text), "{method} {path}: {}", answer.body);
            continue;
        }
        refusal(&answer, *status, text);
        if path.starts_with("/v2") {
            assert_eq!(answer.json()["error"], answer.json()["detail"], "{method} {path}");
        }
    }
    let infer = |headers: &[(&str, &str)], body: &[u8]| send(server.data, "POST", "/v2/models/forest/infer", headers, body);
    refusal(&infer(&[("inference-header-content-length", "9999")], GOOD.as_bytes()), 400, "the body has");
    refusal(&infer(&[("inference-header-content-length", "x")], GOOD.as_bytes()), 400, "is no number of bytes");
    refusal(&infer(&[("content-encoding", "br")], GOOD.as_bytes()), 415, "gzip and deflate are");
    refusal(&infer(&[("content-encoding", "gzip")], GOOD.as_bytes()), 400, "not what its Content-Encoding says");
    refusal(&infer(&[], &vec![b' '; 5 << 20]), 413, "more than 4194304 bytes");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 64 << 20]).unwrap();
    refusal(&infer(&[("content-encoding", "gzip")], &bomb.finish().unwrap()), 413, "more than 4194304 bytes");
    let many = format!(r#"{{"inputs":[{{"name":"x","shape":[10001,3],"datatype":"INT8","data":[{}1]}}]}}"#, "1,".repeat(30002));
    refusal(&infer(&[], many.as_bytes()), 400, "30000 values are the most");
    // Problems of other routes are what they were.
    assert!(server.get("/v1/nothing").problem(404, "not_found").get("error").is_none());
    assert!(!server.stop().iter().any(|event| event["level"] == "ERROR"));
}

#[test]
fn no_detector_has_the_policys_name() {
    let at = Installation::new(&three_numbers(&FOREST.replace("forest:", "policy:")));
    let ran = at.run("check");
    assert_ne!(ran.code, 0);
    assert!(ran.errors.contains("detectors.policy") && ran.errors.contains("Open Inference Protocol"), "{}", ran.errors);
}
