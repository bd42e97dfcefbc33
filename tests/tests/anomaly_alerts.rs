//! Anomalies as alerts: decisions that become messages through the real Alertmanager.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::alertmanager::Alertmanager;
use synod_tests::configurations::{patient, three_numbers_csv};
use synod_tests::smtp::MailServer;
use synod_tests::webhook::{Reply, Request, Webhook};
use synod_tests::{Installation, Server, free_port};

/// Rows of an account; what is far outside of the numbers is blocked.
const CONFIGURATION: &str = "version: 1
schema:
  entity: account
  fields:
    account: {type: text, required: true}
    a: {type: number}
    b: {type: number}
    c: {type: number}
features: {a: {expression: a}, b: {expression: b}, c: {expression: c}}
detectors:
  forest:
    plugin: isolation-forest
    contamination: 0.05
consensus: {contamination: 0.05}
outcomes: {block: 0.4}
";
/// A row that is blocked.
const FAR: f64 = 50.0;
const NEAR: f64 = 0.2;

fn installed(alerts: &str) -> Installation {
    let at = Installation::new(&format!("{}{alerts}", patient(CONFIGURATION)));
    let rows = three_numbers_csv(300);
    let rows = rows.lines().enumerate().map(|(line, row)| if line == 0 { format!("account,{row}\n") } else { format!("someone,{row}\n") });
    at.write("rows.csv", rows.collect::<String>());
    at.run("fit --data rows.csv").ok();
    at
}

/// The section, for these Alertmanagers, with more keys.
fn alerts(urls: &[String], more: &str) -> String {
    let urls = urls.iter().map(|url| format!("'{url}'")).collect::<Vec<_>>().join(", ");
    format!("alerts:\n  alertmanagers: [{urls}]\n  rules: [{{outcome: block, severity: critical, labels: {{team: fraud}}}}]\n{more}")
}

/// Has rows of these accounts judged, and answers the decisions.
fn judged(server: &Server, accounts: &[String], value: f64) -> Vec<Value> {
    let rows: Vec<Value> = accounts.iter().map(|account| json!({"account": account, "a": value, "b": value, "c": value})).collect();
    let answer = server.post("/v1/score", &Value::from(rows).to_string()).ok();
    let verdicts = answer.as_array().unwrap_or_else(|| panic!("no list: {answer}")).clone();
    let outcome = if value == FAR { "block" } else { "approve" };
    // After so many, the breaker makes them milder; that calls nobody off.
    let of_policy = |verdict: &Value| verdict["degraded"].get("from").unwrap_or(&verdict["outcome"]).clone();
    verdicts.iter().for_each(|row| assert_eq!(of_policy(&row["verdict"]), outcome, "{row}"));
    verdicts
}

fn anomaly(server: &Server, account: &str) -> String {
    judged(server, &[account.to_owned()], FAR)[0]["decision"].as_str().unwrap().to_owned()
}

fn is(request: &Request, status: &str, decision: &str) -> bool {
    let message = request.json();
    message["status"] == status && message["alerts"].as_array().unwrap().iter().any(|alert| alert["annotations"]["decision"] == decision)
}

