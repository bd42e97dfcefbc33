//! `synod notify`: Alertmanager's notifications as SMS, JSON and cards, to servers that answer as the real ones do.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::alertmanager::Alertmanager;
use synod_tests::notify::Notify;
use synod_tests::webhook::{Reply, Request, Webhook};
use synod_tests::{Answer, Installation, binary, send};

const ACCOUNT: &str = "AC00000000000000000000000000000000";
const TOKEN: &str = "the-token-of-twilio";
/// What Twilio refuses for ever.
const BAD: &str = "+15005550001";

/// What Twilio answers to a request for a message (its documentation: errors 20003, 21211, 20429).
fn twilio(request: &Request) -> Reply {
    let refused = |status: u16, code: u32, message: &str| {
        Reply::new(status, &json!({"code": code, "message": message, "more_info": "https://x", "status": status}).to_string())
    };
    let expected = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    let fields = form(&request.body);
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    match (field("To"), field("From"), field("Body")) {
        _ if request.header("authorization") != Some(&expected) => refused(401, 20003, "Authenticate"),
        _ if request.path != format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json") || request.method != "POST" => {
            refused(404, 20404, "no")
        }
        _ if request.header("content-type") != Some("application/x-www-form-urlencoded") => refused(400, 21602, "no body"),
        (Some(to), Some(_), Some(_)) if to == BAD => refused(400, 21211, &format!("The 'To' number {to} is not a valid phone number.")),
        (Some(to), Some(from), Some(body)) => {
            let answer = json!({"sid": "SM00000000000000000000000000000001", "status": "queued", "to": to, "from": from, "body": body, "error_code": null});
            Reply::new(201, &answer.to_string())
        }
        _ => refused(400, 21604, "a field is missing"),
    }
}

fn form(body: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let bytes = text.replace('+', " ").into_bytes();
        let (mut decoded, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let digits = (bytes[at] == b'%').then(|| std::str::from_utf8(&bytes[at + 1..at + 3]).unwrap());
            decoded.push(digits.map_or(bytes[at], |digits| u8::from_str_radix(digits, 16).unwrap()));
            at += if digits.is_some() { 3 } else { 1 };
        }
        String::from_utf8(decoded).unwrap()
    };
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// The recipient and the text of each message that Twilio was asked for.
fn messages(server: &Webhook) -> Vec<(String, String)> {
    let of = |request: Request| {
        let fields = form(&request.body);
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).unwrap().1.clone();
        (field("To"), field("Body"))
    };
    server.requests().into_iter().map(of).collect()
}

/// With the token of Twilio, whether it calls that or not.
fn started(at: &Installation, receivers: &str, arguments: &[&str]) -> Notify {
    at.write("twilio.token", TOKEN);
    Notify::start(at, receivers, arguments)
}

fn sms(server: &Webhook, to: &str, more: &str) -> String {
    format!(
        "  sms:\n    twilio: {{account: {ACCOUNT}, token_file: twilio.token, from: '+15005550006', to: {to}, url: '{}'}}\n{more}",
        server.url("")
    )
}

/// What Alertmanager would send of so many alerts; `number` tells notifications apart.
fn notification(status: &str, number: u32, alerts: usize) -> Value {
    let alert = |index: usize| {
        json!({
            "status": status, "labels": {"alertname": "DetectorFails", "severity": "critical"}, "annotations": {"summary": format!("number {index} \"fails\"")},
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": format!("{number}-{index}")
        })
    };
    json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "sms", "groupLabels": {},
        "commonLabels": {"alertname": "DetectorFails", "severity": "critical"}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
        "alerts": (0..alerts).map(alert).collect::<Vec<_>>()
    })
}

