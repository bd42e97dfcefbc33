//! API keys: how they are made, rotated and revoked, and the ring of those that a running server knows. They are kept by `store`; whoever
//! changes them, this server or a command beside it, the ring follows the file.

mod view;

pub use view::{KeyState, KeyView, moment};

use crate::access::{Caller, Grants, Permission, PermissionMistake, Roles};
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use crate::config::{self, Config, KeyLifetimes};
use crate::hexadecimal::{digest_of, hexadecimal};
use crate::listening::chain;
use crate::telemetry::metrics::{Reload, Reloads};
use arc_swap::ArcSwap;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use synod_identity::{ApiKey, ApiKeyId, ApiKeyTerms, ApiKeyText, PresentedApiKey, RandomnessError, SecretHash};
use synod_store::{DataDirectory, FileStamp, KeptList, KeptListError, KeyEntry};
use thiserror::Error;

/// How long keys that have ended are still listed.
const REMEMBERED: Duration = Duration::from_hours(30 * 24);
/// The most roles or scopes of a key: a token names them all.
const MOST_ENTRIES: usize = 32;

/// The name of whoever can write the data directory.
pub(crate) const COMMAND_LINE: &str = "command line";

/// Why a key is not made, rotated or revoked, or keys cannot be read.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The file cannot be read or replaced.
    #[error(transparent)]
    Kept(#[from] KeptListError),
    /// An entry of the file cannot be used: it was written by another program.
    #[error("{path}: the key {id}: {problem}")]
    Entry {
        /// The file.
        path: String,
        /// Which key.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The system has no random numbers.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// Something that was asked for is wrong.
    #[error("{field}: {detail}")]
    Wrong {
        /// What.
        field: &'static str,
        /// How, and what is allowed.
        detail: String,
    },
    /// The key would allow what whoever asks for it may not do.
    #[error("nobody gives away what they do not have: the key would allow {0}")]
    BeyondOwn(Permission),
    /// The key would be another tenant's.
    #[error("whoever belongs to a tenant manages the keys of that tenant alone")]
    OtherTenant,
    /// There is no such key, for whoever asks. What was given for an id may be a whole key, and is not said again.
    #[error("there is no API key with this id")]
    NoKey,
    /// The key has ended.
    #[error("this key has ended: make a new one")]
    Ended,
    /// Another key took its place already.
    #[error("this key was rotated already: the key {by} took its place")]
    Rotated {
        /// Its successor.
        by: String,
    },
}

/// Who manages keys.
#[derive(Debug, Clone, Copy)]
pub enum Manager<'a> {
    /// Whoever can write the data directory.
    CommandLine,
    /// Whoever has called.
    Caller(&'a Caller),
}

impl Manager<'_> {
    fn name(&self) -> &str {
        match self {
            Self::CommandLine => COMMAND_LINE,
            Self::Caller(caller) => caller.name(),
        }
    }

    fn tenant(&self) -> Option<&str> {
        match self {
            Self::CommandLine => None,
            Self::Caller(caller) => caller.tenant(),
        }
    }

    /// Whether a key is there for them.
    fn sees(&self, entry: &KeyEntry) -> bool {
        self.tenant().is_none_or(|own| entry.tenant.as_deref() == Some(own))
    }

    fn check_gift(&self, grants: &Grants) -> Result<(), KeysError> {
        match self {
            Self::Caller(caller) if !caller.may_give(grants) => {
                let beyond = grants.effective().into_iter().find(|permission| !caller.may(permission));
                Err(KeysError::BeyondOwn(beyond.unwrap_or(Permission::ManageKeys)))
            }
            _ => Ok(()),
        }
    }
}

/// A key that is asked for.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What it may act as.
    pub roles: Vec<String>,
    /// What it is limited to: permissions.
    pub scopes: Vec<String>,
    /// Whose decisions it may see. None is its maker's tenant.
    pub tenant: Option<String>,
    /// What people call it.
    pub label: Option<String>,
    /// How long it lives; as configured, if nothing is said.
    pub lifetime: Option<Duration>,
}

/// A key that was made, with the text that is shown once.
#[derive(Debug)]
pub struct MadeKey {
    /// As it is kept.
    pub entry: KeyEntry,
    /// For its owner.
    pub text: ApiKeyText,
}

/// All API keys of an installation.
#[derive(Debug)]
pub struct ApiKeys {
    kept: KeptList<KeyEntry>,
    roles: Roles,
    lifetimes: KeyLifetimes,
    detectors: BTreeSet<String>,
    ring: ArcSwap<Ring>,
    seen: Mutex<FileStamp>,
    /// What commands have done beside the server, until it is audited. There are no more than keys.
    acts: Mutex<Vec<AuditRecord>>,
}

