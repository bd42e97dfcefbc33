//! What is said of signatures: how they stand, who has made them, what each is worth.

use super::key::KeyId;
use serde::Serialize;
use utoipa::ToSchema;

/// How a version's signatures stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureState {
    /// There are none.
    Unsigned,
    /// Somebody has signed whose signature counts.
    Valid,
    /// Somebody has signed, and nobody is trusted here by whose key it could be checked.
    Unjudged,
    /// They are refused, and so is the version.
    Refused,
}

/// What one signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignerState {
    /// It counts.
    Trusted,
    /// Nobody here trusts the key.
    Unknown,
    /// The key was revoked.
    Revoked,
    /// The key's time is over.
    Expired,
    /// The key's time is still to come.
    Early,
    /// It does not verify.
    Forged,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ModelSigner)]
pub struct Signer {
    /// The key's id: SHA-256 of the public key as DER.
    #[schema(value_type = String)]
    pub key: KeyId,
    /// What the key is called here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// What it is worth.
    pub state: SignerState,
}

/// Who vouches for a version, as people and programs are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ModelSignatures)]
pub struct Signatures {
    /// How they stand.
    pub state: SignatureState,
    /// What comes later has a higher one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub serial: Option<u64>,
    /// Who has signed.
    pub by: Vec<Signer>,
    /// Why they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// What was found of signatures that are not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// How they stand.
    pub state: SignatureState,
    /// The serial of the statement, if there is one.
    pub serial: Option<u64>,
    /// Who has signed.
    pub by: Vec<Signer>,
}

impl Judged {
    pub(super) const UNSIGNED: Self = Self { state: SignatureState::Unsigned, serial: None, by: Vec::new() };

    /// The serial, if somebody vouches for it who counts: what anybody may have written says nothing.
    pub fn proven_serial(&self) -> Option<u64> {
        self.serial.filter(|_| self.state == SignatureState::Valid)
    }

    /// In a few words.
    pub fn words(&self) -> String {
        match self.state {
            SignatureState::Unsigned => "not signed".into(),
            SignatureState::Unjudged => format!("signed by {}, and no key is trusted here", named(&self.by)),
            _ => format!("serial {}, signed by {}", self.serial.unwrap_or_default(), named(&trusted(&self.by))),
        }
    }
}

/// Those who count.
fn trusted(by: &[Signer]) -> Vec<Signer> {
    by.iter().filter(|signer| signer.state == SignerState::Trusted).cloned().collect()
}

/// Names with ids, for people.
pub(super) fn named(by: &[Signer]) -> String {
    let of = |signer: &Signer| match &signer.name {
        Some(name) => format!("`{name}` ({})", signer.key),
        None => signer.key.to_string(),
    };
    by.iter().map(of).collect::<Vec<_>>().join(", ")
}
