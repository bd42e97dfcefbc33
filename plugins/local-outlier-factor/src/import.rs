//! Outlier factors from elsewhere: the rows, distances and densities of scikit-learn's and PyOD's `LocalOutlierFactor`, as
//! `scripts/export-model.py` writes them. The README says what the file holds. Nothing in it is trusted.

use crate::model::Model;
use ndarray::Array2;
use serde::Deserialize;
use serde::de::IgnoredAny;
use synod_foreign::{Note, Scaling, check_features, check_parameters, read, refused};
use synod_neighbours::{Count, Duplicates, MOST_ROWS, Metric, Reference, Settings};
use synod_sdk::{Error, Training};

/// What the file calls itself.
const FORMAT: &str = "synod/local-outlier-factor";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "format")]
    _format: IgnoredAny,
    #[serde(rename = "version")]
    _version: IgnoredAny,
    #[serde(default, rename = "source")]
    _source: Note,
    /// The columns, as they were called.
    #[serde(default)]
    features: Option<Vec<String>>,
    width: usize,
    /// What a row to be scored goes through first; `rows` have been through it.
    #[serde(default)]
    scaling: Scaling,
    metric: Metric,
    #[serde(default = "euclidean")]
    p: f64,
    neighbours: usize,
    novelty: bool,
    rows: Vec<Vec<f64>>,
    /// For each row the distance of its farthest neighbour.
    distances: Vec<f64>,
    /// For each row its local reachability density.
    densities: Vec<f64>,
}

fn euclidean() -> f64 {
    2.0
}

/// The model of a file.
///
/// # Errors
/// When the file is none of an outlier factor, its features are not the configuration's, or parameters are set beside it.
pub(crate) fn model(bytes: &[u8], training: &Training<'_>) -> Result<Model, Error> {
    check_parameters(training)?;
    let file: File = read(FORMAT, bytes)?;
    check(&file)?;
    check_features(file.width, file.features.as_deref(), training)?;
    let File { width, scaling, metric, p, neighbours, novelty, rows, distances, densities, .. } = file;
    let count = rows.len();
    let mut values = Vec::with_capacity(count * width);
    rows.into_iter().for_each(|row| values.extend(row));
    let rows = Array2::from_shape_vec((count, width), values).map_err(|error| refused(&format!("rows: {error}")))?;
    let settings = Settings {
        neighbours: Count::Number(neighbours as f64),
        auto: |rows| rows,
        metric,
        p,
        duplicates: Duplicates::Keep,
        novelty,
        max_rows: MOST_ROWS,
    };
    let reference = Reference::build(rows.view(), &settings, 0)?;
    drop(rows);
    synod_sdk::log::info(&format!("{count} rows from elsewhere, each with {neighbours} neighbours"));
    let in_order = |values: &[f64]| (0..count as u32).map(|position| values[reference.rank(position) as usize]).collect();
    let (reaches, densities) = (in_order(&distances), in_order(&densities));
    Ok(Model { reference, reaches, densities, scaling })
}

fn check(file: &File) -> Result<(), Error> {
    let File { width, scaling, metric, p, neighbours, rows, distances, densities, .. } = file;
    let count = rows.len();
    let wrong = |why: String| Err(refused(&why));
    if *width == 0 {
        return wrong("width: a row needs at least one feature".into());
    }
    if !(2..=MOST_ROWS).contains(&count) {
        return wrong(format!("rows: {count} are not between 2 and {MOST_ROWS}"));
    }
    if let Some(row) = rows.iter().position(|row| row.len() != *width) {
        return wrong(format!("rows[{row}]: {} numbers for {width} features", rows[row].len()));
    }
    if !(1..count).contains(neighbours) {
        return wrong(format!("neighbours: {neighbours} is not between 1 and {}, the rows but one", count - 1));
    }
    if !(p.is_finite() && *p >= 1.0) {
        return wrong(format!("p: {p} is not a number from 1"));
    }
    if *metric == Metric::Cosine
        && let Some(row) = rows.iter().position(|row| row.iter().all(|value| *value == 0.0))
    {
        return wrong(format!("rows[{row}]: a row of zeros has no direction, and other libraries take another cosine for it"));
    }
    for (name, values, least) in [("distances", distances, 0.0), ("densities", densities, f64::MIN_POSITIVE)] {
        if values.len() != count {
            return wrong(format!("{name}: {} for {count} rows", values.len()));
        }
        if let Some(row) = values.iter().position(|value| !(value.is_finite() && *value >= least)) {
            return wrong(format!("{name}[{row}]: {} cannot be", values[row]));
        }
    }
    scaling.check(*width)
}

#[cfg(test)]
mod tests;
