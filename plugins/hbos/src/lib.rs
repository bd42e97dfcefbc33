//! Histogram-based outlier score (Goldstein and Dengel, "Histogram-based Outlier Score (HBOS): A fast Unsupervised Anomaly Detection
//! Algorithm", KI 2012). [`Hbos`] is the detector, `column` divides a feature's training values into bins, `feature` knows what a value is
//! worth, `parameters` says what a team can set.

mod column;
mod feature;
mod parameters;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;

use column::Column;
use feature::Feature;
use ndarray::{Array2, ArrayView2};
pub use parameters::{Bins, Height, Outside, Parameters, Rule, Width};
use synod_sdk::{Description, Detector, Error, Explanation, Reader, Training, Writer};

/// The version of the model's bytes. Raise it whenever what is written changes.
const FORMAT: u32 = 1;

/// The fitted detector: a histogram of each feature. Its raw score is the sum over the features of the negative logarithm to base 2 of the
/// height of the bin in which the row's value lies, `alpha` added to it.
///
/// [`Detector::explain`] gives each feature's part of the sum, less its mean over the training rows; the base is the sum of these means.
#[derive(Debug)]
pub struct Hbos(Vec<Feature>);

impl Detector for Hbos {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "hbos",
            version: env!("CARGO_PKG_VERSION"),
            summary: "HBOS: how low the bins of the training rows' histograms are in which a row lies, feature by feature",
            minimum_rows: 2,
            missing_values: true,
            scaling: true,
            univariate: true,
            weights: true,
            explains: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        parameters.mistakes()
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        check_values(training.rows)?;
        let weights = weights(training)?;
        let feature = |index: usize| {
            let column = training.rows.column(index);
            let known = column.iter().zip(&weights).filter(|(value, _)| !value.is_nan());
            let pairs: Vec<(f64, f64)> = known.map(|(value, weight)| (*value, *weight)).collect();
            let described = training.features.get(index);
            let name = described.map_or_else(|| index.to_string(), |feature| feature.name.clone());
            match described.map_or(0, |feature| feature.categories) {
                0 => Feature::fit(&Column::new(pairs), parameters, &name),
                categories => Feature::fit_categories(&pairs, categories, parameters, &name),
            }
        };
        (0..training.rows.ncols()).map(feature).collect::<Result<_, _>>().map(Self)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        writer.number(self.0.len() as u64);
        self.0.iter().for_each(|feature| feature.write(&mut writer));
        writer.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let width = reader.number()?;
        if width == 0 {
            return Err(Error::Model("the model has no features: fit it again".into()));
        }
        // One by one: a length that was damaged ends with the bytes.
        let features = (0..width).map(|_| Feature::read(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self(features))
    }

    fn width(&self) -> usize {
        self.0.len()
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        let rows = rows.as_standard_layout();
        let sum = |row: &[f64]| self.0.iter().zip(row).map(|(feature, value)| feature.worth(*value)).sum();
        Ok(rows.as_slice().unwrap_or_default().chunks_exact(self.width()).map(sum).collect())
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let parts = Array2::from_shape_fn(rows.dim(), |(row, index)| self.0[index].worth(rows[[row, index]]) - self.0[index].mean);
        Ok(Explanation { base: self.0.iter().map(|feature| feature.mean).sum(), contributions: parts })
    }
}

/// How much each row counts, so that all rows together count as many.
fn weights(training: &Training<'_>) -> Result<Vec<f64>, Error> {
    let rows = training.rows.nrows();
    let Some(weights) = training.weights else { return Ok(vec![1.0; rows]) };
    if weights.len() != rows {
        return Err(Error::Data(format!("{} weights for {rows} rows, give one for each", weights.len())));
    }
    if let Some(row) = weights.iter().position(|weight| !(weight.is_finite() && *weight > 0.0)) {
        return Err(Error::Data(format!("row {row}: a weight of {}, give a positive finite one or leave the row out", weights[row])));
    }
    let greatest = weights.iter().copied().fold(0.0, f64::max);
    // A weight that is nothing beside the greatest is still one: no sum of weights is zero.
    let relative = |weight: &f64| (weight / greatest).max(1e-200);
    let sum: f64 = weights.iter().map(relative).sum();
    Ok(weights.iter().map(|weight| relative(weight) * (rows as f64 / sum)).collect())
}

/// An infinity among the training rows would make a bin without end.
fn check_values(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    match rows.indexed_iter().find(|(_, value)| value.is_infinite()) {
        Some(((row, column), value)) => {
            Err(Error::Data(format!("row {row}, feature {column}: {value} lies in no bin, give a finite number or none")))
        }
        None if rows.ncols() == 0 => Err(Error::Data("rows without features have no bins".into())),
        None => Ok(()),
    }
}

synod_sdk::export!(Hbos);
