//! Standardising: each feature less its mean, in its standard deviations.

use ndarray::{ArrayView1, ArrayView2};
use synod_dense::{Lane, ROWS};

/// Farther from the mean than this counts as this: it is beyond every judgement, and its square still fits single precision.
pub(crate) const LIMIT: f32 = 1e12;

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

    /// The standardised row.
    pub(crate) fn row<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f32> + 'a {
        let scale = self.mean.iter().zip(&self.inverse);
        row.iter().zip(scale).map(|(value, (mean, inverse))| standardised(*value, *mean, *inverse))
    }

    /// Writes eight standardised rows, given one after the other, into lanes; those beyond the features are left.
    pub(crate) fn block(&self, rows: &[f64], lanes: &mut [Lane]) {
        let width = self.mean.len();
        let rows: [&[f64]; ROWS] = std::array::from_fn(|row| &rows[row * width..][..width]);
        let (mean, inverse, lanes) = (&self.mean[..width], &self.inverse[..width], &mut lanes[..width]);
        for place in 0..width {
            lanes[place] = rows.map(|row| standardised(row[place], mean[place], inverse[place]));
        }
    }
}

/// The subtraction is in double precision: the mean may be very many deviations.
fn standardised(value: f64, mean: f64, inverse: f64) -> f32 {
    let measured = ((value - mean) * inverse) as f32;
    // Written so that a missing value stays one.
    let least = if measured < -LIMIT { -LIMIT } else { measured };
    if least > LIMIT { LIMIT } else { least }
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
        assert_eq!(scale.row(&[4.0, 2.1, 0.0]).collect::<Vec<_>>(), [2.0, 2.0, 0.0]);
        assert_eq!(scale.row(&[1e300, -1e300, f64::MAX]).collect::<Vec<_>>(), [LIMIT, -LIMIT, 17.976_93]);
        let mut lanes = [[9.0; ROWS]; 4];
        let rows: Vec<f64> = (0..ROWS).flat_map(|row| [4.0 + row as f64, 2.1, 0.0]).collect();
        scale.block(&rows, &mut lanes);
        assert_eq!((lanes[0][..3].to_vec(), lanes[1][7], lanes[3]), (vec![2.0, 3.0, 4.0], 2.0, [9.0; ROWS]));
    }

    #[test]
    fn damaged_numbers_are_refused() {
        assert!(Scale::new(vec![0.0], vec![1.0, 1.0]).is_none());
        for spread in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE / 1e10] {
            assert!(Scale::new(vec![0.0], vec![spread]).is_none(), "{spread}");
        }
    }
}
