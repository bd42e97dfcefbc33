//! Isolation Forest (Liu, Ting and Zhou, "Isolation Forest", ICDM 2008): random splits isolate an anomaly after fewer steps than a
//! row among many of its kind. [`IsolationForest`] is the detector, `tree` grows one tree, `forest` walks all of them.

mod forest;
#[cfg(test)]
mod parity;
mod random;
mod sample;
mod tree;

use forest::{Forest, WIDTH};
use ndarray::{Array2, ArrayView2};
use random::Random;
use sample::Urn;
use schemars::JsonSchema;
use serde::Deserialize;
use synod_sdk::{Description, Detector, Error, Explanation, Training};
use tree::Tree;

/// Most nodes of a forest: about 800 MB of model.
const NODES: u64 = 1 << 25;

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How many trees, 1 to 10000. More trees make scores of different seeds more alike, and cost time in proportion.
    pub trees: u32,
    /// How many rows each tree is grown on: a whole number from 2, of which no more are taken than there are; or a share of the rows,
    /// up to 1 (which is all of them).
    pub max_samples: f64,
    /// The share of the features, above 0 and up to 1, that each tree draws and splits on; at least one feature.
    pub max_features: f64,
    /// Whether a tree may draw the same row more than once.
    pub bootstrap: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { trees: 100, max_samples: 256.0, max_features: 1.0, bootstrap: false }
    }
}

impl Parameters {
    /// The number of rows that a tree is grown on, of `rows`.
    fn sample(&self, rows: usize) -> usize {
        let wanted = if self.max_samples > 1.0 { self.max_samples } else { self.max_samples * rows as f64 };
        (wanted as usize).min(rows)
    }

    /// The number of features that a tree splits on, of `width`.
    fn features(&self, width: usize) -> usize {
        ((self.max_features * width as f64) as usize).clamp(1, width)
    }
}

/// The fitted detector. Its raw score is 2^(-E(h) / c(psi)), E(h) being the row's average path length over the trees and c(psi) that of
/// a search tree of psi rows: near 1 for an anomaly, about .5 and less for the others.
///
/// [`Detector::explain`] attributes a path to the features that it was split by. At every split the expected length of the path changes
/// to that of the training rows which went the same way; the change counts for the split's feature, averaged over the trees. These
/// shares are scaled so that they add up to the raw score minus the raw score of a path of average length. A positive contribution
/// made the row more anomalous, a negative one less.
#[derive(Debug)]
pub struct IsolationForest(Forest);

impl Detector for IsolationForest {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "isolation-forest",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Isolation Forest: how few random splits isolate a row",
            minimum_rows: 2,
            explains: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        let Parameters { trees, max_samples, max_features, .. } = *parameters;
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let whole = max_samples >= 2.0 && max_samples.fract() == 0.0 && max_samples <= f64::from(u32::MAX);
        let checks = [
            ((1..=10_000).contains(&trees), format!("trees: {trees} is not between 1 and 10000")),
            (
                share(max_samples) || whole,
                format!("max_samples: {max_samples} is neither a whole number of rows from 2 nor a share above 0 and up to 1"),
            ),
            (share(max_features), format!("max_features: {max_features} is not a share above 0 and up to 1")),
        ];
        checks.into_iter().filter_map(|(right, mistake)| (!right).then_some(mistake)).collect()
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let (rows, width) = training.rows.dim();
        let sample = parameters.sample(rows);
        check_size(parameters, training.rows, sample)?;
        if parameters.max_samples > rows as f64 {
            synod_sdk::log::info(&format!("max_samples: there are {rows} rows, each tree is grown on all of them"));
        }
        let mut urn = Urn::new(rows as u32);
        let trees = (0..parameters.trees).map(|index| grow(parameters, training, &mut urn, index));
        Ok(Self(Forest::new(width, sample as u32, trees)))
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Forest::from_bytes(bytes).map(Self)
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
        let parts = rows.rows().into_iter().flat_map(|row| self.0.explain(&row.to_vec())).collect();
        let contributions = Array2::from_shape_vec(rows.dim(), parts).map_err(|error| Error::Data(error.to_string()))?;
        Ok(Explanation { base: self.0.raw_score(self.0.mean_length()), contributions })
    }
}

/// Grows the tree at `index`, from a random stream of its own.
fn grow(parameters: &Parameters, training: &Training<'_>, urn: &mut Urn, index: u32) -> Tree {
    let (rows, width) = training.rows.dim();
    let size = parameters.sample(rows);
    let mut random = Random::of_tree(training.seed, u64::from(index));
    let mut features = Urn::new(width as u32).without_replacement(parameters.features(width), &mut random);
    let mut sample =
        if parameters.bootstrap { urn.with_replacement(size, &mut random) } else { urn.without_replacement(size, &mut random) };
    // The average depth of a search tree of this many rows, rounded up: deeper lie only rows that are no anomalies.
    let deepest = (size as u32 - 1).ilog2() + 1;
    Tree::grow(training.rows, &mut sample, &mut features, deepest, &mut random)
}

fn check_size(parameters: &Parameters, rows: ArrayView2<'_, f64>, sample: usize) -> Result<(), Error> {
    check_values(rows)?;
    if u32::try_from(rows.nrows()).is_err() || !(1..=WIDTH).contains(&rows.ncols()) {
        return Err(Error::Data(format!("{} rows of {} features cannot be learnt from", rows.nrows(), rows.ncols())));
    }
    if sample < 2 {
        let text = format!("max_samples: {} of {} rows is less than two rows for a tree", parameters.max_samples, rows.nrows());
        return Err(Error::Parameters(text));
    }
    let nodes = u64::from(parameters.trees) * (2 * sample as u64 - 1);
    if nodes > NODES {
        let text = format!("trees, max_samples: up to {nodes} nodes are more than {NODES}; take fewer trees or smaller samples");
        return Err(Error::Parameters(text));
    }
    Ok(())
}

/// An infinity or a missing value has no place in a tree.
fn check_values(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    if rows.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    let found = rows.indexed_iter().find(|(_, value)| !value.is_finite());
    let text = found.map(|((row, column), value)| format!("row {row}, feature {column}: {value} cannot be compared, give a finite number"));
    Err(Error::Data(text.unwrap_or_default()))
}

synod_sdk::export!(IsolationForest);

#[cfg(test)]
mod tests;
