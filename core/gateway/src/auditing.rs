//! Audit records: who did what that is not a decision. Administrative acts, refused credentials and denied permissions stand in the same chain
//! of hashes as the decisions do, so that none can be taken out or changed later without being noticed.
//!
//! What an outsider can cause without end is bounded: see [`Gate`].

mod gate;

pub use gate::{Gate, Refused, block};

use crate::access::Caller;
use crate::redaction::redacted;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;
use utoipa::ToSchema;
use uuid::Uuid;

/// Characters of a text in a record.
const LONGEST: usize = 200;

/// What was done: a stable word. Versions to come may add words; this one reads them all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Action(Cow<'static, str>);

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        impl Action {
            $($(#[$doc])* pub const $name: Self = Self(Cow::Borrowed($word));)*

            /// All that this version knows.
            pub const KNOWN: &[Self] = &[$(Self::$name),*];
        }
    };
}

actions! {
    /// A credential that did not hold. `reason` says why; the credential itself stands nowhere.
    CREDENTIAL_REFUSED = "credential.refused";
    /// Somebody known asked for what they may not. `target` is the permission.
    PERMISSION_DENIED = "permission.denied";
    /// An API key was made. `target` is its id.
    KEY_CREATED = "key.created";
    /// An API key was replaced by another. `target` is the id of the new one.
    KEY_ROTATED = "key.rotated";
    /// An API key was ended. `target` is its id.
    KEY_REVOKED = "key.revoked";
    /// A key was made that signs access tokens.
    SIGNING_KEY_CREATED = "signing_key.created";
    /// Somebody logged in to the console.
    LOGGED_IN = "console.logged_in";
    /// Somebody said what the truth about a decision is. `target` is the decision; the label itself is the record before this one.
    LABEL_SET = "label.set";
    /// The service is ready. `target` is the version.
    SERVICE_STARTED = "service.started";
    /// The service was asked to stop.
    SERVICE_STOPPING = "service.stopping";
    /// A configuration is in force. `target` is its SHA-256.
    CONFIGURATION_LOADED = "configuration.loaded";
    /// The configuration was read again and could not be put in force; `reason` says why.
    CONFIGURATION_REFUSED = "configuration.refused";
    /// Somebody had the configuration read again.
    CONFIGURATION_RELOADED = "configuration.reloaded";
    /// Models were fitted, proposed, promoted, taken back or removed. `target` is `DETECTOR/VERSION`, `reason` what was done.
    MODEL_MOVED = "model.moved";
    /// A version was signed. `target` is `DETECTOR/VERSION`, `reason` by which key and with which serial.
    MODEL_SIGNED = "model.signed";
    /// A version was not taken, proposed or promoted, for nobody vouches for it who has to, or it is older than one that was taken. `target` is
    /// `DETECTOR/VERSION`; `reason` says why.
    MODEL_REFUSED = "model.refused";
    /// A detector that was paused or in quarantine is asked again. `target` is its name.
    DETECTOR_RELEASED = "detector.released";
    /// Other models judge from now on. `target` names each detector with its version.
    MODELS_LOADED = "models.loaded";
    /// Models that should judge could not be loaded, and those of before go on; `reason` says why.
    MODELS_REFUSED = "models.refused";
    /// Models or a policy that are tried: it began, went on to a step, or ended. `target` is the rollout's id, `reason` what was done and why;
    /// `failed` is one that was rolled back by itself.
    ROLLOUT_CHANGED = "rollout.changed";
    /// The certificate, or the authorities of clients, were read again, or could not be. `target` says which.
    CERTIFICATE_RELOADED = "certificate.reloaded";
    /// A policy blocked too much, and what it blocks is reviewed from now on. `target` is the breaker's id.
    BREAKER_OPENED = "breaker.opened";
    /// An open breaker was closed by somebody. `target` is its id.
    BREAKER_RESET = "breaker.reset";
    /// A backup of the data directory was taken. `target` is the head of the log that is in it, `reason` its time and digest.
    DATA_BACKED_UP = "data.backed_up";
    /// The data directory was restored from a backup. `target` is the head of the log that was in it, `reason` its time and digest: what was recorded
    /// after that is not in this log.
    DATA_RESTORED = "data.restored";
    /// The log can be written again, after a time in which it could not; `reason` says since when.
    LOG_RECOVERED = "log.recovered";
}

