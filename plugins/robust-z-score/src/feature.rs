//! What one feature is measured by, and the distances of rows from the medians.

use crate::parameters::Sides;
use serde::{Deserialize, Serialize};
use synod_sdk::Training;

/// Features that are measured together. The sums of a row are kept apart for each of them, so that the order of adding does not depend on how
/// many rows there are, and the processor's vectors are used.
const LANES: usize = 8;

/// The median absolute deviation of normal data times this is its standard deviation: 1 over the normal distribution's upper quartile.
const NORMAL_MEDIAN: f64 = 1.482_602_218_505_602;

/// The mean absolute deviation of normal data times this is its standard deviation: the square root of π / 2.
const NORMAL_MEAN: f64 = 1.253_314_137_315_500_3;

/// What all features are measured by, one array for each property.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measures {
    median: Vec<f64>,
    /// Positive.
    spread: Vec<f64>,
    /// What a signed distance is limited to: minus the cap and the cap, or zero on a side that does not count.
    least: Vec<f64>,
    most: Vec<f64>,
}

impl Measures {
    pub(crate) fn fit(training: &Training<'_>, sides: &[Sides], cap: f64) -> Self {
        let mut measures = Self { median: Vec::new(), spread: Vec::new(), least: Vec::new(), most: Vec::new() };
        for (index, column) in training.rows.columns().into_iter().enumerate() {
            let present = column.iter().copied().filter(|value| !value.is_nan()).collect();
            let (median, spread) = centre_and_spread(present);
            let (least, most) = if is_categorical(training, index) { (0.0, 0.0) } else { limits(sides[index], cap) };
            measures.median.push(median);
            measures.spread.push(spread);
            measures.least.push(least);
            measures.most.push(most);
        }
        measures
    }

    /// How many features a row has.
    pub(crate) fn width(&self) -> usize {
        self.median.len()
    }

    /// Whether this can be what [`Measures::fit`] made.
    pub(crate) fn are_whole(&self) -> bool {
        let width = self.width();
        let same = width > 0 && [&self.spread, &self.least, &self.most].iter().all(|list| list.len() == width);
        same && self.median.iter().all(|median| median.is_finite())
            && self.spread.iter().all(|spread| spread.is_finite() && *spread > 0.0)
            && self.least.iter().all(|least| (-1e100..=0.0).contains(least))
            && self.most.iter().all(|most| (0.0..=1e100).contains(most))
    }

    /// Every feature's distance from its median.
    pub(crate) fn distances<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        row.iter()
            .enumerate()
            .map(|(index, value)| distance(*value, self.median[index], self.spread[index], self.least[index], self.most[index]))
    }

    /// The largest distance.
    pub(crate) fn largest(&self, row: &[f64]) -> f64 {
        self.fold(row, |largest, distance| if distance > largest { distance } else { largest }).into_iter().fold(0.0, f64::max)
    }

    /// The mean distance of the features that are not missing; 0 if all are.
    pub(crate) fn mean(&self, row: &[f64]) -> f64 {
        let known = row.iter().filter(|value| !value.is_nan()).count().max(1);
        sum(self.fold(row, |sum, distance| sum + distance)) / known as f64
    }

    /// The sum of the distances' squares.
    pub(crate) fn sum_of_squares(&self, row: &[f64]) -> f64 {
        sum(self.fold(row, |sum, distance| sum + distance * distance))
    }

    /// Folds the distances of every eighth feature.
    #[inline(always)]
    fn fold(&self, row: &[f64], step: impl Fn(f64, f64) -> f64) -> [f64; LANES] {
        let mut folded = [0.0; LANES];
        let (values, values_left) = row.as_chunks::<LANES>();
        let (median, median_left) = self.median.as_chunks::<LANES>();
        let (spread, spread_left) = self.spread.as_chunks::<LANES>();
        let (least, least_left) = self.least.as_chunks::<LANES>();
        let (most, most_left) = self.most.as_chunks::<LANES>();
        for ((((value, median), spread), least), most) in values.iter().zip(median).zip(spread).zip(least).zip(most) {
            for lane in 0..LANES {
                folded[lane] = step(folded[lane], distance(value[lane], median[lane], spread[lane], least[lane], most[lane]));
            }
        }
        let left = values_left.iter().zip(median_left).zip(spread_left).zip(least_left).zip(most_left);
        for (folded, ((((value, median), spread), least), most)) in folded.iter_mut().zip(left) {
            *folded = step(*folded, distance(*value, *median, *spread, *least, *most));
        }
        folded
    }
}

/// Adds eight numbers, always in the same order.
fn sum(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// A value's distance from the median in spreads; 0 for a missing one. A difference that overflows is as far as the limit, whatever it is.
#[inline(always)]
fn distance(value: f64, median: f64, spread: f64, least: f64, most: f64) -> f64 {
    let signed = (value - median) / spread;
    let signed = if signed > most { most } else { signed };
    let signed = if signed < least { least } else { signed };
    if signed.is_nan() { 0.0 } else { signed.abs() }
}

fn limits(sides: Sides, cap: f64) -> (f64, f64) {
    match sides {
        Sides::Both => (-cap, cap),
        Sides::High => (0.0, cap),
        Sides::Low => (-cap, 0.0),
    }
}

/// Codes of categories have no order, so there is no distance between them.
fn is_categorical(training: &Training<'_>, column: usize) -> bool {
    let Some(feature) = training.features.get(column).filter(|feature| feature.categories > 0) else { return false };
    synod_sdk::log::warn(&format!("feature {}: categories have no distance from a median, the feature counts for nothing", feature.name));
    true
}

/// The median, and the first of these that is positive: the scaled median absolute deviation, the scaled mean absolute deviation from the
/// median, 1. More than half of the values may be equal; and a constant feature is measured in its own units.
fn centre_and_spread(mut values: Vec<f64>) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let median = middle(&mut values);
    // Values at both ends of the range may be farther apart than a finite number says.
    values.iter_mut().for_each(|value| *value = (*value - median).abs().min(f64::MAX));
    let count = values.len() as f64;
    let spreads = [NORMAL_MEDIAN * middle(&mut values), NORMAL_MEAN * values.iter().map(|distance| distance / count).sum::<f64>()];
    let spread = spreads.into_iter().find(|spread| *spread > 0.0).unwrap_or(1.0);
    (median, spread.min(f64::MAX))
}

/// The median: the mean of the two in the middle of an even number of values.
fn middle(values: &mut [f64]) -> f64 {
    let (half, odd) = (values.len() / 2, values.len() % 2 == 1);
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let upper = *upper;
    if odd {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = lower + upper;
    if sum.is_finite() { sum / 2.0 } else { lower / 2.0 + upper / 2.0 }
}
