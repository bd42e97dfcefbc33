//! Isolation Forest (Liu, Ting and Zhou, "Isolation Forest", ICDM 2008) and its kinds: random splits isolate an anomaly after fewer steps than
//! a row among many of its kind. [`IsolationForest`] is the detector. `growth` grows one tree, with `hyperplane`, `criterion` and `category`
//! for what it may be split by; `walk` makes scores of the `forest`, `bundle` does it faster in the sandbox, with `ranks` and `lanes`; `shapley` and
//! `attribution` explain them; `bytes` is the model's format. `import` takes forests that were grown elsewhere.

mod attribution;
mod bundle;
mod bytes;
mod category;
mod criterion;
mod forest;
mod growth;
mod hyperplane;
mod import;
mod lanes;
mod number;
mod parameters;
#[cfg(test)]
mod parity;
mod plane;
mod quadrature;
mod random;
mod ranks;
mod sample;
mod shapley;
mod tree;
mod values;
mod walk;

pub use parameters::{Parameters, Split};

use category::{categories, grouped};
use criterion::Criterion;
use forest::{Forest, Kind, Shape, WIDTH};
use growth::Plan;
use ndarray::{Array2, ArrayView2};
use random::Random;
use sample::{Urn, WeightedUrn};
use synod_sdk::{Description, Detector, Error, Explanation, Training};
use tree::Tree;

/// Most nodes of a forest: about 700 MB of model.
const NODES: u64 = 1 << 25;

/// Most terms of hyperplanes of a forest: about 700 MB of model.
const TERMS: u64 = 1 << 25;

/// Most lines of progress of a fit.
const LINES: u32 = 20;

/// The fitted detector. Its raw score is 2^(-E(h) / c(psi)), E(h) being the row's average path length over the trees and c(psi) that of
/// a search tree of psi rows: near 1 for an anomaly, about .5 and less for the others.
///
/// [`Detector::explain`] says how far each feature shortened the path: by exact Shapley values where every node compares one feature, along
/// the path where there are hyperplanes. These are scaled so that they add up to the raw score minus the raw score of a path of average
/// length. A positive contribution made the row more anomalous, a negative one less.
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
            missing_values: true,
            weights: true,
            parts: true,
            explains: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        parameters.mistakes()
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        if let Some(file) = training.artifact {
            return import::forest(file, training).map(Self);
        }
        let (rows, width) = training.rows.dim();
        let sample = parameters.sample(rows);
        check_size(parameters, training.rows, sample)?;
        check_weights(training)?;
        advise(parameters, training, sample);
        let categories = categories(training.features);
        let standard = training.rows.as_standard_layout();
        let grouped = grouped(standard.as_slice().unwrap_or_default(), &categories);
        let rows = ArrayView2::from_shape(training.rows.dim(), &grouped).map_err(|error| Error::Data(error.to_string()))?;
        let plan = plan(parameters, rows, &categories, sample);
        let mut grower = Grower { parameters, plan, seed: training.seed, urn: AnyUrn::new(training) };
        let trees = training.part.of(parameters.trees).map(|index| {
            progress(index + 1, parameters.trees);
            grower.grow(index)
        });
        let shape = Shape { width, sample: sample as u32, categories: categories.clone() };
        Ok(Self(Forest::new(shape, plan.dimensions, trees)))
    }

    fn merge(parts: Vec<Self>) -> Result<Self, Error> {
        Forest::merge(parts.into_iter().map(|part| part.0).collect()).map(Self)
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Forest::from_bytes(bytes).map(Self)
    }

    fn width(&self) -> usize {
        self.0.shape.width
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        self.check_whole()?;
        check_values(rows)?;
        let rows = rows.as_standard_layout();
        Ok(self.0.score(rows.as_slice().unwrap_or_default()))
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        self.check_whole()?;
        check_values(rows)?;
        let standard = rows.as_standard_layout();
        let flat = grouped(standard.as_slice().unwrap_or_default(), &self.0.shape.categories);
        let mut values = match self.0.kind {
            Kind::Numbers | Kind::Subsets => self.0.shapley(&flat),
            Kind::Planes | Kind::Mixed => flat.chunks_exact(self.width()).flat_map(|row| self.0.attribution(row)).collect(),
        };
        values.chunks_exact_mut(self.width()).for_each(|values| self.scale(values));
        let contributions = Array2::from_shape_vec(rows.dim(), values).map_err(|error| Error::Data(error.to_string()))?;
        Ok(Explanation { base: self.0.raw_score(self.0.mean_length()), contributions })
    }
}

impl IsolationForest {
    /// Makes one row's contributions to the summed path length ones to the raw score, by one factor.
    fn scale(&self, values: &mut [f64]) {
        let forest = &self.0;
        let (trees, usual) = (forest.roots.len() as f64, forest.mean_length());
        let longer = values.iter().sum::<f64>() / trees;
        let score_per_length = (forest.raw_score(usual + longer) - forest.raw_score(usual)) / longer;
        // At the usual length itself the quotient is 0 / 0; its limit is the derivative.
        let derivative = -forest.raw_score(usual) * std::f64::consts::LN_2 / forest.search_length;
        let slope = if longer.abs() > 1e-9 { score_per_length } else { derivative };
        values.iter_mut().for_each(|value| *value = *value / trees * slope);
    }

