//! What is signed: which version, or which plugin, by the digests of all that it consists of, and which comes after which.

use super::envelope::Envelope;
use crate::manifest::WrittenManifest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The type of a statement about a version of a detector's model.
pub const VERSION_TYPE: &str = "application/vnd.synod.version.v1+json";
/// The type of a statement about a plugin alone.
pub const PLUGIN_TYPE: &str = "application/vnd.synod.plugin.v1+json";
const FORMAT: u64 = 1;
/// The largest serial: what every program reads of JSON exactly.
const LARGEST_SERIAL: u64 = (1 << 53) - 1;

/// What a version is: its detector, and the digests of all that it consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The detector's name.
    pub detector: String,
    /// SHA-256 of the manifest's text.
    pub manifest: String,
    /// SHA-256 of the model.
    pub model: String,
    /// SHA-256 of the component that fitted it.
    pub plugin: String,
}

impl Subject {
    /// Of this manifest, with the model of this digest.
    pub fn of(detector: &str, manifest: &WrittenManifest, model: &str) -> Self {
        Self {
            detector: detector.to_owned(),
            manifest: manifest.digest(),
            model: model.to_owned(),
            plugin: manifest.manifest().plugin.sha256.clone(),
        }
    }

    /// What differs between this and another one, by its name.
    pub(super) fn difference<'a>(&'a self, other: &'a Self) -> Option<(&'static str, &'a str, &'a str)> {
        let parts = [
            ("detector", &self.detector, &other.detector),
            ("manifest", &self.manifest, &other.manifest),
            ("model", &self.model, &other.model),
            ("plugin", &self.plugin, &other.plugin),
        ];
        let differing = parts.into_iter().find(|(_, one, other)| one != other)?;
        Some((differing.0, differing.1, differing.2))
    }
}

/// A statement about a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    format: u64,
    detector: String,
    /// What comes later has a higher one.
    pub serial: u64,
    /// When it was made, in RFC 3339. Nothing depends on it.
    pub created: String,
    manifest: String,
    model: String,
    plugin: String,
}

impl Statement {
    /// About this version.
    pub fn new(subject: Subject, serial: u64) -> Self {
        let Subject { detector, manifest, model, plugin } = subject;
        Self { format: FORMAT, detector, serial, created: now(), manifest, model, plugin }
    }

    /// What it is about.
    pub fn subject(&self) -> Subject {
        let Self { detector, manifest, model, plugin, .. } = self.clone();
        Subject { detector, manifest, model, plugin }
    }

    /// In an envelope that nobody has signed yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn envelope(&self) -> Result<Envelope, serde_json::Error> {
        Ok(Envelope::new(VERSION_TYPE, serde_json::to_vec(self)?))
    }

    /// What an envelope states.
    ///
    /// # Errors
    /// When it is no statement about a version, or one of a later format; in words.
    pub fn read(envelope: &Envelope) -> Result<Self, String> {
        let statement: Self = read(envelope, VERSION_TYPE, "a version")?;
        check(statement.serial)?;
        Ok(statement)
    }
}

/// What a plugin is, for a statement about it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSubject {
    /// The plugin's own name.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// SHA-256 of the component.
    pub component: String,
}

impl fmt::Display for PluginSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name in a statement may be anything.
        let short = |text: &str| text.chars().take(80).collect::<String>();
        write!(f, "{} {} ({})", short(&self.name), short(&self.version), short(&self.component))
    }
}

/// A statement about a plugin alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginStatement {
    format: u64,
    plugin: String,
    version: String,
    /// What comes later has a higher one.
    pub serial: u64,
    /// When it was made, in RFC 3339. Nothing depends on it.
    pub created: String,
    component: String,
}

impl PluginStatement {
    /// About this plugin.
    pub fn new(subject: PluginSubject, serial: u64) -> Self {
        let PluginSubject { name, version, component } = subject;
        Self { format: FORMAT, plugin: name, version, serial, created: now(), component }
    }

    /// What it is about.
    pub fn subject(&self) -> PluginSubject {
        PluginSubject { name: self.plugin.clone(), version: self.version.clone(), component: self.component.clone() }
    }

    /// In an envelope that nobody has signed yet.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn envelope(&self) -> Result<Envelope, serde_json::Error> {
        Ok(Envelope::new(PLUGIN_TYPE, serde_json::to_vec(self)?))
    }

    /// What an envelope states.
    ///
    /// # Errors
    /// When it is no statement about a plugin, or one of a later format; in words.
    pub fn read(envelope: &Envelope) -> Result<Self, String> {
        let statement: Self = read(envelope, PLUGIN_TYPE, "a plugin")?;
        check(statement.serial)?;
        Ok(statement)
    }
}

/// The serial after this one: the time in seconds, unless that is not above it. So serials also grow from machine to machine.
pub fn serial_after(highest: Option<u64>) -> u64 {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    highest.map_or(now, |highest| now.max(highest.saturating_add(1))).min(LARGEST_SERIAL)
}

fn now() -> String {
    format!("{:.0}", Timestamp::now())
}

/// Read first: of another format nothing else is known.
#[derive(Deserialize)]
struct Stated {
    format: u64,
}

fn read<T: serde::de::DeserializeOwned>(envelope: &Envelope, kind: &str, about: &str) -> Result<T, String> {
    if envelope.kind() != kind {
        let found: String = envelope.kind().chars().take(80).collect();
        return Err(format!("it is signed as `{found}`, which is no statement about {about} (`{kind}`)"));
    }
    let malformed = |error: serde_json::Error| format!("the signed statement cannot be understood: {error}");
    let Stated { format } = serde_json::from_slice(envelope.payload()).map_err(malformed)?;
    if format != FORMAT {
        return Err(format!("the signed statement has format {format}, and this version of Synod reads format {FORMAT}: use a newer one"));
    }
    serde_json::from_slice(envelope.payload()).map_err(malformed)
}

fn check(serial: u64) -> Result<(), String> {
    match serial {
        1..=LARGEST_SERIAL => Ok(()),
        _ => Err(format!("serial {serial} is not a number from 1 to {LARGEST_SERIAL}")),
    }
}
