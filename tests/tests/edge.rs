//! The edge as a whole: credentials, tenants, the audit trail and TLS together, where each part alone is tested elsewhere.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use synod_tests::configurations::{AMOUNTS, patient};
use synod_tests::tls::{Authority, asked, encrypted};
use synod_tests::{Answer, Installation, Server, plugins, send};

fn installation(more: &str) -> Installation {
    let plugin = plugins().join("isolation-forest.wasm");
    let at = Installation::new(&patient(&format!("{AMOUNTS}  forest:\n    plugin: {}\n{more}", plugin.display())));
    let rows = (0..200).map(|row| format!("e{row},a{},2026-01-{:02}T12:00:00Z,{}\n", row % 9, 1 + row % 28, row * 7 % 31));
    at.write("rows.csv", "event,account,at,amount\n".to_owned() + &rows.collect::<String>());
    at.run("fit --data rows.csv").ok();
    at
}

fn key(at: &Installation, options: &str) -> String {
    at.run(&format!("keys create {options}")).ok().output.trim().to_owned()
}

fn call(server: &Server, method: &str, path: &str, key: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    send(server.data, method, path, &[("authorization", &bearer), ("content-type", "application/json")], body.as_bytes())
}

fn serve(at: &Installation) -> Server {
    Server::start_with(at, &[("SYNOD_IDENTITY__ANONYMOUS", "[]")])
}

fn row(event: &str, hour: u32) -> String {
    json!({"event": event, "account": "a1", "at": format!("2026-02-01T{hour:02}:00:00Z"), "amount": 5.0}).to_string()
}

/// What the rows of these keys were judged by: how many events of the account there were before.
fn counts(server: &Server, key: &str) -> Vec<Value> {
    let page = call(server, "GET", "/v1/decisions?entity=a1", key, "").ok();
    page["decisions"].as_array().unwrap().iter().map(|decision| decision["features"]["count"].clone()).collect()
}

