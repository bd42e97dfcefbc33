//! Local Outlier Factor (Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000), for new rows
//! against the training rows. [`LocalOutlierFactor`] is the detector, `tree` finds neighbours, `model` makes factors of them.

mod metric;
mod model;
mod nearest;
#[cfg(test)]
mod parity;
mod tree;

pub use metric::Metric;
use model::Model;
use ndarray::{Array2, ArrayView2};
use schemars::JsonSchema;
use serde::Deserialize;
use synod_sdk::{Description, Detector, Error, Explanation, Training};

/// Most training rows.
const ROWS: usize = 2_000_000;

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How many neighbours a row is compared with: a whole number from 1, or a share of the training rows below 1 (at least one
    /// neighbour). At most all training rows but one.
    pub neighbours: f64,
    /// How far apart two rows are.
    pub metric: Metric,
    /// The exponent of `minkowski`, from 1; the other metrics do not use it.
    pub p: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { neighbours: 20.0, metric: Metric::Euclidean, p: 2.0 }
    }
}

impl Parameters {
    /// The number of neighbours among `rows`, before it is limited to those that there are.
    fn wanted(&self, rows: usize) -> usize {
        let wanted = if self.neighbours < 1.0 { self.neighbours * rows as f64 } else { self.neighbours };
        (wanted as usize).max(1)
    }
}

/// The fitted detector. Its raw score is the local outlier factor: about 1 for a row that lies as dense as its neighbours, higher for one
/// that lies less dense. A new row is compared with the training rows only, and a training row that is scored is a new row like any
/// other: it finds itself among its neighbours.
///
/// [`Detector::explain`] splits the raw score by how much of the distance to the neighbours lies in each feature: as the features'
/// squared differences, summed over the neighbours, relate to each other (for `manhattan` differences, for `minkowski` their powers).
/// The contributions add up to the raw score, and none is negative.
#[derive(Debug)]
pub struct LocalOutlierFactor(Model);

impl Detector for LocalOutlierFactor {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "local-outlier-factor",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Local Outlier Factor: how much less dense than its neighbours a row lies",
            minimum_rows: 2,
            scaling: true,
            explains: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        let Parameters { neighbours, p, .. } = *parameters;
        let share = neighbours > 0.0 && neighbours < 1.0;
        let whole = neighbours >= 1.0 && neighbours.fract() == 0.0 && neighbours <= ROWS as f64;
        let checks = [
            (share || whole, format!("neighbours: {neighbours} is neither a whole number from 1 to {ROWS} nor a share between 0 and 1")),
            (p.is_finite() && p >= 1.0, format!("p: {p} is not at least 1")),
        ];
        checks.into_iter().filter_map(|(right, mistake)| (!right).then_some(mistake)).collect()
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let rows = training.rows.nrows();
        check_size(training.rows)?;
        let (wanted, most) = (parameters.wanted(rows), rows - 1);
        if wanted > most {
            synod_sdk::log::info(&format!("neighbours: {wanted} are more than {rows} rows have, {most} are taken"));
        }
        Model::fit(training.rows, wanted.min(most), parameters.metric, parameters.p).map(Self)
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
        let rows = rows.as_standard_layout();
        Ok(self.0.score(rows.as_slice().unwrap_or_default()))
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        check_values(rows)?;
        let standard = rows.as_standard_layout();
        let parts = self.0.explain(standard.as_slice().unwrap_or_default());
        let contributions = Array2::from_shape_vec(rows.dim(), parts).map_err(|error| Error::Data(error.to_string()))?;
        Ok(Explanation { base: 0.0, contributions })
    }
}

fn check_size(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    if rows.nrows() > ROWS {
        let text = format!("{} rows are more than {ROWS}: take a sample of them, for every row is kept and searched", rows.nrows());
        return Err(Error::Data(text));
    }
    if rows.nrows() < 2 || rows.ncols() == 0 {
        return Err(Error::Data(format!("{} rows of {} features have no neighbours", rows.nrows(), rows.ncols())));
    }
    check_values(rows)
}

/// There is no distance to an infinity or a missing value.
fn check_values(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    if rows.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    let found = rows.indexed_iter().find(|(_, value)| !value.is_finite());
    let text = found.map(|((row, column), value)| format!("row {row}, feature {column}: {value} cannot be measured, give a finite number"));
    Err(Error::Data(text.unwrap_or_default()))
}

synod_sdk::export!(LocalOutlierFactor);

#[cfg(test)]
mod tests;
