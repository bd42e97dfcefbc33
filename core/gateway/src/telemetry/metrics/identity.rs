//! What is counted of those who call: credentials, identity providers, what is audited.

use super::registering::Registries;
use crate::auditing::AuditRecord;
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::OnceLock;

/// The reasons are words of the code: never anything that a client wrote.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CredentialLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuditLabels {
    action: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    issuer: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    result: &'static str,
}

/// What is counted of identity providers, by the names that the configuration gives them, for the whole process.
#[derive(Debug, Default)]
pub struct KeySets {
    fetches: Family<FetchLabels, Counter>,
    fetched: Family<IssuerLabels, Gauge>,
    logins: Family<LoginLabels, Counter>,
}

impl KeySets {
    /// The only one.
    pub fn all() -> &'static Self {
        static ALL: OnceLock<KeySets> = OnceLock::new();
        ALL.get_or_init(Self::default)
    }

    pub(super) fn register(&self, registries: &mut Registries) {
        registries.add(&names::KEY_FETCHES, &self.fetches);
        registries.add(&names::KEYS_FETCHED, &self.fetched);
        registries.add(&names::LOGINS, &self.logins);
    }

    /// Notes a fetch, and its time if keys came of it.
    pub fn fetched(&self, issuer: &str, result: &'static str, at: i64) {
        self.fetches.get_or_create(&FetchLabels { issuer: issuer.to_owned(), result }).inc();
        if result == "fetched" {
            self.fetched.get_or_create(&IssuerLabels { issuer: issuer.to_owned() }).set(at);
        }
    }

    /// Notes a login that ended.
    pub fn login(&self, result: &'static str) {
        self.logins.get_or_create(&LoginLabels { result }).inc();
    }
}

/// What is counted of credentials and audit records.
#[derive(Debug)]
pub struct OfIdentity {
    credentials_refused: Family<CredentialLabels, Counter>,
    tokens_issued: Counter,
    audits: Family<AuditLabels, Counter>,
    audit_failures: Counter,
}

impl OfIdentity {
    pub(super) fn new(registries: &mut Registries) -> Self {
        KeySets::all().register(registries);
        Self {
            credentials_refused: registries.counters(&names::CREDENTIALS_REFUSED),
            tokens_issued: registries.counter(&names::TOKENS_ISSUED),
            audits: registries.counters(&names::AUDIT_EVENTS),
            audit_failures: registries.counter(&names::AUDIT_FAILURES),
        }
    }

    /// Notes a credential that did not hold. `reason` is a word of the code.
    pub fn credential_refused(&self, reason: &'static str) {
        self.credentials_refused.get_or_create(&CredentialLabels { reason }).inc();
    }

    /// Notes an access token that was given.
    pub fn token_issued(&self) {
        self.tokens_issued.inc();
    }

    /// Notes an audit record. The actions are those that the code names.
    pub fn audited(&self, record: &AuditRecord) {
        let labels = AuditLabels { action: record.action().name().to_owned(), outcome: record.outcome().name() };
        self.audits.get_or_create(&labels).inc_by(record.count());
    }

    /// Counts audit records that cannot be stored.
    pub fn audit_failures(&self) -> Counter {
        self.audit_failures.clone()
    }
}
