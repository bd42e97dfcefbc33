//! Whose signatures count: those of keys that the configuration trusts, that are not revoked, and whose time it is. The time is that of the check and
//! not that of the signature, which whoever has stolen an old key could choose.

use super::envelope::{Envelope, EnvelopeError, Signature};
use super::judged::{Judged, SignatureState, Signatures, Signer, SignerState, named};
use super::key::{KeyError, KeyId, PublicKey};
use super::statement::{PluginStatement, PluginSubject, Statement, Subject};
use crate::config::SignaturesConfig;
use jiff::Timestamp;
use thiserror::Error;

/// Why nobody's signature can be judged.
#[derive(Debug, Error)]
pub enum TrustError {
    /// A trusted key cannot be read.
    #[error("models.signatures.trusted[{place}].public_key_file: {source}")]
    Key {
        /// Which entry.
        place: usize,
        /// Why not.
        source: KeyError,
    },
    /// A key is named twice.
    #[error("models.signatures.trusted[{place}].public_key_file: it is the key of `{name}`, which is trusted already: leave one entry out")]
    Twice {
        /// Which entry.
        place: usize,
        /// The name of the other one.
        name: String,
    },
}

/// Why something is not used for want of a signature that counts.
#[derive(Debug, Error)]
pub enum SignatureError {
    /// It must be signed, and is not.
    #[error(
        "it is not signed, and `models.signatures.required` asks for a signature: sign it where it was made, with `synod models sign DETECTOR VERSION \
         --key FILE`"
    )]
    Missing,
    /// What stands in the place of the signatures are none.
    #[error("{0}. Have it signed again, or take it again from where it comes from")]
    Envelope(#[from] EnvelopeError),
    /// What is signed is no statement about this kind of thing.
    #[error("{0}")]
    Statement(String),
    /// What is signed is something else.
    #[error(
        "the signed statement is about the {part} {stated}, and this is {found}: it was changed after it was signed, or the signatures are those of \
         another version. Take it again from where it comes from"
    )]
    Another {
        /// What differs.
        part: &'static str,
        /// What the statement says.
        stated: String,
        /// What is there.
        found: String,
    },
    /// A signature is not what its key would have made.
    #[error(
        "the signature by the trusted key `{name}` ({key}) does not verify: the statement or the signature was changed. Take it again from where it comes from"
    )]
    Forged {
        /// The key's name here.
        name: String,
        /// Its id.
        key: KeyId,
    },
    /// Somebody has signed, but nobody who counts.
    #[error("no signature counts: {0}. Have it signed with a key that does: synod models sign DETECTOR VERSION --key FILE")]
    Untrusted(String),
}

#[derive(Debug)]
struct TrustedKey {
    name: String,
    key: PublicKey,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// Whose signatures count here, and whether there must be one.
#[derive(Debug)]
pub struct Trust {
    required: bool,
    keys: Vec<TrustedKey>,
    revoked: Vec<KeyId>,
}

impl Trust {
    /// What the configuration says, with the keys as they are now.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn open(config: &SignaturesConfig) -> Result<Self, TrustError> {
        let mut keys: Vec<TrustedKey> = Vec::with_capacity(config.trusted.len());
        for (place, trusted) in config.trusted.iter().enumerate() {
            let key = PublicKey::open(&trusted.public_key_file).map_err(|source| TrustError::Key { place, source })?;
            if let Some(other) = keys.iter().find(|other| other.key == key) {
                return Err(TrustError::Twice { place, name: other.name.clone() });
            }
            keys.push(TrustedKey { name: trusted.name.clone(), key, from: trusted.from, until: trusted.until });
        }
        Ok(Self { required: config.required, keys, revoked: config.revoked.clone() })
    }

