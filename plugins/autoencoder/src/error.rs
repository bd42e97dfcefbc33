//! How the errors of a row's features make its score.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the errors of a row's features make its score, which is their mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeatureError {
    /// The squared error in units of what is usual for the feature, bounded: a feature that is never reproduced well does not drown the
    /// others, and neither does a single wild one.
    Robust,
    /// The squared error, in squared standard deviations of the feature.
    #[default]
    Squared,
}

/// What a feature can contribute at most, in units of its usual error: see the README for the measurement.
const BOUND: f64 = 100.0;

/// A feature's usual error is taken to be at least about this share of the mean over the features: one that is reproduced almost exactly in
/// training must not become a feature for which everything is an anomaly.
const FLOOR: f64 = 0.1;

/// What one feature's error counts: `weight · error / (unit + damping · error)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judge {
    /// What the squared error is divided by; positive.
    pub(crate) unit: f64,
    /// How much less a large error counts; 0 or positive.
    pub(crate) damping: f64,
    /// The share of the feature in the mean over the features.
    pub(crate) weight: f64,
}

impl Judge {
    /// One for each feature, given its mean squared error.
    pub(crate) fn all(error: FeatureError, errors: &[f64]) -> Vec<Self> {
        let weight = 1.0 / errors.len() as f64;
        let mean = errors.iter().sum::<f64>() * weight;
        let unit = |error: f64| (error + FLOOR * mean).max(f64::from(f32::MIN_POSITIVE));
        match error {
            FeatureError::Squared => vec![Self { unit: 1.0, damping: 0.0, weight }; errors.len()],
            FeatureError::Robust => errors.iter().map(|error| Self { unit: unit(*error), damping: 1.0 / BOUND, weight }).collect(),
        }
    }

    /// Whether these are numbers that [`Judge::all`] can give.
    pub(crate) fn is_sound(&self) -> bool {
        let usable = |value: f64| value.is_normal() && value > 0.0;
        usable(self.unit)
            && usable(self.weight)
            && (self.damping == 0.0 || usable(self.damping))
            && self.unit >= f64::from(f32::MIN_POSITIVE)
    }

    /// The feature's share of the score.
    #[inline(always)]
    pub(crate) fn share(self, value: f32, answer: f32) -> f64 {
        let difference = f64::from(value - answer);
        let error = difference * difference;
        self.weight * error / (self.unit + self.damping * error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_error_counts_about_one_and_a_wild_one_the_bound() {
        let judges = Judge::all(FeatureError::Robust, &[0.01, 1.0]);
        let share = |judge: Judge, error: f64| judge.share(error.sqrt() as f32, 0.0);
        // Half of the score each: the units are .01 + .0505 and 1 + .0505.
        assert!((share(judges[0], 0.0605) - 0.5 / 1.01).abs() < 1e-6);
        assert!((share(judges[1], 1.0505) - 0.5 / 1.01).abs() < 1e-6);
        assert!((share(judges[1], 1e12) - 50.0).abs() < 1e-3);
        assert!(share(judges[1], 1e24) >= share(judges[1], 1e12), "more is never less");
    }

    #[test]
    fn features_without_an_error_have_a_unit_all_the_same() {
        let judges = Judge::all(FeatureError::Robust, &[0.0, 0.0]);
        assert!(judges.iter().all(Judge::is_sound) && judges[0].share(1.0, 0.5) > 49.0);
    }

    #[test]
    fn a_squared_error_is_what_it_is() {
        let judges = Judge::all(FeatureError::Squared, &[0.0, 7.0]);
        assert_eq!(judges[0].share(3.0, 1.0) + judges[1].share(1.0, 1.0), 2.0);
    }
}
