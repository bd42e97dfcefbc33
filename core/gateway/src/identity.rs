//! How a request's sender proves who they are: from the credentials that came with it to a [`Caller`]. What the caller may do is decided by
//! `access`; how tokens and keys are verified, by the crate `synod-identity`.

use crate::access::{Caller, Roles};
use crate::config;

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
}

impl Identity {
    /// What is configured.
    pub fn new(config: &config::Identity) -> Self {
        Self { anonymous: Caller::anonymous(&config.anonymous, &config.roles), roles: config.roles.clone() }
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
            Some(_) => Err(CredentialRefused { reason: "unknown_issuer" }),
        }
    }
}
