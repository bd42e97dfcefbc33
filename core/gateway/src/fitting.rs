//! Fitting: from rows to models that can be used. What is learnt, scalers and encoders included, is learnt from the training part; the
//! calibration is learnt from rows that were held out of it.

use crate::config::{Config, DetectorConfig, Split};
use crate::engine::{EngineError, load_plugin};
use crate::hexadecimal::hexadecimal;
use crate::manifest::{DataLineage, HeldOut, Manifest, PluginIdentity};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use synod_detection::history::PastValues;
use synod_detection::{Batch, Calibration, FeatureError, Matrix, Plan, View, split};
use synod_host::{Failure, Host, LogLevel, Plugin, PoolLimits, Training};
use thiserror::Error;

/// Most rows that are held out: more make no better calibration, and a larger manifest.
const MOST_HELD_OUT: usize = 20_000;
/// Fewest rows that a calibration is worth the name with.
const FEWEST_HELD_OUT: usize = 20;

/// Rows to learn from.
#[derive(Debug)]
pub struct Dataset {
    /// All rows that the schema accepted.
    pub batch: Batch,
    /// What the detectors ask of the past, for each row of the batch.
    pub past: PastValues,
    /// The rows of the batch that may be used.
    pub rows: Vec<usize>,
    /// Where they come from. What concerns one model is filled in while it is fitted.
    pub lineage: DataLineage,
}

/// A model that can be used or published.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its version; 0 before it is published.
    pub version: u64,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its lineage.
    pub manifest: Manifest,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// Why a fit failed.
#[derive(Debug, Error)]
pub enum FitError {
    /// A plugin cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The parameters are wrong.
    #[error("detector {detector}: {}", mistakes.join("; "))]
    Parameters {
        /// Whose.
        detector: String,
        /// All mistakes.
        mistakes: Vec<String>,
    },
    /// The foreign model cannot be read, or there is none.
    #[error("detector {detector}: {why}")]
    Artifact {
        /// Whose.
        detector: String,
        /// What is wrong.
        why: String,
    },
    /// A feature cannot be learnt.
    #[error("detector {detector}: {source}")]
    Feature {
        /// Whose.
        detector: String,
        /// Why not.
        source: FeatureError,
    },
    /// Too few rows.
    #[error("{0}")]
    Rows(String),
    /// The plugin failed.
    #[error("detector {detector}: {doing} failed: {source}")]
    Plugin {
        /// Whose.
        detector: String,
        /// What it was doing.
        doing: &'static str,
        /// Why.
        source: Failure,
    },
}

/// Hears of the progress of a fit: detector and message.
pub type Progress<'a> = &'a (dyn Fn(&str, &str) + Sync);

/// What a fit shares between its detectors.
struct Common<'a> {
    config: &'a Config,
    data: &'a Dataset,
    training: Batch,
    training_past: PastValues,
    training_rows: usize,
    held_out: Batch,
    held_out_past: PastValues,
    digest: String,
}

/// A detector that has its view, but no model yet.
struct Prepared<'a> {
    detector: &'a DetectorConfig,
    plugin: Plugin,
    artifact: Option<Vec<u8>>,
    view: View,
    training: Matrix,
    held_out: Matrix,
}

/// Fits the detectors, side by side.
///
/// # Errors
/// The first failure, in the order of the detectors. Nothing is published.
pub fn fit(
    config: &Config,
    host: &Host,
    detectors: &[&DetectorConfig],
    data: &Dataset,
    progress: Progress<'_>,
) -> Result<Vec<Model>, FitError> {
    let plugins = detectors.iter().map(|detector| open(host, detector)).collect::<Result<Vec<_>, _>>()?;
    let common = share(config, data)?;
    let mut prepared = Vec::new();
    for (detector, (plugin, artifact)) in detectors.iter().zip(plugins) {
        prepared.push(prepare(&common, detector, plugin, artifact)?);
    }
    let complete = complete_rows(&prepared, common.held_out.rows())?;
    let fit_one = |prepared: &Prepared<'_>| fit_one(&common, prepared, &complete, progress);
    std::thread::scope(|scope| {
        let running: Vec<_> = prepared.iter().map(|prepared| scope.spawn(|| fit_one(prepared))).collect();
        running.into_iter().map(|thread| thread.join().expect("a fit does not panic")).collect()
    })
}

