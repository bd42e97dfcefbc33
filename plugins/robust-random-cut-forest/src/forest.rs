//! The forest: which rows its trees keep, and how it comes to them.

use crate::change::Change;
use crate::parameters::Parameters;
use crate::points::{Points, Register};
use crate::random::{Purpose, Random, seed_after};
use crate::reservoir::{Fate, Reservoir, key};
use crate::tree::{Leaf, Tree};
use crate::walk::Walk;
use ndarray::{Array2, ArrayView2};
use std::collections::BTreeMap;
use synod_sdk::{Error, Explanation, Training, log};

/// Most features of a row.
pub(crate) const WIDTH: usize = 1 << 20;

/// A tree, and the rows that it keeps.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) reservoir: Reservoir,
    pub(crate) walk: Walk,
}

/// Trees over the rows that came.
#[derive(Debug)]
pub(crate) struct Forest {
    pub(crate) parameters: Parameters,
    /// How many features a row has, and which of them are numbers, in ascending order.
    pub(crate) width: usize,
    pub(crate) features: Vec<u32>,
    pub(crate) seed: u64,
    /// How many rows ever came.
    pub(crate) seen: u64,
    pub(crate) points: Points,
    pub(crate) keepers: Vec<Keeper>,
}

impl Forest {
    /// Keeps rows for each tree, and grows it from these.
    ///
    /// # Errors
    /// When the rows cannot be cut.
    pub(crate) fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let (count, width) = training.rows.dim();
        if count == 0 || !(1..=WIDTH).contains(&width) {
            return Err(Error::Data(format!("{count} rows of {width} features cannot be cut: give rows of 1 to {WIDTH} features")));
        }
        let features: Vec<u32> = (0..width).filter(|index| !is_categorical(training, *index)).map(|index| index as u32).collect();
        if features.is_empty() {
            return Err(Error::Data("all features are categories, which cannot be cut: give one that is a number".into()));
        }
        if let Some(mistake) = parameters.mistake_with(features.len()) {
            return Err(Error::Parameters(mistake));
        }
        let weights = weights(training)?;
        let rows = lay_out(training.rows, &features);
        let mut points = Points::new(features.len());
        check_reach(&rows, &points)?;
        let mut register = Register::of(&points).ok_or_else(damaged)?;
        let keepers = (0..parameters.trees as usize).map(|tree| {
            let mut reservoir = Reservoir::default();
            let mut random = Random::of_tree(training.seed, tree, Purpose::Sample);
            for row in 0..count {
                let key = key(&mut random, weights.map_or(1.0, |weights| weights[row]), row as u64, parameters.time_decay);
                reservoir.offer(key, parameters.samples as usize, || row as u32);
            }
            // What was kept as a row becomes a point.
            let mut counted = BTreeMap::new();
            for kept in &mut reservoir.0 {
                kept.point = register.point(&mut points, rows.get(kept.point));
                *counted.entry(kept.point).or_insert(0) += 1;
            }
            let leaves = counted.into_iter().map(|(point, mass)| Leaf { point, mass }).collect();
            let mut random = Random::of_tree(training.seed, tree, Purpose::Cuts);
            Keeper { reservoir, walk: Walk::new(Tree::grow(&points, leaves, &mut random), &points) }
        });
        let keepers = keepers.collect();
        Ok(Self { parameters: parameters.clone(), width, features, seed: training.seed, seen: count as u64, points, keepers })
    }

    /// Lets rows come in their order: each tree keeps some, and lets others go for them.
    ///
    /// # Errors
    /// When the forest is one of other parameters or features, or the rows cannot be cut.
    pub(crate) fn go_on(mut self, parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        if let Some(name) = self.parameters.differs(parameters) {
            let text = format!("{name}: the model to go on from was fitted with another value, give it again or fit without that model");
            return Err(Error::Parameters(text));
        }
        let (count, width) = training.rows.dim();
        if width != self.width {
            return Err(Error::Data(format!("rows of {width} features, but the model to go on from has {}", self.width)));
        }
        let weights = weights(training)?;
        let rows = lay_out(training.rows, &self.features);
        check_reach(&rows, &self.points)?;
        let seed = seed_after(self.seed, training.seed);
        let mut register = Register::of(&self.points).ok_or_else(damaged)?;
        for (tree, keeper) in self.keepers.iter_mut().enumerate() {
            let mut change = Change::of(keeper.walk.tree.clone());
            let mut sample = Random::of_tree(seed, tree, Purpose::Sample);
            let mut cuts = Random::of_tree(seed, tree, Purpose::Cuts);
            for row in 0..count {
                let weight = weights.map_or(1.0, |weights| weights[row]);
                let key = key(&mut sample, weight, self.seen + row as u64, parameters.time_decay);
                let mut point = None;
                let come = || *point.insert(register.point(&mut self.points, rows.get(row as u32)));
                let fate = keeper.reservoir.offer(key, parameters.samples as usize, come);
                if let Fate::Instead(leaving) = fate
                    && !change.remove(&self.points, leaving)
                {
                    return Err(damaged());
                }
                if let Some(point) = point {
                    change.insert(&self.points, point, &mut cuts);
                }
            }
            keeper.walk = Walk::new(change.finish(&self.points), &self.points);
        }
        self.seed = seed;
        self.seen = self.seen.saturating_add(count as u64);
        self.forget_points();
        Ok(self)
    }

    /// Numbers the points anew in the order in which trees keep them, and forgets those that none keeps.
    fn forget_points(&mut self) {
        let mut points = Points::new(self.points.width());
        let mut numbers = vec![None; self.points.count()];
        for kept in self.keepers.iter_mut().flat_map(|keeper| &mut keeper.reservoir.0) {
            let number = &mut numbers[kept.point as usize];
            kept.point = *number.get_or_insert_with(|| points.push(self.points.get(kept.point)));
        }
        for leaf in self.keepers.iter_mut().flat_map(|keeper| &mut keeper.walk.tree.leaves) {
            // Each leaf is kept as many times as its mass says.
            leaf.point = numbers[leaf.point as usize].unwrap_or(0);
        }
        self.points = points;
    }

    /// The mean over the trees of the expected collusive displacement of each row. Tree by tree, so that a tree is at hand for all rows; the
    /// sum of a row is the same in any batch.
    pub(crate) fn score(&self, rows: ArrayView2<'_, f64>) -> Vec<f64> {
        let rows = lay_out(rows, &self.features);
        let mut scores = vec![0.0; rows.count()];
        for keeper in &self.keepers {
            for (row, score) in (0..).zip(&mut scores) {
                *score += keeper.walk.displacement(&self.points, rows.get(row));
            }
        }
        let count = self.keepers.len() as f64;
        scores.iter_mut().for_each(|score| *score /= count);
        scores
    }

    /// Each feature's part of the scores.
    pub(crate) fn explain(&self, rows: ArrayView2<'_, f64>) -> Explanation {
        let mut contributions = Array2::zeros(rows.dim());
        let rows = lay_out(rows, &self.features);
        for row in 0..rows.count() {
            let values = rows.get(row as u32);
            let mut parts = vec![0.0; self.features.len()];
            for keeper in &self.keepers {
                keeper.walk.partings(&self.points, values, |parting| parting.attribute(values, &mut parts));
            }
            for (feature, part) in self.features.iter().zip(parts) {
                contributions[[row, *feature as usize]] = part / self.keepers.len() as f64;
            }
        }
        Explanation { base: 0.0, contributions }
    }
}