#[test]
fn everybody_gets_an_sms_once() {
    let (server, at) = (Webhook::answering(twilio), Installation::new(""));
    let notify = started(&at, &sms(&server, "['+491700000001', '+491700000002']", ""), &[]);
    assert_eq!(notify.post("sms", &notification("firing", 1, 5)).status, 200);
    let text =
        "[FIRING 5] DetectorFails: number 0 \"fails\"; DetectorFails: number 1 \"fails\"; DetectorFails: number 2 \"fails\"; and 2 more";
    let expected = [("+491700000001".to_owned(), text.to_owned()), ("+491700000002".to_owned(), text.to_owned())];
    assert_eq!(messages(&server), expected);
    // The same again: Alertmanager did not hear the answer.
    assert_eq!(notify.post("sms", &notification("firing", 1, 5)).status, 200);
    assert_eq!(messages(&server).len(), 2);
    assert_eq!(notify.post("sms", &notification("resolved", 1, 1)).status, 200);
    assert_eq!(messages(&server)[3].1, "[RESOLVED 1] DetectorFails: number 0 \"fails\"");

    let post = |path: &str, headers: &[(&str, &str)], body: &str| send(notify.address, "POST", path, headers, body.as_bytes()).status;
    let good = [("authorization", "Bearer of alertmanager")];
    let known = notification("firing", 2, 1).to_string();
    assert_eq!(post("/receivers/sms", &[], &known), 401);
    assert_eq!(post("/receivers/sms", &[("authorization", "Bearer of somebody")], &known), 401);
    assert_eq!(post("/receivers/other", &good, &known), 404);
    assert_eq!(post("/receivers/sms", &good, "{}"), 400);
    assert_eq!(post("/receivers/sms", &good, &known.replace("\"version\":\"4\"", "\"version\":\"5\"")), 400);
    assert_eq!((send(notify.address, "GET", "/healthz", &[], b"").status, messages(&server).len()), (200, 4));
    let metrics = send(notify.address, "GET", "/metrics", &[], b"").body;
    assert!(metrics.contains("synod_notify_messages_total{receiver=\"sms\",result=\"sent\"} 4"), "{metrics}");
    let log = notify.stop().join("\n");
    assert!(!log.contains("4917") && !log.contains(TOKEN), "{log}");
}

#[test]
fn who_has_a_message_does_not_get_it_again_with_the_others() {
    let (server, at) = (Webhook::start(), Installation::new(""));
    let notify = started(&at, &sms(&server, "['+491700000001', '+491700000002']", ""), &[]);
    server.answer(|request| if request.body.contains("0002") { Reply::new(500, "{}") } else { twilio(request) });
    assert_eq!(notify.post("sms", &notification("firing", 1, 1)).status, 503);
    assert_eq!(notify.post("sms", &notification("firing", 1, 1)).status, 503);
    server.answer(twilio);
    assert_eq!(notify.post("sms", &notification("firing", 1, 1)).status, 200);
    let to: Vec<String> = messages(&server).into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, ["+491700000001", "+491700000002", "+491700000002", "+491700000002"]);

    // Twilio asks to be left alone: until then nobody is asked.
    server.answer(|_| Reply { headers: vec!["Retry-After: 2".into()], ..Reply::new(429, r#"{"code":20429,"status":429}"#) });
    let answer = notify.post("sms", &notification("firing", 2, 1));
    assert_eq!((answer.status, answer.header("retry-after"), messages(&server).len()), (503, Some("2"), 5));
    server.answer(twilio);
    assert_eq!((notify.post("sms", &notification("firing", 2, 1)).status, messages(&server).len()), (503, 5));
    thread::sleep(Duration::from_millis(2100));
    assert_eq!((notify.post("sms", &notification("firing", 2, 1)).status, messages(&server).len()), (200, 7));

    // A token that is not Twilio's, and then is again.
    at.write("twilio.token", "another");
    assert_eq!(notify.post("sms", &notification("firing", 3, 1)).status, 422);
    at.write("twilio.token", TOKEN);
    assert_eq!(notify.post("sms", &notification("firing", 3, 1)).status, 200);
    notify.stop();
}

#[test]
fn a_number_that_there_is_not_keeps_nothing_from_the_others() {
    let (server, at) = (Webhook::answering(twilio), Installation::new(""));
    let notify = started(&at, &sms(&server, &format!("['{BAD}', '+491700000002']"), ""), &[]);
    assert_eq!(notify.post("sms", &notification("firing", 1, 1)).status, 422);
    assert_eq!(notify.post("sms", &notification("firing", 1, 1)).status, 422);
    let to: Vec<String> = messages(&server).into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [BAD, "+491700000002", BAD]);
    let log = notify.stop().join("\n");
    assert!(log.contains("error 21211") && !log.contains(BAD), "{log}");
}

#[test]
fn a_flood_is_held_back_and_comes_later() {
    let (server, at) = (Webhook::answering(twilio), Installation::new(""));
    let notify = started(&at, &sms(&server, "['+491700000001']", "    messages: 2/s\n"), &[]);
    let started = Instant::now();
    let statuses: Vec<u16> = (0..30).map(|number| notify.post("sms", &notification("firing", number, 1)).status).collect();
    let sent = statuses.iter().filter(|status| **status == 200).count();
    // Two at once, and two more each second; thirty take fourteen seconds.
    assert!(sent as f64 <= 3.0 + 2.0 * started.elapsed().as_secs_f64() && sent < 30, "{statuses:?} in {:?}", started.elapsed());
    assert!(statuses.iter().all(|status| [200, 503].contains(status)) && messages(&server).len() == sent, "{statuses:?}");
    let (started, held_back) = (Instant::now(), statuses.iter().position(|status| *status == 503).unwrap() as u32);
    while notify.post("sms", &notification("firing", held_back, 1)).status != 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "it never comes");
        thread::sleep(Duration::from_millis(50));
    }
    notify.stop();
}

