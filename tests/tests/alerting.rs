//! From something that breaks to the people who are called, through what is shipped: the rules, Prometheus, Alertmanager with its configuration
//! and templates, a mail server, and `synod notify` for text messages. Only the patience is less: minutes are seconds here.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use synod_tests::alertmanager::Alertmanager;
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::notify::Notify;
use synod_tests::prometheus::{Prometheus, scraping};
use synod_tests::smtp::{Mail, MailServer};
use synod_tests::webhook::Webhook;
use synod_tests::{Installation, Server, free_port, guests, repository};

/// What the hostile guest panics at, and what it bears.
const TRIGGER: &str = r#"{"a":0.9,"b":0.2,"c":0.3}"#;
const CALM: &str = r#"{"a":0.1,"b":0.2,"c":0.3}"#;

/// A service with a detector that can be broken from outside, on a port that it keeps.
fn installation() -> (Installation, String) {
    let [template, hostile] = ["template", "hostile"].map(|name| guests().join(format!("{name}.wasm")));
    let detectors = format!(
        "  robust:\n    plugin: {}\n  fragile:\n    plugin: {}\n    parameters: {{behaviour: panic}}\n",
        template.display(),
        hostile.display()
    );
    let at = Installation::new(&patient(&three_numbers(&detectors)));
    at.write("rows.csv", three_numbers_csv(400));
    at.run("fit --data rows.csv").ok();
    (at, format!("127.0.0.1:{}", free_port()))
}

fn started(at: &Installation, administration: &str) -> Server {
    Server::start_with(at, &[("SYNOD_LISTEN__ADMINISTRATION", administration)])
}

/// The windows of service levels are hours, and the disk of this machine is other people's too.
const LEFT_OUT: [&str; 2] = ["levels.yaml", "decisions.yaml"];

/// The shipped rules, with less patience.
fn rules() -> Vec<(String, String)> {
    let folder = repository().join("alertmanager/rules");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let files = files.filter(|path| !LEFT_OUT.iter().any(|name| path.ends_with(name)));
    files
        .map(|path: PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), impatient(&fs::read_to_string(path).unwrap())))
        .collect()
}

/// With windows of ten minutes in ten seconds, and nothing that has to last. Longer windows stay as they are.
fn impatient(rules: &str) -> String {
    let lines = rules.lines().map(|line| match line.trim_start() {
        rest if rest.starts_with("for: ") => String::new(),
        _ => line.replace("[10m]", "[10s]"),
    });
    lines.map(|line| line + "\n").collect()
}

fn prometheus(administration: &str, alertmanager: &Alertmanager) -> Option<Prometheus> {
    let administration: SocketAddr = administration.parse().unwrap();
    let configuration = format!(
        "{}rule_files: ['*.rules']\nalerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}\n",
        scraping(&[("synod", administration)]),
        alertmanager.address
    );
    let rules: Vec<(String, String)> = rules().into_iter().map(|(name, text)| (format!("{name}.rules"), text)).collect();
    let files: Vec<(&str, &str)> = rules.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Prometheus::start(&configuration, &files, &[])
}

/// The shipped configuration, with the mail server and `synod notify` of the test, and less patience.
fn alertmanager(mail: &MailServer, notify: &Notify, token: &std::path::Path) -> Option<Alertmanager> {
    let shipped = fs::read_to_string(repository().join("alertmanager/alertmanager.yaml")).unwrap();
    let templates = repository().join("alertmanager/templates/*.tmpl");
    let mut text = shipped
        .replace("smtp_smarthost: mail.example.org:587", &format!("smtp_smarthost: {}\n  smtp_require_tls: false", mail.address))
        .replace("templates/*.tmpl", &templates.display().to_string())
        .replace("127.0.0.1:9095", &notify.address.to_string())
        .replace("/etc/alertmanager/secrets/notify-token", &token.display().to_string());
    text = lines(&text, |line| !line.contains("smtp_auth_"));
    text = with_text_messages(&text);
    for patience in ["group_wait: 30s", "group_wait: 10s", "group_wait: 5s"] {
        text = text.replace(patience, "group_wait: 1s");
    }
    for patience in ["group_interval: 5m", "group_interval: 1m"] {
        text = text.replace(patience, "group_interval: 1s");
    }
    Alertmanager::start(&text)
}

fn lines(text: &str, kept: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| kept(line)).map(|line| format!("{line}\n")).collect()
}

/// Takes the mark from the lines of `synod notify` for text messages, as the configuration says how.
fn with_text_messages(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines.iter().position(|line| line.contains("/receivers/sms")).expect("the shipped configuration shows how to use it");
    let first = (0..at).rev().find(|line| lines[*line].contains("webhook_configs:")).unwrap();
    let mut line = first;
    while lines[line].contains("#+ ") {
        lines[line] = lines[line].replace("#+ ", "");
        line += 1;
    }
    lines.join("\n") + "\n"
}

/// Everything between a service and its people.
struct Watched {
    mail: MailServer,
    gateway: Webhook,
    alertmanager: Alertmanager,
    /// Lives as long as this does.
    _prometheus: Prometheus,
    notify: Option<Notify>,
    _files: Installation,
}

