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
        let alert = Alert::of(&anomaly, rule, self.named(&anomaly), link, micros(self.config.expires));
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
