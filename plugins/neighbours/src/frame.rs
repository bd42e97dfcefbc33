//! What detectors of neighbours do with a block of rows.

use ndarray::{Array2, ArrayView2};
use synod_sdk::{Error, Explanation};

/// The raw scores of the rows, each by itself.
///
/// # Errors
/// When a value is no finite number.
pub fn score_each(rows: ArrayView2<'_, f64>, score: impl FnMut(&[f64]) -> f64) -> Result<Vec<f64>, Error> {
    check_values(rows)?;
    let standard = rows.as_standard_layout();
    Ok(standard.as_slice().unwrap_or_default().chunks_exact(rows.ncols().max(1)).map(score).collect())
}

/// The rows' explanations, made of each one's contributions; the base is 0.
///
/// # Errors
/// When a value is no finite number.
pub fn explain_each(rows: ArrayView2<'_, f64>, split: impl FnMut(&[f64]) -> Vec<f64>) -> Result<Explanation, Error> {
    check_values(rows)?;
    let standard = rows.as_standard_layout();
    let parts = standard.as_slice().unwrap_or_default().chunks_exact(rows.ncols().max(1)).flat_map(split).collect();
    let contributions = Array2::from_shape_vec(rows.dim(), parts).map_err(|error| Error::Data(error.to_string()))?;
    Ok(Explanation { base: 0.0, contributions })
}

/// There is no distance to an infinity or a missing value.
///
/// # Errors
/// When there is one, with its row and feature.
pub(crate) fn check_values(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    if rows.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    let found = rows.indexed_iter().find(|(_, value)| !value.is_finite());
    let text = found.map(|((row, column), value)| format!("row {row}, feature {column}: {value} cannot be measured, give a finite number"));
    Err(Error::Data(text.unwrap_or_default()))
}