impl Watched {
    fn start(administration: &str) -> Option<Self> {
        let (mail, gateway, files) = (MailServer::start(), Webhook::start(), Installation::new(""));
        let receivers = format!(
            "  sms:\n    json:\n      url: {}\n      body: {{to: '{{to}}', text: '{{text}}'}}\n      to: ['+491700000001']\n",
            gateway.url("/sms")
        );
        let notify = Notify::start(&files, &receivers, &[]);
        let alertmanager = alertmanager(&mail, &notify, &files.path("token"))?;
        let _prometheus = prometheus(administration, &alertmanager)?;
        _prometheus.await_up("synod");
        Some(Self { mail, gateway, alertmanager, _prometheus, notify: Some(notify), _files: files })
    }

    fn mailed(&self, to: &str, subject: &str) -> Mail {
        self.mail.await_mail(subject, |mail| mail.to == [to] && mail.subject().contains(subject))
    }

    fn mails(&self, subject: &str) -> usize {
        self.mail.mails().iter().filter(|mail| mail.subject().contains(subject)).count()
    }

    /// A text message of this state about an alert; others of the same severity may be in it.
    fn texted(&self, state: &str, alert: &str) -> String {
        let is = |text: &str| text.starts_with(state) && text.contains(alert);
        let request = self.gateway.await_request(alert, |request| request.json()["text"].as_str().is_some_and(is));
        request.json()["text"].as_str().unwrap().to_owned()
    }

    /// Waits until an alert is in such a state: active or suppressed.
    fn await_state(&self, name: &str, state: &str) -> Value {
        for _ in 0..600 {
            let found = self
                .alertmanager
                .alerts()
                .into_iter()
                .find(|alert| alert["labels"]["alertname"] == name && alert["status"]["state"] == state);
            if let Some(alert) = found {
                return alert;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{name} is never {state}: {:#?}", self.alertmanager.alerts());
    }

    fn stop(mut self) {
        if let Some(notify) = self.notify.take() {
            notify.stop();
        }
    }
}

/// Breaks the detector for a while.
fn break_detector(server: &Server, watched: &Watched, until: impl Fn(&Watched)) {
    for _ in 0..3 {
        for _ in 0..15 {
            let verdict = server.post("/v1/score", TRIGGER).ok();
            assert_eq!(verdict["abstentions"][0]["reason"], "trap", "{verdict}");
            server.post("/v1/score", CALM).ok();
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    until(watched);
}

#[test]
fn what_breaks_calls_people_and_so_does_its_end() {
    let (at, administration) = installation();
    let server = started(&at, &administration);
    let Some(watched) = Watched::start(&administration) else { return };

    // A detector that traps: its team is told, with what to do, and told again when it is over.
    break_detector(&server, &watched, |watched| {
        let mail = watched.mailed("platform@example.org", "WARNING: The detector fragile");
        assert!(mail.message.contains("#synoddetectorfails") || mail.body().contains("#synoddetectorfails"), "{}", mail.message);
    });
    watched.mailed("platform@example.org", "RESOLVED: The detector fragile");

    // The service: somebody is called, by mail and by a text message.
    server.kill();
    watched.mailed("on-call@example.org", "CRITICAL: Synod");
    let text = watched.texted("[FIRING", "SynodDown");
    assert!(text.chars().count() <= 306, "{text}");
    // What follows from it is not told as well.
    let follows = json!([{
        "labels": {"alertname": "SynodDetectorSkipped", "service": "synod", "severity": "warning", "job": "synod", "instance": administration, "detector": "fragile"},
        "annotations": {"summary": "follows from it"},
    }]);
    assert_eq!(watched.alertmanager.post("/api/v2/alerts", &follows).status, 200);
    let suppressed = watched.await_state("SynodDetectorSkipped", "suppressed");
    assert_eq!(suppressed["status"]["inhibitedBy"].as_array().map(Vec::len), Some(1), "{suppressed}");

    let server = started(&at, &administration);
    watched.mailed("on-call@example.org", "RESOLVED: Synod");
    watched.texted("[RESOLVED", "SynodDown");
    assert_eq!(watched.mails("follows from it"), 0);

    // Who silences an alert is left alone.
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "SynodDetectorFails", "isRegex": false, "isEqual": true}],
        "startsAt": "2000-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "a test", "comment": "known",
    });
    assert_eq!(watched.alertmanager.post("/api/v2/silences", &silence).status, 200);
    let before = watched.mails("The detector fragile");
    break_detector(&server, &watched, |watched| {
        let silenced = watched.await_state("SynodDetectorFails", "suppressed");
        assert_eq!(silenced["status"]["silencedBy"].as_array().map(Vec::len), Some(1), "{silenced}");
    });
    // Longer than a group waits.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(watched.mails("The detector fragile"), before);
    server.stop();
    watched.stop();
}

#[test]
fn nothing_cries_wolf_while_all_is_well() {
    let (at, administration) = installation();
    let server = started(&at, &administration);
    let Some(watched) = Watched::start(&administration) else { return };
    watched.await_state("SynodWatchdog", "active");
    for _ in 0..200 {
        server.post("/v1/score", CALM).ok();
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut active: Vec<String> =
        watched.alertmanager.alerts().iter().map(|alert| alert["labels"]["alertname"].as_str().unwrap_or_default().to_owned()).collect();
    active.sort_unstable();
    assert_eq!(active, ["SynodWatchdog"]);
    assert_eq!((watched.mail.mails().len(), watched.gateway.requests().len()), (0, 0));
    server.stop();
    watched.stop();
}
