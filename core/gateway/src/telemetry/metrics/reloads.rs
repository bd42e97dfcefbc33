//! What is counted of files that are read again while the service runs.

use super::registering::Registries;
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::OnceLock;

/// What is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The certificate that is served, with its key.
    Certificate,
    /// The authorities of clients' certificates, and the lists of those that were revoked.
    Authorities,
    /// The API keys.
    Keys,
    /// The keys that access tokens are signed with.
    SigningKeys,
    /// Files with what Synod shows to those whom it calls.
    Secrets,
    /// The configuration.
    Configuration,
    /// The models that judge.
    Models,
    /// The detectors and policies that are asked beside.
    Shadows,
}

impl Reload {
    const ALL: [Self; 8] = [
        Self::Certificate,
        Self::Authorities,
        Self::Keys,
        Self::SigningKeys,
        Self::Secrets,
        Self::Configuration,
        Self::Models,
        Self::Shadows,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Authorities => "client_authorities",
            Self::Keys => "keys",
            Self::SigningKeys => "signing_keys",
            Self::Secrets => "secrets",
            Self::Configuration => "configuration",
            Self::Models => "models",
            Self::Shadows => "shadows",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartLabels {
    part: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    part: &'static str,
    result: &'static str,
}

/// What is counted of them, for the whole process: they are followed before there is a service, and beside it.
#[derive(Debug, Default)]
pub struct Reloads {
    done: Family<ReloadLabels, Counter>,
    failing: Family<PartLabels, Gauge>,
}

impl Reloads {
    /// The only one. All parts are there from the start, at zero.
    pub fn all() -> &'static Self {
        static ALL: OnceLock<Reloads> = OnceLock::new();
        ALL.get_or_init(|| {
            let all = Self::default();
            for part in Reload::ALL.map(Reload::name) {
                for result in [result(true), result(false)] {
                    drop(all.done.get_or_create(&ReloadLabels { part, result }));
                }
                drop(all.failing.get_or_create(&PartLabels { part }));
            }
            all
        })
    }

    pub(super) fn register(&self, registries: &mut Registries) {
        registries.add(&names::RELOADS, &self.done);
        registries.add(&names::RELOAD_FAILING, &self.failing);
    }

    /// Notes that files were read again, and whether they are used from now on.
    pub fn read(&self, what: Reload, is_used: bool) {
        let part = what.name();
        self.done.get_or_create(&ReloadLabels { part, result: result(is_used) }).inc();
        self.failing.get_or_create(&PartLabels { part }).set(i64::from(!is_used));
    }
}

fn result(is_used: bool) -> &'static str {
    if is_used { "done" } else { "failed" }
}
