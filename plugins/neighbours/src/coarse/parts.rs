//! How a metric's sum is computed from steps.

use crate::eight::{Eight, Four};

/// How a metric's sum is computed from steps.
pub(crate) trait Parts {
    /// Of each two differences that lie side by side, what they add to the sum.
    fn part(differences: Eight) -> Four;

    /// By how much a row's distance and its sum of steps can be at odds, for so many features, so that they can be compared: in roots of
    /// sums for squares.
    fn slack(features: f64) -> f64;

    /// What a sum is at most, if it is at odds with another by twice the slack.
    fn farther(sum: f64, slack: f64) -> f64;
}

/// Squared differences.
#[derive(Debug)]
pub(crate) struct Squares;

impl Parts for Squares {
    #[inline(always)]
    fn part(differences: Eight) -> Four {
        differences.squares()
    }

    /// By the triangle inequality, where each of the differences is off by a step; and some more for rounding.
    fn slack(features: f64) -> f64 {
        features.sqrt() + 1e-3
    }

    #[inline(always)]
    fn farther(sum: f64, slack: f64) -> f64 {
        let root = sum.sqrt() + 2.0 * slack;
        root * root
    }
}

/// Differences without their sign.
#[derive(Debug)]
pub(crate) struct Magnitudes;

impl Parts for Magnitudes {
    #[inline(always)]
    fn part(differences: Eight) -> Four {
        differences.magnitudes()
    }

    fn slack(features: f64) -> f64 {
        features + 1.0
    }

    #[inline(always)]
    fn farther(sum: f64, slack: f64) -> f64 {
        sum + 2.0 * slack
    }
}