#[track_caller]
fn await_that(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not come to this: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A metric of the service; 0 if it is not there.
fn metric(server: &Server, name: &str) -> f64 {
    let text = server.administer("/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

/// What is relied on: an alert whose end lies ahead fires until then without being posted again, posted again it is the same alert, and its
/// end is told.
#[test]
fn an_alert_with_an_end_fires_until_then() {
    let (mails, webhook) = (MailServer::start(), Webhook::start());
    let Some(alertmanager) = Alertmanager::start(&configuration(&mails, &webhook)) else { return };
    let now = Timestamp::now();
    let alert = |seconds: i64, note: &str| {
        let ends = now + SignedDuration::from_secs(seconds);
        json!([{"labels": {"alertname": "A", "entity": "x"}, "annotations": {"summary": note}, "startsAt": now.to_string(), "endsAt": ends.to_string()}])
    };
    assert_eq!(alertmanager.post("/api/v2/alerts", &alert(4, "first")).status, 200);
    let fired = webhook.await_request("firing", |request| request.json()["status"] == "firing");
    assert_eq!(alertmanager.post("/api/v2/alerts", &alert(8, "second")).status, 200);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(alertmanager.alerts().len(), 1);
    let resolved = webhook.await_request("resolved", |request| request.json()["status"] == "resolved");
    assert_eq!(resolved.json()["alerts"][0]["annotations"]["summary"], "second");
    assert!(resolved.at.duration_since(fired.at) > Duration::from_secs(7), "its end was moved");
    let _ = mails.await_mail("resolved", |mail| mail.subject().contains("RESOLVED"));
    assert_eq!((mails.mails().len(), webhook.requests().len()), (2, 2), "{:#?}", webhook.requests());
}

#[test]
fn an_anomaly_is_one_message_its_repetition_none_and_it_ends() {
    let (mails, webhook) = (MailServer::start(), Webhook::start());
    let Some(alertmanager) = Alertmanager::start(&configuration(&mails, &webhook)) else { return };
    let at = installed(&alerts(&[alertmanager.url()], "  expires: 6s\n  console: https://synod.bank.example/\n"));
    let server = Server::start(&at);
    judged(&server, &["ACC-4711".to_owned()], NEAR);
    let first = anomaly(&server, "ACC-4711");
    let message = webhook.await_request("of the anomaly", |request| is(request, "firing", &first));
    let alert = &message.json()["alerts"][0];
    let labels = &alert["labels"];
    let expected = json!({
        "alertname": "SynodAnomaly", "severity": "critical", "outcome": "block", "policy": "weighted_mean", "service": "synod",
        "team": "fraud", "entity": labels["entity"]
    });
    assert_eq!((labels, labels["entity"].as_str().unwrap().len()), (&expected, 16));
    assert_eq!(alert["generatorURL"], format!("https://synod.bank.example/v1/decisions/{first}"));
    assert_eq!((&alert["annotations"]["detectors"], &alert["annotations"]["reasons"]), (&"forest".into(), &"b, c, a".into()));
    let mail = mails.await_mail("of the anomaly", |mail| mail.subject().contains("FIRING"));
    assert!(mail.body().contains(&first), "{}", mail.body());

    thread::sleep(Duration::from_secs(3));
    let again = Instant::now();
    let second = anomaly(&server, "ACC-4711");
    let resolved = webhook.await_request("that it is over", |request| is(request, "resolved", &second));
    assert!(resolved.at.duration_since(again) > Duration::from_secs(5), "the repetition has moved the end");
    let _ = mails.await_mail("that it is over", |mail| mail.subject().contains("RESOLVED"));
    assert_eq!((mails.mails().len(), webhook.requests().len()), (2, 2), "one message, and one of its end: {:#?}", webhook.requests());
    let told = mails.mails().into_iter().map(|mail| mail.message).chain(webhook.requests().into_iter().map(|request| request.body));
    told.for_each(|text| assert!(!text.contains("4711"), "an account stands in a message: {text}"));
    assert_eq!(metric(&server, "synod_anomaly_alerts_total{severity=\"critical\"}"), 1.0);
    assert_eq!(metric(&server, "synod_sink_records_total{sink=\"alertmanager\",result=\"delivered\"}"), 2.0);
    server.stop();
}

#[test]
fn what_could_not_be_delivered_is_delivered_later() {
    let (mails, webhook) = (MailServer::start(), Webhook::start());
    let Some(mut alertmanager) = Alertmanager::start(&configuration(&mails, &webhook)) else { return };
    let at = installed("");
    let server = Server::start(&at);
    let before = anomaly(&server, "before");
    server.stop();
    // Whoever turns alerts on is not called for what was before.
    at.write("synod.yaml", at.read("synod.yaml") + &alerts(&[alertmanager.url()], "  expires: 30m\n  entity: plain\n"));
    alertmanager.stop();
    let server = Server::start(&at);
    let first = anomaly(&server, "first");
    let _ = server.await_event(|event| event["message"] == "nothing is delivered; it is tried again" && event["reason"] == "unreachable");
    assert!(metric(&server, "synod_sink_behind_records{sink=\"alertmanager\"}") >= 1.0);
    assert!(metric(&server, "synod_sink_age_seconds{sink=\"alertmanager\"}") > 0.0);
    assert!(metric(&server, "synod_sink_failures_total{sink=\"alertmanager\",reason=\"unreachable\"}") >= 1.0);
    await_that("operators are told why", || {
        let told = server.administer("/readyz?verbose").body;
        told.lines().any(|line| line.contains("sink/alertmanager") && line.contains("degraded"))
            || told.contains(r#""name":"sink/alertmanager","state":"degraded""#)
    });
    assert_eq!(server.get("/v1/decisions").status, 200, "nobody waits for it");
    alertmanager.resume();
    let _ = webhook.await_request("late", |request| is(request, "firing", &first));
    await_that("nothing is left", || metric(&server, "synod_sink_behind_records{sink=\"alertmanager\"}") == 0.0);
    assert_eq!(metric(&server, "synod_sink_age_seconds{sink=\"alertmanager\"}"), 0.0);

    alertmanager.stop();
    let second = anomaly(&server, "second");
    server.kill();
    alertmanager.resume();
    let server = Server::start(&at);
    let message = webhook.await_request("after a crash", |request| is(request, "firing", &second));
    assert_eq!(message.json()["alerts"][0]["labels"]["entity"], "second");
    let decisions = |request: &Request| request.json()["alerts"][0]["annotations"]["decision"].clone();
    let told: Vec<Value> = webhook.requests().iter().map(decisions).collect();
    assert_eq!(told, [first.clone(), second], "each once, and not {before}");
    server.stop();
}

#[test]
fn a_flood_is_one_alert() {
    let (mails, webhook) = (MailServer::start(), Webhook::start());
    let Some(alertmanager) = Alertmanager::start(&configuration(&mails, &webhook)) else { return };
    let at = installed(&alerts(&[alertmanager.url()], "  expires: 30m\n  maximum: 5/m\n"));
    let server = Server::start(&at);
    for begun in (0..200).step_by(50) {
        judged(&server, &(begun..begun + 50).map(|number| format!("A{number}")).collect::<Vec<_>>(), FAR);
    }
    let delivered = "synod_sink_records_total{sink=\"alertmanager\",result=\"delivered\"}";
    await_that("all are delivered", || metric(&server, delivered) == 200.0);
    let fires = |name: &str| alertmanager.alerts().into_iter().filter(|alert| alert["labels"]["alertname"] == name).collect::<Vec<_>>();
    let (own, flood) = (fires("SynodAnomaly").len(), fires("SynodAnomalyFlood"));
    // A minute may have ended in between.
    assert!([5, 10].contains(&own), "{own} alerts");
    assert_eq!((flood.len(), &flood[0]["annotations"]["count"]), (1, &(200 - own).to_string().into()), "{flood:#?}");
    // One that fires already is no new one.
    judged(&server, &["A0".to_owned()], FAR);
    await_that("it is delivered", || metric(&server, delivered) == 201.0);
    assert_eq!(
        (fires("SynodAnomaly").len(), fires("SynodAnomalyFlood")[0]["annotations"]["count"].clone()),
        (own, (200 - own).to_string().into())
    );
    server.stop();
}

#[test]
fn each_alertmanager_is_told_by_itself_and_with_the_credential_of_now() {
    let (one, down) = (Webhook::answering(|_| Reply::new(401, "")), free_port());
    let at = installed("");
    at.write("token", "first\n");
    at.write(
        "synod.yaml",
        at.read("synod.yaml")
            + &alerts(&[format!("http://127.0.0.1:{down}"), one.url("/behind/")], "  bearer_file: token\n  entity: plain\n"),
    );
    let server = Server::start(&at);
    let decision = anomaly(&server, "someone");
    let request = one.await_request("with the first token", |request| request.header("authorization") == Some("Bearer first"));
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/behind/api/v2/alerts"));
    assert_eq!(request.json()[0]["annotations"]["decision"], decision);
    one.answer(|_| Reply::new(200, ""));
    at.write("token", "second");
    let _ = one.await_request("with the second token", |request| request.header("authorization") == Some("Bearer second"));
    await_that("it is delivered", || metric(&server, "synod_sink_records_total{sink=\"alertmanager_2\",result=\"delivered\"}") == 1.0);
    assert!(metric(&server, "synod_sink_failures_total{sink=\"alertmanager_2\",reason=\"credential\"}") >= 1.0);
    assert_eq!(metric(&server, "synod_sink_behind_records{sink=\"alertmanager_2\"}"), 0.0);
    assert!(metric(&server, "synod_sink_behind_records{sink=\"alertmanager\"}") >= 1.0, "nobody is there");
    // One that is refused for good is given up, and keeps nothing from the others.
    let third = anomaly_that(&one, &server);
    await_that("it is given up", || metric(&server, "synod_sink_records_total{sink=\"alertmanager_2\",result=\"dead\"}") == 1.0);
    let _ = one.await_request("of the other", |request| request.json().as_array().unwrap().len() == 1 && request.body.contains(&third));
    let events = server.stop();
    assert!(!events.iter().any(|event| event.to_string().contains("second")), "a token stands in the log");
}

/// Two anomalies at once, of which the receiver refuses the first; answers the decision of the second.
fn anomaly_that(receiver: &Webhook, server: &Server) -> String {
    receiver.answer(|request| Reply::new(if request.body.contains("refused") { 400 } else { 200 }, ""));
    judged(server, &["refused".to_owned(), "fine".to_owned()], FAR)[1]["decision"].as_str().unwrap().to_owned()
}

fn configuration(mails: &MailServer, webhook: &Webhook) -> String {
    format!(
        "global: {{smtp_smarthost: '{}', smtp_from: alertmanager@bank.example, smtp_require_tls: false}}
route: {{receiver: analysts, group_by: [alertname, entity], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: analysts
    webhook_configs: [{{url: '{}', send_resolved: true}}]
    email_configs: [{{to: analyst@bank.example, send_resolved: true}}]
",
        mails.address,
        webhook.url("/hook")
    )
}