#[test]
fn tenants_share_a_server_and_nothing_else() {
    let at = installation("");
    let [north, south] = ["north", "south"].map(|tenant| {
        let all = ["scorer", "analyst"].map(|role| key(&at, &format!("--role {role} --tenant {tenant}")));
        let [scorer, analyst] = all;
        (scorer, analyst)
    });
    let operator = key(&at, "--role operator");
    let admin = key(&at, "--role admin");
    let server = serve(&at);
    let mut decisions = Vec::new();
    for (hour, (scorer, _)) in [&north, &south, &north].into_iter().enumerate() {
        // The same ids by two tenants are two events each.
        let event = format!("same-{}", hour.div_ceil(2));
        let answer = call(&server, "POST", "/v1/score", scorer, &row(&event, u32::try_from(hour).unwrap()));
        assert_eq!(answer.header("synod-repeated"), None);
        decisions.push(answer.ok()["decision"].as_str().unwrap().to_owned());
    }
    assert_eq!(counts(&server, &north.1), [json!(1.0), json!(0.0)], "the newest first");
    assert_eq!(counts(&server, &south.1), [json!(0.0)], "another tenant's event is not in its past");
    call(&server, "GET", &format!("/v1/decisions/{}", decisions[0]), &south.1, "").problem(404, "no_such_decision");
    call(&server, "POST", &format!("/v1/decisions/{}/label", decisions[0]), &south.1, r#"{"label": "fraud"}"#)
        .problem(404, "no_such_decision");
    let labelled = call(&server, "POST", &format!("/v1/decisions/{}/label", decisions[0]), &north.1, r#"{"label": "fraud"}"#);
    assert_eq!((labelled.status, labelled.json()["by"].as_str().unwrap().starts_with("api-key:")), (201, true));
    let all = call(&server, "GET", "/v1/decisions", &admin, "").ok();
    assert_eq!(all["decisions"].as_array().unwrap().len(), 3);
    let one = call(&server, "GET", "/v1/decisions?tenant=south", &admin, "").ok();
    assert_eq!(one["decisions"][0]["tenant"], "south");
    assert!(call(&server, "GET", "/v1/decisions", &operator, "").ok()["decisions"][0]["features"].is_null(), "explanations are withheld");

    // Denied permissions are audited, for whoever may read it, and a tenant's reader sees its own.
    call(&server, "GET", "/v1/decisions", &north.0, "").problem(403, "forbidden");
    let south_reader = key(&at, "--role operator --tenant south");
    let denied = |key: &str| call(&server, "GET", "/v1/audit?action=permission.denied", key, "");
    let told = soon(|| denied(&operator), |answer| answer.status == 200 && answer.json()["events"] != json!([])).json();
    let event = &told["events"][0];
    assert_eq!((&event["target"], &event["tenant"], &event["route"]), (&json!("read:decisions"), &json!("north"), &json!("/v1/decisions")));
    assert_eq!(soon(|| denied(&south_reader), |answer| answer.status == 200).json()["events"], json!([]));
    // So are those that only what is asked shows: a search by scores.
    let outcomes = key(&at, "--role viewer --scope read:decisions");
    let search = || call(&server, "GET", "/v1/decisions?minimum_score=0.5", &outcomes, "");
    soon(search, |answer| answer.status == 403).problem(403, "forbidden");
    let told = soon(|| denied(&operator), |answer| answer.json()["events"].as_array().is_some_and(|events| events.len() > 1)).json();
    assert_eq!((&told["events"][0]["target"], &told["events"][0]["tenant"]), (&json!("read:scores"), &Value::Null));

    // Six keys that commands made before there was a server, and two beside it.
    let made = || call(&server, "GET", "/v1/audit?action=key.created", &operator, "");
    let made = soon(made, |answer| answer.json()["events"].as_array().unwrap().len() == 8).json();
    assert!(made["events"].as_array().unwrap().iter().all(|event| event["reason"] == "command line"), "{made}");
    server.stop();
    // Everything is there after a restart, and comes out again.
    let server = serve(&at);
    assert_eq!(counts(&server, &south.1), [json!(0.0)]);
    let again = call(&server, "POST", "/v1/score", &north.0, &row("same-0", 0));
    assert_eq!((again.header("synod-repeated"), again.ok()["decision"].as_str()), (Some("true"), Some(decisions[0].as_str())));
    server.stop();
    at.run("replay").ok();
    at.run("audit verify").ok();
}

fn soon(mut ask: impl FnMut() -> Answer, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let started = Instant::now();
    loop {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still {} {}", answer.status, answer.body);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_certificate_speaks_for_whom_the_configuration_says() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let at = installation(
        "listen: {proxies: [127.0.0.1], tls: {certificate: server.pem, key: server.key, clients: {authorities: clients.pem}}}\n\
         identity: {certificates: [{name: \"subject:CN=teller,O=Bank\", roles: [viewer], tenant: north}]}\n",
    );
    let (pem, key) = authority.certificate(2090);
    [("server.pem", &pem), ("server.key", &key), ("clients.pem", &clients.pem())].iter().for_each(|(name, text)| at.write(name, text));
    let server = serve(&at);
    let [teller, other] = [clients.client("teller", 1), clients.client("other", 2)];
    let ask_with = |shown, method: &str, path: &str, fields: &str| {
        let config = authority.trusting_as(&[&rustls::version::TLS13], &["http/1.1"], shown);
        let request = format!("{method} {path} HTTP/1.1\r\nhost: synod\r\nconnection: close\r\ncontent-length: 0\r\n{fields}\r\n");
        let answer = asked(&mut encrypted(&config, server.data).unwrap(), &request).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let ask = |shown, method: &str, path: &str| ask_with(shown, method, path, "");
    assert_eq!(ask(Some(&teller), "GET", "/v1/decisions"), "200");
    assert_eq!(ask(Some(&teller), "POST", "/v1/score"), "403", "it is who it is, and may not");
    assert_eq!(ask(Some(&other), "GET", "/v1/decisions"), "401", "a certificate that nobody named is no credential");
    assert_eq!(ask(None, "GET", "/v1/decisions"), "401");
    // The certificate of a proxy is nothing to whoever sent the request that it asks about.
    let of_proxy = "x-forwarded-method: GET\r\nx-forwarded-uri: /grafana/\r\n";
    assert_eq!(ask_with(Some(&teller), "GET", "/v1/forward-auth?needs=read:decisions", of_proxy), "401");
    server.stop();
}

#[test]
fn insecure_settings_are_named_and_not_served() {
    let at = installation("");
    assert_eq!(at.run("doctor").ok().output, "nothing here is insecure\n");
    // What is changed, what is said of it, and whether it is refused.
    let table = [
        ("identity: {anonymous: [admin]}", "insecure: identity.anonymous: anybody who can connect is admin", true),
        ("listen: {data: '0.0.0.0:0'}", "insecure: listen.tls: credentials and rows cross the network to 0.0.0.0:0 in the clear", true),
        ("listen: {administration: '0.0.0.0:0'}", "warning: listen.administration: whoever reaches 0.0.0.0:0 reads the metrics", false),
        ("outcomes: {block: 0.9, breaker: {maximum_share: 1}}", "warning: outcomes.breaker.maximum_share: a model, a feature or", false),
        ("decisions: {durability: none}", "warning: decisions.durability: no decision can be found", false),
        (
            "identity: {issuers: {bank: {issuer: 'https://bank.example', audiences: [synod]}}}",
            "warning: identity.issuers: whoever the provider of `bank`",
            false,
        ),
        ("listen: {tls: {certificate: server.pem, key: server.key}}", "warning: listen.tls.key: everybody on this machine can use", false),
    ];
    let (pem, key) = Authority::new("servers").certificate(2090);
    [("server.pem", &pem), ("server.key", &key)].iter().for_each(|(name, text)| at.write(name, text));
    let before = at.read("synod.yaml");
    for (change, said, refused) in table {
        let section = change.split(':').next().unwrap();
        let others: Vec<&str> = before.lines().filter(|line| !line.starts_with(section)).collect();
        at.write("synod.yaml", format!("{}\n{change}\n", others.join("\n")));
        let told = at.run("doctor");
        assert!(told.output.contains(said), "{change}: {}", told.output);
        assert_eq!(told.code, i32::from(refused), "{change}");
        if refused {
            at.run("serve --config synod.yaml").failed(1, &[said, "with --dev it is served all the same"]);
        }
    }
}
