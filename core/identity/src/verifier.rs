//! From a token to a principal.

use crate::id_token::{self, IdToken};
use crate::issuer::{Issuer, IssuerMistake};
use crate::key_set::KeySet;
use crate::principal::Principal;
use crate::refused::Refused;
use crate::{claims, token};

/// Verifies the tokens of one issuer with one key set. It does not change; a new key set makes a new verifier.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuer: Issuer,
    keys: KeySet,
}

impl Verifier {
    /// A verifier for this issuer's tokens.
    ///
    /// # Errors
    /// If the issuer's description would let wrong tokens pass, or none.
    pub fn new(issuer: Issuer, keys: KeySet) -> Result<Self, IssuerMistake> {
        issuer.check()?;
        Ok(Self { issuer, keys })
    }

    /// The same verifier with a newer key set.
    #[must_use]
    pub fn with_keys(&self, keys: KeySet) -> Self {
        Self { issuer: self.issuer.clone(), keys }
    }

    /// Whose tokens are verified.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The keys that tokens are verified with.
    #[must_use]
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The principal that a token speaks for at this time, in Unix seconds. The token is what follows `Bearer ` and nothing else.
    ///
    /// # Errors
    /// The first reason to refuse it. The form is checked before the signature, and the signature before the claims.
    pub fn verify(&self, token: &str, now: u64) -> Result<Principal, Refused> {
        let payload = token::payload(token, &self.keys, &self.issuer.algorithms)?;
        claims::principal(&payload, &self.issuer, now)
    }
    /// Who logged in, by the ID token that the issuer gave for this `nonce` (OpenID Connect Core 1.0, section 3.1.3.7). The issuer's one
    /// audience is the client that asked.
    ///
    /// # Errors
    /// The first reason to refuse it, in the order of [`Verifier::verify`].
    pub fn verify_id_token(&self, token: &str, nonce: &str, now: u64) -> Result<IdToken, Refused> {
        let payload = token::payload(token, &self.keys, &self.issuer.algorithms)?;
        id_token::read(&payload, &self.issuer, nonce, now)
    }
}
