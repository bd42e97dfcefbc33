//! The embedded OAuth 2.0 authorisation server: it signs access tokens (RFC 9068) for API keys, and verifies them again. Its signing keys are
//! made at the first start and rotated by themselves; HTTP is not known here.

use crate::access::{Grants, Permission};
use crate::config::{LONGEST_TOKEN, TokenServer};
use crate::listening::chain;
use crate::telemetry::metrics::{Reload, Reloads};
use arc_swap::ArcSwap;
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use synod_identity::{
    Algorithm, ApiKey, Issuer, IssuerMistake, KeySet, KeySetMistake, Principal, Refused, SigningAlgorithm, SigningKey, SigningKeyMistake,
    Verifier,
};
use synod_store::{DataDirectory, FileStamp, KeptList, KeptListError, SigningKeyEntry};
use thiserror::Error;
use uuid::Uuid;

/// How long a key signs.
const SIGNS_FOR: Duration = Duration::from_hours(30 * 24);
/// How long a key is published before it signs: longer than whoever reads the key set may keep it.
const PUBLISHED_BEFORE: Duration = Duration::from_mins(10);
/// How long whoever reads the key set may keep it.
pub(crate) const KEY_SET_MAY_BE_KEPT: Duration = Duration::from_mins(5);
/// How far clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// The most scopes of a token, and its greatest length in bytes: more would not be read.
const MOST_SCOPES: usize = 64;
const LONGEST_TEXT: usize = 8 * 1024;

