//! Keys that sign access tokens (RFC 9068), and what is published of them (RFC 7517).
//!
//! A key's id is its thumbprint (RFC 7638): it follows from the key, so that two that share an id are one.

use crate::algorithm::Algorithm;
use crate::encoding::encode;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;

/// What `typ` says of an access token (RFC 9068, section 2.1).
const TYPE: &str = "at+jwt";

/// The algorithms that tokens are signed with here. Others verify only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256: everybody reads it.
    #[serde(rename = "ES256")]
    Es256,
    /// EdDSA with Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::Es256 => Self::Es256,
            SigningAlgorithm::EdDsa => Self::EdDsa,
        }
    }
}

/// A private key that signs. It is never shown.
pub struct SigningKey {
    id: String,
    material: Material,
    random: SystemRandom,
}

enum Material {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// Why there is no key, or no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyMistake {
    /// The system gave no random numbers.
    #[error("no key can be made or used: the system has no random numbers")]
    Randomness,
    /// The bytes are no private key of this algorithm.
    #[error("these bytes are no private key of the algorithm, in PKCS #8")]
    NoKey,
    /// The claims are no JSON.
    #[error("the claims cannot be written as JSON")]
    Claims,
}

impl SigningKey {
    /// Makes a private key, as the bytes to keep (PKCS #8).
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Vec<u8>, SigningKeyMistake> {
        let random = SystemRandom::new();
        let made = match algorithm {
            SigningAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
        };
        made.map(|document| document.as_ref().to_vec()).map_err(|_| SigningKeyMistake::Randomness)
    }

    /// The key that was kept as these bytes.
    ///
    /// # Errors
    /// When they are no key of this algorithm.
    pub fn read(algorithm: SigningAlgorithm, bytes: &[u8]) -> Result<Self, SigningKeyMistake> {
        let random = SystemRandom::new();
        let material = match algorithm {
            SigningAlgorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &random).map(Material::Es256),
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(bytes).map(Material::EdDsa),
        };
        let material = material.map_err(|_| SigningKeyMistake::NoKey)?;
        Ok(Self { id: material.thumbprint(), material, random })
    }

    /// What it is found by: `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        match self.material {
            Material::Es256(_) => SigningAlgorithm::Es256,
            Material::EdDsa(_) => SigningAlgorithm::EdDsa,
        }
    }

    /// The public key, as an entry of a key set.
    #[must_use]
    pub fn published(&self) -> Value {
        let mut members = self.material.public();
        members["kid"] = self.id.clone().into();
        members["use"] = "sig".into();
        members["alg"] = Algorithm::from(self.algorithm()).name().into();
        members
    }

    /// An access token with these claims.
    ///
    /// # Errors
    /// When they are no JSON, or the system has no random numbers.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, SigningKeyMistake> {
        let header = json!({ "alg": Algorithm::from(self.algorithm()).name(), "typ": TYPE, "kid": self.id });
        let claims = serde_json::to_vec(claims).map_err(|_| SigningKeyMistake::Claims)?;
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(&claims));
        let signature = match &self.material {
            Material::Es256(pair) => {
                pair.sign(&self.random, signed.as_bytes()).map_err(|_| SigningKeyMistake::Randomness)?.as_ref().to_vec()
            }
            Material::EdDsa(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        Ok(format!("{signed}.{}", encode(&signature)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({}, ..)", self.id)
    }
}

impl Material {
    /// The members that make the key, in the order of their names: that order is the thumbprint's.
    fn public(&self) -> Value {
        match self {
            Self::Es256(pair) => {
                // An uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref();
                json!({ "crv": "P-256", "kty": "EC", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
            }
            Self::EdDsa(pair) => json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(pair.public_key().as_ref()) }),
        }
    }

    fn thumbprint(&self) -> String {
        encode(&Sha256::digest(self.public().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Issuer, KeySet, Refused, Verifier, unverified_issuer};

    const NOW: u64 = 1_800_000_000;
    const BOTH: [SigningAlgorithm; 2] = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa];

    fn key(algorithm: SigningAlgorithm) -> SigningKey {
        SigningKey::read(algorithm, &SigningKey::generate(algorithm).unwrap()).unwrap()
    }

    fn verifier(keys: &[&SigningKey]) -> Verifier {
        let set = json!({ "keys": keys.iter().map(|key| key.published()).collect::<Vec<_>>() });
        let issuer = Issuer::new("https://synod.example", &["synod"], &[Algorithm::Es256, Algorithm::EdDsa]);
        Verifier::new(issuer, KeySet::read(set.to_string().as_bytes()).unwrap()).unwrap()
    }

    fn claims() -> Value {
        json!({ "iss": "https://synod.example", "aud": "synod", "sub": "ana", "iat": NOW, "exp": NOW + 600, "scope": "score" })
    }

    #[test]
    fn what_is_signed_is_verified_by_what_is_published() {
        for algorithm in BOTH {
            let (own, other) = (key(algorithm), key(algorithm));
            let token = own.sign(&claims()).unwrap();
            assert_eq!(unverified_issuer(&token).as_deref(), Some("https://synod.example"));
            let principal = verifier(&[&other, &own]).verify(&token, NOW).unwrap();
            assert_eq!((principal.subject.as_str(), principal.scopes.contains("score")), ("ana", true));
            assert_eq!(verifier(&[&other]).verify(&token, NOW), Err(Refused::UnknownKey));
            let (signed, _) = token.rsplit_once('.').unwrap();
            let forged = format!("{signed}.{}", other.sign(&claims()).unwrap().rsplit_once('.').unwrap().1);
            assert_eq!(verifier(&[&own]).verify(&forged, NOW), Err(Refused::Signature));
        }
    }

    #[test]
    fn a_key_that_was_kept_is_the_same_key() {
        for algorithm in BOTH {
            let bytes = SigningKey::generate(algorithm).unwrap();
            let [one, other] = [(); 2].map(|()| SigningKey::read(algorithm, &bytes).unwrap());
            assert_eq!((one.id(), one.published()), (other.id(), other.published()));
            assert!(["d", "p", "q"].iter().all(|private| one.published().get(private).is_none()));
            let wrong = BOTH.into_iter().find(|other| *other != algorithm).unwrap();
            assert_eq!(SigningKey::read(wrong, &bytes).unwrap_err(), SigningKeyMistake::NoKey);
            assert!(!format!("{one:?}").contains(&encode(&bytes)));
        }
        assert_eq!(SigningKey::read(SigningAlgorithm::Es256, b"x").unwrap_err(), SigningKeyMistake::NoKey);
    }

    #[test]
    fn the_id_is_the_thumbprint_of_the_standard() {
        // The example of RFC 8037, appendix A.3: a public key and its thumbprint.
        let members = json!({ "crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        assert_eq!(encode(&Sha256::digest(members.to_string())), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn no_issuer_is_read_of_what_is_no_token() {
        for text in ["", "a.b.c", "a.b", "..", "a.eyJpc3MiOjF9.c", "a.e30.c", "a.eyJpc3MiOiJ4In0"] {
            assert_eq!(unverified_issuer(text), None, "{text}");
        }
        assert_eq!(unverified_issuer("a.eyJpc3MiOiJ4In0.c").as_deref(), Some("x"));
    }
}
