//! Fitting: from rows to models that can be used. What is learnt, scalers and encoders included, is learnt from the training part; the
//! calibration is learnt from rows that were held out of it.

mod flagged;
mod learning;
mod rows;
mod work;

use crate::config::{Config, DetectorConfig, Split};
use crate::engine::{EngineError, difference, load_plugin};
use crate::hexadecimal::hexadecimal;
use crate::manifest::{DataLineage, HeldOut, Manifest, PluginIdentity, Recalibration};
pub use flagged::leave_out_flagged;
use jiff::Timestamp;
use learning::Learning;
use rows::Rows;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use synod_detection::history::PastValues;
use synod_detection::{Batch, Calibration, FeatureError};
use synod_host::{Failure, Host, Plugin};
use thiserror::Error;
use work::{Fitted, Work};

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
    /// The rows that could be used, and were left out by request: known or supposed anomalies.
    pub left_out: Vec<usize>,
    /// How much each row of the batch counts; empty if all count the same.
    pub weights: Vec<f64>,
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

/// A detector's plugin, opened, with its foreign model.
struct Opened {
    plugin: Plugin,
    artifact: Option<Vec<u8>>,
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
    fit_from(config, host, detectors, &vec![None; detectors.len()], data, progress)
}

/// Has models learn on from these rows, one for each detector: those whose plugin can. Features and scalers stay as they are. The others stay the same
/// models; what the scores of all mean is learnt again, from the same held-out rows.
///
/// # Errors
/// As [`fit`], and when a model does not belong to the configuration.
pub fn go_on(
    config: &Config,
    host: &Host,
    detectors: &[&DetectorConfig],
    earlier: Vec<Model>,
    data: &Dataset,
    progress: Progress<'_>,
) -> Result<Vec<Model>, FitError> {
    let mut config = config.clone();
    if rows::usual(&config, data.rows.len()) == Split::Cross || config.fit.split == Some(Split::Cross) {
        // Models for folds would have to learn on as well, and one that learns on has seen nothing of what is held out anyway.
        config.fit.split = Some(Split::Random);
    }
    fit_from(&config, host, detectors, &earlier.into_iter().map(Some).collect::<Vec<_>>(), data, progress)
}

fn fit_from(
    config: &Config,
    host: &Host,
    detectors: &[&DetectorConfig],
    earlier: &[Option<Model>],
    data: &Dataset,
    progress: Progress<'_>,
) -> Result<Vec<Model>, FitError> {
    let opened = detectors.iter().map(|detector| open(host, detector)).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Rows::of(config, data)?;
    let mut prepared = Vec::new();
    for ((detector, opened), earlier) in detectors.iter().zip(&opened).zip(earlier) {
        if let Some(earlier) = earlier
            && let Some(difference) = difference(config, detector, &opened.plugin, earlier)
        {
            return Err(EngineError::Mismatch { detector: detector.name.clone(), version: earlier.version, difference }.into());
        }
        let view = earlier.as_ref().map(|earlier| &earlier.manifest.view);
        prepared.push(learning::learning(config, data, detector, &opened.plugin, &rows.training, view)?);
    }
    rows.keep(|rows| {
        let of_all = prepared.iter().map(|prepared| prepared.whole(data, rows));
        of_all.fold(vec![true; rows.len()], |all, whole| all.into_iter().zip(whole).map(|(one, other)| one && other).collect())
    });
    if rows.held_out().count() < FEWEST_HELD_OUT {
        return Err(FitError::Rows(format!(
            "{} held-out rows have all features, and at least {FEWEST_HELD_OUT} are needed: give the features that may be missing a \
             stand-in, as `missing: median`",
            rows.held_out().count()
        )));
    }
    let work = Work { config, data, detectors, opened: &opened, prepared: &prepared, earlier, rows: &rows, progress, parts: 1 };
    let fitted = work::run(work)?;
    let mut models = Vec::with_capacity(detectors.len());
    for (place, (learning, fitted)) in prepared.into_iter().zip(fitted).enumerate() {
        let mut model = model(config, data, detectors[place], &opened[place], learning, fitted, &rows);
        if let Some(earlier) = &earlier[place] {
            continued(&mut model.manifest, earlier, opened[place].plugin.description().continues);
        }
        models.push(model);
    }
    Ok(models)
}

