//! Who calls, and what they may do: every kind of credential against the real binary, and every role on every route.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};
use synod_gateway::access::Roles;
use synod_gateway::http::{Needs, ROUTES};
use synod_gateway::listening::Audience;
use synod_identity::{SigningAlgorithm, SigningKey};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Connection, Installation, Server, plugins, send};

/// A change of the keys counts by then.
const LATEST: Duration = Duration::from_secs(2);
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Routes of an older system.
const DECLARED: &str = "
routes:
  - {path: '/old/{detector}', serves: detector, answer: {is_anomaly: anomalous}}
  - {path: /verdict, serves: verdict, answer: {is_anomaly: anomalous}}
  - {path: /models, serves: detectors}
  - {path: /past, serves: decisions, answer: {score: score}}
";

/// Who has each permission that a route needs. A permission that is not here has nobody thought of.
const WHO: [(&str, &[&str]); 13] = [
    ("score:policy", &["scorer", "admin"]),
    ("score:detector/forest", &["scorer", "admin"]),
    ("read:decisions", &["viewer", "analyst", "operator", "admin"]),
    ("read:scores", &["viewer", "scorer", "analyst", "operator", "admin"]),
    ("read:explanations", &["analyst", "admin"]),
    ("read:detectors", &["viewer", "scorer", "analyst", "operator", "admin"]),
    ("read:entities", &["analyst", "admin"]),
    ("read:quality", &["viewer", "analyst", "operator", "admin"]),
    ("read:audit", &["operator", "admin"]),
    ("label:decisions", &["analyst", "admin"]),
    ("manage:keys", &["admin"]),
    ("manage:models", &["admin"]),
    ("operate:service", &["operator", "admin"]),
];

