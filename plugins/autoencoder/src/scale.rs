//! Standardising: each feature less its mean, in its standard deviations.

use crate::tiles::{LANES, Lane};
use ndarray::{ArrayView1, ArrayView2};

/// Farther from the mean than this counts as this: it is beyond every judgement, and its square still fits single precision.
pub(crate) const LIMIT: f64 = 1e12;

/// Mean and standard deviation of each feature of the training rows.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) mean: Vec<f64>,
    pub(crate) spread: Vec<f64>,
    /// One over the spread.
    inverse: Vec<f64>,
}

impl Scale {
    /// Of these rows; there is at least one.
    pub(crate) fn of(rows: ArrayView2<'_, f64>) -> Self {
        let (mean, spread) = rows.columns().into_iter().map(moments).unzip();
        Self::new(mean, spread).expect("means are finite and spreads positive")
    }

    /// `None` unless there are as many means as spreads, means are finite, and spreads are positive with a finite inverse.
    pub(crate) fn new(mean: Vec<f64>, spread: Vec<f64>) -> Option<Self> {
        let inverse: Vec<f64> = spread.iter().map(|spread| 1.0 / spread).collect();
        let usable = |value: &f64| value.is_finite() && *value > 0.0;
        let whole = mean.len() == spread.len() && mean.iter().all(|mean| mean.is_finite());
        (whole && spread.iter().all(usable) && inverse.iter().all(usable)).then_some(Self { mean, spread, inverse })
    }

    /// Writes the standardised row into lanes; what they have beyond the row is left.
    pub(crate) fn write(&self, row: &[f64], lanes: &mut [Lane]) {
        let features = row.chunks(LANES).zip(self.mean.chunks(LANES).zip(self.inverse.chunks(LANES)));
        for (lane, (values, (means, inverses))) in lanes.iter_mut().zip(features) {
            for (number, (value, (mean, inverse))) in lane.iter_mut().zip(values.iter().zip(means.iter().zip(inverses))) {
                *number = standardised(*value, *mean, *inverse) as f32;
            }
        }
    }

    /// Each feature's share of the mean squared difference between the standardised row and its reconstruction, given in lanes.
    pub(crate) fn shares(&self, row: &[f64], reconstruction: &[Lane], shares: &mut [f64]) {
        let part = 1.0 / row.len() as f64;
        let chunks = row.chunks(LANES).zip(self.mean.chunks(LANES).zip(self.inverse.chunks(LANES)));
        for ((shares, lane), (values, (means, inverses))) in shares.chunks_mut(LANES).zip(reconstruction).zip(chunks) {
            let features = values.iter().zip(means.iter().zip(inverses));
            for ((share, answer), (value, (mean, inverse))) in shares.iter_mut().zip(lane).zip(features) {
                let difference = standardised(*value, *mean, *inverse) - f64::from(*answer);
                *share = difference * difference * part;
            }
        }
    }
}

fn standardised(value: f64, mean: f64, inverse: f64) -> f64 {
    ((value - mean) * inverse).clamp(-LIMIT, LIMIT)
}

/// Mean and standard deviation. The spread of a constant feature is 1: any change of it is measured in its own units.
fn moments(column: ArrayView1<'_, f64>) -> (f64, f64) {
    // Measured in the largest value, so that neither sum nor squares can overflow.
    let unit = column.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let count = column.len() as f64;
    let mean = column.iter().map(|value| value / unit / count).sum::<f64>();
    let spread = unit * column.iter().map(|value| (value / unit - mean).powi(2) / count).sum::<f64>().sqrt();
    // What rounding leaves of a constant is no spread.
    let usable = spread.is_normal() && spread > unit * 1e-14 && (1.0 / spread).is_normal();
    (mean.clamp(-1.0, 1.0) * unit, if usable { spread } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_row_is_measured_in_deviations_from_the_mean() {
        let scale = Scale::of(array![[1.0, 0.1, -1e307], [3.0, 0.1, 1e307]].view());
        assert_eq!(scale.mean[..2], [2.0, 0.1]);
        assert_eq!(scale.spread, [1.0, 1.0, 1e307]);
        let mut lanes = [[9.0; LANES]];
        scale.write(&[4.0, 2.1, 0.0], &mut lanes);
        assert_eq!(lanes[0][..4], [2.0, 2.0, 0.0, 9.0]);
        let mut shares = [0.0; 3];
        scale.shares(&[4.0, 2.1, 1.5e307], &[[1.0, 2.0, 0.0, 9.0, 9.0, 9.0, 9.0, 9.0]], &mut shares);
        assert_eq!(shares, [1.0 / 3.0, 0.0, 2.25 / 3.0]);
    }

    #[test]
    fn damaged_numbers_are_refused() {
        assert!(Scale::new(vec![0.0], vec![1.0, 1.0]).is_none());
        for spread in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE / 1e10] {
            assert!(Scale::new(vec![0.0], vec![spread]).is_none(), "{spread}");
        }
    }
}