impl Action {
    /// The word.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The one with this word.
    pub fn find(word: &str) -> Option<Self> {
        Self::KNOWN.iter().find(|action| action.name() == word).cloned()
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was allowed, and is done.
    Allowed,
    /// It was not allowed.
    Denied,
    /// It was allowed, and could not be done.
    Failed,
}

impl AuditOutcome {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// An audit record. Fields are added and never changed: old records must stay readable. Its texts are short and hold no control characters,
/// no card numbers and no credentials; they cannot be set in any other way than by the functions below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(description = "Who did what, when and from where.")]
pub struct AuditRecord {
    /// Its own id, a UUIDv7.
    id: Uuid,
    at: Timestamp,
    /// A stable word for what was done.
    #[schema(value_type = String)]
    action: Action,
    outcome: AuditOutcome,
    /// Who did it; none if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actor: Option<String>,
    /// From where; of several a block of addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    address: Option<String>,
    /// In which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
    /// On which route, by its pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    route: Option<String>,
    /// What it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    target: Option<String>,
    /// Why it came out so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Whose matter it is; without it, the whole installation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<String>,
    /// How many of the kind this stands for; without it, one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    count: u64,
}

const fn one() -> u64 {
    1
}

// Serde wants it so.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_one(count: &u64) -> bool {
    *count == 1
}

impl AuditRecord {
    /// Something that happened now.
    pub fn new(action: Action, outcome: AuditOutcome) -> Self {
        // A moment has the precision that the index has.
        let at = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or_default();
        Self {
            id: Uuid::now_v7(),
            at,
            action,
            outcome,
            actor: None,
            address: None,
            request_id: None,
            route: None,
            target: None,
            reason: None,
            tenant: None,
            count: 1,
        }
    }

    /// Done by this caller, and so a matter of their tenant.
    #[must_use]
    pub fn by(self, caller: &Caller) -> Self {
        Self { actor: Some(bearable(caller.name())), tenant: caller.tenant().map(bearable), ..self }
    }

    /// A matter of this tenant, or of none in particular.
    #[must_use]
    pub fn of_tenant(self, tenant: Option<&str>) -> Self {
        Self { tenant: tenant.map(bearable), ..self }
    }

    /// Done by somebody at a command line, by this name.
    #[must_use]
    pub fn by_name(self, name: &str) -> Self {
        Self { actor: Some(bearable(name)), ..self }
    }

    /// Asked for from this address.
    #[must_use]
    pub fn from_address(self, address: IpAddr) -> Self {
        Self { address: Some(address.to_canonical().to_string()), ..self }
    }

    /// Asked for by this request.
    #[must_use]
    pub fn in_request(self, id: &str) -> Self {
        Self { request_id: Some(bearable(id)), ..self }
    }

    /// Asked for on the route of this pattern. A path is no pattern: it holds what clients write.
    #[must_use]
    pub fn on_route(self, pattern: &str) -> Self {
        Self { route: Some(bearable(pattern)), ..self }
    }

    /// What it was done to.
    #[must_use]
    pub fn to(self, target: &str) -> Self {
        Self { target: Some(bearable(target)), ..self }
    }

    /// Why it came out so: a stable word, or a few.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self { reason: Some(bearable(reason)), ..self }
    }

    /// So many like this, from anywhere in this block of addresses.
    #[must_use]
    pub fn summing_up(self, count: u64, block: Option<&str>) -> Self {
        Self { count, address: block.map(bearable), ..self }
    }

    /// Its own id, a UUIDv7.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What was done.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// What came of it.
    pub fn outcome(&self) -> AuditOutcome {
        self.outcome
    }

    /// Who did it; none if that is not known.
    pub fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// From where; of several a block of addresses.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// In which request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// On which route, by its pattern.
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// What it was done to.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Why.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whose matter it is; none is the whole installation's.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// How many of the kind this stands for.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Writes it to the log of lines.
    pub fn tell(&self) {
        let (action, outcome, count) = (self.action.name(), self.outcome.name(), self.count);
        let Self { id, actor, address, request_id, route, target: object, reason, tenant, .. } = self;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(target: "audit", audit = %id, action, outcome, actor, address, request_id, route, object, reason, tenant, count, "audited")
            };
        }
        match self.outcome {
            AuditOutcome::Allowed => line!(info),
            AuditOutcome::Denied | AuditOutcome::Failed => line!(warn),
        }
    }
}