#[test]
fn gateways_and_teams_get_json() {
    let (gateway, teams, at) = (Webhook::start(), Webhook::answering(|_| Reply::new(202, "")), Installation::new(""));
    at.write("key", "the key of the gateway\n");
    at.write("teams.url", teams.url("/workflows/1?sig=secret"));
    let receivers = format!(
        "  gateway:\n    json:\n      url: '{}'\n      method: PUT\n      headers: {{x-a: b}}\n      header_files: {{x-api-key: key}}\n      \
         body: {{to: ['{{to}}'], text: '{{text}}', kind: '{{severity}}/{{status}}', n: 1}}\n      to: [anna, ben]\n  \
         team:\n    teams: {{url_file: teams.url}}\n",
        gateway.url("/send?a=b")
    );
    let notify = started(&at, &receivers, &[]);
    assert_eq!(notify.post("gateway", &notification("firing", 1, 1)).status, 200);
    let requests = gateway.requests();
    let first = &requests[0];
    assert_eq!((first.method.as_str(), first.path.as_str(), first.header("x-a")), ("PUT", "/send?a=b", Some("b")));
    assert_eq!((first.header("x-api-key"), first.header("content-type")), (Some("the key of the gateway"), Some("application/json")));
    let text = "[FIRING 1] DetectorFails: number 0 \"fails\"";
    assert_eq!(first.json(), json!({"to": ["anna"], "text": text, "kind": "critical/firing", "n": 1}));
    assert_eq!((requests.len(), requests[1].json()["to"][0].clone()), (2, "ben".into()));
    assert_eq!(notify.post("team", &notification("resolved", 1, 1)).status, 200);
    let card = teams.requests()[0].json();
    assert_eq!(teams.requests()[0].path, "/workflows/1?sig=secret");
    assert_eq!(card["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["attachments"][0]["content"]["body"][0]["inlines"][0]["text"], "[RESOLVED 1] DetectorFails (critical)");
    teams.answer(|_| Reply::new(500, ""));
    assert_eq!(notify.post("team", &notification("firing", 2, 1)).status, 503);
    let log = notify.stop().join("\n");
    assert!(log.contains("status 500") && !log.contains("sig=secret") && !log.contains("the key"), "{log}");
}

#[test]
fn a_dry_run_shows_and_sends_nothing() {
    let (server, at) = (Webhook::answering(twilio), Installation::new(""));
    let notify = started(&at, &sms(&server, "['+491700000001']", ""), &["--dry-run"]);
    assert_eq!(notify.post("sms", &notification("firing", 1, 1)).status, 200);
    let shown: Value = serde_json::from_str(&notify.lines.recv_timeout(Duration::from_secs(10)).unwrap()).unwrap();
    let expected = json!({"To": "+491700000001", "From": "+15005550006", "Body": "[FIRING 1] DetectorFails: number 0 \"fails\""});
    assert_eq!((&shown["receiver"], &shown["would_send"]), (&"sms".into(), &expected));
    notify.stop();
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn mistakes_are_told_before_it_listens() {
    let at = Installation::new("");
    at.write("notify.yaml", "version: 1\nlisten: 0.0.0.0:0\nreceivers: {a b: {}, c: {teams: {url_file: none}, text: 1}}\n");
    let failed = |expected: i32, naming: &[&str]| {
        let output = Command::new(binary()).current_dir(at.path(".")).args(["notify"]).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(expected), "{errors}");
        naming.iter().for_each(|text| assert!(errors.contains(text), "no `{text}` in {errors}"));
    };
    failed(
        2,
        &[
            "notify.yaml:token_file: is missing: anybody who reaches 0.0.0.0:0",
            "receivers.a b: a receiver's name has",
            "receivers.c.text: unknown field `text`",
        ],
    );
    at.write("notify.yaml", "version: 1\nreceivers: {c: {teams: {url_file: none}}}\n");
    failed(1, &["receivers.c.teams.url_file: cannot read", "No such file"]);
}

/// The whole way: a real Alertmanager, which sends again what failed.
#[test]
fn alertmanager_is_passed_on_and_sends_again() {
    let (server, at) = (Webhook::answering(|_| Reply::new(503, "{}")), Installation::new(""));
    let notify = started(&at, &sms(&server, "['+491700000001', '+491700000002']", ""), &[]);
    let configuration = format!(
        "route: {{receiver: sms, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: sms
    webhook_configs:
      - url: 'http://{}/receivers/sms'
        send_resolved: true
        http_config: {{authorization: {{credentials_file: '{}'}}}}
",
        notify.address,
        at.path("token").display()
    );
    let Some(alertmanager) = Alertmanager::start(&configuration) else { return };
    let alert =
        json!([{"labels": {"alertname": "ServiceDown", "severity": "critical"}, "annotations": {"summary": "Synod does not answer"}}]);
    assert_eq!(alertmanager.post("/api/v2/alerts", &alert).status, 200);
    let _ = server.await_request("the first attempt", |_| true);
    server.answer(|request| if request.body.contains("0002") { Reply::new(500, "{}") } else { twilio(request) });
    let _ = server.await_request("one of two", |request| request.body.contains("0002"));
    thread::sleep(Duration::from_secs(1));
    let (before, sent) = (server.requests().len(), |request: &Request| twilio(request).status == 201);
    server.answer(twilio);
    let started = Instant::now();
    while !server.requests()[before..].iter().any(|request| request.body.contains("0002") && sent(request)) {
        assert!(started.elapsed() < Duration::from_secs(60), "it is not sent again: {:#?}", server.requests());
        thread::sleep(Duration::from_millis(20));
    }
    let text = "[FIRING 1] ServiceDown: Synod does not answer";
    assert!(messages(&server).iter().all(|(_, body)| body == text), "{:#?}", messages(&server));

    let before = server.requests().len();
    let mut over = alert;
    over[0]["endsAt"] = "2020-01-01T00:00:00Z".into();
    over[0]["startsAt"] = "2019-01-01T00:00:00Z".into();
    assert_eq!(alertmanager.post("/api/v2/alerts", &over).status, 200);
    let _ = server.await_request("the end", |request| request.body.contains("RESOLVED") && request.body.contains("0002"));
    assert_eq!(server.requests().len(), before + 2, "to each once");
    notify.stop();
}
