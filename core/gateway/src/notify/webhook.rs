//! What Alertmanager's webhook sends: version 4 of its form.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The version that is known.
pub(super) const VERSION: &str = "4";

/// Whether something is going on or over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Firing,
    Resolved,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// A notification about a group of alerts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notification {
    pub(super) version: String,
    #[serde(default)]
    group_key: String,
    pub(super) status: Status,
    #[serde(default)]
    pub(super) common_labels: BTreeMap<String, String>,
    #[serde(default, rename = "externalURL")]
    pub(super) external_url: String,
    pub(super) alerts: Vec<Alert>,
    /// Alerts that Alertmanager left out.
    #[serde(default)]
    pub(super) truncated_alerts: usize,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    pub(super) status: Status,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: String,
    #[serde(default, rename = "generatorURL")]
    pub(super) generator_url: String,
    #[serde(default)]
    fingerprint: String,
}

impl Notification {
    /// What the same notification is known by when it is sent again: its group, its alerts, and what they are.
    pub(super) fn identity(&self) -> [u8; 32] {
        let mut alerts: Vec<[&str; 3]> =
            self.alerts.iter().map(|alert| [alert.fingerprint.as_str(), alert.status.name(), &alert.starts_at]).collect();
        alerts.sort_unstable();
        let mut hash = Sha256::new();
        for text in [self.group_key.as_str(), self.status.name()].into_iter().chain(alerts.into_iter().flatten()) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }

    /// The alerts of a status.
    pub(super) fn of(&self, status: Status) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().filter(move |alert| alert.status == status)
    }

    /// How grave it is: what its alerts have in common, or what the first of them says.
    pub(super) fn severity(&self) -> &str {
        let of_first = || self.alerts.first().and_then(|alert| alert.labels.get("severity"));
        self.common_labels.get("severity").or_else(of_first).map_or("", String::as_str)
    }
}

impl Alert {
    /// What it is called.
    pub(super) fn name(&self) -> &str {
        self.labels.get("alertname").map_or("alert", String::as_str)
    }

    /// What it says, as briefly as it does.
    pub(super) fn summary(&self) -> &str {
        let annotation = |name: &str| self.annotations.get(name).map(String::as_str).filter(|text| !text.trim().is_empty());
        annotation("summary").or_else(|| annotation("description")).or_else(|| annotation("message")).unwrap_or("")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A notification of alerts by status, name and summary.
    pub(in super::super) fn notification(status: &str, alerts: &[(&str, &str, &str)]) -> Notification {
        let alerts = alerts.iter().enumerate().map(|(index, (status, name, summary))| {
            serde_json::json!({
                "status": status, "labels": {"alertname": name, "severity": "critical"}, "annotations": {"summary": summary},
                "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "https://synod.example/x",
                "fingerprint": format!("{index:016x}")
            })
        });
        let whole = serde_json::json!({
            "version": "4", "groupKey": "{}:{}", "status": status, "receiver": "r", "groupLabels": {}, "commonAnnotations": {},
            "commonLabels": {"severity": "critical"}, "externalURL": "http://alertmanager:9093", "alerts": alerts.collect::<Vec<_>>(),
            "truncatedAlerts": 0
        });
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn the_same_notification_is_known_again_whatever_the_order() {
        let alerts = [("firing", "A", "one"), ("firing", "B", "two")];
        let mut other = notification("firing", &alerts);
        other.alerts.reverse();
        other.alerts[0].annotations.clear();
        assert_eq!(notification("firing", &alerts).identity(), other.identity());
        assert_ne!(notification("firing", &alerts).identity(), notification("firing", &alerts[..1]).identity());
        let over = [("resolved", "A", "one"), ("firing", "B", "two")];
        assert_ne!(notification("firing", &alerts).identity(), notification("firing", &over).identity());
    }
}