/// A text as a record bears it: short, on one line, readable in one way only, and without what must not be read.
fn bearable(text: &str) -> String {
    // Before it is cut: a part of a card number is no longer told to be one.
    redacted(text).chars().take(LONGEST).map(|letter| if is_deceptive(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Characters that make a text look like another one, or like several: controls, line ends, what turns the direction of writing, and what is
/// not seen.
pub fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Roles;
    use serde_json::Value;
    use synod_identity::Principal;

    fn caller(subject: &str, tenant: Option<&str>) -> Caller {
        let principal = Principal {
            subject: subject.into(),
            issuer: "bank".into(),
            tenant: tenant.map(str::to_owned),
            roles: ["operator".to_owned()].into(),
            scopes: std::collections::BTreeSet::new(),
            expires: 0,
        };
        Caller::known(principal, &Roles::default())
    }

    fn whole(text: &str) -> AuditRecord {
        let record = AuditRecord::new(Action::KEY_CREATED, AuditOutcome::Allowed).by(&caller(text, Some(text)));
        let address = "::ffff:192.0.2.7".parse().unwrap();
        record.from_address(address).in_request(text).on_route(text).to(text).because(text)
    }

    #[test]
    fn a_record_is_written_as_it_is_read() {
        let record = whole("ana");
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<AuditRecord>(&text).unwrap(), record);
        let value: Value = serde_json::from_str(&text).unwrap();
        let told = ["action", "outcome", "actor", "address", "tenant", "count"].map(|key| value[key].clone());
        assert_eq!(told, ["key.created".into(), "allowed".into(), "bank:ana".into(), "192.0.2.7".into(), "ana".into(), Value::Null]);
    }

    /// What this version writes, later ones must read; what later ones add, this one must bear.
    #[test]
    fn the_form_of_a_record_is_kept() {
        let first =
            r#"{"id":"0198f3a2-5b7e-7c31-9d40-2f6a1c8e5b07","at":"2026-11-26T12:00:00Z","action":"service.started","outcome":"allowed"}"#;
        let record: AuditRecord = serde_json::from_str(first).unwrap();
        assert_eq!((record.action(), record.count(), record.actor()), (&Action::SERVICE_STARTED, 1, None));
        assert_eq!(serde_json::to_string(&record).unwrap(), first);
        let later = first.replace("service.started", "moon.shot").replace("\"allowed\"", "\"denied\",\"count\":7,\"new\":[1]");
        let record: AuditRecord = serde_json::from_str(&later).unwrap();
        assert_eq!((record.action().name(), record.count()), ("moon.shot", 7));
    }

    #[test]
    fn no_text_makes_a_line_a_field_or_another_text() {
        let hostile = [
            "x\n{\"action\":\"key.created\"}",
            "x\",\"outcome\":\"allowed\",\"y\":\"",
            "x\r\nSet-Cookie: a",
            "\u{1b}[2J\u{1b}[31mred",
            "\u{202e}drowssap",
            "a\u{2028}b\u{200b}c\0d\u{85}e\u{9b}31m",
            "\\\"\\",
            &"long ".repeat(1000),
        ];
        for text in hostile {
            let record = whole(text);
            let line = serde_json::to_string(&record).unwrap();
            assert!(!line.chars().any(is_deceptive), "{line}");
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value.as_object().unwrap().len(), 11, "{line}");
            assert_eq!((value["action"].as_str(), value["outcome"].as_str()), (Some("key.created"), Some("allowed")));
            let texts = [record.actor(), record.request_id(), record.route(), record.target(), record.reason(), record.tenant()];
            assert!(texts.into_iter().flatten().all(|text| text.chars().count() <= LONGEST));
        }
    }

    #[test]
    fn no_text_holds_a_card_number_or_a_credential() {
        let key = format!("synod_0123456789abcdef_{}_89abcdef", "0f".repeat(32));
        for text in ["x".repeat(190) + "4111111111111111", key, "Bearer abc.def".into()] {
            let line = serde_json::to_string(&whole(&text)).unwrap();
            assert!(!line.contains("4111111111") && !line.contains("0f0f") && !line.contains("abc.def"), "{line}");
        }
    }

    #[test]
    fn words_are_found_again() {
        for action in Action::KNOWN {
            assert_eq!(Action::find(action.name()), Some(action.clone()));
        }
        assert_eq!(Action::find("key.lost"), None);
    }
}
