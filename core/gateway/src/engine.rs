//! The way of a batch through the platform: features, each detector in its sandbox, votes, verdict. Files and requests take this one way,
//! so a row gets the same score from both.

mod breaking;
mod detector;
mod spans;

pub use detector::{Call, Detector, Identity, MISSING_FEATURE, NOT_READY, PAUSED, Trouble};

use crate::config::{Config, DetectorConfig};
use crate::fitting::Model;
use crate::hexadecimal::digest_of_bytes;
use crate::telemetry::tracing::Hop;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use synod_detection::history::{HistoryPlan, Past, PastValues};
use synod_detection::{Abstention, Ballot, Batch, FeatureError, Matrix, Plan, Policy, Schema, Source, Threshold, Verdict, View};
use synod_host::{Host, LoadError, Plugin};
use synod_store::{Archive, Registry, RegistryError};
use thiserror::Error;

/// The reason of an abstention of a detector that [`Engine::judge_again`] did not ask.
pub const NOT_ASKED: &str = "not_asked";

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
    /// False discoveries cannot be bounded by these models.
    #[error("{key}: `fdr` needs models that were fitted with `fit.clean: true` and with rows left out (`synod fit --exclude`): {why}")]
    Discoveries {
        /// Whose threshold.
        key: String,
        /// What is missing.
        why: &'static str,
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
    /// The features that the detectors saw, before scaling, in the order of [`Engine::feature_names`]; a row for each row.
    pub features: Matrix,
}

/// Everything that judges rows. It does not change while it lives.
#[derive(Debug)]
pub struct Engine {
    schema: Schema,
    history: Arc<HistoryPlan>,
    plan: Plan,
    detectors: Vec<Arc<Detector>>,
    /// The features of each detector alone.
    own_plans: Vec<Plan>,
    /// Where each number of each detector's view comes from.
    sources: Vec<Vec<Source>>,
    policy: Policy,
}

/// Where what judges is taken from, beside the configuration and the models.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// What runs plugins.
    pub host: &'a Host,
    /// Where the plugins of earlier models are, if they may be used.
    pub archive: Option<&'a Archive>,
    /// What has judged until now: what is the same goes on.
    pub before: Option<&'a Engine>,
}

impl<'a> Sources<'a> {
    /// Nothing but what runs plugins.
    pub fn of(host: &'a Host) -> Self {
        Self { host, archive: None, before: None }
    }

    /// The plugin that has fitted a model. If the file is another one by now, it is looked for in the archive.
    fn plugin(&self, detector: &DetectorConfig, model: &Model) -> Result<Plugin, EngineError> {
        let wanted = &model.manifest.plugin.sha256;
        let before = self.before.into_iter().flat_map(Engine::detectors).find(|before| before.plugin().digest() == wanted);
        if let Some(before) = before {
            return Ok(before.plugin().clone());
        }
        let failed = |source| EngineError::Plugin { detector: detector.name.clone(), path: detector.plugin.clone(), source };
        let component = read_plugin(detector);
        if component.as_ref().is_ok_and(|component| digest_of_bytes(component) == *wanted) {
            return self.host.load(&component?).map_err(failed);
        }
        match self.archive.and_then(|archive| archive.get(wanted).ok()) {
            Some(archived) => {
                let plugin = detector.plugin.display();
                tracing::warn!(detector = %detector.name, %plugin, "the plugin is another build by now: the model goes on with the one that fitted it");
                self.host.load(&archived).map_err(failed)
            }
            None => self.host.load(&component?).map_err(failed),
        }
    }
}

fn read_plugin(detector: &DetectorConfig) -> Result<Vec<u8>, EngineError> {
    let (name, path) = (&detector.name, &detector.plugin);
    std::fs::read(path).map_err(|source| EngineError::ReadPlugin { detector: name.clone(), path: path.clone(), source })
}

