//! ECOD (Li, Zhao, Hu, Botta, Ionescu and Chen, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions", IEEE
//! Transactions on Knowledge and Data Engineering, 2022), with the distribution of the training rows frozen. [`Ecod`] is the detector,
//! `feature` knows the tails of one feature, `counts` its training values, `keys` finds a value among them.

mod counts;
mod feature;
mod keys;
mod model;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;

use model::Model;
use ndarray::{Array2, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use synod_sdk::{Description, Detector, Error, Explanation, Training};

/// Fewest and most values of a feature that can be kept.
const VALUES: std::ops::RangeInclusive<usize> = 15..=65_535;

/// Most training rows: more are not counted by 32 bits.
const ROWS: usize = u32::MAX as usize;

/// Which of a feature's tails count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// Each feature counts by its smaller tail, as in PyOD.
    #[default]
    EachFeature,
    /// The greatest of three sums over all features, as in the paper: of the left tails, of the right tails, and of the tail on the side to
    /// which each feature is skewed.
    WholeRow,
}

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Which of a feature's tails count.
    pub combine: Combine,
    /// Whether a value beyond all training values is the more anomalous the farther out it is. If not, all such values count alike.
    pub extrapolate: bool,
    /// Most different values of a feature that the model keeps, 15 to 65535. Up to there tails are exact; from more values those are kept
    /// between which the smaller tail changes least.
    pub max_values: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { combine: Combine::default(), extrapolate: true, max_values: 4095 }
    }
}

/// The fitted detector. Its raw score is the sum over the features of the negative natural logarithm of a tail probability: how large a
/// share of the training rows has a value as small, or as great. A missing value counts for nothing.
///
/// [`Detector::explain`] gives each feature's part of the sum; nothing is left over.
#[derive(Debug)]
pub struct Ecod(Model);

impl Detector for Ecod {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "ecod",
            version: env!("CARGO_PKG_VERSION"),
            summary: "ECOD: how rare values as small or as great are among the training rows, feature by feature",
            minimum_rows: 2,
            missing_values: true,
            univariate: true,
            explains: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        let most = parameters.max_values;
        if VALUES.contains(&most) {
            return Vec::new();
        }
        vec![format!("max_values: {most} is not from {} to {}", VALUES.start(), VALUES.end())]
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        check_rows(training.rows)?;
        Model::fit(parameters, training).map(Self)
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
        let rows = rows.as_standard_layout();
        Ok(self.0.score(rows.as_slice().unwrap_or_default()))
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let standard = rows.as_standard_layout();
        let parts = self.0.explain(standard.as_slice().unwrap_or_default());
        let contributions = Array2::from_shape_vec(rows.dim(), parts).map_err(|error| Error::Data(error.to_string()))?;
        Ok(Explanation { base: 0.0, contributions })
    }
}

fn check_rows(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    if rows.nrows() > ROWS || rows.ncols() == 0 {
        return Err(Error::Data(format!("{} rows of {} features have no tails: give at most {ROWS} rows", rows.nrows(), rows.ncols())));
    }
    let infinite = rows.indexed_iter().find(|(_, value)| value.is_infinite());
    match infinite {
        Some(((row, column), value)) => {
            Err(Error::Data(format!("row {row}, feature {column}: {value} has no tail, give a finite number or none")))
        }
        None => Ok(()),
    }
}

synod_sdk::export!(Ecod);
