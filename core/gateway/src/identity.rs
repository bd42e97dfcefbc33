//! How a request's sender proves who they are: from the credentials that came with it to a [`Caller`]. What the caller may do is decided by
//! `access`; how tokens and keys are verified, by the crate `synod-identity`.

pub mod login;
pub mod providers;

use self::login::{Login, LoginMistake};
use self::providers::{ProviderMistake, Providers};
use crate::access::{Caller, Roles};
use crate::config;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use synod_identity::unverified_issuer;
use thiserror::Error;

/// What came with a request to prove who sent it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// What follows `Bearer ` in `Authorization`.
    pub bearer: Option<&'a str>,
}

/// Why a credential is refused. The reason is for logs, metrics and the audit trail; whoever sent it is told that it is invalid, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRefused {
    /// A stable word.
    pub reason: &'static str,
}

/// Everything that credentials are verified with.
#[derive(Debug)]
pub struct Identity {
    roles: Roles,
    anonymous: Caller,
    providers: Arc<Providers>,
    login: Option<Login>,
}

/// Why nobody's credentials can be verified.
#[derive(Debug, Error)]
pub enum IdentityMistake {
    /// An identity provider cannot be asked.
    #[error(transparent)]
    Provider(#[from] ProviderMistake),
    /// There can be no login.
    #[error(transparent)]
    Login(#[from] LoginMistake),
}

impl Identity {
    /// What is configured.
    ///
    /// # Errors
    /// When a file that the configuration names cannot be used.
    pub fn new(config: &config::Identity) -> Result<Self, IdentityMistake> {
        let roles = config.roles.clone();
        let providers = Arc::new(Providers::new(&config.providers)?);
        let login = config.login.clone().map(|login| Login::new(login, &providers, &roles)).transpose()?;
        Ok(Self { anonymous: Caller::anonymous(&config.anonymous, &roles), roles, providers, login })
    }

    /// The identity providers.
    pub fn providers(&self) -> &Arc<Providers> {
        &self.providers
    }

    /// The console's login, if there is one.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Which roles there are.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Who sent a request. A request without credentials is somebody's who is allowed what the configuration says; one with a bad credential
    /// is refused, and not taken for one without.
    ///
    /// # Errors
    /// When a credential came that does not hold.
    pub async fn caller(&self, credentials: Credentials<'_>) -> Result<Caller, CredentialRefused> {
        match credentials.bearer {
            None => Ok(self.anonymous.clone()),
            Some(token) => self.of_token(token).await,
        }
    }

    async fn of_token(&self, token: &str) -> Result<Caller, CredentialRefused> {
        let issuer = unverified_issuer(token).ok_or(CredentialRefused { reason: "unknown_issuer" })?;
        let verified = self.providers.verify(token, &issuer, now()).await;
        let principal = verified.map_err(|refused| CredentialRefused { reason: refused.code() })?;
        Ok(Caller::known(principal, &self.roles))
    }
}

/// The time in Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
