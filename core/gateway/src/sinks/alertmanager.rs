//! Anomalies as alerts: decisions that a rule names are posted to Alertmanager's own API (version 2), so that an analyst is called for fraud as an
//! operator is for failures. What an alert is, is in `alertmanager/alerts.rs`; how repetitions are recognised and floods bounded, in
//! `alertmanager/book.rs`.
//!
//! Each Alertmanager is a sink with a position of its own and gets every alert: one that is down keeps nothing from the others. An alert has
//! an end from the beginning, so that it is posted once and ends by itself; posted again, after a crash, it is the same alert.

mod alerts;
mod book;

pub use crate::config::EntityLabel;
pub use alerts::AlertRule;
pub(crate) use alerts::OWN_LABELS;

use super::{Failure, Sink};
use crate::calling::{ClientMistake, SecretFile, SecretMistake, call, client};
use crate::hexadecimal::hexadecimal;
use crate::kibana::Kibana;
use crate::ledger::{Begin, Ledger, Place, Tally};
use alerts::Alert;
use book::Book;
use jiff::Timestamp;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use synod_store::Record;
use thiserror::Error;
use url::Url;

/// Alerts in one request.
const MOST_AT_A_TIME: usize = 64;
/// What the API is called below an Alertmanager's URL.
const API: &str = "api/v2/alerts";

/// Who is called, and for what.
#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// Every Alertmanager that gets the alerts.
    pub alertmanagers: Vec<Url>,
    /// What they are asked for by.
    pub credential: Option<Credential>,
    /// What their certificates are verified with; the system's roots if there is none.
    pub root: Option<PathBuf>,
    /// How long one may take to answer.
    pub timeout: Duration,
    /// Which decisions become alerts; the first rule that fits counts.
    pub rules: Vec<AlertRule>,
    /// How long after the latest anomaly of its kind an alert ends.
    pub expires: Duration,
    /// How an alert names whom it is about.
    pub entity: EntityLabel,
    /// Where an alert links to, if it links: the service as analysts reach it.
    pub console: Option<Url>,
    /// Where an alert's decision is looked at, if there is a Kibana.
    pub kibana: Option<Kibana>,
    /// So many new alerts …
    pub maximum: u32,
    /// … in this time.
    pub per: Duration,
}

/// How an Alertmanager knows Synod.
#[derive(Debug, Clone)]
pub enum Credential {
    /// By a user and the file of a password.
    Basic(String, PathBuf),
    /// By the file of a token.
    Bearer(PathBuf),
}

/// Why no alerts can be posted.
#[derive(Debug, Error)]
pub enum AlertsError {
    /// The client for HTTPS.
    #[error("alerts.root")]
    Client(#[from] ClientMistake),
    /// A secret.
    #[error("alerts.{key}: {text}")]
    Secret {
        /// Its key.
        key: &'static str,
        /// What is wrong.
        text: String,
    },
}

/// A credential whose secret is at hand.
#[derive(Debug)]
enum Opened {
    Basic(String, SecretFile),
    Bearer(SecretFile),
}

/// One Alertmanager as a sink.
#[derive(Debug)]
pub(crate) struct Alertmanager {
    name: String,
    url: Url,
    client: Client,
    credential: Option<Arc<Opened>>,
    patience: Duration,
    book: Book,
}

/// Alerts that wait, in the order of their anomalies, and whether they are posted one by one: one of them was refused.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    alerts: VecDeque<Alert>,
    alone: bool,
}

impl Alertmanager {
    /// A sink for every Alertmanager that is configured.
    ///
    /// # Errors
    /// When a file of certificates or a secret cannot be read.
    pub(super) fn all(config: Option<&AlertsConfig>, ledger: &Arc<Ledger>) -> Result<Vec<Self>, AlertsError> {
        let Some(config) = config else { return Ok(Vec::new()) };
        let credential = config.credential.as_ref().map(open).transpose()?.map(Arc::new);
        let client = client(config.root.as_deref(), config.timeout, None)?;
        let of = |(index, url): (usize, &Url)| Self {
            name: if index == 0 { "alertmanager".into() } else { format!("alertmanager_{}", index + 1) },
            url: url.clone(),
            client: client.clone(),
            credential: credential.clone(),
            patience: config.expires,
            // All of them get the same; what they get is counted once.
            book: Book::new(config, Arc::clone(ledger), index == 0),
        };
        Ok(config.alertmanagers.iter().enumerate().map(of).collect())
    }

