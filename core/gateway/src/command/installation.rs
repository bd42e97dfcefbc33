//! What the commands share: a configuration, its data directory, and a host for the plugins.

use super::CommandError;
use crate::cli::Common;
use crate::config::{self, Config, ConfigError};
use crate::engine::{Engine, Sources, live_models};
use crate::fitting::Model;
use crate::loading::archive;
use std::sync::Arc;
use synod_host::{CodeCache, CodeKey, Host, HostSettings};
use synod_store::{Archive, DataDirectory, Lookup, Registry};

/// An installation of Synod, opened.
pub(super) struct Installation {
    pub(super) config: Config,
    pub(super) directory: DataDirectory,
    pub(super) registry: Registry,
    pub(super) host: Host,
}

/// Reads the configuration. The command line goes over it.
pub(super) fn configuration(common: &Common) -> Result<Config, CommandError> {
    Ok(as_given(common)?)
}

/// As [`configuration`], with what is wrong with it.
pub(super) fn as_given(common: &Common) -> Result<Config, ConfigError> {
    let mut config = config::load(&common.config)?;
    if let Some(directory) = &common.data_directory {
        config.data_directory.clone_from(directory);
    }
    Ok(config)
}

impl Installation {
    /// Opens the installation that the arguments name.
    pub(super) fn open(common: &Common) -> Result<Self, CommandError> {
        Self::with(configuration(common)?)
    }

    /// Opens the installation of a configuration that was read already.
    pub(super) fn with(config: Config) -> Result<Self, CommandError> {
        let directory = DataDirectory::open(&config.data_directory)?;
        let registry = Registry::open(&directory)?;
        let host = host(&config, &directory)?;
        Ok(Self { config, directory, registry, host })
    }
}

impl Installation {
    /// What judges rows by these models.
    pub(super) fn engine(&self, models: Vec<Model>) -> Result<Engine, CommandError> {
        self.engine_of(&self.config, models)
    }

    /// What judges rows by the live models, as another configuration says.
    pub(super) fn live_engine_of(&self, config: &Config) -> Result<Engine, CommandError> {
        self.engine_of(config, live_models(config, &self.registry)?)
    }

    fn engine_of(&self, config: &Config, models: Vec<Model>) -> Result<Engine, CommandError> {
        let archive = Archive::open(&self.directory)?;
        let sources = Sources { archive: Some(&archive), ..Sources::of(&self.host) };
        Ok(Engine::from(config, sources, models, &|_, _| {})?)
    }

    /// What judges rows by the live models.
    pub(super) fn live_engine(&self) -> Result<Engine, CommandError> {
        self.engine(live_models(&self.config, &self.registry)?)
    }

    /// Keeps what decisions rest on and that may be changed later: the configuration, whose digest is answered, and the plugins.
    pub(super) fn archive(&self) -> Result<String, CommandError> {
        Ok(archive(&Archive::open(&self.directory)?, &self.config)?)
    }
}

fn host(config: &Config, directory: &DataDirectory) -> Result<Host, CommandError> {
    let default = HostSettings::default();
    let instances: usize = config.all_detectors().map(|detector| detector.pool.instances + 1).sum();
    let memory = config.all_detectors().map(|detector| detector.fit.memory.max(detector.pool.call.memory)).max();
    let settings = HostSettings {
        // Twice as many as are configured, for models that take the place of others while these still answer, and a few for describing.
        instances: default.instances.max(2 * instances as u32 + 8),
        memory: default.memory.max(memory.unwrap_or(0)),
        ..default
    };
    host_for(&settings, directory)
}

/// A host whose compiled plugins are cached in the data directory.
pub(super) fn host_for(settings: &HostSettings, directory: &DataDirectory) -> Result<Host, CommandError> {
    let cache = synod_store::CodeCache::open(directory).map_err(|error| CommandError::Failed(super::chain(&error)))?;
    Ok(Host::new(settings, Some(Arc::new(Cache(cache))))?)
}

/// The store's cache of compiled plugins, for the host.
struct Cache(synod_store::CodeCache);

impl CodeCache for Cache {
    fn get(&self, key: &CodeKey) -> Option<Vec<u8>> {
        let lookup = self.0.get(&key.plugin, &key.engine);
        if let Lookup::Rejected(why) = &lookup {
            tracing::warn!(plugin = %key.plugin, %why, "an entry of the compiled-code cache is refused; the plugin is compiled afresh");
        }
        lookup.hit()
    }

    fn put(&self, key: &CodeKey, code: &[u8]) {
        if let Err(error) = self.0.put(&key.plugin, &key.engine, code) {
            tracing::warn!(%error, "the compiled plugin cannot be cached; the next start will compile it again");
        }
    }
}
