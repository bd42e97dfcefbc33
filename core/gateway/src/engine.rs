//! The way of a batch through the platform: features, each detector in its sandbox, votes, verdict. Files and requests take this one way,
//! so a row gets the same score from both.

mod detector;

pub use detector::{Call, Detector, Identity};

use crate::config::Config;
use crate::fitting::Model;
use std::path::PathBuf;
use synod_detection::{Ballot, Batch, Calibration, FeatureError, Matrix, Plan, Policy, Schema, Verdict, View};
use synod_host::{Host, LoadError, Plugin};
use synod_store::{Registry, RegistryError};
use thiserror::Error;

/// Why detectors cannot be served.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A plugin's file cannot be read.
    #[error("detector {detector}: cannot read the plugin {}: {source}\nBuild the plugins with scripts/plugins.sh, or mend `plugins.directory`.", path.display())]
    ReadPlugin {
        /// Whose plugin.
        detector: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A plugin cannot be used.
    #[error("detector {detector}: the plugin {} cannot be used: {source}", path.display())]
    Plugin {
        /// Whose plugin.
        detector: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: LoadError,
    },
    /// The registry cannot be read.
    #[error("detector {detector}: {source}")]
    Registry {
        /// Whose model.
        detector: String,
        /// Why not.
        source: RegistryError,
    },
    /// There is no model yet.
    #[error("detector {0} has no model yet: fit it with `synod fit --config FILE --data FILE`")]
    NotFitted(String),
    /// Model and configuration do not belong together.
    #[error("detector {detector}, version {version}: {difference}. Fit it again with `synod fit`, or undo the change.")]
    Mismatch {
        /// Whose model.
        detector: String,
        /// Which one.
        version: u64,
        /// What differs.
        difference: String,
    },
    /// A feature does not fit the schema.
    #[error(transparent)]
    Feature(#[from] FeatureError),
}

/// A row's verdict and the ballots behind it, in the order of the detectors.
#[derive(Debug)]
pub struct JudgedRow {
    /// The consensus.
    pub verdict: Verdict,
    /// What each detector gave.
    pub ballots: Vec<Ballot>,
}

/// What a batch came to.
#[derive(Debug)]
pub struct Judged {
    /// One for each row.
    pub rows: Vec<JudgedRow>,
    /// What each detector's calls took, in the order of the detectors.
    pub calls: Vec<Call>,
}

/// Everything that judges rows. It does not change while it lives.
#[derive(Debug)]
pub struct Engine {
    schema: Schema,
    plan: Plan,
    detectors: Vec<Detector>,
    /// The features of each detector alone.
    own_plans: Vec<Plan>,
    policy: Policy,
}

/// Reads a detector's plugin.
///
/// # Errors
/// When the file is not there or does not keep the contract.
pub fn load_plugin(host: &Host, detector: &crate::config::DetectorConfig) -> Result<Plugin, EngineError> {
    let (name, path) = (detector.name.clone(), detector.plugin.clone());
    let component =
        std::fs::read(&path).map_err(|source| EngineError::ReadPlugin { detector: name.clone(), path: path.clone(), source })?;
    host.load(&component).map_err(|source| EngineError::Plugin { detector: name, path, source })
}

/// The live model of each detector of the configuration.
///
/// # Errors
/// When one is missing or damaged.
pub fn live_models(config: &Config, registry: &Registry) -> Result<Vec<Model>, EngineError> {
    let model = |detector: &crate::config::DetectorConfig| {
        let failed = |source| EngineError::Registry { detector: detector.name.clone(), source };
        if registry.live_version(&detector.name).map_err(failed)?.is_none() {
            return Err(EngineError::NotFitted(detector.name.clone()));
        }
        let stored = registry.load(&detector.name, None).map_err(failed)?;
        Ok(Model { version: stored.version, digest: stored.digest, manifest: stored.manifest, bytes: stored.artifact.into() })
    };
    config.detectors.iter().map(model).collect()
}

impl Engine {
    /// Puts configuration, plugins and models together, and starts the detectors. A detector that does not start abstains; that its model
    /// belongs to the configuration and to the plugin is checked here, and an error if not.
    ///
    /// # Errors
    /// When a plugin cannot be used, or a model does not belong to what the configuration says.
    pub fn assemble(config: &Config, host: &Host, models: Vec<Model>) -> Result<Self, EngineError> {
        let mut detectors = Vec::with_capacity(models.len());
        let mut views: Vec<View> = Vec::with_capacity(models.len());
        for (detector, model) in config.detectors.iter().zip(models) {
            let plugin = load_plugin(host, detector)?;
            if let Some(difference) = difference(config, detector, &plugin, &model) {
                return Err(EngineError::Mismatch { detector: detector.name.clone(), version: model.version, difference });
            }
            views.push(model.manifest.view.clone());
            detectors.push(Detector::start(detector, plugin, model));
        }
        let plan = Plan::new(&config.schema, &views.iter().collect::<Vec<_>>())?;
        let own_plans = views.iter().map(|view| Plan::new(&config.schema, &[view])).collect::<Result<_, _>>()?;
        let policy = with_reference(config.policy.clone(), &detectors);
        Ok(Self { schema: config.schema.clone(), plan, detectors, own_plans, policy })
    }

    /// What a row must look like.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The detectors.
    pub fn detectors(&self) -> &[Detector] {
        &self.detectors
    }

    /// The consensus policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where a detector stands.
    pub fn detector(&self, name: &str) -> Option<usize> {
        self.detectors.iter().position(|detector| detector.name() == name)
    }

    /// About how long the detectors will take for so many rows, from what they took lately.
    pub fn expected(&self, rows: usize) -> std::time::Duration {
        self.detectors.iter().map(|detector| detector.expected(rows)).sum()
    }

    /// Judges rows by all detectors. Blocks for as long as they take.
    pub fn judge(&self, batch: &Batch) -> Judged {
        let matrices = self.plan.compute(batch);
        let (ballots, calls): (Vec<_>, Vec<_>) =
            self.detectors.iter().zip(&matrices).map(|(detector, matrix)| detector.vote(matrix)).unzip();
        let mut ballots: Vec<_> = ballots.into_iter().map(Vec::into_iter).collect();
        let mut row = || {
            let ballots: Vec<Ballot> = ballots.iter_mut().filter_map(Iterator::next).collect();
            let verdict = self.policy.judge(&ballots.iter().collect::<Vec<_>>());
            JudgedRow { verdict, ballots }
        };
        Judged { rows: (0..batch.rows()).map(|_| row()).collect(), calls }
    }

    /// Has one detector vote on rows.
    pub fn vote(&self, detector: usize, batch: &Batch) -> (Vec<Ballot>, Call) {
        self.detectors[detector].vote(&self.features(detector, batch))
    }

    /// What a detector sees of the rows.
    pub fn features(&self, detector: usize, batch: &Batch) -> Matrix {
        self.own_plans[detector].compute(batch).remove(0)
    }
}

/// The combined scores can be calibrated where all detectors were calibrated on the same rows.
fn with_reference(policy: Policy, detectors: &[Detector]) -> Policy {
    let first = detectors.first().map(|detector| detector.held_out().digest.clone());
    if detectors.iter().any(|detector| Some(&detector.held_out().digest) != first.as_ref()) {
        tracing::warn!("the detectors were not calibrated on the same rows: fit them together, or verdicts are less exact");
        return policy;
    }
    let calibrations: Vec<&Calibration> = detectors.iter().map(Detector::calibration).collect();
    policy.with_reference(&calibrations)
}

fn difference(config: &Config, detector: &crate::config::DetectorConfig, plugin: &Plugin, model: &Model) -> Option<String> {
    let fitted = &model.manifest.plugin;
    if fitted.sha256 != plugin.digest() {
        let (name, version) = (&plugin.description().name, &plugin.description().version);
        return Some(format!(
            "it was fitted by {} {} ({}), the plugin is {name} {version} ({}) now",
            fitted.name,
            fitted.version,
            short(&fitted.sha256),
            short(plugin.digest())
        ));
    }
    if model.manifest.parameters != detector.parameters {
        return Some(format!(
            "it was fitted with the parameters {}, the configuration says {}",
            model.manifest.parameters, detector.parameters
        ));
    }
    model.manifest.view.difference(&detector.definitions, &config.schema)
}

/// Enough of a digest to tell it from others.
pub fn short(digest: &str) -> &str {
    &digest[..digest.len().min(12)]
}
