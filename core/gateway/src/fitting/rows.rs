//! Which rows a model learns from, and which say what its scores mean.
//!
//! Held-out rows must be rows that the fit has not seen. Of many rows a share is kept from it. Few rows are too precious for that, and a
//! share of them too few to tell 1 in 100: they are divided into folds, each of which is scored by a model that learnt from the others
//! (cross-conformal prediction: Vovk 2015; Barber, Candès, Ramdas and Tibshirani 2021, section 3), and the model itself learns from all.

use super::{Dataset, FEWEST_HELD_OUT, FitError};
use crate::config::{Config, Split};
use crate::hexadecimal::hexadecimal;
use sha2::{Digest, Sha256};
use synod_detection::split;

/// Most rows that are held out: more make no better calibration, and a larger manifest.
const MOST_HELD_OUT: usize = 20_000;
/// Up to so many rows each is held out once, where the configuration does not say.
const FEW: usize = 5_000;

/// The rows of a fit, as places in the batch.
#[derive(Debug)]
pub(super) struct Rows {
    /// How they were chosen.
    pub(super) split: Split,
    /// What the model learns from.
    pub(super) training: Vec<usize>,
    /// Rows that calibrate, with the rows that a model for them learns from.
    pub(super) folds: Vec<Fold>,
    /// Known or supposed anomalies, in the share in which they come beside the held-out rows.
    pub(super) left_out: Vec<usize>,
    /// Identifies the held-out rows.
    pub(super) digest: String,
}

/// Rows that calibrate.
#[derive(Debug)]
pub(super) struct Fold {
    /// What the model learns from that scores them; `None` if it is the model itself.
    pub(super) training: Option<Vec<usize>>,
    /// The rows.
    pub(super) held_out: Vec<usize>,
}

impl Rows {
    pub(super) fn of(config: &Config, data: &Dataset) -> Result<Self, FitError> {
        let fit = &config.fit;
        let split = fit.split.unwrap_or_else(|| usual(config, data.rows.len()));
        let (training, folds) = match split {
            Split::Cross => (data.rows.clone(), folds(&split::folds(&data.rows, fit.folds, fit.seed))),
            Split::Random => held_out(split::random(&data.rows, fit.holdout, fit.seed)),
            Split::Time => held_out(split::latest(&times(config, data), &data.rows, fit.holdout)),
        };
        let mut rows = Self {
            split,
            training: split::sample(&training, fit.maximum_rows, fit.seed),
            left_out: split::sample(&data.left_out, left_out(config, data, split), fit.seed),
            folds,
            digest: String::new(),
        };
        let found = rows.held_out().count();
        if found < FEWEST_HELD_OUT || rows.training.is_empty() {
            return Err(FitError::Rows(format!(
                "{} rows are too few: {found} would be held out for calibration, and at least {FEWEST_HELD_OUT} are needed",
                data.rows.len()
            )));
        }
        let mut digest = Sha256::new_with_prefix(&data.lineage.sha256);
        rows.held_out().for_each(|row| digest.update((row as u64).to_le_bytes()));
        rows.digest = hexadecimal(&digest.finalize());
        Ok(rows)
    }

    /// The rows that calibrate, in the order in which their scores are kept.
    pub(super) fn held_out(&self) -> impl Iterator<Item = usize> {
        self.folds.iter().flat_map(|fold| fold.held_out.iter().copied())
    }

    /// Leaves out the rows that not all detectors can score: calibrations must be of the same rows, so that they can be combined.
    pub(super) fn keep(&mut self, whole: impl Fn(&[usize]) -> Vec<bool>) {
        for rows in self.folds.iter_mut().map(|fold| &mut fold.held_out).chain([&mut self.left_out]) {
            let mut whole = whole(rows).into_iter();
            rows.retain(|_| whole.next().unwrap_or(false));
        }
    }
}

/// Which rows are held out, where the configuration does not say.
pub(super) fn usual(config: &Config, rows: usize) -> Split {
    match config.schema.time() {
        Some(_) => Split::Time,
        None if rows <= FEW => Split::Cross,
        None => Split::Random,
    }
}

fn times(config: &Config, data: &Dataset) -> Vec<i64> {
    let time = config.schema.time();
    (0..data.batch.rows()).map(|row| time.and_then(|time| data.batch.moment(time, row)).unwrap_or(i64::MIN)).collect()
}

fn held_out(split: split::Split) -> (Vec<usize>, Vec<Fold>) {
    let held_out = split::thin(&split.held_out, MOST_HELD_OUT);
    (split.training, vec![Fold { training: None, held_out }])
}

fn folds(splits: &[split::Split]) -> Vec<Fold> {
    let most = MOST_HELD_OUT.div_ceil(splits.len().max(1));
    let fold = |split: &split::Split| Fold { training: Some(split.training.clone()), held_out: split::thin(&split.held_out, most) };
    splits.iter().map(fold).collect()
}

/// As many of the rows that are left out as the held-out rows are of those that are not.
fn left_out(config: &Config, data: &Dataset, split: Split) -> usize {
    let share = if split == Split::Cross { 1.0 } else { config.fit.holdout };
    let held_out = (share * data.rows.len() as f64).max(1.0);
    let kept = (MOST_HELD_OUT as f64 / held_out).min(1.0);
    (data.left_out.len() as f64 * share * kept).round() as usize
}
