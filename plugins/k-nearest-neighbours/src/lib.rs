//! The distance to the nearest training rows (Ramaswamy, Rastogi and Shim, "Efficient Algorithms for Mining Outliers from Large Data Sets",
//! SIGMOD 2000: the largest; Angiulli and Pizzuti, "Fast Outlier Detection in High Dimensional Spaces", PKDD 2002: their sum, here the mean).
//! [`KNearestNeighbours`] is the detector; the search is that of `synod-neighbours`, and `method` makes one number of the distances.

mod method;
#[cfg(test)]
mod parity;

pub use method::Method;
use ndarray::ArrayView2;
use schemars::JsonSchema;
use serde::Deserialize;
use synod_neighbours::{Count, Duplicates, Found, Metric, Reference, Settings, explain_each, score_each};
use synod_sdk::{Description, Detector, Error, Explanation, Reader, Training, Writer};

/// The version of the model's bytes. Raise it whenever what is in them changes.
const FORMAT: u32 = 1;

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How many neighbours a row is compared with: a whole number from 1, or a share of the kept rows below 1 (at least one neighbour), or
    /// `auto`: a quarter of the root of their number, within 15 and 50. At most all kept rows but one.
    pub neighbours: Count,
    /// Which of the distances to the neighbours is the raw score.
    pub method: Method,
    /// How far apart two rows are.
    pub metric: Metric,
    /// The exponent of `minkowski`, from 1; the other metrics do not use it.
    pub p: f64,
    /// What training rows are that equal each other: `merge`, one neighbour that counts as often as the row occurs; `keep`, a neighbour each,
    /// as in PyOD.
    pub duplicates: Duplicates,
    /// Whether a row that equals a training row is a new one. If not, it is that training row, and not its own neighbour.
    pub novelty: bool,
    /// Most training rows that are kept; of more, so many are drawn by the seed.
    pub max_rows: usize,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            neighbours: Count::Auto,
            method: Method::Mean,
            metric: Metric::Euclidean,
            p: 2.0,
            duplicates: Duplicates::Merge,
            novelty: true,
            max_rows: 100_000,
        }
    }
}

impl Parameters {
    fn settings(&self) -> Settings {
        let Self { neighbours, metric, p, duplicates, novelty, max_rows, .. } = *self;
        Settings { neighbours, auto, metric, p, duplicates, novelty, max_rows }
    }
}

/// What did best on the whole on public data sets; the README has the figures.
fn auto(rows: usize) -> usize {
    (rows.isqrt() / 4).clamp(15, 50)
}

/// The fitted detector: the training rows. Its raw score is a distance, in the units of the rows: 0 for a row that lies where its neighbours
/// lie, without an upper end.
///
/// [`Detector::explain`] splits each neighbour's distance by feature, as the features' squared differences relate to each other (for
/// `manhattan` differences, for `minkowski` their powers). The contributions add up to the raw score, and none is negative.
#[derive(Debug)]
pub struct KNearestNeighbours {
    method: Method,
    reference: Reference,
}

impl KNearestNeighbours {
    /// The distance that [`Method`] makes of those to the neighbours. Where no finite number holds it no row is more anomalous.
    fn distance(&self, found: &Found<'_>) -> f64 {
        let weighted = self.method.weights(&self.reference, found);
        let whole: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let sum: f64 = weighted.iter().map(|(near, weight)| weight * near.distance).sum();
        (sum / whole).min(f64::MAX)
    }

    /// The raw score by feature.
    fn split(&self, row: &[f64], found: &Found<'_>) -> Vec<f64> {
        let score = self.distance(found);
        let weighted = self.method.weights(&self.reference, found);
        // In units of the farthest neighbour, so that no sum overflows.
        let farthest = weighted.iter().fold(0.0, |farthest: f64, (near, _)| farthest.max(near.distance)).min(f64::MAX);
        let mut parts = vec![0.0; row.len()];
        if farthest == 0.0 {
            return parts;
        }
        let mut whole = 0.0;
        for (near, weight) in weighted {
            let part = weight * (near.distance.min(f64::MAX) / farthest);
            whole += part;
            let shares = self.reference.shares(row, &[near]);
            parts.iter_mut().zip(shares).for_each(|(sum, share)| *sum += part * share);
        }
        parts.into_iter().map(|part| part / whole * score).collect()
    }
}

impl Detector for KNearestNeighbours {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "k-nearest-neighbours",
            version: env!("CARGO_PKG_VERSION"),
            summary: "k nearest neighbours: how far a row lies from the training rows nearest to it",
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
        let reference = Reference::build(training.rows, &parameters.settings(), training.seed)?;
        Ok(Self { method: parameters.method, reference })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        writer.number(self.method as u64);
        self.reference.write(&mut writer);
        writer.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let method = Method::numbered(reader.number()?)?;
        let reference = Reference::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { method, reference })
    }

    fn width(&self) -> usize {
        self.reference.width()
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        let mut search = self.reference.search();
        score_each(rows, |row| self.distance(&self.reference.neighbours_of(row, &mut search)))
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let mut search = self.reference.search();
        explain_each(rows, |row| self.split(row, &self.reference.neighbours_of(row, &mut search)))
    }
}

synod_sdk::export!(KNearestNeighbours);

#[cfg(test)]
mod tests;
