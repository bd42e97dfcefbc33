//! What is kept of API keys, in `keys.json`, and of the keys that sign access tokens, in `signing-keys.json`. What a role is, or a signature,
//! is not known here.

use crate::kept_list::Kept;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An API key. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// What it is found by.
    pub id: String,
    /// SHA-256 of its secret, in hexadecimal digits.
    pub hash: String,
    /// What whoever has it may act as.
    pub roles: Vec<String>,
    /// What it is limited to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Whose decisions it may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it was made.
    pub created: u64,
    /// Who made it.
    pub created_by: String,
    /// When it ends.
    pub expires: u64,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
    /// Who revoked it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<String>,
    /// When another key took its place, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<u64>,
    /// The key that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// The key whose place it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

impl Kept for KeyEntry {
    const FILE: &'static str = "keys.json";
    const LOCK: &'static str = "keys.lock";
    const FORMAT: u64 = 1;
    const MOST: usize = 10_000;
}

/// A key that signs access tokens. Times are Unix seconds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKeyEntry {
    /// The algorithm's name.
    pub algorithm: String,
    /// The private key: PKCS #8, in base64.
    pub private: String,
    /// When it was made; from then on its public half is published.
    pub created: u64,
    /// When it begins to sign, in place of the one before.
    pub signs_from: u64,
}

impl fmt::Debug for SigningKeyEntry {
    /// Leaves the key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeyEntry({}, from {}, ..)", self.algorithm, self.signs_from)
    }
}

impl Kept for SigningKeyEntry {
    const FILE: &'static str = "signing-keys.json";
    const LOCK: &'static str = "signing-keys.lock";
    const FORMAT: u64 = 1;
    const MOST: usize = 16;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_printed() {
        let entry = SigningKeyEntry { algorithm: "ES256".into(), private: "c2VjcmV0".into(), created: 1, signs_from: 2 };
        assert!(!format!("{entry:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let text = r#"{"id":"0a","hash":"ff","roles":["scorer"],"created":1,"created_by":"ana","expires":9}"#;
        let entry: KeyEntry = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        assert!(serde_json::from_str::<KeyEntry>(&text.replace("\"id\"", "\"ids\":0,\"id\"")).is_err(), "what is unknown may limit it");
    }
}
