//! Who somebody turned out to be.

use std::collections::BTreeSet;

/// The issuer of principals that came with a client certificate. No identity provider may have this name.
pub const CERTIFICATE_ISSUER: &str = "certificate";

/// Somebody whose credential was verified. What the roles allow is decided elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is, unique for its issuer: `sub`, the id of an API key, or the name in a certificate.
    pub subject: String,
    /// Who says so: `iss`, [`crate::API_KEY_ISSUER`] or [`CERTIFICATE_ISSUER`].
    pub issuer: String,
    /// Whose decisions it may see. Nothing if the issuer has no tenants.
    pub tenant: Option<String>,
    /// Roles, as the issuer names them.
    pub roles: BTreeSet<String>,
    /// Scopes, as the issuer names them.
    pub scopes: BTreeSet<String>,
    /// When the credential ends, in Unix seconds, without leeway.
    pub expires: u64,
}
