//! Identity providers: anybody who publishes keys and signs tokens by OpenID Connect. Their keys are fetched, kept while a provider is down,
//! and fetched again when it uses new ones. How a token is verified with them is up to the crate `synod-identity`.
//!
//! The keys are kept in memory alone: after a restart with a provider down, its tokens are refused until it is back.

mod address;
pub(super) mod discovery;
pub(super) mod fetching;
mod provider;
#[cfg(test)]
mod tests;

pub use crate::calling::ClientMistake;
pub use fetching::{UrlMistake, permitted};
pub(super) use provider::Provider;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use synod_identity::{Issuer, Principal, Refused};
use thiserror::Error;
use url::Url;

/// A provider, as configured.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// What log lines and metrics call it.
    pub name: String,
    /// What its tokens have to say.
    pub issuer: Issuer,
    /// Where its keys are.
    pub keys_at: KeysAt,
    /// The certificates that it is trusted by, in PEM; those of the system without.
    pub root: Option<PathBuf>,
    /// Roles of ours for what its tokens claim. If there are none, they claim our roles themselves.
    pub roles: BTreeMap<String, String>,
    /// How often its keys are fetched.
    pub refresh: Duration,
    /// How often tokens with unknown keys may ask for a fetch.
    pub refetch: Duration,
    /// Whether it may be at an address inside of the organisation.
    pub private: bool,
}

/// Where keys are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// Where the discovery document says.
    Discovery(Url),
    /// Here.
    KeySet(Url),
}

/// A provider that cannot be asked.
#[derive(Debug, Error)]
#[error("identity.issuers.{name}.root")]
pub struct ProviderMistake {
    name: String,
    source: ClientMistake,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefused {
    /// No provider has this issuer.
    UnknownIssuer,
    /// The provider's keys could not be fetched yet.
    NoKeys,
    /// The token does not hold.
    Token(Refused),
}

impl TokenRefused {
    /// A stable word for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownIssuer => "unknown_issuer",
            Self::NoKeys => "no_keys",
            Self::Token(refused) => refused.code(),
        }
    }
}

/// All providers.
#[derive(Debug)]
pub struct Providers {
    by_issuer: HashMap<String, Arc<Provider>>,
    generation: Arc<AtomicU64>,
}

impl Providers {
    /// The providers of the configuration, whose issuers differ. Nothing is fetched before [`Providers::start`].
    ///
    /// # Errors
    /// When the certificates that one is trusted by cannot be read.
    pub fn new(configs: &[ProviderConfig]) -> Result<Self, ProviderMistake> {
        let generation = Arc::new(AtomicU64::new(0));
        let mut by_issuer = HashMap::new();
        for config in configs {
            let provider = Provider::new(config.clone(), generation.clone());
            let provider = provider.map_err(|source| ProviderMistake { name: config.name.clone(), source })?;
            by_issuer.insert(config.issuer.issuer.clone(), Arc::new(provider));
        }
        Ok(Self { by_issuer, generation })
    }

    /// Fetches keys from now on, on the runtime that this is called on, for as long as that lives.
    pub fn start(self: &Arc<Self>) {
        for provider in self.by_issuer.values() {
            tokio::spawn(provider.clone().keep());
        }
    }

    /// Whether one of them has this issuer.
    pub fn knows(&self, issuer: &str) -> bool {
        self.by_issuer.contains_key(issuer)
    }

    /// The principal that a token speaks for at this time, in Unix seconds, with roles of ours. `issuer` is what the token says of itself
    /// ([`synod_identity::unverified_issuer`]); it chooses the provider. If the token's key is not known, this waits for newer keys, up to
    /// three seconds.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub async fn verify(&self, token: &str, issuer: &str, now: u64) -> Result<Principal, TokenRefused> {
        let provider = self.by_issuer.get(issuer).ok_or(TokenRefused::UnknownIssuer)?;
        let principal = provider.check(|verifier| verifier.verify(token, now)).await?;
        Ok(provider.in_our_words(principal))
    }

    /// A number that is another one after any key set changed. What was verified before holds as long as it stays the same.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The providers' names, and whether their tokens can be verified, in the order of the names.
    pub fn readiness(&self) -> Vec<(&str, bool)> {
        let mut found: Vec<_> = self.by_issuer.values().map(|provider| (provider.config().name.as_str(), provider.is_ready())).collect();
        found.sort_unstable();
        found
    }

    /// The provider of this name.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Provider>> {
        self.by_issuer.values().find(|provider| provider.config().name == name)
    }
}