/// The features of rows that are numbers, laid out as points are. Zero has two forms, which are one value.
fn lay_out(rows: ArrayView2<'_, f64>, features: &[u32]) -> Points {
    let (mut laid, mut numbers) = (Points::new(features.len()), vec![0.0; features.len()]);
    for row in rows.rows() {
        features.iter().zip(&mut numbers).for_each(|(feature, number)| *number = row[*feature as usize] + 0.0);
        laid.push(&numbers);
    }
    laid
}

/// The sides of the box around all of these must add up to a number, or no cut could be drawn.
pub(crate) fn check_reach(rows: &Points, others: &Points) -> Result<(), Error> {
    let all = || (0..rows.count() as u32).map(|row| rows.get(row)).chain((0..others.count() as u32).map(|point| others.get(point)));
    let mut sides = vec![[f64::INFINITY, f64::NEG_INFINITY]; rows.width()];
    for row in all() {
        sides.iter_mut().zip(row).for_each(|(side, value)| *side = [side[0].min(*value), side[1].max(*value)]);
    }
    // Of no rows the sides are negative.
    let length: f64 = sides.iter().map(|side| side[1] - side[0]).sum();
    if length < f64::MAX {
        return Ok(());
    }
    Err(Error::Data("the rows lie too far apart for their distances to be numbers: scale the features".into()))
}

fn weights<'a>(training: &Training<'a>) -> Result<Option<&'a [f64]>, Error> {
    let Some(weights) = training.weights else { return Ok(None) };
    let rows = training.rows.nrows();
    if weights.len() != rows {
        return Err(Error::Data(format!("{} weights for {rows} rows, give one for each", weights.len())));
    }
    match weights.iter().position(|weight| !(weight.is_finite() && *weight > 0.0)) {
        Some(row) => Err(Error::Data(format!("row {row}: a weight of {}, give a positive finite one or leave the row out", weights[row]))),
        None => Ok(Some(weights)),
    }
}

/// Codes of categories have no order, so that no cut parts them.
fn is_categorical(training: &Training<'_>, column: usize) -> bool {
    let Some(feature) = training.features.get(column).filter(|feature| feature.categories > 0) else { return false };
    log::warn(&format!("feature {}: categories cannot be cut, the feature counts for nothing", feature.name));
    true
}

pub(crate) fn damaged() -> Error {
    Error::Model("the model's trees do not keep what they say: fit it again".into())
}
