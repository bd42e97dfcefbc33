//! A set of public keys as an identity provider publishes it (JWKS: RFC 7517, section 5).

use crate::key::Key;
use crate::refused::Refused;
use crate::strict_json;
use serde_json::Value;
use std::fmt;

/// The longest set that is read, in bytes.
const LONGEST: usize = 64 * 1024;
/// The most keys that a set may have, with those that are left out.
const MOST_KEYS: usize = 64;

/// The public keys of one issuer that can verify signatures. There is at least one, and no two have the same id.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    left_out: Vec<LeftOut>,
}

impl KeySet {
    /// Reads a JWKS document. Keys that are not for us are left out; see [`KeySet::left_out`].
    ///
    /// # Errors
    /// If the document as a whole cannot be trusted to mean one thing, or if no key is left.
    pub fn read(document: &[u8]) -> Result<Self, KeySetMistake> {
        if document.len() > LONGEST {
            return Err(KeySetMistake::TooLong);
        }
        let members = strict_json::object(document).ok_or(KeySetMistake::NotJson)?;
        let entries = members.get("keys").and_then(Value::as_array).ok_or(KeySetMistake::NoList)?;
        if entries.len() > MOST_KEYS {
            return Err(KeySetMistake::TooManyKeys);
        }
        Self::of_entries(entries)
    }

    /// The keys of the document that are not used, with the reason, in its order.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The ids of the keys that are used, in the document's order. A key without an id is found only if it is alone.
    pub fn ids(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.iter().map(|key| key.id.as_deref())
    }

    /// The key that a token's header names. Without a name it is the only key there is.
    pub(crate) fn key(&self, id: Option<&str>) -> Result<&Key, Refused> {
        match (id, self.keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)).ok_or(Refused::UnknownKey),
            (None, [key]) => Ok(key),
            (None, _) => Err(Refused::KeyIdMissing),
        }
    }

    fn of_entries(entries: &[Value]) -> Result<Self, KeySetMistake> {
        let mut set = Self { keys: Vec::new(), left_out: Vec::new() };
        for (place, entry) in entries.iter().enumerate() {
            match entry.as_object().ok_or(LeftOutReason::Malformed).and_then(Key::read) {
                Ok(key) => set.add(key)?,
                Err(reason) => set.left_out.push(LeftOut { place, id: id_of(entry), reason }),
            }
        }
        if set.keys.is_empty() { Err(KeySetMistake::NoUsableKey { left_out: set.left_out }) } else { Ok(set) }
    }

    fn add(&mut self, key: Key) -> Result<(), KeySetMistake> {
        if let Some(id) = key.id.as_ref().filter(|id| self.keys.iter().any(|other| other.id.as_ref() == Some(*id))) {
            return Err(KeySetMistake::DuplicateId(id.clone()));
        }
        self.keys.push(key);
        Ok(())
    }
}

fn id_of(entry: &Value) -> Option<String> {
    entry.get("kid").and_then(Value::as_str).map(str::to_owned)
}

/// Why a document is no key set. Whoever has an earlier set keeps it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetMistake {
    /// Longer than 64 KiB.
    #[error("longer than 64 KiB")]
    TooLong,
    /// Not one JSON object, a name twice, or nested too deeply.
    #[error("not a JSON object with each name once")]
    NotJson,
    /// There is no list `keys`.
    #[error("no list \"keys\"")]
    NoList,
    /// More than 64 keys.
    #[error("more than 64 keys")]
    TooManyKeys,
    /// Two keys that could be used have this `kid`.
    #[error("two keys have the id {0:?}")]
    DuplicateId(String),
    /// Every key was left out.
    #[error("no key that can be used ({} left out)", left_out.len())]
    NoUsableKey {
        /// All keys of the document.
        left_out: Vec<LeftOut>,
    },
}

/// A key of the document that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its place in the document, from 0.
    pub place: usize,
    /// Its `kid`, if it has one.
    pub id: Option<String>,
    /// Why it is not used.
    pub reason: LeftOutReason,
}

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftOutReason {
    /// `kty` is not RSA, EC or OKP: a shared key (`oct`), or unknown.
    KeyType,
    /// A curve other than P-256, P-384 and Ed25519.
    Curve,
    /// `use` or `key_ops` say that it is not for verifying signatures.
    Use,
    /// `alg` is an algorithm that does not exist here, or that the key does not fit.
    Algorithm,
    /// RSA with fewer than 2048 bits, or with a modulus that can be factored (CVE-2017-15361).
    WeakRsa,
    /// It holds private members: whoever read the set can sign with it.
    Private,
    /// A member is missing, of a wrong type or length, or not canonical.
    Malformed,
}

impl LeftOutReason {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::KeyType => "key_type",
            Self::Curve => "curve",
            Self::Use => "use",
            Self::Algorithm => "algorithm",
            Self::WeakRsa => "weak_rsa",
            Self::Private => "private",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}
