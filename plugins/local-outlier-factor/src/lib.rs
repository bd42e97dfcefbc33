//! Local Outlier Factor (Breunig, Kriegel, Ng and Sander, "LOF: Identifying Density-Based Local Outliers", SIGMOD 2000), for new rows
//! against the training rows. [`LocalOutlierFactor`] is the detector; `synod-neighbours` finds neighbours, `model` makes
//! factors of them. `import` takes what was fitted elsewhere.

mod import;
mod model;
#[cfg(test)]
mod parity;

use model::Model;
use ndarray::ArrayView2;
use schemars::JsonSchema;
use serde::Deserialize;
use synod_neighbours::{Count, Duplicates, Metric, Settings, explain_each, score_each};
use synod_sdk::{Description, Detector, Error, Explanation, Training};

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-artifact" = "optional"))]
pub struct Parameters {
    /// How many neighbours a row is compared with: a whole number from 1, or a share of the kept rows below 1 (at least one neighbour), or
    /// `auto`: the root of their number, within 30 and 100. At most all kept rows but one.
    pub neighbours: Count,
    /// How far apart two rows are.
    pub metric: Metric,
    /// The exponent of `minkowski`, from 1; the other metrics do not use it.
    pub p: f64,
    /// What training rows are that equal each other: `merge`, one neighbour that counts as often as the row occurs; `keep`, a neighbour each,
    /// as in scikit-learn.
    pub duplicates: Duplicates,
    /// Whether a row that equals a training row is a new one. If not, it is that training row, and not its own neighbour.
    pub novelty: bool,
    /// Most training rows that are kept; of more, so many are drawn by the seed.
    pub max_rows: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { neighbours: Count::Auto, metric: Metric::Euclidean, p: 2.0, duplicates: Duplicates::Merge, novelty: true, max_rows: 100_000 }
    }
}

impl Parameters {
    fn settings(&self) -> Settings {
        let Self { neighbours, metric, p, duplicates, novelty, max_rows } = *self;
        Settings { neighbours, auto, metric, p, duplicates, novelty, max_rows }
    }
}

/// What did best on the whole on public data sets; the README has the figures.
fn auto(rows: usize) -> usize {
    rows.isqrt().clamp(30, 100)
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
        parameters.settings().check()
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        match training.artifact {
            Some(file) => import::model(file, training).map(Self),
            None => Model::fit(training.rows, &parameters.settings(), training.seed).map(Self),
        }
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
        let mut search = self.0.search();
        score_each(rows, |row| self.0.score(row, &mut search))
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let mut search = self.0.search();
        explain_each(rows, |row| self.0.explain(row, &mut search))
    }
}

synod_sdk::export!(LocalOutlierFactor);

#[cfg(test)]
mod tests;