/// Hears which step of putting an engine together is taken: for which detector, and what is done.
pub type Steps<'a> = &'a dyn Fn(&str, &'static str);

/// Reads a detector's plugin.
///
/// # Errors
/// When the file is not there or does not keep the contract.
pub fn load_plugin(host: &Host, detector: &DetectorConfig) -> Result<Plugin, EngineError> {
    let failed = |source| EngineError::Plugin { detector: detector.name.clone(), path: detector.plugin.clone(), source };
    host.load(&read_plugin(detector)?).map_err(failed)
}

/// A version of each detector.
pub type Versions = BTreeMap<String, u64>;

/// The live version of each detector of the configuration.
///
/// # Errors
/// When there is none, or the labels cannot be read.
pub fn live_versions(config: &Config, registry: &Registry) -> Result<Versions, EngineError> {
    let live = |detector: &DetectorConfig| {
        let failed = |source| EngineError::Registry { detector: detector.name.clone(), source };
        let version = registry.live_version(&detector.name).map_err(failed)?;
        Ok((detector.name.clone(), version.ok_or_else(|| EngineError::NotFitted(detector.name.clone()))?))
    };
    config.detectors.iter().map(live).collect()
}

/// These versions of the models.
///
/// # Errors
/// When one is missing or damaged.
pub fn models(config: &Config, registry: &Registry, versions: &Versions, steps: Steps<'_>) -> Result<Vec<Model>, EngineError> {
    let model = |detector: &DetectorConfig| {
        steps(&detector.name, "verifying");
        let failed = |source| EngineError::Registry { detector: detector.name.clone(), source };
        let version = versions.get(&detector.name).ok_or_else(|| EngineError::NotFitted(detector.name.clone()))?;
        let stored = registry.load(&detector.name, Some(*version)).map_err(failed)?;
        Ok(Model { version: stored.version, digest: stored.digest, manifest: stored.manifest, bytes: stored.artifact.into() })
    };
    config.detectors.iter().map(model).collect()
}

/// The live model of each detector of the configuration.
///
/// # Errors
/// When one is missing or damaged.
pub fn live_models(config: &Config, registry: &Registry) -> Result<Vec<Model>, EngineError> {
    models(config, registry, &live_versions(config, registry)?, &|_, _| {})
}

impl Engine {
    /// Puts configuration, plugins and models together, and starts the detectors. A detector that does not start abstains; that its model
    /// belongs to the configuration and to the plugin is checked here, and an error if not.
    ///
    /// # Errors
    /// When a plugin cannot be used, or a model does not belong to what the configuration says.
    pub fn assemble(config: &Config, host: &Host, models: Vec<Model>) -> Result<Self, EngineError> {
        Self::from(config, Sources::of(host), models, &|_, _| {})
    }

    /// As [`Engine::assemble`], from more sources. Detectors whose plugin, model and limits are as before keep their sandboxes.
    ///
    /// # Errors
    /// As [`Engine::assemble`].
    pub fn from(config: &Config, sources: Sources<'_>, models: Vec<Model>, steps: Steps<'_>) -> Result<Self, EngineError> {
        let plugin = |(detector, model): (&DetectorConfig, &Model)| {
            steps(&detector.name, "compiling");
            sources.plugin(detector, model)
        };
        let plugins = config.detectors.iter().zip(&models).map(plugin).collect::<Result<_, _>>()?;
        Self::put_together(config, plugins, models, sources.before, steps)
    }

    /// As [`Engine::assemble`], with plugins that were loaded already, one for each detector: those of an earlier day, for instance.
    ///
    /// # Errors
    /// When a model does not belong to its plugin, or to what the configuration says.
    pub fn with_plugins(config: &Config, plugins: Vec<Plugin>, models: Vec<Model>) -> Result<Self, EngineError> {
        Self::put_together(config, plugins, models, None, &|_, _| {})
    }

    fn put_together(
        config: &Config,
        plugins: Vec<Plugin>,
        models: Vec<Model>,
        before: Option<&Self>,
        steps: Steps<'_>,
    ) -> Result<Self, EngineError> {
        let mut detectors = Vec::with_capacity(models.len());
        let mut views: Vec<View> = Vec::with_capacity(models.len());
        for ((detector, plugin), model) in config.detectors.iter().zip(plugins).zip(models) {
            if let Some(difference) = difference(config, detector, &plugin, &model) {
                return Err(EngineError::Mismatch { detector: detector.name.clone(), version: model.version, difference });
            }
            views.push(model.manifest.view.clone());
            let before = before.and_then(|before| before.detectors.iter().find(|before| before.name() == detector.name));
            steps(&detector.name, "starting");
            detectors.push(Arc::new(Detector::start(detector, plugin, model, before)));
        }
        let named: Vec<(&str, &View)> = config.detectors.iter().map(|detector| detector.name.as_str()).zip(&views).collect();
        let plan = Plan::new(&config.schema, &config.history, &named)?.with_recorded(&config.schema, &config.history, &config.recorded)?;
        let own_plan = |named: &(&str, &View)| Plan::new(&config.schema, &config.history, &[*named]);
        let own_plans = named.iter().map(own_plan).collect::<Result<_, _>>()?;
        let sources = views.iter().map(|view| view.sources().cloned().collect()).collect();
        check_discoveries(config, &detectors)?;
        let policy = with_reference(config.policy.clone(), &detectors);
        Ok(Self { sources, schema: config.schema.clone(), history: config.history.clone(), plan, detectors, own_plans, policy })
    }

    /// What a row must look like.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What the detectors ask of the past.
    pub fn history(&self) -> &Arc<HistoryPlan> {
        &self.history
    }

    /// The names of all features' values, in the order in which a decision records them.
    pub fn feature_names(&self) -> &[String] {
        self.plan.names()
    }

    /// Where the numbers come from that a detector sees, in their order.
    pub fn sources(&self, detector: usize) -> impl Iterator<Item = (usize, &Source)> {
        self.sources[detector].iter().enumerate()
    }

    /// The feature that a number of a detector's view is made of, by the name under which a decision records it.
    pub fn value_name(&self, detector: usize, column: usize) -> &str {
        &self.plan.names()[self.plan.value_of(detector, column)]
    }

    /// What is asked of the past, by the names of the features that ask. A feature of several detectors comes once for each.
    pub fn questions(&self) -> impl Iterator<Item = (&str, &Past)> {
        let columns =
            (0..self.sources.len()).flat_map(|detector| self.sources(detector).map(move |(column, source)| (detector, column, source)));
        columns.flat_map(|(detector, column, source)| {
            let own = if let Source::History(past) = source { Some((self.value_name(detector, column), past)) } else { None };
            let named = if let Source::Derived { from, .. } = source { from.as_slice() } else { &[] };
            own.into_iter().chain(named.iter().map(|(name, past)| (name.as_str(), past)))
        })
    }

    /// What each detector saw of a row whose features were recorded by name, a row for each. A feature that was not recorded is missing.
    pub fn inputs(&self, recorded: &IndexMap<String, Option<f64>>) -> Vec<Matrix> {
        let value = |name: &String| recorded.get(name).copied().flatten().unwrap_or(f64::NAN);
        let values: Vec<f64> = self.plan.names().iter().map(value).collect();
        self.plan.inputs(&Matrix { width: values.len().max(1), values })
    }

    /// What all detectors see of a row.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The detectors.
    pub fn detectors(&self) -> &[Arc<Detector>] {
        &self.detectors
    }

    /// The first detector that cannot vote, and why, as far as that is known.
    pub fn unready(&self) -> Option<(&Detector, String)> {
        let detector = self.detectors.iter().find(|detector| !detector.is_ready())?;
        let why =
            detector.trouble().map_or_else(|| "it does not start".into(), |trouble| format!("{}: {}", trouble.reason, trouble.detail));
        Some((detector, why))
    }

    /// The consensus policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where a detector stands.
    pub fn detector(&self, name: &str) -> Option<usize> {
        self.detectors.iter().position(|detector| detector.name() == name)
    }

    /// Where the detector is here that votes just as another engine's does: with the same model, calibration, plugin and threshold.
    pub fn same(&self, other: &Detector) -> Option<usize> {
        let place = self.detector(other.name())?;
        let (own, other_identity) = (&self.detectors[place], other.identity());
        let is_same = own.identity().version == other_identity.version
            && own.identity().model == other_identity.model
            && own.plugin().digest() == other.plugin().digest()
            && own.threshold().to_bits() == other.threshold().to_bits();
        is_same.then_some(place)
    }

    /// About how long the detectors will take for so many rows, from what they took lately.
    pub fn expected(&self, rows: usize) -> std::time::Duration {
        self.detectors.iter().map(|detector| detector.expected(rows)).sum()
    }

    /// Judges rows, with the values of their past, by all detectors. Blocks for as long as they take.
    pub fn judge(&self, batch: &Batch, past: &PastValues) -> Judged {
        let (features, matrices) = Hop::Features.during(|| {
            let features = self.plan.values(batch, past);
            let matrices = self.plan.inputs(&features);
            (features, matrices)
        });
        self.judge_inputs(features, &matrices)
    }

    /// Judges rows whose features are known already.
    pub fn judge_features(&self, features: Matrix) -> Judged {
        let matrices = Hop::Features.during(|| self.plan.inputs(&features));
        self.judge_inputs(features, &matrices)
    }

    /// Judges rows whose features are known, beside another engine that gave these ballots already: one entry for each detector. Only the others
    /// are asked.
    pub fn judge_beside(&self, features: Matrix, known: Vec<Option<(Vec<Ballot>, Call)>>) -> Judged {
        let matrices = self.plan.inputs(&features);
        let ask = |((detector, matrix), known): ((&Arc<Detector>, &Matrix), Option<_>)| known.unwrap_or_else(|| detector.vote(matrix));
        self.consensus(features, self.detectors.iter().zip(&matrices).zip(known).map(ask).unzip())
    }

    fn judge_inputs(&self, features: Matrix, matrices: &[Matrix]) -> Judged {
        self.consensus(features, self.detectors.iter().zip(matrices).map(|(detector, matrix)| spans::vote(detector, matrix)).unzip())
    }

    /// What the policy makes of all ballots.
    fn consensus(&self, features: Matrix, (ballots, calls): (Vec<Vec<Ballot>>, Vec<Call>)) -> Judged {
        let hop = Hop::Consensus.begin();
        let mut ballots: Vec<_> = ballots.into_iter().map(Vec::into_iter).collect();
        let mut row = || {
            let ballots: Vec<Ballot> = ballots.iter_mut().filter_map(Iterator::next).collect();
            let verdict = self.policy.judge(&ballots.iter().collect::<Vec<_>>());
            JudgedRow { verdict, ballots }
        };
        let rows: Vec<JudgedRow> = (0..features.rows()).map(|_| row()).collect();
        spans::note_consensus(&hop, self.policy.rule, &rows);
        Judged { rows, calls, features }
    }

    /// Judges rows again whose features are known: of each row only the detectors that `asked` names (row, detector) are asked, and the
    /// others abstain as they did. The detectors work side by side.
    pub fn judge_again(&self, features: &Matrix, asked: &(dyn Fn(usize, usize) -> bool + Sync)) -> Vec<JudgedRow> {
        let (rows, matrices) = (features.rows(), self.plan.inputs(features));
        let ballots: Vec<Vec<Option<Ballot>>> = std::thread::scope(|scope| {
            let ask = |index: usize| {
                let (detector, matrix) = (&self.detectors[index], &matrices[index]);
                let chosen: Vec<usize> = (0..rows).filter(|row| asked(*row, index)).collect();
                let mut ballots = vec![None; rows];
                let given = detector.vote(&matrix.select(chosen.iter().copied())).0;
                chosen.into_iter().zip(given).for_each(|(row, ballot)| ballots[row] = Some(ballot));
                ballots
            };
            let working: Vec<_> = (0..self.detectors.len()).map(|index| scope.spawn(move || ask(index))).collect();
            // A detector that panics has voted on nothing: its rows have the abstentions of `unasked`.
            working.into_iter().map(|thread| thread.join().unwrap_or_else(|_| vec![None; rows])).collect()
        });
        let of_row = |row: usize| ballots.iter().map(|of_detector| of_detector[row].clone().unwrap_or_else(unasked)).collect::<Vec<_>>();
        let judge = |ballots: Vec<Ballot>| JudgedRow { verdict: self.policy.judge(&ballots.iter().collect::<Vec<_>>()), ballots };
        (0..rows).map(|row| judge(of_row(row))).collect()
    }

    /// Has one detector vote on rows.
    pub fn vote(&self, detector: usize, batch: &Batch, past: &PastValues) -> (Vec<Ballot>, Call) {
        let matrix = Hop::Features.during(|| self.own_plans[detector].compute(batch, past).remove(0));
        spans::vote(&self.detectors[detector], &matrix)
    }
}

/// The ballot of a detector that is not asked.
fn unasked() -> Ballot {
    Ballot::Abstention(Abstention { reason: NOT_ASKED, detail: String::new() })
}

/// The combined scores can be calibrated where all detectors were calibrated on the same rows.
fn with_reference(policy: Policy, detectors: &[Arc<Detector>]) -> Policy {
    let first = detectors.first().map(|detector| detector.held_out().digest.clone());
    if detectors.iter().any(|detector| Some(&detector.held_out().digest) != first.as_ref()) {
        tracing::warn!("the detectors were not calibrated on the same rows: fit them together, or verdicts are less exact");
        return policy;
    }
    policy.with_reference(&detectors.iter().map(|detector| detector.sample()).collect::<Vec<_>>())
}

/// Whether what `fdr` asks for is there.
fn check_discoveries(config: &Config, detectors: &[Arc<Detector>]) -> Result<(), EngineError> {
    let asks = |threshold: Threshold| matches!(threshold, Threshold::Fdr(_));
    let of_policy = asks(config.policy.threshold);
    for (config, detector) in config.detectors.iter().zip(detectors).filter(|(config, _)| of_policy || asks(config.threshold)) {
        let why = match detector.held_out() {
            held_out if !held_out.clean => "the model was not",
            held_out if held_out.left_out.is_empty() => "no rows were",
            _ => continue,
        };
        let key = if of_policy { "consensus.threshold".to_owned() } else { format!("detectors.{}.threshold", config.name) };
        return Err(EngineError::Discoveries { key, why });
    }
    Ok(())
}

/// What keeps a model from being used with a plugin and this configuration.
pub(crate) fn difference(config: &Config, detector: &DetectorConfig, plugin: &Plugin, model: &Model) -> Option<String> {
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