/// Loads a plugin and checks all that can be checked before there are rows.
fn open(host: &Host, detector: &DetectorConfig) -> Result<(Plugin, Option<Vec<u8>>), FitError> {
    let plugin = load_plugin(host, detector)?;
    let mistakes = parameter_mistakes(&plugin, detector)?;
    if !mistakes.is_empty() {
        return Err(FitError::Parameters { detector: detector.name.clone(), mistakes });
    }
    let artifact = artifact(&plugin, detector)?;
    Ok((plugin, artifact))
}

/// What is wrong with a detector's parameters, by its plugin's word.
///
/// # Errors
/// When the plugin cannot say.
pub fn parameter_mistakes(plugin: &Plugin, detector: &DetectorConfig) -> Result<Vec<String>, FitError> {
    let failed = |source| FitError::Plugin { detector: detector.name.clone(), doing: "checking the parameters", source };
    let mistakes = plugin.check(&detector.parameters.to_string()).map_err(failed)?;
    Ok(mistakes.into_iter().map(|mistake| format!("parameters: {mistake}")).collect())
}

/// The bytes of a detector's foreign model, if its plugin needs one.
///
/// # Errors
/// When it is needed and not there, or there and not needed.
pub fn artifact(plugin: &Plugin, detector: &DetectorConfig) -> Result<Option<Vec<u8>>, FitError> {
    let wrong = |why: String| FitError::Artifact { detector: detector.name.clone(), why };
    match (&detector.artifact, plugin.description().artifact) {
        (None, false) => Ok(None),
        (None, true) => Err(wrong(format!("the plugin {} needs `artifact`, the file of a model", plugin.description().name))),
        (Some(_), false) => Err(wrong(format!("the plugin {} takes no `artifact`", plugin.description().name))),
        (Some(path), true) => std::fs::read(path).map(Some).map_err(|error| wrong(format!("artifact {}: {error}", path.display()))),
    }
}

fn share<'a>(config: &'a Config, data: &'a Dataset) -> Result<Common<'a>, FitError> {
    let share = config.fit.holdout;
    let parts = match (config.fit.split, config.schema.time()) {
        (Split::Time, Some(time)) => {
            let times: Vec<i64> = (0..data.batch.rows()).map(|row| data.batch.moment(time, row).unwrap_or(i64::MIN)).collect();
            split::latest(&times, &data.rows, share)
        }
        _ => split::random(&data.rows, share, config.fit.seed),
    };
    if parts.held_out.len() < FEWEST_HELD_OUT || parts.training.is_empty() {
        return Err(FitError::Rows(format!(
            "{} rows are too few: {} would be held out for calibration, and at least {FEWEST_HELD_OUT} are needed",
            data.rows.len(),
            parts.held_out.len()
        )));
    }
    let held_out = split::thin(&parts.held_out, MOST_HELD_OUT);
    let mut digest = Sha256::new_with_prefix(&data.lineage.sha256);
    held_out.iter().for_each(|row| digest.update((*row as u64).to_le_bytes()));
    Ok(Common {
        config,
        data,
        training_rows: parts.training.len(),
        training: data.batch.select(&parts.training),
        training_past: data.past.select(&parts.training),
        held_out: data.batch.select(&held_out),
        held_out_past: data.past.select(&held_out),
        digest: hexadecimal(&digest.finalize()),
    })
}

fn prepare<'a>(
    common: &Common<'a>,
    detector: &'a DetectorConfig,
    plugin: Plugin,
    artifact: Option<Vec<u8>>,
) -> Result<Prepared<'a>, FitError> {
    let failed = |source| FitError::Feature { detector: detector.name.clone(), source };
    let schema = &common.config.schema;
    let history = &common.config.history;
    let view = View::fit(&detector.definitions, schema, history, &common.training, &common.training_past).map_err(failed)?;
    let plan = Plan::new(schema, history, &[(&detector.name, &view)]).map_err(failed)?;
    let training = plan.compute(&common.training, &common.training_past).remove(0);
    let held_out = plan.compute(&common.held_out, &common.held_out_past).remove(0);
    if plugin.description().missing_values {
        return Ok(Prepared { detector, plugin, artifact, view, training, held_out });
    }
    let training = training.select((0..training.rows()).filter(|row| training.missing(*row).is_none()));
    let least = plugin.description().minimum_rows as usize;
    if training.rows() < least.max(1) {
        let columns: Vec<&str> = view.columns().collect();
        return Err(FitError::Rows(format!(
            "detector {}: {} of {} training rows have all of the features {}, and at least {least} are needed",
            detector.name,
            training.rows(),
            common.training_rows,
            columns.join(", ")
        )));
    }
    Ok(Prepared { detector, plugin, artifact, view, training, held_out })
}

