//! Distances. They are compared as sums over the features, and only the distances of the nearest rows get their root.

use schemars::JsonSchema;
use serde::Deserialize;

/// How far apart two rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The root of the summed squares of the features' differences.
    #[default]
    Euclidean,
    /// The sum of the features' differences.
    Manhattan,
    /// The `p`-th root of the summed `p`-th powers of the features' differences.
    Minkowski,
}

/// A metric that the search is compiled for.
pub(crate) trait Distance: Copy {
    /// What a box's bound is multiplied by, so that rounding never makes it greater than the distance of a row in the box. Where
    /// [`Distance::part`] is monotone as computed (subtractions, products and sums are) nothing is needed.
    const BOUND: f64 = 1.0;

    /// What a difference in one feature adds to the sum.
    fn part(self, difference: f64) -> f64;

    /// The distance of two rows with this sum.
    fn root(self, sum: f64) -> f64;
}

/// [`Metric::Euclidean`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Euclidean;

impl Distance for Euclidean {
    #[inline(always)]
    fn part(self, difference: f64) -> f64 {
        difference * difference
    }

    fn root(self, sum: f64) -> f64 {
        sum.sqrt()
    }
}

/// [`Metric::Manhattan`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manhattan;

impl Distance for Manhattan {
    #[inline(always)]
    fn part(self, difference: f64) -> f64 {
        difference.abs()
    }

    fn root(self, sum: f64) -> f64 {
        sum
    }
}

/// [`Metric::Minkowski`] with its `p`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minkowski(pub(crate) f64);

impl Distance for Minkowski {
    // A power is right to about a unit in the last place, and need not be monotone.
    const BOUND: f64 = 1.0 - 1e-12;

    fn part(self, difference: f64) -> f64 {
        difference.abs().powf(self.0)
    }

    fn root(self, sum: f64) -> f64 {
        sum.powf(1.0 / self.0)
    }
}
