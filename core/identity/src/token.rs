//! A token as it is sent (JWS in its compact form, RFC 7515, section 7.1): its parts, its header, its signature.

use crate::algorithm::Algorithm;
use crate::encoding::decode;
use crate::key_set::KeySet;
use crate::refused::Refused;
use crate::strict_json;
use serde_json::{Map, Value};

/// The longest token that is read, in bytes: what fits into the header fields of a request.
const LONGEST: usize = 8 * 1024;

/// Header parameters that no token of ours has, and the reason that each gives.
const REFUSED_PARAMETERS: [(&str, Refused); 6] = [
    ("crit", Refused::Critical),
    ("b64", Refused::Unencoded),
    ("jwk", Refused::EmbeddedKey),
    ("jku", Refused::EmbeddedKey),
    ("x5u", Refused::EmbeddedKey),
    ("x5c", Refused::EmbeddedKey),
];

/// What `typ` may be, in small letters: a token of a provider that says nothing special, or RFC 9068, section 2.1.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// The payload of a token, if one of the keys signed it with one of the algorithms. Nothing is read of the payload before that is known.
pub(crate) fn payload(token: &str, keys: &KeySet, algorithms: &[Algorithm]) -> Result<Vec<u8>, Refused> {
    let parts = Parts::of(token)?;
    let header = Header::read(&decode(parts.header).ok_or(Refused::Encoding)?)?;
    let payload = decode(parts.payload).ok_or(Refused::Encoding)?;
    let signature = decode(parts.signature).ok_or(Refused::Encoding)?;
    if !algorithms.contains(&header.algorithm) {
        return Err(Refused::Algorithm);
    }
    let key = keys.key(header.key_id.as_deref())?;
    if !key.fits(header.algorithm) {
        return Err(Refused::KeyDoesNotFit);
    }
    if key.verifies(header.algorithm, parts.signed.as_bytes(), &signature) { Ok(payload) } else { Err(Refused::Signature) }
}

/// Whom a token says that it is from, before anything of it is verified: good for nothing but to find out who can verify it.
#[must_use]
pub fn unverified_issuer(token: &str) -> Option<String> {
    let payload = decode(Parts::of(token).ok()?.payload)?;
    strict_json::object(&payload)?.get("iss")?.as_str().map(str::to_owned)
}

struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Header and payload with the dot between them, as they were sent.
    signed: &'a str,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, Refused> {
        if token.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(Refused::Parts)?;
        if payload.contains('.') { Err(Refused::Parts) } else { Ok(Self { header, payload, signature, signed }) }
    }
}

struct Header {
    algorithm: Algorithm,
    key_id: Option<String>,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let parameters = strict_json::object(bytes).ok_or(Refused::Header)?;
        if let Some((_, reason)) = REFUSED_PARAMETERS.iter().find(|(name, _)| parameters.contains_key(*name)) {
            return Err(*reason);
        }
        if text(&parameters, "typ")?.is_some_and(|kind| !TYPES.contains(&kind.to_ascii_lowercase().as_str())) {
            return Err(Refused::Type);
        }
        let algorithm = text(&parameters, "alg")?.and_then(|name| name.parse().ok()).ok_or(Refused::Algorithm)?;
        Ok(Self { algorithm, key_id: text(&parameters, "kid")?.map(str::to_owned) })
    }
}

fn text<'a>(parameters: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refused> {
    match parameters.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refused::Header),
    }
}