/// The keys as they were read last.
#[derive(Debug)]
struct Ring {
    /// Counts the readings.
    generation: u64,
    keys: HashMap<ApiKeyId, Arc<Standing>>,
}

/// A key, and what it stands for.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) key: ApiKey,
    pub(super) caller: Caller,
    revoked: bool,
    /// Whether the last that was done to it was done by command.
    by_command: bool,
}

impl Standing {
    /// Whether the key holds at this time.
    pub(super) fn check(&self, now: u64) -> Result<(), &'static str> {
        match (self.revoked, now >= self.key.terms.expires) {
            (true, _) => Err("key_revoked"),
            (false, true) => Err("key_expired"),
            (false, false) => Ok(()),
        }
    }
}

impl ApiKeys {
    /// What commands have done since this was asked last, to be audited.
    pub fn take_acts(&self) -> Vec<AuditRecord> {
        std::mem::take(&mut *self.acts())
    }

    fn acts(&self) -> MutexGuard<'_, Vec<AuditRecord>> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of this data directory.
    ///
    /// # Errors
    /// When they cannot be read. A file that is not there has no keys.
    pub fn open(config: &Config, directory: &DataDirectory) -> Result<Self, KeysError> {
        let kept = KeptList::of(directory);
        // The stamp comes first: what changes while it is read is read again.
        let seen = Mutex::new(kept.stamp());
        let detectors = config.detectors.iter().map(|detector| detector.name.clone()).collect();
        let ring = ArcSwap::from_pointee(Ring { generation: 0, keys: HashMap::new() });
        let acts = Mutex::default();
        let keys = Self { kept, roles: config.identity.roles.clone(), lifetimes: config.identity.keys, detectors, ring, seen, acts };
        keys.ring.store(Arc::new(Ring { generation: 1, keys: keys.standing_keys()? }));
        Ok(keys)
    }

    /// Changes whenever the keys do.
    pub(super) fn generation(&self) -> u64 {
        self.ring.load().generation
    }