    /// Whether what has no signature is refused.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether any key is trusted.
    pub fn is_anybody_trusted(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether the signatures of a version, if it has any, are as this installation asks for.
    ///
    /// # Errors
    /// Why the version must not be used.
    pub fn judge(&self, subject: &Subject, signatures: Option<&[u8]>) -> Result<Judged, SignatureError> {
        let Some(signatures) = signatures else { return self.unsigned() };
        let envelope = Envelope::read(signatures)?;
        let by = self.genuine(&envelope)?;
        let statement = Statement::read(&envelope).map_err(SignatureError::Statement)?;
        same(&statement.subject(), subject)?;
        self.counted(statement.serial, by)
    }

    /// As [`Trust::judge`], of a plugin alone.
    ///
    /// # Errors
    /// Why the plugin must not be used.
    pub fn judge_plugin(&self, subject: &PluginSubject, signatures: Option<&[u8]>) -> Result<Judged, SignatureError> {
        let Some(signatures) = signatures else { return self.unsigned() };
        let envelope = Envelope::read(signatures)?;
        let by = self.genuine(&envelope)?;
        let statement = PluginStatement::read(&envelope).map_err(SignatureError::Statement)?;
        let stated = statement.subject();
        if stated != *subject {
            return Err(SignatureError::Another { part: "plugin", stated: stated.to_string(), found: subject.to_string() });
        }
        self.counted(statement.serial, by)
    }

    /// Why what this key signs would not count here, if so: to be asked before long work whose result it is to sign.
    pub fn useless(&self, key: &PublicKey) -> Option<String> {
        let signer = self.standing(key.id(), Timestamp::now());
        let useless = self.counted(0, vec![signer.clone()]).is_err();
        useless.then(|| self.told(&[signer]))
    }

    /// Who vouches for a version, whether it is refused or not.
    pub fn tell(&self, subject: &Subject, signatures: Option<&[u8]>) -> Signatures {
        match self.judge(subject, signatures) {
            Ok(Judged { state, serial, by }) => Signatures { state, serial, by, reason: None },
            Err(error) => {
                let envelope = signatures.and_then(|bytes| Envelope::read(bytes).ok());
                let serial = envelope.as_ref().and_then(|envelope| Some(Statement::read(envelope).ok()?.serial));
                let by = envelope.map(|envelope| self.signers(&envelope)).unwrap_or_default();
                let state = if signatures.is_none() { SignatureState::Unsigned } else { SignatureState::Refused };
                Signatures { state, serial, by, reason: Some(error.to_string()) }
            }
        }
    }

    fn unsigned(&self) -> Result<Judged, SignatureError> {
        if self.required { Err(SignatureError::Missing) } else { Ok(Judged::UNSIGNED) }
    }

    /// Who has signed; an error if a signature is not its key's.
    fn genuine(&self, envelope: &Envelope) -> Result<Vec<Signer>, SignatureError> {
        let by = self.signers(envelope);
        match by.iter().find(|signer| signer.state == SignerState::Forged) {
            None => Ok(by),
            Some(forged) => Err(SignatureError::Forged { name: forged.name.clone().unwrap_or_default(), key: forged.key.clone() }),
        }
    }

    fn signers(&self, envelope: &Envelope) -> Vec<Signer> {
        let now = Timestamp::now();
        envelope.signatures().iter().map(|signature| self.signer(envelope, signature, now)).collect()
    }

    fn signer(&self, envelope: &Envelope, signature: &Signature, now: Timestamp) -> Signer {
        let signer = self.standing(&signature.key, now);
        let known = self.keys.iter().find(|trusted| *trusted.key.id() == signature.key);
        match known.is_some_and(|trusted| !envelope.is_signed(signature, &trusted.key)) {
            true => Signer { state: SignerState::Forged, ..signer },
            false => signer,
        }
    }

    /// What a signature by this key is worth, if it is one.
    fn standing(&self, id: &KeyId, now: Timestamp) -> Signer {
        let known = self.keys.iter().find(|trusted| trusted.key.id() == id);
        let state = match known {
            _ if self.revoked.contains(id) => SignerState::Revoked,
            None => SignerState::Unknown,
            Some(trusted) if trusted.from.is_some_and(|from| now < from) => SignerState::Early,
            Some(trusted) if trusted.until.is_some_and(|until| now >= until) => SignerState::Expired,
            Some(_) => SignerState::Trusted,
        };
        Signer { key: id.clone(), name: known.map(|trusted| trusted.name.clone()), state }
    }

    /// Whether one of these counts. Where nobody is trusted nothing can be judged, and only revoked keys are refused.
    fn counted(&self, serial: u64, by: Vec<Signer>) -> Result<Judged, SignatureError> {
        let any = |state: SignerState| by.iter().any(|signer| signer.state == state);
        if any(SignerState::Trusted) {
            return Ok(Judged { state: SignatureState::Valid, serial: Some(serial), by });
        }
        if !self.required && self.keys.is_empty() && !any(SignerState::Revoked) {
            return Ok(Judged { state: SignatureState::Unjudged, serial: Some(serial), by });
        }
        Err(SignatureError::Untrusted(self.told(&by)))
    }

    /// Why each signature does not count.
    fn told(&self, by: &[Signer]) -> String {
        let of = |signer: &Signer| {
            let name = named(std::slice::from_ref(signer));
            let key = self.keys.iter().find(|trusted| *trusted.key.id() == signer.key);
            let at = |time: Option<Timestamp>| time.map_or_else(String::new, |time| format!("{time:.0}"));
            match signer.state {
                SignerState::Unknown => format!("the key {name} is not trusted here (`models.signatures.trusted`)"),
                SignerState::Revoked => format!("the key {name} is revoked (`models.signatures.revoked`)"),
                SignerState::Expired => format!("the time of the key {name} ended at {}", at(key.and_then(|key| key.until))),
                SignerState::Early => format!("the time of the key {name} begins at {}", at(key.and_then(|key| key.from))),
                SignerState::Forged | SignerState::Trusted => format!("the key {name}"),
            }
        };
        by.iter().map(of).collect::<Vec<_>>().join("; ")
    }
}

fn same(stated: &Subject, found: &Subject) -> Result<(), SignatureError> {
    match stated.difference(found) {
        None => Ok(()),
        Some((part, stated, found)) => {
            // A name in a statement may be anything.
            let stated = stated.chars().take(80).collect();
            Err(SignatureError::Another { part, stated, found: found.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests;
