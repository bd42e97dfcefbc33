//! Distances. They are compared as sums over the features, and only the distances of the nearest rows get their root.
//!
//! Nothing here depends on the machine: a power is a product where the exponent is a whole number, and otherwise that of the crate `libm`,
//! which is the same arithmetic everywhere.

use crate::coarse::{Coarse, Magnitudes, Shortlist, Squares};
use crate::pair::Pair;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far apart two rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The root of the summed squares of the features' differences.
    #[default]
    Euclidean,
    /// The sum of the features' differences.
    Manhattan,
    /// The `p`-th root of the summed `p`-th powers of the features' differences.
    Minkowski,
    /// One minus the cosine of the angle between the rows. A row of zeros has no direction: it is 1 from every other row.
    Cosine,
}

impl Metric {
    /// All metrics, in the order of their numbers in a model.
    pub(crate) const ALL: [Self; 4] = [Self::Euclidean, Self::Manhattan, Self::Minkowski, Self::Cosine];
}

/// A metric that the search is compiled for.
pub(crate) trait Distance: Copy {
    /// What a box's bound is multiplied by, so that rounding never makes it greater than the distance of a row in the box. Where
    /// [`Distance::part`] is monotone as computed (subtractions, products and sums are) nothing is needed.
    const BOUND: f64 = 1.0;

    /// What a difference in one feature adds to the sum.
    fn part(self, difference: f64) -> f64;

    /// [`Distance::part`] of two differences.
    #[inline(always)]
    fn parts(self, differences: Pair) -> Pair {
        let [first, second] = differences.numbers();
        Pair::new(self.part(first), self.part(second))
    }

    /// The distance of two rows with this sum.
    fn root(self, sum: f64) -> f64;

    /// Whether a coarse copy of the rows is of use; if so, [`Distance::list`] lists the rows that may be near by it, see [`Coarse::list`].
    const COARSE: bool = false;

    fn list(self, _: &Coarse, _: &[f64], _: usize, _: Option<u32>, _: &mut Shortlist) -> bool {
        false
    }
}

/// [`Metric::Euclidean`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Euclidean;

impl Distance for Euclidean {
    const COARSE: bool = true;

    #[inline(always)]
    fn part(self, difference: f64) -> f64 {
        difference * difference
    }

    #[inline(always)]
    fn parts(self, differences: Pair) -> Pair {
        differences.times(differences)
    }

    fn root(self, sum: f64) -> f64 {
        sum.sqrt()
    }

    fn list(self, coarse: &Coarse, row: &[f64], wanted: usize, except: Option<u32>, list: &mut Shortlist) -> bool {
        coarse.list::<Squares>(row, wanted, except, list)
    }
}

/// [`Metric::Cosine`] of rows of length 1: half of their squared Euclidean distance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cosine;

impl Distance for Cosine {
    const COARSE: bool = true;

    #[inline(always)]
    fn part(self, difference: f64) -> f64 {
        difference * difference
    }

    #[inline(always)]
    fn parts(self, differences: Pair) -> Pair {
        differences.times(differences)
    }

    fn root(self, sum: f64) -> f64 {
        sum / 2.0
    }

    fn list(self, coarse: &Coarse, row: &[f64], wanted: usize, except: Option<u32>, list: &mut Shortlist) -> bool {
        coarse.list::<Squares>(row, wanted, except, list)
    }
}

/// [`Metric::Manhattan`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manhattan;

impl Distance for Manhattan {
    const COARSE: bool = true;

    #[inline(always)]
    fn part(self, difference: f64) -> f64 {
        difference.abs()
    }

    #[inline(always)]
    fn parts(self, differences: Pair) -> Pair {
        differences.absolute()
    }

    fn root(self, sum: f64) -> f64 {
        sum
    }

    fn list(self, coarse: &Coarse, row: &[f64], wanted: usize, except: Option<u32>, list: &mut Shortlist) -> bool {
        coarse.list::<Magnitudes>(row, wanted, except, list)
    }
}

/// [`Metric::Minkowski`] with a whole number from 3 to 15 as its `p`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholePower(pub(crate) u8);

impl Distance for WholePower {
    #[inline(always)]
    fn part(self, difference: f64) -> f64 {
        let first = difference.abs();
        let second = first * first;
        let fourth = second * second;
        let factor = |bit: u8, power: f64| if self.0 & bit == 0 { 1.0 } else { power };
        factor(1, first) * factor(2, second) * factor(4, fourth) * factor(8, fourth * fourth)
    }

    #[inline(always)]
    fn parts(self, differences: Pair) -> Pair {
        let first = differences.absolute();
        let second = first.times(first);
        let fourth = second.times(second);
        let factor = |bit: u8, power: Pair| if self.0 & bit == 0 { Pair::both(1.0) } else { power };
        factor(1, first).times(factor(2, second)).times(factor(4, fourth)).times(factor(8, fourth.times(fourth)))
    }

    fn root(self, sum: f64) -> f64 {
        libm::pow(sum, 1.0 / f64::from(self.0))
    }
}

/// [`Metric::Minkowski`] with any `p`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minkowski(pub(crate) f64);

impl Distance for Minkowski {
    // A power is right to about a unit in the last place, and need not be monotone.
    const BOUND: f64 = 1.0 - 1e-12;

    fn part(self, difference: f64) -> f64 {
        libm::pow(difference.abs(), self.0)
    }

    fn root(self, sum: f64) -> f64 {
        libm::pow(sum, 1.0 / self.0)
    }
}

/// Runs the expression with the distance that a metric and its `p` stand for.
macro_rules! with_distance {
    ($metric:expr, $p:expr, $distance:ident => $run:expr) => {{
        use $crate::metric::{Cosine, Euclidean, Manhattan, Metric, Minkowski, WholePower};
        match ($metric, $p) {
            (Metric::Euclidean, _) | (Metric::Minkowski, 2.0) => {
                let $distance = Euclidean;
                $run
            }
            (Metric::Manhattan, _) | (Metric::Minkowski, 1.0) => {
                let $distance = Manhattan;
                $run
            }
            (Metric::Cosine, _) => {
                let $distance = Cosine;
                $run
            }
            (Metric::Minkowski, p) if p.fract() == 0.0 && p < 16.0 => {
                let $distance = WholePower(p as u8);
                $run
            }
            (Metric::Minkowski, p) => {
                let $distance = Minkowski(p);
                $run
            }
        }
    }};
}

pub(crate) use with_distance;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_power_is_the_power() {
        for p in 3..16 {
            for difference in [0.0, 0.3, -1.7, 12.5] {
                let (part, expected) = (WholePower(p).part(difference), difference.abs().powi(i32::from(p)));
                assert!((part - expected).abs() <= 1e-14 * expected, "{difference}^{p}: {part}, not {expected}");
                assert!((Minkowski(f64::from(p)).part(difference) - expected).abs() <= 1e-14 * expected);
                assert!((WholePower(p).root(part) - difference.abs()).abs() < 1e-14 * 12.5);
            }
        }
    }

    #[test]
    fn the_numbers_of_metrics_are_their_places() {
        assert!(Metric::ALL.iter().enumerate().all(|(number, metric)| *metric as usize == number));
    }
}