    /// A part of a fit may be without trees; it has no scores.
    fn check_whole(&self) -> Result<(), Error> {
        if self.0.roots.is_empty() {
            Err(Error::Model("a part of a fit without trees: put the parts together first".into()))
        } else {
            Ok(())
        }
    }
}

/// Where the rows of each tree are drawn from.
enum AnyUrn {
    Equal(Urn),
    Weighted(WeightedUrn),
}

impl AnyUrn {
    fn new(training: &Training<'_>) -> Self {
        training
            .weights
            .map_or_else(|| Self::Equal(Urn::new(training.rows.nrows() as u32)), |weights| Self::Weighted(WeightedUrn::new(weights)))
    }

    fn draw(&mut self, size: usize, bootstrap: bool, random: &mut Random) -> Vec<u32> {
        match (self, bootstrap) {
            (Self::Equal(urn), true) => urn.with_replacement(size, random),
            (Self::Equal(urn), false) => urn.without_replacement(size, random),
            (Self::Weighted(urn), true) => urn.with_replacement(size, random),
            (Self::Weighted(urn), false) => urn.without_replacement(size, random),
        }
    }
}

/// All that the trees of one fit are grown from.
struct Grower<'a> {
    parameters: &'a Parameters,
    plan: Plan<'a>,
    seed: u64,
    urn: AnyUrn,
}

impl Grower<'_> {
    /// Grows the tree at `index`, from a random stream of its own.
    fn grow(&mut self, index: u32) -> Tree {
        let (rows, width) = self.plan.rows.dim();
        let mut random = Random::of_tree(self.seed, u64::from(index));
        let mut features = Urn::new(width as u32).without_replacement(self.parameters.features(width), &mut random);
        let mut sample = self.urn.draw(self.parameters.sample(rows), self.parameters.bootstrap, &mut random);
        self.plan.grow(&mut sample, &mut features, &mut random)
    }
}

fn plan<'a>(parameters: &Parameters, rows: ArrayView2<'a, f64>, categories: &'a [u32], sample: usize) -> Plan<'a> {
    Plan {
        rows,
        categories,
        missing: rows.iter().any(|value| value.is_nan()),
        deepest: parameters.deepest(sample),
        dimensions: parameters.dimensions(rows.ncols()),
        tries: parameters.tries(),
        criterion: match parameters.split {
            Split::Axis | Split::Extended => None,
            Split::Sciforest => Some(Criterion::Averaged),
            Split::FairCut => Some(Criterion::Pooled),
        },
    }
}

/// Says how far a fit is, at most [`LINES`] times.
fn progress(tree: u32, trees: u32) {
    if tree.is_multiple_of(trees.div_ceil(LINES)) {
        synod_sdk::log::info(&format!("tree {tree} of {trees}"));
    }
}

/// Says what the operator may not expect.
fn advise(parameters: &Parameters, training: &Training<'_>, sample: usize) {
    let rows = training.rows.nrows();
    if training.part.index > 0 {
        return;
    }
    if parameters.max_samples > rows as f64 {
        synod_sdk::log::info(&format!("max_samples: there are {rows} rows, each tree is grown on all of them"));
    }
    if training.weights.is_some() && sample == rows && !parameters.bootstrap {
        synod_sdk::log::warn("weights have no effect where each tree is grown on all rows: set a smaller max_samples, or bootstrap");
    }
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
    let terms = nodes / 2 * parameters.dimensions(rows.ncols()) as u64;
    if terms > TERMS {
        let text =
            format!("features_per_split: up to {terms} terms of hyperplanes are more than {TERMS}; take fewer of them, or fewer trees");
        return Err(Error::Parameters(text));
    }
    Ok(())
}

fn check_weights(training: &Training<'_>) -> Result<(), Error> {
    let Some(weights) = training.weights else { return Ok(()) };
    if weights.len() != training.rows.nrows() {
        return Err(Error::Data(format!("{} weights for {} rows: give one for each row", weights.len(), training.rows.nrows())));
    }
    match weights.iter().position(|weight| !(weight.is_finite() && *weight > 0.0)) {
        Some(row) => Err(Error::Data(format!("row {row}: a weight of {}, give a positive finite one or leave the row out", weights[row]))),
        None => Ok(()),
    }
}

/// An infinity has no place in a tree. What is missing has.
fn check_values(rows: ArrayView2<'_, f64>) -> Result<(), Error> {
    let ordinary = rows.as_slice().is_some_and(|values| !values::has(values, |value| value.is_infinite()));
    if ordinary || rows.iter().all(|value| !value.is_infinite()) {
        return Ok(());
    }
    let found = rows.indexed_iter().find(|(_, value)| value.is_infinite());
    let text = found.map(|((row, column), value)| format!("row {row}, feature {column}: {value} cannot be compared, give a finite number"));
    Err(Error::Data(text.unwrap_or_default()))
}

synod_sdk::export!(IsolationForest);

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
