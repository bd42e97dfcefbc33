//! Which alerts fire, as far as it is known: so that a repetition is none that counts, and a flood becomes one alert.

use super::alerts::{Alert, Anomaly};
use super::{AlertsConfig, EntityLabel};
use crate::decision::RecordKind;
use crate::ledger::Ledger;
use crate::telemetry::metrics::AnomalyAlerts;
use indexmap::IndexMap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use synod_store::Record;

/// The most alerts that are known to fire; beyond it new ones are part of the flood.
const MOST_KNOWN: usize = 100_000;

type Labels = BTreeMap<String, String>;

/// What is made of the records of the log.
#[derive(Debug)]
pub(super) struct Book {
    config: AlertsConfig,
    ledger: Arc<Ledger>,
    /// Whether alerts are counted here.
    counts: bool,
    /// What fires, and until when.
    firing: HashMap<Labels, i64>,
    /// The window of time for which new alerts are counted, and how many there were.
    window: (i64, u32),
    /// By severity.
    floods: HashMap<String, Flood>,
}

/// Anomalies that were too many.
#[derive(Debug, Clone, Copy)]
struct Flood {
    began: i64,
    ends: i64,
    count: u64,
}

impl Book {
    pub(super) fn new(config: &AlertsConfig, ledger: Arc<Ledger>, counts: bool) -> Self {
        if counts {
            config.rules.iter().for_each(|rule| AnomalyAlerts::all().may_fire(&rule.severity));
        }
        Self { config: config.clone(), ledger, counts, firing: HashMap::new(), window: (i64::MIN, 0), floods: HashMap::new() }
    }

    /// The alerts of some records, each once, in the order in which they first occur.
    pub(super) fn alerts(&mut self, records: &[Record]) -> Vec<Alert> {
        let mut alerts: IndexMap<Labels, Alert> = IndexMap::new();
        for alert in records.iter().filter_map(|record| self.alert(record)) {
            let alert = match alerts.get(&alert.labels) {
                Some(earlier) => alert.after(earlier),
                None => alert,
            };
            alerts.insert(alert.labels.clone(), alert);
        }
        alerts.into_values().collect()
    }

    fn alert(&mut self, record: &Record) -> Option<Alert> {
        if record.kind != RecordKind::Decision as u8 {
            return None;
        }
        let sequence = record.position.sequence;
        let read = serde_json::from_slice::<Anomaly<'_>>(&record.payload);
        let anomaly = read.inspect_err(|error| tracing::error!(sequence, %error, "a record of the log cannot become an alert")).ok()?;
        let rule = self.config.rules.iter().find(|rule| rule.fits(&anomaly))?;
        let link =
            self.config.console.as_ref().map(|console| format!("{}/v1/decisions/{}", console.as_str().trim_end_matches('/'), anomaly.id));
        let seen = self.config.kibana.as_ref().map(|kibana| kibana.decision(anomaly.id, anomaly.decided));
        let alert = Alert::of(&anomaly, rule, self.named(&anomaly), link, micros(self.config.expires)).seen_at(seen);
        Some(self.admit(alert))
    }

    /// How whom it is about may be named.
    fn named(&self, anomaly: &Anomaly<'_>) -> Option<String> {
        let entity = anomaly.entity.as_deref().filter(|entity| !entity.is_empty())?;
        match self.config.entity {
            EntityLabel::Digest => Some(self.ledger.alias(anomaly.tenant.as_deref(), entity)),
            EntityLabel::Plain => Some(entity.to_owned()),
            EntityLabel::None => None,
        }
    }

    /// Lets an alert pass that fires already or is one of not too many; what it becomes otherwise is the flood.
    fn admit(&mut self, alert: Alert) -> Alert {
        let (now, ends) = (alert.starts_at, alert.ends_at);
        self.pass_time(now);
        if let Some(until) = self.firing.get_mut(&alert.labels)
            && *until > now
        {
            *until = ends.max(*until);
            return alert;
        }
        if self.window.1 >= self.config.maximum || self.firing.len() >= MOST_KNOWN {
            return self.flood(&alert);
        }
        self.window.1 += 1;
        self.firing.insert(alert.labels.clone(), ends);
        self.count(&alert);
        alert
    }

    /// Begins a new window if it is time. A decision that was made a little earlier than the one before it belongs to the present one.
    fn pass_time(&mut self, now: i64) {
        let window = now.div_euclid(micros(self.config.per).max(1));
        if window > self.window.0 {
            self.window = (window, 0);
            self.firing.retain(|_, until| *until > now);
            self.floods.retain(|_, flood| flood.ends > now);
        }
    }

