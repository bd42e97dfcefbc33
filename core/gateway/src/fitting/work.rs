//! The work of a fit: every model that must be learnt, each in a sandbox, as many at a time as there are processors.

use super::learning::{Learning, learning};
use super::rows::{Fold, Rows};
use super::{Dataset, FitError, Model, Opened, Progress};
use crate::config::{Config, DetectorConfig};
use crate::manifest::Golden;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, available_parallelism};
use synod_detection::{Matrix, split};
use synod_host::{Failure, LogLevel, PoolLimits, Training};

/// Rows of a call that scores.
const ROWS_PER_CALL: usize = 256;
/// A fit of fewer rows is not worth dividing.
const DIVIDED: usize = 20_000;
/// Most parts of a divided fit.
const MOST_PARTS: usize = 16;

/// What was learnt for one detector.
#[derive(Default)]
pub(super) struct Fitted {
    /// The model.
    pub(super) bytes: Arc<[u8]>,
    /// Raw scores of the held-out rows, in their order.
    pub(super) held_out: Vec<f64>,
    /// Raw scores of the rows that were left out.
    pub(super) left_out: Vec<f64>,
    /// Rows that the model is known by.
    pub(super) golden: Golden,
}

/// A model to learn: a detector, and the fold that it is for if it is not the model itself.
#[derive(Clone, Copy)]
struct Task {
    detector: usize,
    fold: Option<usize>,
}

/// What came of a task.
#[derive(Default)]
struct Done {
    bytes: Option<Arc<[u8]>>,
    /// Of the fold's held-out rows, or of those that the model itself scores.
    held_out: Vec<f64>,
    left_out: Vec<f64>,
    golden: Golden,
}

/// Hears what a plugin says.
type Log<'a> = &'a (dyn Fn(LogLevel, &str) + Sync);

/// What is to be done.
pub(super) struct Work<'a> {
    pub(super) config: &'a Config,
    pub(super) data: &'a Dataset,
    pub(super) detectors: &'a [&'a DetectorConfig],
    pub(super) opened: &'a [Opened],
    pub(super) prepared: &'a [Learning],
    /// For each detector, the model to go on from, if there is one.
    pub(super) earlier: &'a [Option<Model>],
    pub(super) rows: &'a Rows,
    pub(super) progress: Progress<'a>,
    /// Into how many parts a fit may be divided.
    pub(super) parts: usize,
}

/// Learns all models.
///
/// # Errors
/// The first failure, in the order of the detectors. After a failure nothing new is begun.
pub(super) fn run(work: Work<'_>) -> Result<Vec<Fitted>, FitError> {
    let (detectors, rows) = (work.detectors, work.rows);
    let own_folds: Vec<usize> = (0..rows.folds.len()).filter(|fold| rows.folds[*fold].training.is_some()).collect();
    let of_detector = |detector| [None].into_iter().chain(own_folds.iter().copied().map(Some)).map(move |fold| Task { detector, fold });
    let tasks: Vec<Task> = (0..detectors.len()).flat_map(of_detector).collect();
    let processors = available_parallelism().map_or(1, usize::from);
    let parts = (processors / tasks.len().max(1)).clamp(1, MOST_PARTS);
    let work = Work { parts, ..work };
    let results = in_parallel(&tasks, processors, |task| work.run(*task));
    let mut done = tasks.iter().zip(results).filter_map(|(task, result)| result.map(|result| (*task, result)));
    let mut fitted: Vec<Fitted> = detectors.iter().map(|_| Fitted::default()).collect();
    done.try_for_each(|(task, result)| {
        let Done { bytes, held_out, left_out, golden } = result?;
        let fitted = &mut fitted[task.detector];
        fitted.held_out.extend(held_out);
        if let Some(bytes) = bytes {
            (fitted.bytes, fitted.left_out, fitted.golden) = (bytes, left_out, golden);
            (work.progress)(&detectors[task.detector].name, &format!("done: a model of {} bytes", fitted.bytes.len()));
        }
        Ok::<_, FitError>(())
    })?;
    Ok(fitted)
}