fn installation(more: &str) -> Installation {
    let plugin = plugins().join("isolation-forest.wasm");
    let configuration = patient(&three_numbers(&format!("  forest:\n    plugin: {}\n", plugin.display())));
    let at = Installation::new(&format!("{configuration}{more}"));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

/// A server that lets nobody in without a credential.
fn serve(at: &Installation) -> Server {
    serve_with(at, &[])
}

fn serve_with(at: &Installation, environment: &[(&str, &str)]) -> Server {
    let closed = [("SYNOD_IDENTITY__ANONYMOUS", "[]")];
    Server::start_with(at, &[&closed[..], environment].concat())
}

/// A key from the command line.
fn key(at: &Installation, options: &str) -> String {
    let made = at.run(&format!("keys create {options}")).ok();
    let key = made.output.trim_end();
    assert!(made.output == format!("{key}\n") && key.starts_with("synod_") && !made.errors.contains(key), "only the key, and only once");
    key.to_owned()
}

fn id(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

fn bearer(credential: &str) -> String {
    format!("Bearer {credential}")
}

fn call(server: &Server, method: &str, path: &str, credential: &str, body: &str) -> Answer {
    let headers = [("authorization", bearer(credential)), ("content-type", "application/json".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    send(server.data, method, path, &headers, body.as_bytes())
}

/// The first answer that is as wanted, which has to come in time.
#[track_caller]
fn soon(wanted: impl Fn(&Answer) -> bool, mut ask: impl FnMut() -> Answer) -> Answer {
    let started = Instant::now();
    loop {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        assert!(started.elapsed() < LATEST, "still {} {}", answer.status, answer.body);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A route as a client calls it: the path's parameters filled in, and the permission that it needs.
struct Called {
    path: String,
    methods: BTreeMap<&'static str, Option<String>>,
}

/// Every route of the table and of the configuration, each path once.
fn all_routes() -> Vec<Called> {
    let permission = |needs: &Needs| match needs {
        // The last one is asked once the message is read, which this one is none of.
        Needs::Nothing | Needs::ScoreOfModelInMessage => None,
        Needs::The(permission) => Some(permission.to_string()),
        Needs::ScoreOfNamedDetector | Needs::ScoreOfNamedModel => Some("score:detector/forest".to_owned()),
    };
    let own = ROUTES.iter().filter(|entry| entry.audience == Audience::Clients);
    let own = own.map(|entry| (entry.path.to_owned(), entry.method, permission(&entry.needs)));
    let declared = [
        ("/old/{detector}", "POST", "score:detector/forest"),
        ("/verdict", "POST", "score:policy"),
        ("/models", "GET", "read:detectors"),
        ("/past", "GET", "read:decisions"),
    ];
    let declared = declared.map(|(path, method, permission)| (path.to_owned(), method, Some(permission.to_owned())));
    let mut paths: BTreeMap<String, BTreeMap<&'static str, Option<String>>> = BTreeMap::new();
    own.chain(declared).for_each(|(path, method, needs)| drop(paths.entry(path).or_default().insert(method, needs)));
    let filled = |path: &str| {
        let path = path.replace("{detector}", "forest").replace("{id}", "00000000-0000-7000-8000-000000000000").replace("{key}", "x");
        let path = path.replace("{model}", "forest").replace("{version}", "1").replace("{*region}", "status").replace("{file}", "x");
        assert!(!path.contains('{'), "nobody has thought of the parameter in {path}");
        path
    };
    paths.into_iter().map(|(path, methods)| Called { path: filled(&path), methods }).collect()
}

/// The status alone: an answer to HEAD has no body.
fn status(server: &Server, method: &str, path: &str, credential: Option<&str>) -> u16 {
    let authorization = credential.map_or_else(String::new, |credential| format!("authorization: {}\r\n", bearer(credential)));
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{authorization}");
    let mut connection = Connection::open(server.data);
    connection.write(format!("{head}content-length: 2\r\n\r\n{{}}"));
    connection.head().status
}

#[test]
fn every_role_has_what_it_should_have_on_every_route_and_method() {
    let at = installation(DECLARED);
    let server = serve(&at);
    let keys = Roles::BUILT_IN.map(|role| (role, key(&at, &format!("--role {role}"))));
    soon(|answer| answer.status == 200, || call(&server, "GET", "/v1/detectors", &keys[4].1, ""));
    let mut walked = 0;
    for Called { path, methods } in all_routes() {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let needs = methods.get(if method == "HEAD" { "GET" } else { method });
            let anonymous = status(&server, method, &path, None);
            let unknown = status(&server, method, &path, Some("synod_nobody"));
            match needs {
                None => assert_eq!(anonymous, 405, "{method} {path}"),
                // What it wants is told in another way: see the tests of tokens.
                Some(None) if path == "/oauth2/token" => assert_eq!((anonymous, unknown), (400, 400)),
                Some(None) => assert!(![401, 403, 405].contains(&anonymous) && unknown == 401, "{method} {path}: {anonymous} {unknown}"),
                Some(Some(_)) => assert_eq!((anonymous, unknown), (401, 401), "{method} {path}"),
            }
            for (role, key) in &keys {
                let found = status(&server, method, &path, Some(key));
                let may = |permission: &String| {
                    let who = WHO.iter().find(|(known, _)| known == permission);
                    who.unwrap_or_else(|| panic!("nobody has thought of who has {permission}")).1.contains(role)
                };
                match needs {
                    None => assert_eq!(found, 405, "{role} {method} {path}"),
                    Some(Some(permission)) if !may(permission) => assert_eq!(found, 403, "{role} {method} {path}"),
                    Some(_) => assert!(![401, 403, 405].contains(&found) && found < 500, "{role} {method} {path}: {found}"),
                }
                walked += 1;
            }
        }
    }
    assert!(walked > 500, "{walked}");
    call(&server, "POST", "/v1/score", &keys[0].1, "{}").problem(403, "forbidden");
    let problem = server.get("/v1/detectors");
    problem.problem(401, "no_credential");
    assert_eq!(problem.header("www-authenticate"), Some("Bearer realm=\"synod\""));
    server.stop();
}

#[test]
fn a_server_lets_nobody_in_by_default_and_needs_no_more_than_a_key() {
    let at = installation("");
    let key = key(&at, "--role scorer --scope score:detector/forest");
    // As people start it: without --dev, and without an environment.
    let server = Server::start_command(&at, at.command("serve --config synod.yaml"), &[]);
    server.get("/v1/detectors").problem(401, "no_credential");
    assert_eq!(server.get("/healthz").status, 200);
    let row = r#"{"a": 0.1, "b": 0.2, "c": 0.3}"#;
    call(&server, "POST", "/v1/detectors/forest/score", &key, row).ok();
    call(&server, "POST", "/v1/score", &key, row).problem(403, "forbidden");
    for wrong in [format!("{key}0"), key.replace("synod_", "synod_0"), "x".into(), "a.b.c".into(), key.to_uppercase()] {
        let answer = call(&server, "GET", "/v1/detectors", &wrong, "");
        answer.problem(401, "invalid_credential");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"synod\", error=\"invalid_token\""));
    }
    let metrics = server.administer("/metrics").body;
    for reason in ["key_form", "not_a_token"] {
        assert!(metrics.contains(&format!("synod_credentials_refused_total{{reason=\"{reason}\"}}")), "{reason}:\n{metrics}");
    }
    let secret = key.split('_').nth(2).unwrap();
    let log = server.lines().join("\n");
    assert!(!log.contains(secret) && !log.contains(&secret.to_uppercase()), "a credential is in the log");
    server.stop();
}

#[test]
fn a_server_follows_what_is_done_to_keys_beside_it() {
    let at = installation("");
    let server = serve(&at);
    let ask = |key: &str| call(&server, "GET", "/v1/detectors", key, "");
    let old = key(&at, "--role viewer --expires 90d --label switch");
    soon(|answer| answer.status == 200, || ask(&old));
    let (started, overlap) = (Instant::now(), Duration::from_secs(6));
    let rotated = at.run(&format!("keys rotate {} --overlap 6s", id(&old))).ok();
    let new = rotated.output.trim_end();
    soon(|answer| answer.status == 200, || ask(new));
    assert_eq!(ask(&old).status, 200, "the old key holds for the overlap");
    let listed: Value = serde_json::from_str(&at.run("keys list --format json").ok().output).unwrap();
    assert_eq!((&listed[0]["state"], &listed[0]["replaced_by"]), (&"replaced".into(), &id(new).into()), "{listed}");
    assert_eq!((&listed[1]["label"], &listed[1]["roles"]), (&"switch".into(), &json!(["viewer"])));
    std::thread::sleep(overlap.saturating_sub(started.elapsed()));
    soon(|answer| answer.status == 401, || ask(&old));
    at.run(&format!("keys revoke {}", id(new))).ok();
    soon(|answer| answer.status == 401, || ask(new));
    let _ = server.await_event(|event| event["action"] == "key.revoked");
    let acts = server.events().into_iter().filter(|event| event["target"] == "audit" && event["reason"] == "command line");
    let acts: Vec<(Value, Value)> = acts.map(|event| (event["object"].clone(), event["action"].clone())).collect();
    let expected = [(id(&old), "key.created"), (id(new), "key.created"), (id(new), "key.revoked")];
    assert_eq!(acts, expected.map(|(key, act)| (key.into(), act.into())));
    // A broken file changes nothing, and is told.
    let last = key(&at, "--role viewer");
    soon(|answer| answer.status == 200, || ask(&last));
    let good = at.read("data/keys.json");
    at.write("data/keys.json", &good[..good.len() / 2]);
    let _ = server.await_event(|event| event["message"].as_str().is_some_and(|text| text.starts_with("the API keys cannot be read")));
    assert_eq!(ask(&last).status, 200);
    at.run("keys list").failed(1, &["keys.json is damaged"]);
    at.run("keys create --role viewer").failed(1, &["keys.json is damaged"]);
    server.stop();
}

#[test]
fn mistakes_on_the_command_line_are_named() {
    let at = installation("");
    for (words, texts) in [
        ("keys create --role scorr", &["--role: there is no role `scorr`; there are admin, analyst"][..]),
        ("keys create --role scorer --scope fly", &["--scope: `fly` is no permission; there are score"]),
        ("keys create --role scorer --scope score:detector/oak", &["there is no detector `oak`; there are forest"]),
        ("keys create --role viewer --scope score", &["score is more than the roles viewer allow"]),
        ("keys create --role viewer --expires 500d", &["--expires: a key may live from a second to 400 days"]),
        ("keys create", &["--role"]),
        ("keys rotate 0123456789abcdef", &["there is no API key with this id"]),
        ("keys revoke nonsense", &["there is no API key with this id"]),
    ] {
        let ran = at.run(words).failed(2, texts);
        assert!(ran.output.is_empty(), "{words}: {}", ran.output);
    }
    let table = at.run("keys list").ok().output;
    assert!(table.lines().count() == 1 && table.starts_with("id  state"), "{table}");
}

#[test]
fn keys_are_managed_over_http() {
    let at = installation("");
    let admin = key(&at, "--role admin");
    let north = key(&at, "--role admin --tenant north");
    let server = serve(&at);
    let asked = json!({"roles": ["scorer"], "scopes": ["score:policy"], "label": "switch", "expires_in": 3600, "tenant": "south"});
    let answer = call(&server, "POST", "/v1/keys", &admin, &asked.to_string());
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")), "{}", answer.body);
    let made = answer.json();
    let made_key = made["key"].as_str().unwrap().to_owned();
    assert_eq!((made["id"].as_str(), made["state"].as_str()), (Some(id(&made_key)), Some("active")));
    assert_eq!(made["created_by"], format!("api-key:{}", id(&admin)));
    // It counts at once, on the server that made it.
    let row = r#"{"a": 0.1, "b": 0.2, "c": 0.3}"#;
    call(&server, "POST", "/v1/score", &made_key, row).ok();
    call(&server, "GET", "/v1/keys", &made_key, "").problem(403, "forbidden");

    let all = call(&server, "GET", "/v1/keys", &admin, "").ok();
    assert_eq!(all["keys"].as_array().unwrap().len(), 3);
    assert!(!all.to_string().contains(made_key.split('_').nth(2).unwrap()) && !all.to_string().contains("hash"), "{all}");
    let own = call(&server, "GET", "/v1/keys", &north, "").ok();
    assert_eq!((own["keys"].as_array().unwrap().len(), &own["keys"][0]["tenant"]), (1, &"north".into()));
    let path = format!("/v1/keys/{}", id(&made_key));
    call(&server, "DELETE", &path, &north, "").problem(404, "no_such_key");
    call(&server, "POST", &format!("{path}/rotate"), &north, "").problem(404, "no_such_key");
    call(&server, "POST", "/v1/keys", &north, r#"{"roles": ["viewer"], "tenant": "south"}"#).problem(403, "forbidden");
    let of_north = call(&server, "POST", "/v1/keys", &north, r#"{"roles": ["viewer"]}"#).json();
    assert_eq!(of_north["tenant"], "north");

    let rotated = call(&server, "POST", &format!("{path}/rotate"), &admin, r#"{"overlap": 0}"#);
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    let successor = rotated.json()["key"].as_str().unwrap().to_owned();
    call(&server, "POST", "/v1/score", &made_key, row).problem(401, "invalid_credential");
    call(&server, "POST", "/v1/score", &successor, row).ok();
    call(&server, "POST", &format!("{path}/rotate"), &admin, "").problem(409, "key_conflict");
    let revoked = call(&server, "DELETE", &format!("/v1/keys/{}", id(&successor)), &admin, "").ok();
    assert_eq!(revoked["state"], "revoked");
    call(&server, "POST", "/v1/score", &successor, row).problem(401, "invalid_credential");
    // Somebody who manages keys and nothing else can make nobody who does more.
    let keeper = key(&at, "--role admin --scope manage:keys");
    soon(|answer| answer.status == 200, || call(&server, "GET", "/v1/keys", &keeper, ""));
    call(&server, "POST", "/v1/keys", &keeper, r#"{"roles": ["viewer"]}"#).problem(403, "forbidden");
    call(&server, "POST", &format!("/v1/keys/{}/rotate", id(&admin)), &keeper, "").problem(403, "forbidden");
    for (body, code, detail) in [
        ("", 400, "EOF"),
        ("[]", 422, "must be an object"),
        ("{}", 422, "missing field `roles`"),
        (r#"{"roles": []}"#, 422, "/roles name at least one of"),
        (r#"{"roles": ["boss"]}"#, 422, "/roles there is no role `boss`"),
        (r#"{"roles": ["viewer"], "role": 1}"#, 422, "unknown field `role`"),
        (r#"{"roles": ["viewer"], "expires_in": 0}"#, 422, "/expires_in a key may live"),
        (r#"{"roles": ["viewer"], "expires_in": -1}"#, 422, "/expires_in invalid value"),
        (r#"{"roles": ["viewer"], "label": "a\u0000"}"#, 422, "/label must have 1 to 255 bytes"),
    ] {
        let answer = call(&server, "POST", "/v1/keys", &admin, body);
        assert!(answer.status == code && answer.json()["detail"].as_str().unwrap().contains(detail), "{body}: {}", answer.body);
    }
    let long = format!(r#"{{"roles": ["viewer"], "label": "{}"}}"#, "x".repeat(20_000));
    call(&server, "POST", "/v1/keys", &admin, &long).problem(413, "body_too_large");
    let is_act = |event: &&Value| event["action"].as_str().is_some_and(|action| action.starts_with("key.")) && event["actor"].is_string();
    let acts = server.events().iter().filter(is_act).count();
    assert_eq!(acts, 4, "each act is noted with who did it");
    server.stop();
}

/// Asks for a token with the client's credentials in the body.
fn token_for(server: &Server, key: &str, scope: &str) -> Answer {
    let body = format!("grant_type=client_credentials&client_id={}&client_secret={key}&scope={scope}", id(key));
    send(server.data, "POST", "/oauth2/token", &[FORM], body.as_bytes())
}

fn token(server: &Server, key: &str, scope: &str) -> String {
    let answer = token_for(server, key, scope);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.body);
    let told = answer.json();
    assert_eq!(told["token_type"], "Bearer");
    told["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_is_an_oauth_client() {
    let at = installation("");
    let scorer = key(&at, "--role scorer");
    let server = serve(&at);
    let row = r#"{"a": 0.1, "b": 0.2, "c": 0.3}"#;
    let all = token(&server, &scorer, "");
    for _ in 0..3 {
        call(&server, "POST", "/v1/score", &all, row).ok();
        call(&server, "GET", "/v1/decisions", &all, "").problem(403, "forbidden");
    }
    let one = token(&server, &scorer, "score%3Adetector%2Fforest");
    call(&server, "POST", "/v1/detectors/forest/score", &one, row).ok();
    call(&server, "POST", "/v1/score", &one, row).problem(403, "forbidden");
    // By HTTP Basic, both parts encoded.
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", id(&scorer), scorer.replace('_', "%5F"))));
    let by_basic = |headers: &[(&str, &str)], body: &str| send(server.data, "POST", "/oauth2/token", headers, body.as_bytes());
    let answer = by_basic(&[("authorization", &basic), FORM], "grant_type=client_credentials&scope=score+read:scores");
    assert_eq!((answer.json()["scope"].as_str(), answer.json()["expires_in"].as_u64()), (Some("read:scores score"), Some(600)));

    let grant = "grant_type=client_credentials";
    let wrong_secret = format!("{}&client_id={}&client_secret={}", grant, id(&scorer), scorer.replace(id(&scorer), "0123456789abcdef"));
    let in_body = format!("{grant}&client_id={}&client_secret={scorer}", id(&scorer));
    let json_type = ("content-type", "application/json");
    let with_basic = ("authorization", basic.as_str());
    let long = format!("{grant}&x={}", "x".repeat(17_000));
    let many = format!("{grant}&{}", (0..40).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&"));
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let table: [(Headers<'_>, &str, u16, &str); 17] = [
        (&[FORM], grant, 401, "invalid_client"),
        (&[FORM], &wrong_secret, 401, "invalid_client"),
        (&[FORM], &format!("{in_body}0"), 401, "invalid_client"),
        (&[FORM], &in_body.replace("client_id=", "client_id=0"), 401, "invalid_client"),
        (&[FORM, ("authorization", "Basic !")], grant, 401, "invalid_client"),
        (&[FORM, ("authorization", &bearer(&scorer))], grant, 401, "invalid_client"),
        (&[FORM, with_basic], &in_body, 400, "invalid_request"),
        (&[FORM, with_basic, with_basic], grant, 400, "invalid_request"),
        (&[FORM, with_basic], &format!("{grant}&client_id=0123456789abcdef"), 400, "invalid_request"),
        (&[FORM, with_basic], "", 400, "invalid_request"),
        (&[FORM, with_basic], "grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        (&[FORM, with_basic], &format!("{grant}&{grant}"), 400, "invalid_request"),
        (&[FORM, with_basic], &format!("{grant}&scope=manage:keys"), 400, "invalid_scope"),
        (&[FORM, with_basic], &format!("{grant}&scope=openid"), 400, "invalid_scope"),
        (&[json_type, with_basic], "{}", 400, "invalid_request"),
        (&[FORM, with_basic], &long, 400, "invalid_request"),
        (&[FORM, with_basic], &many, 400, "invalid_request"),
    ];
    for (headers, body, status, error) in table {
        let answer = by_basic(headers, body);
        let told = answer.json();
        assert_eq!((answer.status, told["error"].as_str()), (status, Some(error)), "{body}: {told}");
        assert!(told["error_description"].is_string() && told.as_object().unwrap().len() == 2, "{told}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Basic realm=\"synod\""));
    }
    let log = server.lines().join("\n");
    assert!(!log.contains(scorer.split('_').nth(2).unwrap()) && !log.contains(all.rsplit('.').next().unwrap()));
    server.stop();
}

#[test]
fn tokens_end_with_their_key_and_their_time() {
    let at = installation("");
    let (viewer, brief) = (key(&at, "--role viewer"), key(&at, "--role viewer --expires 60s"));
    let server = serve_with(&at, &[("SYNOD_IDENTITY__SERVER__TOKEN_LIFETIME", "90s")]);
    let ask = |token: &str| call(&server, "GET", "/v1/detectors", token, "");
    let of_brief = token_for(&server, &brief, "").json();
    assert!(of_brief["expires_in"].as_u64().unwrap() <= 60, "{of_brief}");
    let tokens = [token(&server, &viewer, ""), token(&server, &viewer, "read:detectors")];
    // Verified, and then remembered.
    tokens.iter().chain(&tokens).for_each(|token| drop(ask(token).ok()));
    at.run(&format!("keys revoke {}", id(&viewer))).ok();
    tokens.iter().for_each(|token| drop(soon(|answer| answer.status == 401, || ask(token))));
    assert_eq!(token_for(&server, &viewer, "").json()["error"], "invalid_client");
    let metrics = server.administer("/metrics").body;
    assert!(metrics.contains("synod_credentials_refused_total{reason=\"key_revoked\"}"), "{metrics}");
    assert!(metrics.contains("synod_access_tokens_issued_total 3"), "{metrics}");
    server.stop();
}

#[test]
fn what_others_have_signed_or_changed_is_refused() {
    let at = installation("identity: {server: {issuer: 'https://synod.example'}}\n");
    let admin = key(&at, "--role admin");
    let server = serve(&at);
    let good = token(&server, &admin, "");
    let ask = |token: &str| call(&server, "GET", "/v1/detectors", token, "");
    ask(&good).ok();
    let kept: Value = serde_json::from_str(&at.read("data/signing-keys.json")).unwrap();
    let private = STANDARD.decode(kept["entries"][0]["private"].as_str().unwrap()).unwrap();
    let own = SigningKey::read(SigningAlgorithm::Es256, &private).unwrap();
    let stranger = SigningKey::read(SigningAlgorithm::Es256, &SigningKey::generate(SigningAlgorithm::Es256).unwrap()).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let decoded = |part: usize| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[part]).unwrap()).unwrap() };
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let with = |name: &str, value: Value| {
        let mut claims = decoded(1);
        if value.is_null() {
            drop(claims.as_object_mut().unwrap().remove(name))
        } else {
            claims[name] = value
        }
        claims
    };
    // What is signed so is let in: what is refused below is refused for its claim.
    ask(&own.sign(&with("jti", "other".into())).unwrap()).ok();
    let mut header = decoded(0);
    header["alg"] = "none".into();
    let refused = [
        own.sign(&with("aud", "https://other.example".into())),
        own.sign(&with("iss", "https://other.example".into())),
        own.sign(&with("exp", (now - 31).into())),
        own.sign(&with("exp", Value::Null)),
        own.sign(&with("aud", Value::Null)),
        own.sign(&with("iat", (now + 3600).into())),
        own.sign(&with("exp", (now + 90_000).into())),
        own.sign(&with("sub", "0123456789abcdef".into())),
        own.sign(&with("sub", "ana".into())),
        own.sign(&with("scope", Value::Null)),
        stranger.sign(&decoded(1)),
        Ok(format!("{}.{}.{}", parts[0], encoded(&with("roles", json!(["boss"]))), parts[2])),
        Ok(format!("{}.{}.{}", parts[0], parts[1], stranger.sign(&decoded(1)).unwrap().rsplit('.').next().unwrap())),
        Ok(format!("{}.{}.", encoded(&header), parts[1])),
        Ok(format!("{}.{}", parts[0], parts[1])),
        Ok(format!("{good}.")),
        Ok(format!("{good}=")),
    ];
    for (place, token) in refused.into_iter().enumerate() {
        let answer = ask(&token.unwrap());
        assert_eq!(answer.status, 401, "{place}: {}", answer.body);
        answer.problem(401, "invalid_credential");
    }
    // A token's roles are those of its key, whatever it says; a scope cannot widen them.
    let viewer = key(&at, "--role viewer");
    let mut boasting = with("roles", json!(["admin"]));
    (boasting["sub"], boasting["scope"]) = (id(&viewer).into(), "manage:keys read:detectors".into());
    let boasting = own.sign(&boasting).unwrap();
    soon(|answer| answer.status == 200, || ask(&boasting));
    call(&server, "GET", "/v1/keys", &boasting, "").problem(403, "forbidden");
    let metrics = server.administer("/metrics").body;
    for reason in ["other_audience", "unknown_issuer", "expired", "unknown_key", "signature", "missing_scopes", "lives_too_long"] {
        assert!(metrics.contains(&format!("refused_total{{reason=\"{reason}\"}}")), "{reason}:\n{metrics}");
    }
    server.stop();
}

#[test]
fn what_others_verify_tokens_with_is_published() {
    let at = installation("identity: {server: {issuer: 'https://synod.example/x', algorithm: EdDSA}}\n");
    let admin = key(&at, "--role admin");
    let server = serve(&at);
    let metadata = server.get("/.well-known/oauth-authorization-server").ok();
    assert_eq!(metadata["issuer"], "https://synod.example/x");
    assert_eq!(metadata["token_endpoint"], "https://synod.example/x/oauth2/token");
    assert_eq!(metadata["jwks_uri"], "https://synod.example/x/.well-known/jwks.json");
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]));
    let ids = |answer: &Answer| -> Vec<String> {
        let keys = answer.json()["keys"].as_array().unwrap().clone();
        assert!(keys.iter().all(|key| key.get("d").is_none() && key["use"] == "sig"), "{keys:?}");
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let published = || server.get("/.well-known/jwks.json");
    assert_eq!(published().header("cache-control"), Some("public, max-age=300"));
    let token = token(&server, &admin, "");
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!(header, json!({"alg": "EdDSA", "typ": "at+jwt", "kid": ids(&published())[0]}));
    at.run("keys rotate-signing").ok();
    soon(|answer| ids(answer).len() == 2, published);
    call(&server, "GET", "/v1/detectors", &token, "").ok();
    at.run("keys rotate-signing --at-once").ok();
    soon(|answer| ids(answer).len() == 1, published);
    soon(|answer| answer.status == 401, || call(&server, "GET", "/v1/detectors", &token, ""));
    server.stop();
    // The keys are kept, and no server needs to be there.
    let server = serve_with(&at, &[("SYNOD_IDENTITY__SERVER__ENABLED", "false")]);
    for path in ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
        server.get(path).problem(404, "not_found");
    }
    assert_eq!(send(server.data, "POST", "/oauth2/token", &[FORM], b"").status, 404);
    call(&server, "GET", "/v1/detectors", &token, "").problem(401, "invalid_credential");
    call(&server, "GET", "/v1/detectors", &admin, "").ok();
    server.stop();
}
