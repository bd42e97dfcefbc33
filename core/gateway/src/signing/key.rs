//! Ed25519 keys (RFC 8032) in the forms that openssl writes (RFC 8410): a private key as PKCS #8 in PEM, a public key as its SubjectPublicKeyInfo in
//! PEM. A key's id is the SHA-256 of the latter's DER.

use crate::hexadecimal::digest_of_bytes;
use pem::{EncodeConfig, LineEnding, Pem};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What stands before the 32 bytes of a private key: PKCS #8 of version 1, as openssl writes it. Other programs do not read ring's version 2.
const PRIVATE: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// What stands before the 32 bytes of a public key.
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// Most bytes of a file with a key: there may be remarks around it.
const LARGEST: u64 = 16 << 10;

/// Why a key cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{}: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what should be there.
        why: String,
    },
    /// The system gave no random numbers.
    #[error("no key can be made: the system has no random numbers")]
    Randomness,
}

/// The id of a key: 64 hexadecimal digits in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyId(String);

impl TryFrom<String> for KeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            true => Ok(Self(text)),
            false => Err("a key's id has 64 hexadecimal digits in lower case: `synod models keygen` prints it"),
        }
    }
}

impl KeyId {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: [u8; 44],
    id: KeyId,
}

impl PublicKey {
    fn new(key: &[u8; 32]) -> Self {
        let mut der = [0; 44];
        der[..12].copy_from_slice(&PUBLIC);
        der[12..].copy_from_slice(key);
        Self { der, id: KeyId(digest_of_bytes(&der)) }
    }

    /// Reads a file that holds a public key in PEM.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let der = of_file(path, "PUBLIC KEY", "openssl pkey -in PRIVATE.pem -pubout")?;
        let key = der.strip_prefix(&PUBLIC).and_then(|key| key.try_into().ok());
        Ok(Self::new(key.ok_or_else(|| KeyError::Form { path: path.to_owned(), why: "it is a public key, but not of Ed25519".into() })?))
    }

    /// Its id.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// In PEM.
    pub fn pem(&self) -> String {
        pem::encode_config(&Pem::new("PUBLIC KEY", self.der), EncodeConfig::new().set_line_ending(LineEnding::LF))
    }

    /// Whether the key's owner has signed this message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.der[12..]).verify(message, signature).is_ok()
    }
}

/// A key that signs. It is never shown.
pub struct PrivateKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes one; beside it its text, to be kept where nobody else can read it.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<(Self, String), KeyError> {
        let mut der = [0; 48];
        der[..16].copy_from_slice(&PRIVATE);
        SystemRandom::new().fill(&mut der[16..]).map_err(|_| KeyError::Randomness)?;
        let key = Self::read(&der).ok_or(KeyError::Randomness)?;
        Ok((key, pem::encode_config(&Pem::new("PRIVATE KEY", der), EncodeConfig::new().set_line_ending(LineEnding::LF))))
    }

    /// Reads a file that holds a private key in PEM.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let der = of_file(path, "PRIVATE KEY", "synod models keygen --output KEY.pem` or `openssl genpkey -algorithm ed25519")?;
        let wrong = || KeyError::Form { path: path.to_owned(), why: "it is a private key, but not of Ed25519 in PKCS #8".into() };
        Self::read(&der).ok_or_else(wrong)
    }

    fn read(der: &[u8]) -> Option<Self> {
        // Openssl's keys are without their public part.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
        let public = PublicKey::new(pair.public_key().as_ref().try_into().ok()?);
        Some(Self { pair, public })
    }

    /// What verifies what it signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ..)", self.public.id)
    }
}

/// The bytes of the one block of this kind that a file holds.
fn of_file(path: &Path, kind: &str, made_by: &str) -> Result<Vec<u8>, KeyError> {
    let read = |source| KeyError::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path).map_err(read)?.take(LARGEST).read_to_end(&mut text).map_err(read)?;
    let wrong = |what: &str| KeyError::Form { path: path.to_owned(), why: format!("{what}; `{made_by}` writes one") };
    let blocks = pem::parse_many(&text).map_err(|_| wrong("it is no PEM"))?;
    match blocks.as_slice() {
        [block] if block.tag() == kind => Ok(block.contents().to_vec()),
        [block] => Err(wrong(&format!("it holds a {} and not a {kind}", block.tag().chars().take(40).collect::<String>()))),
        _ => Err(wrong(&format!("it holds {} blocks of PEM and not one {kind}", blocks.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_signs_its_public_part_verifies_and_no_other() {
        let [(one, text), (other, _)] = [(); 2].map(|()| PrivateKey::generate().unwrap());
        let signature = one.sign(b"message");
        assert!(one.public().verifies(b"message", &signature));
        assert!(!one.public().verifies(b"massage", &signature) && !other.public().verifies(b"message", &signature));
        assert!(!one.public().verifies(b"message", &signature[..63]) && !one.public().verifies(b"message", b""));
        assert!(!format!("{one:?}").contains(text.lines().nth(1).unwrap()));
    }

    #[test]
    fn keys_are_read_as_they_were_written_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let put = |text: &str| std::fs::write(&path, text).unwrap();
        let (key, text) = PrivateKey::generate().unwrap();
        put(&text);
        assert_eq!(PrivateKey::open(&path).unwrap().public(), key.public());
        assert!(PublicKey::open(&path).unwrap_err().to_string().contains("it holds a PRIVATE KEY and not a PUBLIC KEY"));
        put(&key.public().pem());
        assert_eq!(PublicKey::open(&path).unwrap(), *key.public());
        assert!(PrivateKey::open(&path).unwrap_err().to_string().contains("synod models keygen"));
        for bad in
            ["", "-----BEGIN PUBLIC KEY-----", &format!("{0}{0}", key.public().pem()), &pem::encode(&Pem::new("PUBLIC KEY", [1, 2, 3]))]
        {
            put(bad);
            assert!(matches!(PublicKey::open(&path), Err(KeyError::Form { .. })), "{bad:?}");
        }
        assert!(matches!(PublicKey::open(&folder.path().join("none")), Err(KeyError::Read { .. })));
    }

    /// RFC 8410, section 10: the same key, as public and as private.
    #[test]
    fn the_example_of_the_standard_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let [private, public] = ["private", "public"].map(|name| folder.path().join(name));
        let block = |kind: &str, text: &str| format!("-----BEGIN {kind} KEY-----\n{text}\n-----END {kind} KEY-----\n");
        std::fs::write(&private, block("PRIVATE", "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC")).unwrap();
        std::fs::write(&public, block("PUBLIC", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")).unwrap();
        assert_eq!(PrivateKey::open(&private).unwrap().public(), &PublicKey::open(&public).unwrap());
    }
}