/// Loads a plugin and checks all that can be checked before there are rows.
fn open(host: &Host, detector: &DetectorConfig) -> Result<Opened, FitError> {
    let plugin = load_plugin(host, detector)?;
    let mistakes = parameter_mistakes(&plugin, detector)?;
    if !mistakes.is_empty() {
        return Err(FitError::Parameters { detector: detector.name.clone(), mistakes });
    }
    let artifact = artifact(&plugin, detector)?;
    Ok(Opened { plugin, artifact })
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

/// The bytes of a detector's foreign model, if it has one.
///
/// # Errors
/// When it is needed and not there, or there and not taken.
pub fn artifact(plugin: &Plugin, detector: &DetectorConfig) -> Result<Option<Vec<u8>>, FitError> {
    let wrong = |why: String| FitError::Artifact { detector: detector.name.clone(), why };
    let description = plugin.description();
    match &detector.artifact {
        None if description.artifact => Err(wrong(format!("the plugin {} needs `artifact`, the file of a model", description.name))),
        None => Ok(None),
        Some(_) if !description.takes_artifact() => Err(wrong(format!("the plugin {} takes no `artifact`", description.name))),
        Some(path) => std::fs::read(path).map(Some).map_err(|error| wrong(format!("artifact {}: {error}", path.display()))),
    }
}

fn model(
    config: &Config,
    data: &Dataset,
    detector: &DetectorConfig,
    opened: &Opened,
    learning: Learning,
    fitted: Fitted,
    rows: &Rows,
) -> Model {
    let description = opened.plugin.description();
    let plugin =
        PluginIdentity { name: description.name.clone(), version: description.version.clone(), sha256: opened.plugin.digest().to_owned() };
    let mut lineage = data.lineage.clone();
    lineage.training = learning.rows;
    lineage.incomplete = rows.training.len() - learning.rows;
    lineage.weighted = learning.weights.is_some();
    lineage.period = period(config, data, &rows.training);
    let manifest = Manifest {
        detector: detector.name.clone(),
        created: Timestamp::now().to_string(),
        synod: env!("CARGO_PKG_VERSION").into(),
        plugin,
        parameters: detector.parameters.clone(),
        artifact: opened.artifact.as_ref().map(|bytes| hexadecimal(&Sha256::digest(bytes))),
        seed: config.fit.seed,
        data: lineage,
        held_out: HeldOut { split: rows.split, digest: rows.digest.clone(), clean: config.fit.clean, left_out: fitted.left_out },
        view: learning.view,
        calibration: Calibration::from(fitted.held_out),
        golden: fitted.golden,
        author: None,
        owner: detector.owner.clone(),
        purpose: detector.purpose.clone(),
        continued_from: None,
        recalibrated: None,
    };
    Model { version: 0, digest: hexadecimal(&Sha256::digest(&fitted.bytes)), manifest, bytes: fitted.bytes }
}

/// Notes in a manifest from which version it comes.
fn continued(manifest: &mut Manifest, earlier: &Model, has_learnt: bool) {
    if has_learnt {
        manifest.continued_from = Some(earlier.version);
        return;
    }
    let lineage = std::mem::replace(&mut manifest.data, earlier.manifest.data.clone());
    manifest.recalibrated = Some(Recalibration {
        of_version: earlier.version,
        created: manifest.created.clone(),
        rows: lineage.file,
        sha256: lineage.sha256,
        period: lineage.period,
    });
    (manifest.created, manifest.seed) = (earlier.manifest.created.clone(), earlier.manifest.seed);
}

fn period(config: &Config, data: &Dataset, rows: &[usize]) -> Option<(String, String)> {
    let time = config.schema.time()?;
    let moments = || rows.iter().filter_map(|row| data.batch.moment(time, *row));
    let text = |moment| Timestamp::from_microsecond(moment).map(|moment| moment.to_string()).ok();
    Some((text(moments().min()?)?, text(moments().max()?)?))
}