    /// The caller who presents a key, or why it is refused.
    pub(super) fn verify(&self, presented: &PresentedApiKey, now: u64) -> Result<Caller, &'static str> {
        self.verified(presented, now).map(|standing| standing.caller.clone())
    }

    /// As [`Self::verify`], with the key.
    pub(super) fn verified(&self, presented: &PresentedApiKey, now: u64) -> Result<Arc<Standing>, &'static str> {
        let standing = self.standing(presented.id()).ok_or("key_unknown")?;
        // The secret comes first: nobody else need know what became of the key.
        standing.key.check(presented, now).map_err(synod_identity::ApiKeyRefused::code)?;
        standing.check(now)?;
        Ok(standing)
    }

    pub(super) fn standing(&self, id: ApiKeyId) -> Option<Arc<Standing>> {
        self.ring.load().keys.get(&id).cloned()
    }

    /// Takes over what the file holds, if it has changed or `now`. What cannot be used changes nothing.
    pub(super) fn look(&self, now: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.kept.stamp();
        if !now && *seen == stamp {
            return;
        }
        *seen = stamp;
        let known = self.ring.load();
        if !known.keys.is_empty() && !self.kept.path().exists() {
            // Nobody revokes keys by removing them all: this is an accident.
            tracing::error!(file = %self.kept.path().display(), "the API keys are gone; those that were read before are kept");
            Reloads::all().read(Reload::Keys, false);
            return;
        }
        let standing = self.standing_keys();
        Reloads::all().read(Reload::Keys, standing.is_ok());
        match standing {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the API keys were read");
                self.acts().extend(done_by_commands(&known.keys, &keys));
                self.ring.store(Arc::new(Ring { generation: known.generation + 1, keys }));
            }
            Err(error) => tracing::error!(error = chain(&error), "the API keys cannot be read; those that were read before are kept"),
        }
    }

    fn standing_keys(&self) -> Result<HashMap<ApiKeyId, Arc<Standing>>, KeysError> {
        let mut keys = HashMap::new();
        for entry in self.kept.read()? {
            let key = self.key(&entry)?;
            let caller = Caller::known(key.principal(), &self.roles);
            let by = entry.revoked_by.as_ref().unwrap_or(&entry.created_by);
            let (revoked, by_command) = (entry.revoked.is_some(), by == COMMAND_LINE);
            keys.insert(key.id, Arc::new(Standing { key, caller, revoked, by_command }));
        }
        Ok(keys)
    }

    /// A kept key. A scope that is not understood could be a limit, so that such a key is refused.
    fn key(&self, entry: &KeyEntry) -> Result<ApiKey, KeysError> {
        let refused = |problem: String| KeysError::Entry {
            path: self.kept.path().display().to_string(),
            id: entry.id.chars().take(40).collect(),
            problem,
        };
        let id = entry.id.parse().map_err(|_| refused("this is no id of a key".into()))?;
        let hash = digest_of(&entry.hash).map(SecretHash::from_bytes).ok_or_else(|| refused("`hash` is no digest".into()))?;
        for scope in &entry.scopes {
            scope.parse::<Permission>().map_err(|mistake| refused(mistake.to_string()))?;
        }
        for role in entry.roles.iter().filter(|role| !self.roles.has(role)) {
            tracing::warn!(key = entry.id, role, "an API key has a role that the configuration does not know; it allows nothing");
        }
        Ok(ApiKey { id, hash, terms: terms(entry) })
    }

    /// The keys that somebody may manage, the newest last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list(&self, by: Manager<'_>) -> Result<Vec<KeyEntry>, KeysError> {
        let mut entries = self.kept.read()?;
        entries.retain(|entry| by.sees(entry));
        Ok(entries)
    }

    /// Makes a key.
    ///
    /// # Errors
    /// When what is asked for is wrong, or beyond what its maker may give.
    pub fn create(&self, asked: NewKey, by: Manager<'_>, now: u64) -> Result<MadeKey, KeysError> {
        let lifetime = self.lifetime(asked.lifetime)?;
        let tenant = match (by.tenant(), asked.tenant) {
            (Some(own), Some(other)) if own != other => return Err(KeysError::OtherTenant),
            (Some(own), _) => Some(own.to_owned()),
            (None, tenant) => tenant,
        };
        for (field, text) in [("tenant", &tenant), ("label", &asked.label)] {
            if text.as_ref().is_some_and(|text| !config::is_name(text)) {
                return Err(wrong(field, "must have 1 to 255 bytes, no control characters, and no blanks at its ends"));
            }
        }
        let grants = self.grants(&asked.roles, &asked.scopes)?;
        by.check_gift(&grants)?;
        let set = |texts: Vec<String>| texts.into_iter().collect();
        let terms = ApiKeyTerms {
            roles: set(asked.roles),
            scopes: set(asked.scopes),
            tenant,
            label: asked.label,
            expires: now.saturating_add(lifetime),
        };
        let (key, text) = ApiKey::generate(terms)?;
        let entry = entry(&key, by.name(), now);
        self.change(|entries| {
            forget_ended(entries, now);
            entries.push(entry.clone());
            Ok(())
        })?;
        Ok(MadeKey { entry, text })
    }

    /// Makes a key in place of another one, which ends after the overlap.
    ///
    /// # Errors
    /// When there is no such key, it has ended or was rotated already, or it allows what whoever asks may not do.
    pub fn rotate(&self, id: &str, overlap: Duration, by: Manager<'_>, now: u64) -> Result<MadeKey, KeysError> {
        if overlap > self.lifetimes.longest {
            return Err(wrong("overlap", "is longer than a key may live"));
        }
        self.change(|entries| {
            forget_ended(entries, now);
            let old = find(entries, id, by)?;
            if let Some(successor) = &old.replaced_by {
                return Err(KeysError::Rotated { by: successor.clone() });
            }
            if old.revoked.is_some() || now >= old.expires {
                return Err(KeysError::Ended);
            }
            by.check_gift(&self.roles.grants(old.roles.iter().map(String::as_str), old.scopes.iter().map(String::as_str)))?;
            let lifetime = old.expires.saturating_sub(old.created).min(self.lifetimes.longest.as_secs());
            let (key, text) = ApiKey::generate(ApiKeyTerms { expires: now.saturating_add(lifetime), ..terms(old) })?;
            let new = KeyEntry { replaces: Some(old.id.clone()), ..entry(&key, by.name(), now) };
            old.expires = old.expires.min(now.saturating_add(overlap.as_secs()));
            (old.rotated, old.replaced_by) = (Some(now), Some(new.id.clone()));
            entries.push(new.clone());
            Ok(MadeKey { entry: new, text })
        })
    }

    /// Ends a key at once. One that was revoked stays so.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn revoke(&self, id: &str, by: Manager<'_>, now: u64) -> Result<KeyEntry, KeysError> {
        self.change(|entries| {
            let entry = find(entries, id, by)?;
            if entry.revoked.is_none() {
                (entry.revoked, entry.revoked_by) = (Some(now), Some(by.name().to_owned()));
            }
            Ok(entry.clone())
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<KeyEntry>) -> Result<T, KeysError>) -> Result<T, KeysError> {
        let changed = self.kept.change(change)??;
        // A server follows the file; what it changed itself counts at once.
        self.look(false);
        Ok(changed)
    }

    fn lifetime(&self, asked: Option<Duration>) -> Result<u64, KeysError> {
        let lifetime = asked.unwrap_or(self.lifetimes.usual);
        if lifetime.as_secs() == 0 || lifetime > self.lifetimes.longest {
            let days = self.lifetimes.longest.as_secs() / 86_400;
            let longest = if days > 0 { format!("{days} days") } else { format!("{} seconds", self.lifetimes.longest.as_secs()) };
            return Err(wrong("expires", format!("a key may live from a second to {longest} (`identity.keys.maximum_lifetime`)")));
        }
        Ok(lifetime.as_secs())
    }

    /// What roles and scopes allow, if they are what there is.
    fn grants(&self, roles: &[String], scopes: &[String]) -> Result<Grants, KeysError> {
        if roles.is_empty() {
            return Err(wrong("roles", format!("name at least one of {}", self.roles.names().collect::<Vec<_>>().join(", "))));
        }
        if roles.len() > MOST_ENTRIES || scopes.len() > MOST_ENTRIES {
            return Err(wrong("roles", format!("a key has at most {MOST_ENTRIES} roles, and as many scopes")));
        }
        if let Some(unknown) = roles.iter().find(|role| !self.roles.has(role)) {
            let known = self.roles.names().collect::<Vec<_>>().join(", ");
            return Err(wrong("roles", format!("there is no role `{}`; there are {known}", shown(unknown))));
        }
        let allowed = self.roles.grants(roles.iter().map(String::as_str), []);
        for scope in scopes {
            let permission: Permission = scope.parse().map_err(|mistake: PermissionMistake| wrong("scopes", mistake.to_string()))?;
            match &permission {
                Permission::ScoreDetector(name) if !self.detectors.contains(name) => {
                    let known = self.detectors.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                    return Err(wrong("scopes", format!("there is no detector `{}`; there are {known}", shown(name))));
                }
                permission if !allowed.allow(permission) => {
                    return Err(wrong("scopes", format!("{permission} is more than the roles {} allow", roles.join(", "))));
                }
                _ => {}
            }
        }
        Ok(self.roles.grants(roles.iter().map(String::as_str), scopes.iter().map(String::as_str)))
    }
}

