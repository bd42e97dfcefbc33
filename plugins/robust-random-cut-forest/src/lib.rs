//! Robust Random Cut Forest (Guha, Mishra, Roy and Schrijvers, "Robust Random Cut Forest Based Anomaly Detection on Streams", ICML 2016): how
//! much of a random tree of rows would be displaced if a row came into it. [`RobustRandomCutForest`] is the detector; `growth` grows a tree of
//! `points`, `change` lets points in and out, `reservoir` says which, `walk` scores, `forest` puts these together, `bytes` is the model's
//! format.

mod bytes;
mod change;
mod forest;
mod growth;
mod parameters;
#[cfg(test)]
mod parity;
mod points;
mod random;
mod reservoir;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use forest::Forest;
use ndarray::ArrayView2;
pub use parameters::Parameters;
use synod_sdk::{Description, Detector, Error, Explanation, Training};

/// The fitted detector. Its raw score is the mean over the trees of the collusive displacement that is expected of the row if it came into
/// the tree. It does not come in: scoring leaves the model as it is.
///
/// A fit that goes on from a model lets the new rows come in, and others go.
///
/// [`Detector::explain`] divides the displacement among the features as they part the row from the boxes of the trees' nodes. The base is 0,
/// and no contribution is negative.
#[derive(Debug)]
pub struct RobustRandomCutForest(Forest);

impl Detector for RobustRandomCutForest {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "robust-random-cut-forest",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Robust Random Cut Forest: how much of random trees a row would displace",
            minimum_rows: 2,
            scaling: true,
            weights: true,
            continues: true,
            explains: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        parameters.mistakes()
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        check_values(training.rows)?;
        match training.previous {
            Some(previous) => Forest::from_bytes(previous)?.go_on(parameters, training),
            None => Forest::fit(parameters, training),
        }
        .map(Self)
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Forest::from_bytes(bytes).map(Self)
    }

    fn width(&self) -> usize {
        self.0.width
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        check_values(rows)?;
        Ok(self.0.score(rows))
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        check_values(rows)?;
        Ok(self.0.explain(rows))
    }
}

/// What is missing lies on no side of a cut; and an infinity is cut off everything.
fn check_values(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    if rows.as_slice().is_some_and(|values| values.iter().fold(true, |all, value| all & value.is_finite())) {
        return Ok(());
    }
    match rows.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), value)) => {
            Err(Error::Data(format!("row {row}, feature {column}: {value} cannot be cut off from the others, give a finite number")))
        }
        None => Ok(()),
    }
}

synod_sdk::export!(RobustRandomCutForest);
