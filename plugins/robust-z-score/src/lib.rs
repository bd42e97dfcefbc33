//! Robust z-scores: how far each feature of a row lies from that feature's median, in median absolute deviations (Iglewicz and Hoaglin, "How
//! to Detect and Handle Outliers", 1993, section 3.3). [`RobustZScore`] is the detector, `feature` measures one feature, `parameters` says
//! what a team can set.

mod feature;
mod parameters;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;

use feature::Measures;
use ndarray::{Array2, ArrayView2};
pub use parameters::{Combine, Parameters, Sides};
use synod_sdk::{Description, Detector, Error, Explanation, Training, decode, encode};

/// The version of the model's bytes. Raise it whenever [`RobustZScore`]'s fields change.
const FORMAT: u32 = 1;

/// The fitted detector: what each feature is measured by, and how the measures become one score.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobustZScore {
    combine: Combine,
    measures: Measures,
}

impl Detector for RobustZScore {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "robust-z-score",
            version: env!("CARGO_PKG_VERSION"),
            summary: "How far features lie from their medians, in median absolute deviations",
            minimum_rows: 2,
            missing_values: true,
            univariate: true,
            explains: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        parameters.mistakes()
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        check_values(training.rows)?;
        let sides = parameters.sides_of(training)?;
        Ok(Self { combine: parameters.combine, measures: Measures::fit(training, &sides, parameters.cap) })
    }

    fn to_bytes(&self) -> Vec<u8> {
        encode(FORMAT, self)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let model: Self = decode(FORMAT, bytes)?;
        if model.measures.are_whole() {
            Ok(model)
        } else {
            Err(Error::Model("the model's medians, spreads and limits do not belong together: fit it again".into()))
        }
    }

    fn width(&self) -> usize {
        self.measures.width()
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        let rows = rows.as_standard_layout();
        let each = rows.as_slice().unwrap_or_default().chunks_exact(self.width());
        Ok(match self.combine {
            Combine::Largest => each.map(|row| self.measures.largest(row)).collect(),
            Combine::Mean => each.map(|row| self.measures.mean(row)).collect(),
            Combine::SumOfSquares => each.map(|row| self.measures.sum_of_squares(row)).collect(),
        })
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let mut contributions = Array2::zeros(rows.dim());
        for (row, mut parts) in rows.rows().into_iter().zip(contributions.rows_mut()) {
            let row = row.to_vec();
            let distances: Vec<f64> = self.measures.distances(&row).collect();
            match self.combine {
                // All of the largest distance comes from the first feature that has it.
                Combine::Largest => {
                    let first = |best, one: (usize, &f64)| if *one.1 > distances[best] { one.0 } else { best };
                    let feature = distances.iter().enumerate().fold(0, first);
                    parts[feature] = distances[feature];
                }
                Combine::Mean => {
                    let known = row.iter().filter(|value| !value.is_nan()).count().max(1);
                    parts.iter_mut().zip(&distances).for_each(|(part, distance)| *part = distance / known as f64);
                }
                Combine::SumOfSquares => parts.iter_mut().zip(&distances).for_each(|(part, distance)| *part = distance * distance),
            }
        }
        Ok(Explanation { base: 0.0, contributions })
    }
}

/// An infinity among the training rows would make a spread that is no number.
fn check_values(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    let found = rows.indexed_iter().find(|(_, value)| value.is_infinite());
    match found {
        Some(((row, column), value)) => {
            Err(Error::Data(format!("row {row}, feature {column}: {value} cannot be measured, give a finite number or none")))
        }
        None => Ok(()),
    }
}

synod_sdk::export!(RobustZScore);