/// The held-out rows that every detector can score: the calibrations must be of the same rows, so that they can be combined.
fn complete_rows(prepared: &[Prepared<'_>], rows: usize) -> Result<Vec<usize>, FitError> {
    let whole = |row: &usize| prepared.iter().all(|one| one.plugin.description().missing_values || one.held_out.missing(*row).is_none());
    let complete: Vec<usize> = (0..rows).filter(whole).collect();
    if complete.len() >= FEWEST_HELD_OUT {
        return Ok(complete);
    }
    Err(FitError::Rows(format!(
        "{} of {rows} held-out rows have all features, and at least {FEWEST_HELD_OUT} are needed: give the features that may be missing \
         a stand-in, as `missing: median`",
        complete.len()
    )))
}

fn fit_one(common: &Common<'_>, prepared: &Prepared<'_>, complete: &[usize], progress: Progress<'_>) -> Result<Model, FitError> {
    let name = &prepared.detector.name;
    let failed = |doing| move |source| FitError::Plugin { detector: name.clone(), doing, source };
    progress(name, &format!("fitting {} rows of {} features", prepared.training.rows(), prepared.training.width));
    let parameters = prepared.detector.parameters.to_string();
    let training = Training {
        parameters: &parameters,
        artifact: prepared.artifact.as_deref(),
        seed: common.config.fit.seed,
        features: &[],
        weights: None,
        part: None,
        width: prepared.training.width,
        values: &prepared.training.values,
    };
    let mut log = |_: LogLevel, line: &str| progress(name, line);
    let bytes: Arc<[u8]> = prepared.plugin.fit(&training, &prepared.detector.fit, &mut log).map_err(failed("the fit"))?.into();

    progress(name, &format!("calibrating on {} held-out rows", complete.len()));
    // Calibrating is a part of the fit and has its time: on a busy machine a slow call must not waste all that went before.
    let limits = PoolLimits { call: prepared.detector.fit, instances: 1, ..prepared.detector.pool };
    let pool = prepared.plugin.pool(bytes.clone(), &limits).map_err(failed("loading the model"))?;
    let held_out = prepared.held_out.select(complete.iter().copied());
    let mut raw = Vec::with_capacity(held_out.rows());
    for rows in held_out.values.chunks(held_out.width * 256) {
        raw.extend(pool.score(held_out.width, rows).map_err(failed("scoring the held-out rows"))?.scores);
    }
    let manifest = manifest(common, prepared, Calibration::from(raw));
    progress(name, &format!("done: a model of {} bytes", bytes.len()));
    Ok(Model { version: 0, digest: hexadecimal(&Sha256::digest(&bytes)), manifest, bytes })
}

fn manifest(common: &Common<'_>, prepared: &Prepared<'_>, calibration: Calibration) -> Manifest {
    let description = prepared.plugin.description();
    let plugin = PluginIdentity {
        name: description.name.clone(),
        version: description.version.clone(),
        sha256: prepared.plugin.digest().to_owned(),
    };
    let mut data = common.data.lineage.clone();
    data.training = prepared.training.rows();
    data.incomplete = common.training_rows - prepared.training.rows();
    data.period = period(common);
    Manifest {
        detector: prepared.detector.name.clone(),
        created: Timestamp::now().to_string(),
        synod: env!("CARGO_PKG_VERSION").into(),
        plugin,
        parameters: prepared.detector.parameters.clone(),
        artifact: prepared.artifact.as_ref().map(|bytes| hexadecimal(&Sha256::digest(bytes))),
        seed: common.config.fit.seed,
        data,
        held_out: HeldOut { split: common.config.fit.split, digest: common.digest.clone() },
        view: prepared.view.clone(),
        calibration,
    }
}

fn period(common: &Common<'_>) -> Option<(String, String)> {
    let time = common.config.schema.time()?;
    let moments = || (0..common.training.rows()).filter_map(|row| common.training.moment(time, row));
    let text = |moment| Timestamp::from_microsecond(moment).map(|moment| moment.to_string()).ok();
    Some((text(moments().min()?)?, text(moments().max()?)?))
}
