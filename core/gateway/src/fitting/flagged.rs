//! Leaving out what an earlier model flags: the largest lever that there is on rows which hold anomalies that nobody has labelled.

use super::{Dataset, FitError, Model, Progress, fit};
use crate::config::Config;
use crate::engine::Engine;
use synod_host::Host;

/// Rows that are judged at a time.
const ROWS_AT_A_TIME: usize = 4096;

/// Moves the rows that the policy over these models flags from those to learn from to those that are left out; without models, by those of a
/// first fit on the same rows. Returns how many there were.
///
/// # Errors
/// When the first fit fails, or the models do not belong to the configuration.
pub fn leave_out_flagged(
    config: &Config,
    host: &Host,
    data: &mut Dataset,
    earlier: Option<Vec<Model>>,
    progress: Progress<'_>,
) -> Result<usize, FitError> {
    let models = match earlier {
        Some(models) => models,
        None => fit(config, host, &config.detectors.iter().collect::<Vec<_>>(), data, progress)?,
    };
    let mut patient = config.clone();
    patient.be_patient();
    let engine = Engine::assemble(&patient, host, models)?;
    let mut kept = Vec::with_capacity(data.rows.len());
    for rows in data.rows.chunks(ROWS_AT_A_TIME) {
        let judged = engine.judge(&data.batch.select(rows), &data.past.select(rows)).rows;
        for (row, judged) in rows.iter().zip(judged) {
            if judged.verdict.anomalous { data.left_out.push(*row) } else { kept.push(*row) }
        }
    }
    let flagged = data.rows.len() - kept.len();
    data.rows = kept;
    data.left_out.sort_unstable();
    data.lineage.flagged = flagged;
    Ok(flagged)
}
