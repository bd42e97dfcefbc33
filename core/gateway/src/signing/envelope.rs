//! An envelope around what is signed: DSSE, version 1 (https://github.com/secure-systems-lab/dsse). The signature covers the payload's type and its
//! bytes, so that nobody has to agree on how JSON is spelled, and nothing signed for one purpose counts for another.

use super::key::{KeyId, PrivateKey, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use synod_store::LARGEST_SIGNATURES;
use thiserror::Error;

/// Most signatures of one statement.
const MOST: usize = 16;

/// Why bytes are no envelope.
#[derive(Debug, Error)]
pub enum EnvelopeError {
    /// They are no such JSON.
    #[error("the signatures cannot be understood: {0}")]
    Json(#[from] serde_json::Error),
    /// There are too many bytes or signatures, or none at all.
    #[error("{0}")]
    Bounds(String),
}

/// What is signed, and by whom. Fields that are not known are refused: what nobody has signed should not look as if somebody had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    #[serde(rename = "payloadType")]
    kind: String,
    #[serde(serialize_with = "encoded", deserialize_with = "decoded")]
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// By whom. The id is only a hint at the key: what counts is whose key verifies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The key's id.
    #[serde(rename = "keyid")]
    pub key: KeyId,
    #[serde(rename = "sig", serialize_with = "encoded", deserialize_with = "decoded")]
    bytes: Vec<u8>,
}

impl Envelope {
    /// Around this payload, without a signature yet.
    pub fn new(kind: &str, payload: Vec<u8>) -> Self {
        Self { kind: kind.to_owned(), payload, signatures: Vec::new() }
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is none, or has no signature, or too many.
    pub fn read(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() as u64 > LARGEST_SIGNATURES {
            return Err(EnvelopeError::Bounds(format!("{} bytes of signatures are more than {LARGEST_SIGNATURES}", bytes.len())));
        }
        let envelope: Self = serde_json::from_slice(bytes)?;
        match envelope.signatures.len() {
            0 => Err(EnvelopeError::Bounds("there is a statement, but no signature".into())),
            1..=MOST => Ok(envelope),
            many => Err(EnvelopeError::Bounds(format!("{many} signatures are more than {MOST}"))),
        }
    }

    /// As bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> Result<Vec<u8>, EnvelopeError> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Signs the payload, beside those who have signed it already; who has does so again.
    ///
    /// # Errors
    /// When there are too many signatures.
    pub fn sign(&mut self, key: &PrivateKey) -> Result<(), EnvelopeError> {
        let signature = Signature { key: key.public().id().clone(), bytes: key.sign(&self.signed()) };
        self.signatures.retain(|other| other.key != signature.key);
        if self.signatures.len() == MOST {
            return Err(EnvelopeError::Bounds(format!("there are {MOST} signatures already, and no more are kept")));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// What kind of statement it is.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The statement.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Who is said to have signed it.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Whether this signature is that key's.
    pub fn is_signed(&self, signature: &Signature, key: &PublicKey) -> bool {
        key.verifies(&self.signed(), &signature.bytes)
    }

    /// The pre-authentication encoding: what is signed in truth.
    fn signed(&self) -> Vec<u8> {
        let mut signed = format!("DSSEv1 {} {} {} ", self.kind.len(), self.kind, self.payload.len()).into_bytes();
        signed.extend_from_slice(&self.payload);
        signed
    }
}

fn encoded<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn decoded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_encoded_as_the_standard_says() {
        // The example of the protocol's description.
        let envelope = Envelope::new("http://example.com/HelloWorld", b"hello world".to_vec());
        assert_eq!(envelope.signed(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn several_sign_one_statement_and_each_once() {
        let [(one, _), (other, _)] = [(); 2].map(|()| PrivateKey::generate().unwrap());
        let mut envelope = Envelope::new("kind", b"payload".to_vec());
        for key in [&one, &other, &one] {
            envelope.sign(key).unwrap();
        }
        let read = Envelope::read(&envelope.write().unwrap()).unwrap();
        assert_eq!(read, envelope);
        let by: Vec<&KeyId> = read.signatures().iter().map(|signature| &signature.key).collect();
        assert_eq!(by, [other.public().id(), one.public().id()]);
        assert!(read.is_signed(&read.signatures()[1], one.public()) && !read.is_signed(&read.signatures()[0], one.public()));
        let other_kind = Envelope { kind: "another".into(), ..read.clone() };
        assert!(!other_kind.is_signed(&read.signatures()[1], one.public()), "the type is signed as well");
        for _ in 2..MOST {
            envelope.sign(&PrivateKey::generate().unwrap().0).unwrap();
        }
        assert!(envelope.sign(&PrivateKey::generate().unwrap().0).is_err());
    }

    #[test]
    fn nothing_but_an_envelope_is_read() {
        let mut envelope = Envelope::new("kind", b"payload".to_vec());
        assert!(Envelope::read(&envelope.write().unwrap()).unwrap_err().to_string().contains("no signature"));
        envelope.sign(&PrivateKey::generate().unwrap().0).unwrap();
        let good = String::from_utf8(envelope.write().unwrap()).unwrap();
        for (from, to) in [("kind", "kind\",\"more\":\""), ("cGF5", "cG?5"), ("\"keyid\": \"", "\"keyid\": \"X"), ("payloadType", "type")] {
            assert!(Envelope::read(good.replace(from, to).as_bytes()).is_err(), "{from} {to}");
        }
        for length in 0..good.len() - 2 {
            assert!(Envelope::read(&good.as_bytes()[..length]).is_err(), "cut at {length}");
        }
        assert!(Envelope::read(&vec![b' '; 1 << 20]).is_err());
    }
}
