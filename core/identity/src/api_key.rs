//! API keys for machines: `synod_<id>_<secret>_<checksum>`.
//!
//! The id (16 hexadecimal digits) finds the key, the secret (64) proves it, and the checksum (8, CRC-32 of all that stands before it) lets a
//! typing mistake be told from a wrong key, and lets scanners of source code tell a key from other text. Digits are lower-case: a key has one
//! spelling. A secret is 256 random bits, which nobody can guess, so that one round of SHA-256 keeps it as well as a slow hash would.

use crate::principal::Principal;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use subtle::ConstantTimeEq;

/// The issuer of principals that came with an API key. No identity provider may have this name.
pub const API_KEY_ISSUER: &str = "api-key";

/// What every key begins with.
const PREFIX: &str = "synod";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// The name of a key. It is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiKeyId([u8; ID_BYTES]);

impl fmt::Display for ApiKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hexadecimal(&self.0))
    }
}

impl std::str::FromStr for ApiKeyId {
    type Err = ApiKeyRefused;

    fn from_str(text: &str) -> Result<Self, ApiKeyRefused> {
        bytes(text).map(Self).ok_or(ApiKeyRefused::Form)
    }
}

/// SHA-256 of a secret: what is kept of it. It is no secret, but nobody needs to see it either.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash as it was kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of(secret: &[u8; SECRET_BYTES]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretHash(..)")
    }
}

/// What whoever has a key may do with it, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyTerms {
    /// What whoever has it may act as.
    pub roles: BTreeSet<String>,
    /// What it is limited to, of what the roles allow. Without any it is not limited.
    pub scopes: BTreeSet<String>,
    /// Whose decisions it may see.
    pub tenant: Option<String>,
    /// What people call it.
    pub label: Option<String>,
    /// When it ends, in Unix seconds. From this second on it is refused.
    pub expires: u64,
}

/// An API key as it is kept. The secret is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is found by.
    pub id: ApiKeyId,
    /// What the secret is compared with.
    pub hash: SecretHash,
    /// What may be done with it.
    pub terms: ApiKeyTerms,
}

impl ApiKey {
    /// Makes a key, and the text that its owner is shown once.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn generate(terms: ApiKeyTerms) -> Result<(Self, ApiKeyText), RandomnessError> {
        let mut id = [0; ID_BYTES];
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut id).and_then(|()| getrandom::fill(&mut secret)).map_err(|error| RandomnessError(error.to_string()))?;
        let key = Self { id: ApiKeyId(id), hash: SecretHash::of(&secret), terms };
        Ok((key, ApiKeyText::of(&id, &secret)))
    }

    /// The principal of a presented key at this time, in Unix seconds.
    ///
    /// # Errors
    /// If it is another key, has a wrong secret, or has ended. How long the comparison takes tells nothing about the secret.
    pub fn verify(&self, presented: &PresentedApiKey, now: u64) -> Result<Principal, ApiKeyRefused> {
        self.check(presented, now).map(|()| self.principal())
    }

    /// Whether a presented key is this one and holds at this time: [`Self::verify`] for those who know its principal already.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn check(&self, presented: &PresentedApiKey, now: u64) -> Result<(), ApiKeyRefused> {
        let same_secret: bool = SecretHash::of(&presented.secret).0.ct_eq(&self.hash.0).into();
        if presented.id != self.id || !same_secret {
            Err(ApiKeyRefused::Secret)
        } else if now >= self.terms.expires {
            Err(ApiKeyRefused::Expired)
        } else {
            Ok(())
        }
    }

    /// Whom the key speaks for, once it was verified.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal {
            subject: self.id.to_string(),
            issuer: API_KEY_ISSUER.to_owned(),
            tenant: self.terms.tenant.clone(),
            roles: self.terms.roles.clone(),
            scopes: self.terms.scopes.clone(),
            expires: self.terms.expires,
        }
    }
}

/// A new key's text. It can be shown, but not by accident.
pub struct ApiKeyText(String);

impl ApiKeyText {
    /// The text, secret included.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn of(id: &[u8; ID_BYTES], secret: &[u8; SECRET_BYTES]) -> Self {
        let covered = format!("{PREFIX}_{}_{}", hexadecimal(id), hexadecimal(secret));
        Self(format!("{covered}_{}", checksum(&covered)))
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKeyText(..)")
    }
}

/// A key that a client sent, well formed and not yet verified.
pub struct PresentedApiKey {
    id: ApiKeyId,
    secret: [u8; SECRET_BYTES],
}

impl PresentedApiKey {
    /// Whether a credential means to be an API key, so that it need not be tried as a token.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('_'))
    }

    /// Reads a key's text.
    ///
    /// # Errors
    /// If it does not have the form of a key, or the checksum is that of another text.
    pub fn parse(text: &str) -> Result<Self, ApiKeyRefused> {
        let (covered, sum) = text.rsplit_once('_').ok_or(ApiKeyRefused::Form)?;
        let mut parts = covered.split('_');
        let (Some(PREFIX), Some(id), Some(secret), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(ApiKeyRefused::Form);
        };
        let id = ApiKeyId(bytes(id).ok_or(ApiKeyRefused::Form)?);
        let secret = bytes(secret).ok_or(ApiKeyRefused::Form)?;
        if sum == checksum(covered) { Ok(Self { id, secret }) } else { Err(ApiKeyRefused::Checksum) }
    }

    /// The id that it claims.
    #[must_use]
    pub fn id(&self) -> ApiKeyId {
        self.id
    }
}

