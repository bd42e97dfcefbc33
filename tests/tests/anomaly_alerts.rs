//! Anomalies as alerts: decisions that become messages through the real Alertmanager.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::thread;
use std::time::Duration;
use synod_tests::alertmanager::Alertmanager;
use synod_tests::smtp::MailServer;
use synod_tests::webhook::Webhook;

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
