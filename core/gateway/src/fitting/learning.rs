//! What one fit of one detector sees: its features, learnt from the training rows, and the rows as its plugin gets them.

use super::{Dataset, FitError};
use crate::config::{Config, DetectorConfig};
use synod_detection::{Matrix, Plan, View};
use synod_host::Plugin;

/// Rows for a plugin to learn from.
pub(super) struct Learning {
    /// The features.
    pub(super) view: View,
    plan: Plan,
    pub(super) takes_missing: bool,
    /// How many rows there are.
    pub(super) rows: usize,
    /// The rows: those that have all features, where the plugin takes no missing values.
    pub(super) training: Matrix,
    /// How much each counts, if the plugin takes that.
    pub(super) weights: Option<Vec<f64>>,
    /// For each number of a row, how many categories it has.
    pub(super) categories: Vec<u32>,
}

/// Learns the features from these rows of the batch; those of an earlier model stay as they are.
pub(super) fn learning(
    config: &Config,
    data: &Dataset,
    detector: &DetectorConfig,
    plugin: &Plugin,
    rows: &[usize],
    earlier: Option<&View>,
) -> Result<Learning, FitError> {
    let failed = |source| FitError::Feature { detector: detector.name.clone(), source };
    let (batch, past) = (data.batch.select(rows), data.past.select(rows));
    let view = match earlier {
        Some(view) => view.clone(),
        None => View::fit(&detector.definitions, &config.schema, &config.history, &batch, &past).map_err(failed)?,
    };
    let plan = Plan::new(&config.schema, &config.history, &[(&detector.name, &view)]).map_err(failed)?;
    let mut training = plan.compute(&batch, &past).remove(0);
    let takes_missing = plugin.description().missing_values;
    let whole: Vec<usize> = (0..training.rows()).filter(|row| takes_missing || training.missing(*row).is_none()).collect();
    if whole.len() < training.rows() {
        training = training.select(whole.iter().copied());
    }
    let least = if earlier.is_some() { 1 } else { plugin.description().minimum_rows as usize };
    if whole.len() < least.max(1) {
        let columns: Vec<&str> = view.columns().collect();
        return Err(FitError::Rows(format!(
            "detector {}: {} of {} training rows have all of the features {}, and at least {least} are needed",
            detector.name,
            whole.len(),
            rows.len(),
            columns.join(", ")
        )));
    }
    let weighted = !data.weights.is_empty() && plugin.description().weights;
    let weights = weighted.then(|| whole.iter().map(|row| data.weights[rows[*row]]).collect());
    let categories = view.categories().collect();
    Ok(Learning { view, plan, takes_missing, rows: whole.len(), training, weights, categories })
}

impl Learning {
    /// Rows of the batch as the plugin sees them.
    pub(super) fn see(&self, data: &Dataset, rows: &[usize]) -> Matrix {
        self.plan.compute(&data.batch.select(rows), &data.past.select(rows)).remove(0)
    }

    /// Which of these rows of the batch the plugin can score.
    pub(super) fn whole(&self, data: &Dataset, rows: &[usize]) -> Vec<bool> {
        if self.takes_missing {
            return vec![true; rows.len()];
        }
        let matrix = self.see(data, rows);
        (0..rows.len()).map(|row| matrix.missing(row).is_none()).collect()
    }
}