/// Why there is no authorisation server.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The signing keys cannot be read or written.
    #[error(transparent)]
    Kept(#[from] KeptListError),
    /// A signing key cannot be used or made.
    #[error(
        "signing-keys.json: a key cannot be used: {0}; restore the file from a backup, or remove it: tokens then have to be fetched again"
    )]
    Key(#[from] SigningKeyMistake),
    /// A signing key has an algorithm that is not known.
    #[error("signing-keys.json: `{0}` is no algorithm to sign with")]
    Algorithm(String),
    /// What is published could not be verified with.
    #[error("the signing keys make no key set: {0}")]
    KeySet(#[from] KeySetMistake),
    /// The issuer is none.
    #[error("identity.server.issuer: {0}")]
    Issuer(#[from] IssuerMistake),
}

/// Why no token is given.
#[derive(Debug, Error)]
pub enum NotIssued {
    /// A scope is none, or more than the client has.
    #[error("{0}")]
    Scope(String),
    /// The system has no random numbers.
    #[error(transparent)]
    Signing(#[from] SigningKeyMistake),
}

/// An access token that was made.
#[derive(Debug)]
pub struct Issued {
    /// The token. It is a secret.
    pub token: String,
    /// For how many seconds it holds.
    pub expires_in: u64,
    /// What it is limited to, with blanks in between.
    pub scope: String,
}

/// The server.
#[derive(Debug)]
pub struct AuthorisationServer {
    config: TokenServer,
    kept: KeptList<SigningKeyEntry>,
    keys: ArcSwap<Keys>,
    seen: Mutex<FileStamp>,
    /// Whether a key was made that is not audited yet.
    made_key: AtomicBool,
}

/// The signing keys as they were read last.
#[derive(Debug)]
struct Keys {
    /// Counts the readings.
    generation: u64,
    /// In the order in which they sign: from when on, and the key.
    signing: Vec<(u64, SigningKey)>,
    verifier: Verifier,
    /// The public keys (JWKS).
    published: Bytes,
    /// When a key has to be made or forgotten.
    due: u64,
}

/// The claims of an access token (RFC 9068, section 2.2).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    exp: u64,
    iat: u64,
    jti: Uuid,
    scope: &'a str,
    roles: &'a BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
}

impl AuthorisationServer {
    /// The server of this data directory. The first key is made here.
    ///
    /// # Errors
    /// When the keys cannot be read, used or made.
    pub fn open(config: TokenServer, directory: &DataDirectory, now: u64) -> Result<Self, ServerError> {
        let kept = KeptList::of(directory);
        // The first key is part of the installation; later ones are audited.
        settle(&kept, config.algorithm, now)?;
        let seen = Mutex::new(kept.stamp());
        let keys = ArcSwap::from_pointee(read(&kept, &config, 1)?);
        Ok(Self { config, kept, keys, seen, made_key: AtomicBool::new(false) })
    }

    /// Its name: what `iss` and `aud` of its tokens are.
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Changes whenever the keys do.
    pub(super) fn generation(&self) -> u64 {
        self.keys.load().generation
    }

    /// The public keys that tokens are verified with, as a JSON Web Key Set.
    pub fn published(&self) -> Bytes {
        self.keys.load().published.clone()
    }

    /// A token for whoever proved to have this key. `scope` is what was asked for; without it the token may do what its key may.
    ///
    /// # Errors
    /// When a scope is none, or more than the key has.
    pub fn issue(&self, key: &ApiKey, grants: &Grants, scope: Option<&str>, now: u64) -> Result<Issued, NotIssued> {
        let scopes = match scope {
            Some(asked) => asked_for(asked, grants)?,
            None => grants.effective().iter().map(Permission::to_string).collect(),
        };
        if scopes.is_empty() || scopes.len() > MOST_SCOPES {
            return Err(NotIssued::Scope(format!("ask for 1 to {MOST_SCOPES} scopes that the client has")));
        }
        let scope = scopes.into_iter().collect::<Vec<_>>().join(" ");
        let expires = now.saturating_add(self.config.token_lifetime.as_secs()).min(key.terms.expires);
        let id = key.id.to_string();
        let claims = Claims {
            iss: &self.config.issuer,
            sub: &id,
            aud: &self.config.issuer,
            client_id: &id,
            exp: expires,
            iat: now,
            jti: Uuid::now_v7(),
            scope: &scope,
            roles: &key.terms.roles,
            tenant: key.terms.tenant.as_deref(),
        };
        let token = self.keys.load().signing_key(now)?.sign(&claims)?;
        match token.len() <= LONGEST_TEXT {
            true => Ok(Issued { token, expires_in: expires.saturating_sub(now), scope }),
            false => Err(NotIssued::Scope("ask for fewer scopes: the token would be too long".into())),
        }
    }

    /// Whom a token of this server speaks for, and when it is not believed any more. Whether its key still stands is not known here.
    pub(super) fn verify(&self, token: &str, now: u64) -> Result<(Principal, u64), Refused> {
        let principal = self.keys.load().verifier.verify(token, now)?;
        let until = principal.expires.saturating_add(LEEWAY.as_secs());
        Ok((principal, until))
    }

    /// Whether a signing key was made since this was asked last.
    pub(super) fn has_made_key(&self) -> bool {
        self.made_key.swap(false, Ordering::Relaxed)
    }

    /// Takes over what the file holds, if it has changed or `asked`; and makes or forgets keys whose time has come. What cannot be used changes
    /// nothing.
    pub(super) fn look(&self, asked: bool, now: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.keys.load();
        if now >= known.due {
            match settle(&self.kept, self.config.algorithm, now) {
                Ok(made) => drop(self.made_key.fetch_or(made, Ordering::Relaxed)),
                Err(error) => tracing::error!(error = chain(&error), "the signing keys cannot be rotated"),
            }
        }
        let stamp = self.kept.stamp();
        if !asked && *seen == stamp {
            return;
        }
        *seen = stamp;
        let keys = read(&self.kept, &self.config, known.generation + 1);
        Reloads::all().read(Reload::SigningKeys, keys.is_ok());
        match keys {
            Ok(keys) => {
                tracing::info!(keys = keys.signing.len(), "the signing keys were read");
                self.keys.store(Arc::new(keys));
            }
            Err(error) => tracing::error!(error = chain(&error), "the signing keys cannot be read; those that were read before are kept"),
        }
    }
}

impl Keys {
    /// The latest key whose time has come.
    fn signing_key(&self, now: u64) -> Result<&SigningKey, SigningKeyMistake> {
        let current = self.signing.iter().rev().find(|(from, _)| *from <= now);
        // A clock that was put back leaves the first key.
        current.or(self.signing.first()).map(|(_, key)| key).ok_or(SigningKeyMistake::NoKey)
    }
}

/// Makes a new signing key, for a server that runs or will run. It signs once whoever verifies tokens could know it; `at_once`, after a leak,
/// the others are forgotten and their tokens are refused.
///
/// # Errors
/// When the keys cannot be read or written.
pub fn rotate_signing(directory: &DataDirectory, algorithm: SigningAlgorithm, at_once: bool, now: u64) -> Result<String, ServerError> {
    let from = if at_once { now } else { now.saturating_add(PUBLISHED_BEFORE.as_secs()) };
    KeptList::of(directory).change(|entries: &mut Vec<SigningKeyEntry>| {
        if at_once {
            entries.clear();
        }
        forget_ended(entries, now);
        let entry = made(algorithm, now, from)?;
        let id = key(&entry)?.id().to_owned();
        entries.push(entry);
        Ok(id)
    })?
}

/// Makes the key that is missing or due, and forgets those that nothing is signed with any more.
fn settle(kept: &KeptList<SigningKeyEntry>, algorithm: SigningAlgorithm, now: u64) -> Result<bool, ServerError> {
    let entries = kept.read()?;
    if next(&entries, algorithm, now).is_none() && ended(&entries, now) == 0 {
        return Ok(false);
    }
    kept.change(|entries| {
        forget_ended(entries, now);
        // Under the lock it may have become somebody else's work.
        if let Some(from) = next(entries, algorithm, now) {
            entries.push(made(algorithm, now, from)?);
            return Ok(true);
        }
        Ok(false)
    })?
}

/// When the key has to sign that is to be made now; none if none is.
fn next(entries: &[SigningKeyEntry], algorithm: SigningAlgorithm, now: u64) -> Option<u64> {
    match entries.iter().max_by_key(|entry| entry.signs_from) {
        None => Some(now),
        Some(newest) if newest.algorithm != Algorithm::from(algorithm).name() => Some(now.max(newest.signs_from)),
        Some(newest) if due(newest) <= now => Some(now.saturating_add(PUBLISHED_BEFORE.as_secs())),
        Some(_) => None,
    }
}

/// When the successor of a key is to be made.
fn due(newest: &SigningKeyEntry) -> u64 {
    newest.signs_from.saturating_add(SIGNS_FOR.as_secs())
}

/// When no token can be there any more that was signed before a key with this beginning took over.
fn outlived(successor: &SigningKeyEntry) -> u64 {
    successor.signs_from.saturating_add((LONGEST_TOKEN + LEEWAY).as_secs())
}

/// How many of the keys, which stand in the order in which they sign, are not needed any more.
fn ended(entries: &[SigningKeyEntry], now: u64) -> usize {
    entries.iter().skip(1).take_while(|successor| outlived(successor) <= now).count()
}

fn forget_ended(entries: &mut Vec<SigningKeyEntry>, now: u64) {
    entries.sort_by_key(|entry| entry.signs_from);
    entries.drain(..ended(entries, now));
}

fn made(algorithm: SigningAlgorithm, now: u64, signs_from: u64) -> Result<SigningKeyEntry, SigningKeyMistake> {
    let private = STANDARD.encode(SigningKey::generate(algorithm)?);
    Ok(SigningKeyEntry { algorithm: Algorithm::from(algorithm).name().into(), private, created: now, signs_from })
}

fn key(entry: &SigningKeyEntry) -> Result<SigningKey, ServerError> {
    let known = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa];
    let algorithm = known.into_iter().find(|known| Algorithm::from(*known).name() == entry.algorithm);
    let algorithm = algorithm.ok_or_else(|| ServerError::Algorithm(entry.algorithm.chars().take(20).collect()))?;
    let bytes = STANDARD.decode(&entry.private).map_err(|_| SigningKeyMistake::NoKey)?;
    Ok(SigningKey::read(algorithm, &bytes)?)
}

fn read(kept: &KeptList<SigningKeyEntry>, config: &TokenServer, generation: u64) -> Result<Keys, ServerError> {
    let mut entries = kept.read()?;
    entries.sort_by_key(|entry| entry.signs_from);
    let signing = entries.iter().map(|entry| Ok((entry.signs_from, key(entry)?))).collect::<Result<Vec<_>, ServerError>>()?;
    let published = json!({ "keys": signing.iter().map(|(_, key)| key.published()).collect::<Vec<_>>() }).to_string();
    let issuer = Issuer {
        leeway: LEEWAY,
        maximum_lifetime: LONGEST_TOKEN,
        ..Issuer::new(&config.issuer, &[&config.issuer], &[Algorithm::Es256, Algorithm::EdDsa])
    };
    let verifier = Verifier::new(issuer, KeySet::read(published.as_bytes())?)?;
    let rotated = entries.last().map_or(0, due);
    let forgotten = entries.get(1).map_or(u64::MAX, outlived);
    Ok(Keys { generation, signing, verifier, published: published.into(), due: rotated.min(forgotten) })
}

/// The scopes that were asked for, each of which has to be within what the client has, and of the characters that RFC 6749, section 3.3, allows.
fn asked_for(text: &str, grants: &Grants) -> Result<BTreeSet<String>, NotIssued> {
    let is_token = |scope: &str| scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    let allowed = |scope: &str| {
        let permission = scope.parse::<Permission>().ok().filter(|permission| is_token(scope) && grants.allow(permission));
        let refused = || NotIssued::Scope("a scope is unknown, or more than the client has".into());
        permission.map(|permission| permission.to_string()).ok_or_else(refused)
    };
    text.split(' ').filter(|scope| !scope.is_empty()).map(allowed).collect()
}

#[cfg(test)]
mod tests;
