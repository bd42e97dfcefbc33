//! What a decision was made by, and how that is put together again.

use super::HostOf;
use crate::command::chain;
use crate::config::{self, Config};
use crate::decision::Decision;
use crate::engine::Engine;
use crate::fitting::Model;
use crate::manifest::Manifest;
use crate::rollout::policy;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;
use synod_host::{Host, Plugin};
use synod_store::{Archive, Registry, Stored};

/// Engines that are kept: around a change of versions decisions of both stand in turn.
const KEPT: usize = 3;
/// A detector has time enough here: a slow machine must not look like another verdict.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration and the models that were used with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Versions {
    /// SHA-256 of the configuration.
    pub configuration: String,
    /// The version of each detector's model.
    pub models: BTreeMap<String, u64>,
    /// The policy of `consensus.shadows` that made the verdict, if it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

impl Versions {
    /// What a decision was made by.
    pub fn of(decision: &Decision) -> Self {
        let votes = decision.votes.iter().map(|vote| (vote.detector.clone(), vote.model_version));
        let abstentions = decision.abstentions.iter().map(|abstention| (abstention.detector.clone(), abstention.model_version));
        let policy = decision.rollout.as_ref().and_then(|rollout| rollout.policy.clone());
        Self { configuration: decision.configuration.clone(), models: votes.chain(abstentions).collect(), policy }
    }
}

/// Puts engines together from the archive and the registry, and keeps those that were used last.
pub struct Makers<'a> {
    archive: Archive,
    registry: Registry,
    host_of: HostOf<'a>,
    configurations: HashMap<String, Result<Rc<Config>, String>>,
    /// The one that was used last stands last.
    engines: Vec<(Versions, Result<Rc<Engine>, String>)>,
}

impl std::fmt::Debug for Makers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Makers").field("archive", &self.archive).field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl<'a> Makers<'a> {
    /// Of an installation's archive and registry.
    pub fn new(archive: Archive, registry: Registry, host_of: HostOf<'a>) -> Self {
        Self { archive, registry, host_of, configurations: HashMap::new(), engines: Vec::new() }
    }

    /// An archived configuration.
    ///
    /// # Errors
    /// Why there is none that can be used, in words.
    pub fn configuration(&mut self, digest: &str) -> Result<Rc<Config>, String> {
        if let Some(known) = self.configurations.get(digest) {
            return known.clone();
        }
        let read = read_configuration(&self.archive, digest).map(Rc::new);
        self.configurations.insert(digest.to_owned(), read.clone());
        read
    }

    /// The manifests of these models, in the order of the configuration's detectors.
    ///
    /// # Errors
    /// Why one cannot be used, in words.
    pub fn manifests(&mut self, versions: &Versions) -> Result<Vec<Manifest>, String> {
        let config = self.configuration(&versions.configuration)?;
        let manifest = |detector: &config::DetectorConfig| {
            let version = version_of(versions, &detector.name)?;
            self.registry.manifest(&detector.name, Some(version)).map(|(_, manifest)| manifest).map_err(|error| chain(&error))
        };
        config.detectors.iter().map(manifest).collect()
    }

    /// The engine of these versions.
    ///
    /// # Errors
    /// Why it cannot be put together, in words.
    pub fn engine(&mut self, versions: &Versions) -> Result<Rc<Engine>, String> {
        let known = self.engines.iter().position(|(known, _)| known == versions);
        let entry = match known {
            Some(known) => self.engines.remove(known),
            None => {
                if self.engines.len() >= KEPT {
                    // Before the new one is made: its instances need the room.
                    drop(self.engines.remove(0));
                }
                (versions.clone(), self.assemble(versions).map(Rc::new))
            }
        };
        let engine = entry.1.clone();
        self.engines.push(entry);
        engine
    }

    fn assemble(&mut self, versions: &Versions) -> Result<Engine, String> {
        let mut config = self.configuration(&versions.configuration)?;
        if let Some(name) = &versions.policy {
            config = Rc::new(policy(&config, name)?);
        }
        if let Some(other) = versions.models.keys().find(|name| !config.detectors.iter().any(|detector| detector.name == **name)) {
            return Err(format!("the configuration {} has no detector {other}", versions.configuration));
        }
        let host = (self.host_of)(&config)?;
        let (mut plugins, mut models) = (Vec::new(), Vec::new());
        for detector in &config.detectors {
            let version = version_of(versions, &detector.name)?;
            let stored: Stored<Manifest> = self.registry.load(&detector.name, Some(version)).map_err(|error| chain(&error))?;
            plugins.push(self.plugin(&host, &stored.manifest.plugin.sha256)?);
            models.push(Model { version, digest: stored.digest, manifest: stored.manifest, bytes: stored.artifact.into() });
        }
        let engine = Engine::with_plugins(&config, plugins, models).map_err(|error| chain(&error))?;
        match engine.detectors().iter().find(|detector| !detector.is_ready()) {
            Some(detector) => Err(format!("detector {} does not start", detector.name())),
            None => Ok(engine),
        }
    }

    fn plugin(&self, host: &Host, digest: &str) -> Result<Plugin, String> {
        let component = self.archive.get(digest).map_err(|error| format!("the plugin {digest}: {}", chain(&error)))?;
        host.load(&component).map_err(|error| format!("the plugin {digest} cannot be used: {}", chain(&error)))
    }
}

fn read_configuration(archive: &Archive, digest: &str) -> Result<Config, String> {
    let bytes = archive.get(digest).map_err(|error| format!("the configuration {digest}: {}", chain(&error)))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the configuration {digest} is no text"))?;
    let config =
        config::archived(&text, digest).map_err(|error| format!("this version cannot read the configuration {digest}: {error}"))?;
    Ok(patient(config))
}

/// The same configuration with all the time that a slow machine may need: it changes no verdict that was reached.
#[must_use]
pub fn patient(mut config: Config) -> Config {
    for detector in &mut config.detectors {
        let pool = &mut detector.pool;
        pool.instances = 1;
        pool.waiting = pool.waiting.max(PATIENCE);
        pool.call.timeout = pool.call.timeout.max(PATIENCE);
        pool.load.timeout = pool.load.timeout.max(PATIENCE);
    }
    config
}

fn version_of(versions: &Versions, detector: &str) -> Result<u64, String> {
    let version = versions.models.get(detector).copied();
    version.ok_or_else(|| format!("the record has neither a vote nor an abstention of the detector {detector}"))
}
