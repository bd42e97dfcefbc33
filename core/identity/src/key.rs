//! One public key: how it is read (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2), and what it verifies.

use crate::algorithm::Algorithm;
use crate::encoding::decode;
use crate::factorable::is_factorable;
use crate::key_set::LeftOutReason;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Map, Value};

/// What signs with less can be broken in our time.
const LEAST_RSA_BITS: usize = 2048;
/// What has more costs the one who verifies too much.
const MOST_RSA_BITS: usize = 8192;
/// Members that only a private key has (RFC 7518, sections 6.2.2 and 6.3.2; RFC 8037, section 2).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A public key that can verify.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// The name by which a token's `kid` finds it.
    pub(crate) id: Option<String>,
    /// The one algorithm it is for, if its owner says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point: 4, x, y.
    P256(Vec<u8>),
    /// An uncompressed point: 4, x, y.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// Reads the members of a JSON Web Key. A key that cannot verify, or should not, is left out.
    pub(crate) fn read(members: &Map<String, Value>) -> Result<Self, LeftOutReason> {
        let material = Material::read(members)?;
        require_for_verification(members)?;
        let id = optional_text(members, "kid")?.map(str::to_owned);
        let algorithm = match optional_text(members, "alg")? {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| LeftOutReason::Algorithm)?),
        };
        if algorithm.is_some_and(|algorithm| !material.fits(algorithm)) {
            return Err(LeftOutReason::Algorithm);
        }
        Ok(Self { id, algorithm, material })
    }

    /// Whether the key is of the type that the algorithm needs, and not meant for another one.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm) && self.material.fits(algorithm)
    }

    /// Whether the key made this signature. A key that does not fit the algorithm made none.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.fits(algorithm) && self.material.verifies(algorithm, message, signature)
    }
}

impl Material {
    fn read(members: &Map<String, Value>) -> Result<Self, LeftOutReason> {
        match optional_text(members, "kty")?.ok_or(LeftOutReason::Malformed)? {
            // A private key that was published is everybody's.
            "RSA" | "EC" | "OKP" if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) => Err(LeftOutReason::Private),
            "RSA" => Self::read_rsa(members),
            "EC" => Self::read_curve(members),
            "OKP" if members.get("crv").and_then(Value::as_str) == Some("Ed25519") => Ok(Self::Ed25519(bytes(members, "x", 32)?)),
            "OKP" => Err(LeftOutReason::Curve),
            _ => Err(LeftOutReason::KeyType),
        }
    }

    fn read_rsa(members: &Map<String, Value>) -> Result<Self, LeftOutReason> {
        let modulus = positive_integer(members, "n")?;
        let exponent = positive_integer(members, "e")?;
        let bits = modulus.len() * 8 - modulus[0].leading_zeros() as usize;
        if bits < LEAST_RSA_BITS || is_factorable(&modulus) {
            return Err(LeftOutReason::WeakRsa);
        }
        // An exponent of one would make every message its own signature; an even one has no private key.
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        let exponent_is_good = odd(&exponent) && exponent.len() <= 4 && exponent != [1];
        if bits > MOST_RSA_BITS || !odd(&modulus) || !exponent_is_good {
            return Err(LeftOutReason::Malformed);
        }
        Ok(Self::Rsa { modulus, exponent })
    }

    fn read_curve(members: &Map<String, Value>) -> Result<Self, LeftOutReason> {
        let (length, wrap): (usize, fn(Vec<u8>) -> Self) = match members.get("crv").and_then(Value::as_str) {
            Some("P-256") => (32, Self::P256),
            Some("P-384") => (48, Self::P384),
            _ => return Err(LeftOutReason::Curve),
        };
        let point = [vec![4], bytes(members, "x", length)?, bytes(members, "y", length)?].concat();
        Ok(wrap(point))
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => rsa_parameters(algorithm).is_some(),
            Self::P256(_) => algorithm == Algorithm::Es256,
            Self::P384(_) => algorithm == Algorithm::Es384,
            Self::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }

    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let by =
            |method: &'static dyn VerificationAlgorithm, key: &[u8]| UnparsedPublicKey::new(method, key).verify(message, signature).is_ok();
        match self {
            Self::Rsa { modulus, exponent } => rsa_parameters(algorithm)
                .is_some_and(|method| RsaPublicKeyComponents { n: modulus, e: exponent }.verify(method, message, signature).is_ok()),
            Self::P256(point) => by(&signature::ECDSA_P256_SHA256_FIXED, point),
            Self::P384(point) => by(&signature::ECDSA_P384_SHA384_FIXED, point),
            Self::Ed25519(point) => by(&signature::ED25519, point),
        }
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

/// A key may say what it is for, by `use` or by `key_ops`; what it says has to include the verification of signatures.
fn require_for_verification(members: &Map<String, Value>) -> Result<(), LeftOutReason> {
    let for_signatures = optional_text(members, "use")?.is_none_or(|purpose| purpose == "sig");
    let verifies = match members.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => return Err(LeftOutReason::Malformed),
    };
    if for_signatures && verifies { Ok(()) } else { Err(LeftOutReason::Use) }
}

fn optional_text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, LeftOutReason> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(LeftOutReason::Malformed),
    }
}

/// A member of exactly this many bytes.
fn bytes(members: &Map<String, Value>, name: &str, length: usize) -> Result<Vec<u8>, LeftOutReason> {
    let bytes = optional_text(members, name)?.and_then(decode).ok_or(LeftOutReason::Malformed)?;
    if bytes.len() == length { Ok(bytes) } else { Err(LeftOutReason::Malformed) }
}

/// A positive integer in as few bytes as it needs, the highest first (RFC 7518, section 2, `Base64urlUInt`).
fn positive_integer(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, LeftOutReason> {
    let bytes = optional_text(members, name)?.and_then(decode).ok_or(LeftOutReason::Malformed)?;
    if bytes.first().is_some_and(|first| *first != 0) { Ok(bytes) } else { Err(LeftOutReason::Malformed) }
}
