//! Half-Space Trees (Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011): trees divide the space before they have seen
//! a row, and then count how many rows of a window lie in each part. [`HalfSpaceTrees`] is the detector; `space` says how the trees divide,
//! `stream` what they have seen, `tree` walks, `model` puts these together, `random` draws.

mod model;
mod parameters;
#[cfg(test)]
mod parity;
mod random;
mod space;
mod stream;
#[cfg(test)]
mod tests;
mod tree;

use model::Model;
use ndarray::ArrayView2;
pub use parameters::{Mass, Parameters, Splits};
use space::Drawn;
use synod_sdk::{Description, Detector, Error, Explanation, Training};

/// The fitted detector. Its raw score is 1 less the mean mass, as a share of the greatest possible, of the nodes at which a row's walks
/// through the trees end: near 1 for an anomaly.
///
/// A fit that goes on from a model lets the new rows pass after the old ones: the ranges of the features stay as they were.
///
/// [`Detector::explain`] gives to each feature what the steps by it change in the mean over the rows that go on from there; the base is the
/// mean score of the window's rows.
#[derive(Debug)]
pub struct HalfSpaceTrees(Model<Drawn>);

impl Detector for HalfSpaceTrees {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "half-space-trees",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Half-Space Trees: how few rows of the last window lie in a row's part of the space",
            minimum_rows: 2,
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
            Some(previous) => Model::go_on(previous, parameters, training),
            None => Model::fit(parameters, training),
        }
        .map(Self)
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Model::from_bytes(bytes).map(Self)
    }

    fn width(&self) -> usize {
        self.0.width()
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

/// What is missing lies in no half; neither does an infinity, by which a range would have no end.
fn check_values(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    if rows.as_slice().is_some_and(|values| values.iter().fold(true, |all, value| all & value.is_finite())) {
        return Ok(());
    }
    match rows.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), value)) => {
            Err(Error::Data(format!("row {row}, feature {column}: {value} lies in no half of a range, give a finite number")))
        }
        None => Ok(()),
    }
}

synod_sdk::export!(HalfSpaceTrees);