impl fmt::Debug for PresentedApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PresentedApiKey({}, ..)", self.id)
    }
}

/// Why an API key is refused. As with tokens, the reason is for logs and metrics alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiKeyRefused {
    /// It does not look like a key.
    Form,
    /// It looks like a key, with a typing mistake.
    Checksum,
    /// The secret is not that of the key.
    Secret,
    /// It has ended.
    Expired,
}

impl ApiKeyRefused {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Form => "key_form",
            Self::Checksum => "key_checksum",
            Self::Secret => "key_secret",
            Self::Expired => "key_expired",
        }
    }
}

/// The only words that may reach the client, the same for every reason.
impl fmt::Display for ApiKeyRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("invalid API key")
    }
}

impl std::error::Error for ApiKeyRefused {}

/// The system gave no random numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random numbers: {0}")]
pub struct RandomnessError(String);

fn checksum(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of exactly as many lower-case hexadecimal digits as they need.
fn bytes<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    if text.len() != 2 * LENGTH {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u64 = 2_000_000_000;

    fn made() -> (ApiKey, String) {
        let terms = ApiKeyTerms {
            roles: BTreeSet::from(["scorer".to_owned()]),
            scopes: BTreeSet::from(["score:policy".to_owned()]),
            tenant: Some("north".to_owned()),
            label: None,
            expires: END,
        };
        let (key, text) = ApiKey::generate(terms).unwrap();
        (key, text.reveal().to_owned())
    }

    /// The text with another secret and a checksum that is right for it.
    fn with_other_secret(key: &ApiKey) -> String {
        ApiKeyText::of(&key.id.0, &[7; SECRET_BYTES]).reveal().to_owned()
    }

    #[test]
    fn a_key_speaks_for_its_principal_until_it_ends() {
        let (key, text) = made();
        let presented = PresentedApiKey::parse(&text).unwrap();
        assert!(PresentedApiKey::is_meant(&text));
        assert_eq!(presented.id(), key.id);
        let principal = key.verify(&presented, END - 1).unwrap();
        assert_eq!(principal.subject, key.id.to_string());
        assert_eq!((principal.issuer.as_str(), principal.tenant.as_deref()), (API_KEY_ISSUER, Some("north")));
        assert_eq!((principal.roles, principal.scopes, principal.expires), (key.terms.roles.clone(), key.terms.scopes.clone(), END));
        assert_eq!(key.verify(&presented, END), Err(ApiKeyRefused::Expired));
    }

    #[test]
    fn a_key_that_was_kept_verifies_as_before() {
        let (key, text) = made();
        let kept = ApiKey { id: key.id.to_string().parse().unwrap(), hash: SecretHash::from_bytes(*key.hash.as_bytes()), ..key };
        assert!(kept.verify(&PresentedApiKey::parse(&text).unwrap(), 0).is_ok());
    }

    #[test]
    fn the_form_is_as_it_is_written_down() {
        let text = ApiKeyText::of(&[0x0a; ID_BYTES], &[0xf1; SECRET_BYTES]).0;
        // The checksum was computed by another program.
        assert_eq!(text, format!("synod_{}_{}_7ca50503", "0a".repeat(8), "f1".repeat(32)));
    }

    #[test]
    fn other_keys_and_secrets_are_refused() {
        let ((key, _), (_, other)) = (made(), made());
        for text in [other, with_other_secret(&key)] {
            assert_eq!(key.verify(&PresentedApiKey::parse(&text).unwrap(), 0), Err(ApiKeyRefused::Secret));
        }
    }

    #[test]
    fn every_changed_character_is_noticed_before_the_key_is_looked_up() {
        let (_, text) = made();
        for at in 0..text.len() {
            for other in "0f_xA é".chars().filter(|other| !text[at..].starts_with(*other)) {
                let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                assert!(PresentedApiKey::parse(&changed).is_err(), "{changed}");
            }
            assert!(PresentedApiKey::parse(&text[..at]).is_err());
        }
        let (digit, others) = (&text[23..24], ["0", "1"]);
        let changed = others.iter().find(|other| **other != digit).map(|other| format!("{}{other}{}", &text[..23], &text[24..])).unwrap();
        assert_eq!(PresentedApiKey::parse(&changed).unwrap_err(), ApiKeyRefused::Checksum);
        for text in ["", "synod", "synod___", &text.to_uppercase(), &format!("{text}_"), &format!(" {text}"), &format!("{text}\n")] {
            assert!(PresentedApiKey::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn nothing_prints_the_secret() {
        let (key, text) = ApiKey::generate(ApiKeyTerms::default()).unwrap();
        let secret = text.reveal().split('_').nth(2).unwrap();
        let presented = PresentedApiKey::parse(text.reveal()).unwrap();
        let hash = hexadecimal(key.hash.as_bytes());
        for printed in [format!("{key:?}"), format!("{text:?}"), format!("{presented:?}")] {
            assert!(!printed.contains(secret) && !printed.contains(&hash), "{printed}");
        }
    }
}