/// Does things on so many threads, and begins nothing more once one has failed: the others have no result then.
fn in_parallel<T: Sync, R: Send, E: Send>(
    things: &[T],
    threads: usize,
    act: impl Fn(&T) -> Result<R, E> + Sync,
) -> Vec<Option<Result<R, E>>> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results = Mutex::new((0..things.len()).map(|_| None).collect::<Vec<_>>());
    let worker = || {
        while !failed.load(Relaxed) {
            let place = next.fetch_add(1, Relaxed);
            let Some(thing) = things.get(place) else { return };
            let result = act(thing);
            failed.fetch_or(result.is_err(), Relaxed);
            results.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.min(things.len()) {
            scope.spawn(worker);
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Work<'_> {
    fn run(&self, task: Task) -> Result<Done, FitError> {
        match task.fold {
            None => self.model(task.detector),
            Some(fold) => self.fold(task.detector, fold),
        }
    }

    /// The model itself, and what it says of the rows that it alone has not seen.
    fn model(&self, detector: usize) -> Result<Done, FitError> {
        let learning = &self.prepared[detector];
        let log = |_: LogLevel, line: &str| self.say(detector, line);
        let bytes = match &self.earlier[detector] {
            // It cannot learn on: it is the model of before, and only what its scores mean is learnt again.
            Some(earlier) if !self.opened[detector].plugin.description().continues => earlier.bytes.clone(),
            earlier => {
                let from = earlier.as_ref().map(|earlier| format!(", on from version {}", earlier.version)).unwrap_or_default();
                self.say(detector, &format!("fitting {} rows of {} features{from}", learning.rows, learning.training.width));
                self.learn(detector, learning, earlier.as_ref().map(|earlier| &*earlier.bytes), &log)?
            }
        };
        let own = |fold: &&Fold| fold.training.is_none();
        let held_out: Vec<usize> = self.rows.folds.iter().filter(own).flat_map(|fold| fold.held_out.iter().copied()).collect();
        if !held_out.is_empty() {
            self.say(detector, &format!("calibrating on {} held-out rows", held_out.len()));
        }
        let scores = self.score(detector, bytes.clone(), &learning.see(self.data, &held_out))?;
        let left_out = self.score(detector, bytes.clone(), &learning.see(self.data, &self.rows.left_out))?;
        let golden = self.golden(detector, bytes.clone(), learning)?;
        Ok(Done { bytes: Some(bytes), held_out: scores, left_out, golden })
    }

    /// Some rows, evenly taken from all, with what the model says of them.
    fn golden(&self, detector: usize, bytes: Arc<[u8]>, learning: &Learning) -> Result<Golden, FitError> {
        let all: Vec<usize> = self.rows.held_out().chain(self.rows.left_out.iter().copied()).collect();
        let seen = learning.see(self.data, &split::thin(&all, 4 * Golden::MOST));
        let whole = (0..seen.rows()).filter(|row| learning.takes_missing || seen.missing(*row).is_none());
        let rows = seen.select(whole.take(Golden::MOST));
        let scores = self.score(detector, bytes, &rows)?;
        Ok(Golden::new(&rows, scores))
    }

    /// A model that scores the rows of a fold, which it has not seen.
    fn fold(&self, detector: usize, fold: usize) -> Result<Done, FitError> {
        let Fold { training, held_out } = &self.rows.folds[fold];
        let training = training.as_deref().unwrap_or_default();
        let learning = learning(self.config, self.data, self.detectors[detector], &self.opened[detector].plugin, training, None)?;
        let all = self.rows.folds.len();
        self.say(detector, &format!("fold {} of {all}: {} rows to fit, {} to calibrate on", fold + 1, learning.rows, held_out.len()));
        // The steps of several folds side by side would tell nobody anything.
        let log = |level: LogLevel, line: &str| {
            if matches!(level, LogLevel::Warn | LogLevel::Error) {
                self.say(detector, &format!("fold {}: {line}", fold + 1));
            }
        };
        let bytes = self.learn(detector, &learning, None, &log)?;
        let held_out = self.score(detector, bytes, &learning.see(self.data, held_out))?;
        Ok(Done { held_out, ..Done::default() })
    }

    fn say(&self, detector: usize, message: &str) {
        (self.progress)(&self.detectors[detector].name, message);
    }

    fn failed(&self, detector: usize, doing: &'static str) -> impl Fn(Failure) -> FitError {
        let detector = self.detectors[detector].name.clone();
        move |source| FitError::Plugin { detector: detector.clone(), doing, source }
    }

    fn learn(&self, detector: usize, learning: &Learning, previous: Option<&[u8]>, log: Log<'_>) -> Result<Arc<[u8]>, FitError> {
        let (config, opened) = (self.detectors[detector], &self.opened[detector]);
        let parameters = config.parameters.to_string();
        let features: Vec<(&str, u32)> = learning.view.columns().zip(learning.categories.iter().copied()).collect();
        let training = Training {
            parameters: &parameters,
            artifact: opened.artifact.as_deref(),
            seed: self.config.fit.seed,
            features: &features,
            weights: learning.weights.as_deref(),
            part: None,
            previous,
            width: learning.training.width,
            values: &learning.training.values,
        };
        let divided = opened.plugin.description().parts && learning.rows >= DIVIDED && self.parts > 1 && previous.is_none();
        let bytes = if divided { self.learn_in_parts(detector, &training, log) } else { self.learn_part(detector, &training, log) };
        Ok(bytes.map_err(self.failed(detector, "the fit"))?.into())
    }

    fn learn_part(&self, detector: usize, training: &Training<'_>, log: Log<'_>) -> Result<Vec<u8>, Failure> {
        self.opened[detector].plugin.fit(training, &self.detectors[detector].fit, &mut |level, line| log(level, line))
    }

    fn learn_in_parts(&self, detector: usize, training: &Training<'_>, log: Log<'_>) -> Result<Vec<u8>, Failure> {
        let count = self.parts as u32;
        let parts: Vec<u32> = (0..count).collect();
        let learnt =
            in_parallel(&parts, self.parts, |index| self.learn_part(detector, &Training { part: Some((*index, count)), ..*training }, log));
        let parts = learnt.into_iter().flatten().collect::<Result<Vec<_>, _>>()?;
        self.opened[detector].plugin.merge(&parts, &self.detectors[detector].fit)
    }

    /// Raw scores by a model that was just learnt.
    fn score(&self, detector: usize, bytes: Arc<[u8]>, rows: &Matrix) -> Result<Vec<f64>, FitError> {
        if rows.rows() == 0 {
            return Ok(Vec::new());
        }
        let config = self.detectors[detector];
        // Calibrating is a part of the fit and has its time: on a busy machine a slow call must not waste all that went before.
        let limits = PoolLimits { call: config.fit, instances: 1, ..config.pool };
        let pool = self.opened[detector].plugin.pool(bytes, &limits).map_err(self.failed(detector, "loading the model"))?;
        let mut raw = Vec::with_capacity(rows.rows());
        for values in rows.values.chunks(rows.width * ROWS_PER_CALL) {
            raw.extend(pool.score(rows.width, values).map_err(self.failed(detector, "scoring the held-out rows"))?.scores);
        }
        Ok(raw)
    }
}
