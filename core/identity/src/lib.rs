//! Who calls: signed tokens of an identity provider, the key sets that they are checked with, and API keys for machines.
//!
//! It does not know HTTP, nor the network: a key set is passed in as the bytes that somebody fetched. It does not know the disk: who keeps keys
//! and hashes is the caller's business. And it has no clock of its own: each check is given the time, in Unix seconds. It decides *who* somebody
//! is and which roles their token claims, never what a role may do.
//!
//! Signatures are checked by `ring` itself. A library for JSON Web Tokens would be used with all of its validation turned off, since its defaults
//! let a token without `aud`, with a future `nbf` or an unknown `crit` pass, and would then read the header a second time, by other rules than
//! ours. What is left of it is one call, which `ring` has, together with the checks of keys and points, and without secret keys or HMAC
//! within reach.

mod algorithm;
mod api_key;
mod claims;
mod encoding;
mod factorable;
mod issuer;
mod key;
mod key_set;
mod principal;
mod refused;
mod signer;
mod strict_json;
mod token;
mod verifier;
#[cfg(test)]
mod wycheproof;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use api_key::{API_KEY_ISSUER, ApiKey, ApiKeyId, ApiKeyRefused, ApiKeyTerms, ApiKeyText, PresentedApiKey, RandomnessError, SecretHash};
pub use issuer::{ClaimNames, Issuer, IssuerMistake};
pub use key_set::{KeySet, KeySetMistake, LeftOut, LeftOutReason};
pub use principal::{CERTIFICATE_ISSUER, Principal};
pub use refused::{Claim, Refused};
pub use signer::{SigningAlgorithm, SigningKey, SigningKeyMistake};
pub use token::unverified_issuer;
pub use verifier::Verifier;