/// What commands have done beside the server; what was done over HTTP is audited there.
fn done_by_commands(before: &HashMap<ApiKeyId, Arc<Standing>>, after: &HashMap<ApiKeyId, Arc<Standing>>) -> Vec<AuditRecord> {
    let by_commands = after.iter().filter(|(_, standing)| standing.by_command);
    let done = |(id, standing): (&ApiKeyId, &Arc<Standing>)| {
        let action = match (before.get(id), standing.revoked) {
            (None, false) => Action::KEY_CREATED,
            (Some(known), true) if !known.revoked => Action::KEY_REVOKED,
            _ => return None,
        };
        Some(AuditRecord::new(action, AuditOutcome::Allowed).to(&id.to_string()).because(COMMAND_LINE))
    };
    by_commands.filter_map(done).collect()
}

/// Drops what ended long ago, so that the list does not fill up.
fn forget_ended(entries: &mut Vec<KeyEntry>, now: u64) {
    let ended = |entry: &KeyEntry| entry.revoked.map_or(entry.expires, |revoked| revoked.min(entry.expires));
    entries.retain(|entry| now < ended(entry).saturating_add(REMEMBERED.as_secs()));
}

fn find<'a>(entries: &'a mut [KeyEntry], id: &str, by: Manager<'_>) -> Result<&'a mut KeyEntry, KeysError> {
    entries.iter_mut().find(|entry| entry.id == id && by.sees(entry)).ok_or(KeysError::NoKey)
}

fn terms(entry: &KeyEntry) -> ApiKeyTerms {
    ApiKeyTerms {
        roles: entry.roles.iter().cloned().collect(),
        scopes: entry.scopes.iter().cloned().collect(),
        tenant: entry.tenant.clone(),
        label: entry.label.clone(),
        expires: entry.expires,
    }
}

fn entry(key: &ApiKey, by: &str, now: u64) -> KeyEntry {
    let terms = key.terms.clone();
    KeyEntry {
        id: key.id.to_string(),
        hash: hexadecimal(key.hash.as_bytes()),
        roles: terms.roles.into_iter().collect(),
        scopes: terms.scopes.into_iter().collect(),
        tenant: terms.tenant,
        label: terms.label,
        created: now,
        created_by: by.to_owned(),
        expires: terms.expires,
        revoked: None,
        revoked_by: None,
        rotated: None,
        replaced_by: None,
        replaces: None,
    }
}

fn wrong(field: &'static str, detail: impl Into<String>) -> KeysError {
    KeysError::Wrong { field, detail: detail.into() }
}

/// As much of what somebody wrote as is said again.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests;
