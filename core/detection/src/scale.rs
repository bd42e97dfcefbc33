//! Scalers: what makes features of different units comparable. They learn from the training rows only.

use serde::{Deserialize, Serialize};

/// How a feature is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Not at all.
    #[default]
    None,
    /// Mean 0, standard deviation 1.
    Standard,
    /// Median 0, interquartile range 1: a few wild rows do not move it.
    Robust,
    /// Least value 0, greatest 1.
    MinMax,
}

/// What a scaler has learnt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Becomes 0.
    pub centre: f64,
    /// Becomes 1; never 0.
    pub spread: f64,
}

impl Scaling {
    /// Leaves everything as it is.
    pub const NONE: Self = Self { centre: 0.0, spread: 1.0 };

    /// Learns from training values; missing ones (NaN) are left out. A constant feature is moved to 0 and keeps its unit.
    pub fn learn(scale: Scale, values: &[f64]) -> Self {
        let mut present: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        if present.is_empty() {
            return Self::NONE;
        }
        present.sort_by(f64::total_cmp);
        let (centre, spread) = match scale {
            Scale::None => return Self::NONE,
            Scale::Standard => mean_and_deviation(&present),
            Scale::Robust => (quantile(&present, 0.5), quantile(&present, 0.75) - quantile(&present, 0.25)),
            Scale::MinMax => (present[0], present[present.len() - 1] - present[0]),
        };
        // More than half of the values can be equal while the others are not: then the standard deviation speaks for the spread.
        let spread = if spread > 0.0 { spread } else { mean_and_deviation(&present).1 };
        Self { centre, spread: if spread > 0.0 && spread.is_finite() { spread } else { 1.0 } }
    }

    /// A value on the learnt scale.
    pub fn apply(&self, value: f64) -> f64 {
        (value - self.centre) / self.spread
    }
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    // What rounding leaves of a constant is no spread.
    let noise = 1e-12 * mean.abs().max(f64::MIN_POSITIVE);
    (mean, if variance.sqrt() > noise { variance.sqrt() } else { 0.0 })
}

/// The quantile of sorted values, interpolated linearly (Hyndman and Fan 1996, definition 7).
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scaler_does_what_its_name_says() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, f64::NAN];
        assert_eq!(Scaling::learn(Scale::Robust, &values), Scaling { centre: 3.0, spread: 2.0 });
        assert_eq!(Scaling::learn(Scale::MinMax, &values), Scaling { centre: 1.0, spread: 4.0 });
        assert_eq!(Scaling::learn(Scale::Standard, &values), Scaling { centre: 3.0, spread: 2.0_f64.sqrt() });
        assert_eq!(Scaling::learn(Scale::None, &values), Scaling::NONE);
    }

    #[test]
    fn a_constant_is_no_division_by_zero() {
        for scale in [Scale::Standard, Scale::Robust, Scale::MinMax] {
            assert_eq!(Scaling::learn(scale, &[7.1; 9]).spread, 1.0, "{scale:?}");
        }
    }

    #[test]
    fn mostly_constant_values_still_have_a_spread() {
        let mut values = vec![0.0; 90];
        values.extend([1.0; 10]);
        let scaling = Scaling::learn(Scale::Robust, &values);
        assert!((scaling.spread - 0.3).abs() < 1e-12, "{scaling:?}");
    }
}