    fn flood(&mut self, alert: &Alert) -> Alert {
        let severity = alert.labels.get("severity").cloned().unwrap_or_default();
        let new = Flood { began: alert.starts_at, ends: alert.ends_at, count: 0 };
        let flood = self.floods.entry(severity.clone()).or_insert(new);
        flood.count += 1;
        flood.ends = flood.ends.max(alert.ends_at);
        let Flood { began, ends, count } = *flood;
        let alert = Alert::flood(&severity, began, ends, count);
        if count == 1 {
            self.count(&alert);
        }
        alert
    }

    fn count(&self, alert: &Alert) {
        if self.counts {
            AnomalyAlerts::all().fired(alert.labels.get("severity").map_or("", String::as_str));
        }
    }
}

fn micros(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::archived;
    use serde_json::{Value, json};
    use synod_store::{DataDirectory, Position};
    use tempfile::TempDir;

    const MINUTE: i64 = 60_000_000;

    /// A book with these keys of the section `alerts`.
    fn book(alerts: &str) -> (Book, TempDir) {
        let source = format!(
            "version: 1\nlinks: {{kibana: 'https://kibana.example/s/fraud'}}\nschema: {{fields: {{a: {{type: number}}}}}}\nfeatures: {{a: {{expression: a}}}}\ndetectors: {{one: {{plugin: one}}, two: {{plugin: two}}}}\n\
             outcomes: {{block: 0.9}}\nalerts:\n  alertmanagers: ['http://a']\n  {alerts}\n"
        );
        let config = archived(&source, "test").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let opened = Ledger::open(&config, &DataDirectory::open(folder.path()).unwrap()).unwrap();
        let book = Book::new(config.alerts.as_ref().unwrap(), Arc::clone(&opened.ledger), false);
        opened.close();
        (book, folder)
    }

    /// A decision about an account at a minute, with changes.
    fn decision(entity: &str, minute: i64, changes: &[(&str, Value)]) -> Record {
        let decided = jiff::Timestamp::from_microsecond(minute * MINUTE).unwrap();
        let mut decision = json!({
            "id": "0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07", "entity": entity, "decided": decided, "features": {"a": 1.0, "a b": 2.0},
            "verdict": {"outcome": "block", "score": 0.95, "policy": {"at_least": 2}}, "reasons": ["a b 2 (usually 0 to 1)", "a is missing", "c 1"],
            "votes": [{"detector": "one", "anomalous": false}, {"detector": "two", "anomalous": true}]
        });
        changes.iter().for_each(|(name, value)| decision[*name] = value.clone());
        let position = Position { sequence: 1, segment: 1, offset: 0 };
        Record { position, at: minute * MINUTE, kind: 1, payload: serde_json::to_vec(&decision).unwrap(), chain: [0; 32] }
    }

    fn verdict(outcome: &str, score: f64) -> Vec<(&'static str, Value)> {
        vec![("verdict", json!({"outcome": outcome, "score": score, "policy": "any"}))]
    }

    fn severities(book: &mut Book, records: &[Record]) -> Vec<String> {
        book.alerts(records).iter().map(|alert| alert.labels["severity"].clone()).collect()
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules = "rules: [{outcome: block, minimum_score: 0.95, severity: a}, {detectors: [one], severity: b}, {outcome: review, severity: c, \
                     labels: {team: fraud}}]";
        let (mut book, _folder) = book(rules);
        let voted =
            |changes: Vec<(&'static str, Value)>| [changes, vec![("votes", json!([{"detector": "one", "anomalous": true}]))]].concat();
        for (changes, expected) in [
            (verdict("block", 0.95), Some("a")),
            (verdict("block", 0.94), None),
            (voted(verdict("block", 0.94)), Some("b")),
            (voted(verdict("review", 0.1)), Some("b")),
            (verdict("review", 0.1), Some("c")),
            (voted(verdict("approve", 0.1)), None),
            // An open breaker calls nobody off.
            (
                vec![(
                    "verdict",
                    json!({"outcome": "review", "score": 0.95, "policy": "any", "degraded": {"from": "block", "by": "breaker"}}),
                )],
                Some("a"),
            ),
        ] {
            let found = severities(&mut book, &[decision("x", 1, &changes)]);
            assert_eq!(found.first().map(String::as_str), expected, "{changes:?}");
        }
        let other = Record { kind: 3, ..decision("x", 1, &[]) };
        assert!(book.alerts(&[other, Record { payload: b"{}".to_vec(), ..decision("x", 1, &[]) }]).is_empty());
    }

    #[test]
    fn a_repetition_is_the_same_alert_with_a_later_end() {
        let (mut book, _folder) = book("rules: [{severity: a}]\n  expires: 10m\n  entity: plain\n  console: 'https://synod.example/'");
        let alerts = book.alerts(&[decision("x", 1, &[]), decision("y", 2, &[]), decision("x", 3, &verdict("block", 0.99))]);
        let spans: Vec<_> =
            alerts.iter().map(|alert| (alert.labels["policy"].as_str(), alert.starts_at / MINUTE, alert.ends_at / MINUTE)).collect();
        assert_eq!(spans, [("at_least_2", 1, 11), ("at_least_2", 2, 12), ("any", 3, 13)], "of another policy it is another alert");
        let alerts = book.alerts(&[decision("x", 4, &[]), decision("x", 5, &[])]);
        assert_eq!((alerts.len(), alerts[0].starts_at / MINUTE, alerts[0].ends_at / MINUTE, alerts[0].records), (1, 4, 15, 2));
        let text = serde_json::to_value(&alerts[0]).unwrap();
        assert_eq!((&text["startsAt"], &text["endsAt"]), (&"1970-01-01T00:04:00Z".into(), &"1970-01-01T00:15:00Z".into()));
        assert_eq!(text["generatorURL"], "https://synod.example/v1/decisions/0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07");
        assert_eq!((&text["annotations"]["reasons"], &text["annotations"]["detectors"]), (&"a b, a".into(), &"two".into()));
        assert!(text["records"].is_null());
        let seen = text["annotations"]["kibana"].as_str().unwrap();
        assert!(
            seen.starts_with("https://kibana.example/s/fraud/app/discover#/view/") && seen.contains("0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07")
        );
    }

    #[test]
    fn whom_it_is_about_is_shown_as_configured() {
        let of = |entity: &str, changes: &[(&str, Value)]| {
            let (mut book, _folder) = book(&format!("rules: [{{severity: a}}]\n  entity: {entity}"));
            let records = [decision("ACC-1", 1, changes), decision("ACC-2", 1, changes)];
            book.alerts(&records).iter().map(|alert| alert.labels.get("entity").cloned()).collect::<Vec<_>>()
        };
        assert_eq!(of("plain", &[]), [Some("ACC-1".into()), Some("ACC-2".into())]);
        assert_eq!((of("none", &[]), of("plain", &[("entity", Value::Null)])), (vec![None], vec![None]));
        let digests = of("digest", &[]);
        assert!(
            digests[0] != digests[1] && digests.iter().all(|digest| digest.as_ref().is_some_and(|digest| digest.len() == 16)),
            "{digests:?}"
        );
        let (mut book, _folder) = book("rules: [{severity: a}]");
        let alerts = book.alerts(&[decision("x", 1, &[]), decision("x", 1, &[("tenant", "north".into())])]);
        assert_eq!((alerts[0].labels.get("tenant"), alerts[1].labels["tenant"].as_str()), (None, "north"));
        assert_ne!(alerts[0].labels["entity"], alerts[1].labels["entity"], "another tenant's is another entity");
    }

    #[test]
    fn a_flood_is_counted_in_one_alert_until_it_is_over() {
        let (mut book, _folder) = book("rules: [{severity: a}]\n  expires: 10m\n  entity: plain\n  maximum: 2/m");
        let names =
            |alerts: &[Alert]| alerts.iter().map(|alert| alert.labels.get("entity").cloned().unwrap_or_default()).collect::<Vec<_>>();
        let of = |entities: &[&str], minute| entities.iter().map(|entity| decision(entity, minute, &[])).collect::<Vec<_>>();
        let alerts = book.alerts(&of(&["1", "2", "3", "4", "1"], 1));
        assert_eq!(names(&alerts), ["1", "2", ""]);
        assert_eq!(
            (alerts[2].labels["alertname"].as_str(), alerts[2].annotations["count"].as_str(), alerts[2].records),
            ("SynodAnomalyFlood", "2", 2)
        );
        // A new minute has room; the flood goes on.
        let alerts = book.alerts(&of(&["3", "2", "4", "5"], 2));
        assert_eq!(
            (names(&alerts), alerts[3].annotations["count"].as_str(), alerts[3].ends_at / MINUTE),
            (vec!["3".into(), "2".into(), "4".into(), String::new()], "3", 12)
        );
        // When it is over, another one begins.
        let alerts = book.alerts(&of(&["6", "7", "8"], 12));
        assert_eq!((alerts[2].annotations["count"].as_str(), alerts[2].starts_at / MINUTE), ("1", 12));
    }
}
