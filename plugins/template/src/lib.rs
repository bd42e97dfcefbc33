//! A robust z-score: a row's raw score is the largest distance of one of its features from that feature's median, in median absolute
//! deviations (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993, section 3.3).
//!
//! It is the detector to start from. Change [`RobustZ::fit`] and [`RobustZ::score`], then the type's name, the summary and what the model
//! card (README.md) says. `synod plugin test` tells what a detector must keep.

#[cfg(test)]
mod tests;

use ndarray::{Array2, ArrayView1, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use synod_sdk::{Description, Detector, Error, Explanation, Training, decode, encode};

/// The version of the model's bytes. Raise it whenever [`RobustZ`]'s fields change.
const FORMAT: u32 = 1;

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Deviations beyond this count as this: one broken sensor should not drown everything else. At least 1.
    pub cap: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { cap: 1e6 }
    }
}

/// The fitted model: a centre and a spread for each feature.
#[derive(Debug, Serialize, Deserialize)]
pub struct RobustZ {
    cap: f64,
    median: Vec<f64>,
    deviation: Vec<f64>,
}

impl RobustZ {
    fn distances<'a>(&'a self, row: ArrayView1<'a, f64>) -> impl Iterator<Item = f64> + 'a {
        let features = row.into_iter().copied().zip(self.median.iter().zip(&self.deviation));
        features.map(|(value, (median, deviation))| ((value - median).abs() / deviation).min(self.cap))
    }
}

impl Detector for RobustZ {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            summary: "Largest robust z-score of a feature",
            minimum_rows: 2,
            univariate: true,
            explains: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        if parameters.cap >= 1.0 { Vec::new() } else { vec![format!("cap: {} is not at least 1", parameters.cap)] }
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let columns = training.rows.columns().into_iter();
        let (median, deviation) = columns.map(|column| centre_and_spread(column.to_vec())).unzip();
        Ok(Self { cap: parameters.cap, median, deviation })
    }

    fn to_bytes(&self) -> Vec<u8> {
        encode(FORMAT, self)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let model: Self = decode(FORMAT, bytes)?;
        let whole = model.median.len() == model.deviation.len() && model.deviation.iter().all(|spread| *spread > 0.0);
        if whole { Ok(model) } else { Err(Error::Model("centres and spreads do not belong together".into())) }
    }

    fn width(&self) -> usize {
        self.median.len()
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        Ok(rows.rows().into_iter().map(|row| self.distances(row).fold(0.0, f64::max)).collect())
    }

    // The score is the largest distance: all of it comes from the feature that has it.
    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let mut contributions = Array2::zeros(rows.dim());
        for (row, mut parts) in rows.rows().into_iter().zip(contributions.rows_mut()) {
            let (feature, largest) = self.distances(row).enumerate().fold((0, 0.0), |best, one| if one.1 > best.1 { one } else { best });
            parts[feature] = largest;
        }
        Ok(Explanation { base: 0.0, contributions })
    }
}

fn centre_and_spread(mut values: Vec<f64>) -> (f64, f64) {
    let median = middle(&mut values);
    let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
    // 1.4826 makes the median absolute deviation of normal data its standard deviation. A constant feature has no spread: any change
    // of it is measured in its own units.
    let spread = 1.4826 * middle(&mut distances);
    (median, if spread > 0.0 { spread } else { 1.0 })
}

fn middle(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    *values.select_nth_unstable_by(half, f64::total_cmp).1
}

synod_sdk::export!(RobustZ);
