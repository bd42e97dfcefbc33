//! An issuer that signs: keys made anew for each run, except for RSA, whose keys `ring` reads but does not make.
//! `keys/rsa_2048.pk8` was made for these tests and is trusted nowhere.
#![allow(dead_code, reason = "each test and example uses a part")]
// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair};
use serde_json::{Value, json};
use synod_identity::{Algorithm, Issuer, KeySet, Verifier};

/// When the tests take place, in Unix seconds.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://issuer.example/realms/bank";
pub(crate) const AUDIENCE: &str = "synod";

const RSA: &[u8] = include_bytes!("../keys/rsa_2048.pk8");

/// A key pair with an id.
pub(crate) struct Signer {
    pub(crate) id: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// A key pair of the type that this algorithm needs.
    pub(crate) fn new(algorithm: Algorithm, id: &str) -> Self {
        let pair = match algorithm {
            Algorithm::Es256 => Pair::P256(curve(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)),
            Algorithm::Es384 => Pair::P384(curve(&signature::ECDSA_P384_SHA384_FIXED_SIGNING)),
            Algorithm::EdDsa => {
                let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
            }
            _ => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(RSA).unwrap())),
        };
        Self { id: id.to_owned(), pair }
    }

    /// The public key, as a provider publishes it.
    pub(crate) fn public(&self) -> Value {
        let curve = |name: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            json!({"kty": "EC", "crv": name, "x": encode(x), "y": encode(y), "use": "sig", "kid": self.id})
        };
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e), "use": "sig", "kid": self.id})
            }
            Pair::P256(pair) => curve("P-256", pair.public_key().as_ref()),
            Pair::P384(pair) => curve("P-384", pair.public_key().as_ref()),
            Pair::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()), "kid": self.id}),
        }
    }

    /// The public key's bytes, as somebody might use them for a shared secret.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public().as_ref().to_vec(),
            Pair::P256(pair) | Pair::P384(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// A token of this header and payload, signed as the algorithm says, whatever the header says.
    pub(crate) fn token(&self, algorithm: Algorithm, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", encode(&signature))
    }

    /// A token with a plain header.
    pub(crate) fn plain_token(&self, algorithm: Algorithm, payload: &str) -> String {
        self.token(algorithm, &json!({"alg": algorithm.name(), "typ": "JWT", "kid": self.id}).to_string(), payload)
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding(algorithm), &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Pair::P256(pair) | Pair::P384(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

fn curve(method: &'static signature::EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    let document = EcdsaKeyPair::generate_pkcs8(method, &SystemRandom::new()).unwrap();
    EcdsaKeyPair::from_pkcs8(method, document.as_ref(), &SystemRandom::new()).unwrap()
}

fn padding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => panic!("{algorithm} is not for RSA"),
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A JWKS document of these keys.
pub(crate) fn document(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// An issuer that allows these algorithms.
pub(crate) fn issuer(algorithms: &[Algorithm]) -> Issuer {
    Issuer::new(ISSUER, &[AUDIENCE, "synod-console"], algorithms)
}

/// A verifier with the keys of these signers.
pub(crate) fn verifier(issuer: Issuer, signers: &[&Signer]) -> Verifier {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
    Verifier::new(issuer, KeySet::read(&document(&keys)).unwrap()).unwrap()
}

/// Claims that hold at [`NOW`].
pub(crate) fn good_claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "robot-7", "exp": NOW + 300, "nbf": NOW - 10, "iat": NOW - 10,
        "roles": ["scorer", "viewer"], "scope": "score:detector/x read"
    })
}