    async fn post(&self, alerts: &[&Alert]) -> Result<u16, Failure> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{API}", url.path().trim_end_matches('/')));
        let body = serde_json::to_vec(alerts).unwrap_or_default();
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(body);
        let request = match self.credential.as_deref() {
            Some(Opened::Basic(user, password)) => request.basic_auth(user, Some(password.text())),
            Some(Opened::Bearer(token)) => request.bearer_auth(token.text()),
            None => request,
        };
        let received = call(request).await.map_err(|error| Failure::of(error.code(), &error))?;
        match received.status {
            status @ (200..=299 | 400 | 422) => Ok(status),
            status @ (401 | 403) => Err(Failure::new("credential", format!("it refuses the credential, with status {status}"))),
            status => Err(Failure::new("status", format!("it answered with status {status}"))),
        }
    }
}

fn open(credential: &Credential) -> Result<Opened, AlertsError> {
    let of = |key| move |error: SecretMistake| AlertsError::Secret { key, text: crate::listening::chain(&error) };
    match credential {
        Credential::Basic(user, file) => Ok(Opened::Basic(user.clone(), SecretFile::open(file).map_err(of("basic.password_file"))?)),
        Credential::Bearer(file) => Ok(Opened::Bearer(SecretFile::open(file).map_err(of("bearer_file"))?)),
    }
}

impl Sink for Alertmanager {
    type Parcel = Waiting;

    fn place(&self) -> Place {
        Place {
            file: format!("alertmanager-{}", hexadecimal(&Sha256::digest(self.url.as_str())[..8])),
            name: self.name.clone(),
            patience: self.patience,
            // Nobody wants to be called for what is long over.
            begin: Begin::Latest,
        }
    }

    fn pack(&mut self, records: Vec<Record>, _: u64) -> Waiting {
        Waiting { alerts: self.book.alerts(&records).into(), alone: false }
    }

    async fn deliver(&mut self, waiting: &mut Waiting, tally: &mut Tally) -> Result<(), Failure> {
        waiting.drop_over(Timestamp::now().as_microsecond(), tally);
        while !waiting.alerts.is_empty() {
            let most = if waiting.alone { 1 } else { MOST_AT_A_TIME };
            let alerts: Vec<&Alert> = waiting.alerts.iter().take(most).collect();
            let count = alerts.len();
            match self.post(&alerts).await? {
                200..=299 => tally.delivered += waiting.take(count),
                // It takes those that it can; which one it cannot is found out by posting them one by one.
                _ if count > 1 => waiting.alone = true,
                status => {
                    tracing::error!(sink = self.name, status, "an alert is refused for good, and is given up");
                    tally.dead += waiting.take(count);
                }
            }
        }
        Ok(())
    }
}

impl Waiting {
    /// Takes so many alerts out, and answers how many records they are of.
    fn take(&mut self, count: usize) -> u64 {
        self.alerts.drain(..count).map(|alert| alert.records()).sum()
    }

    /// Drops those that have ended: nobody would be told of them.
    fn drop_over(&mut self, now: i64, tally: &mut Tally) {
        self.alerts.retain(|alert| {
            let is_over = alert.is_over(now);
            tally.skipped += if is_over { alert.records() } else { 0 };
            !is_over
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_has_ended_is_not_posted_and_counts_as_skipped() {
        let alert =
            |ends_at, records| Alert { labels: BTreeMap::new(), annotations: BTreeMap::new(), starts_at: 0, ends_at, link: None, records };
        let mut waiting = Waiting { alerts: [alert(10, 3), alert(11, 1), alert(9, 2)].into(), alone: false };
        let mut tally = Tally::default();
        waiting.drop_over(10, &mut tally);
        assert_eq!((tally, waiting.alerts.len()), (Tally { skipped: 5, ..Tally::default() }, 1));
        assert_eq!((waiting.take(1), waiting.alerts.len()), (1, 0));
    }
}
