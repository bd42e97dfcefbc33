//! The few numbers that a list of measurements is told by.

/// The value that half of the others are below; of an even number the lower of the middle two. Zero of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile(&sorted, 0.5).unwrap_or_default()
}

/// The smallest value that at least this share of the ascending values does not pass. None of none.
pub(crate) fn quantile<T: Copy>(ascending: &[T], share: f64) -> Option<T> {
    let rank = (share * ascending.len() as f64).ceil() as usize;
    ascending.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<u32> = (1..=200).collect();
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.99), quantile(&values, 1.0)), (Some(100), Some(198), Some(200)));
        assert_eq!((quantile(&values[..1], 0.99), quantile::<u32>(&[], 0.5)), (Some(1), None));
    }

    #[test]
    fn a_median_takes_no_order() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&[4.0, 3.0, 2.0, 1.0]), 2.0);
    }
}
