//! Where to cut rows that lie along a line, so that both sides are as narrow as can be: the averaged gain of SCiForest (Liu, Ting and Zhou,
//! "On Detecting Clustered Anomalies Using SCiForest", ECML PKDD 2010, equation 1) and the pooled gain of Fair-Cut Forest (Cortes,
//! "Revisiting randomized choices in isolation forests", 2021, section 4).

use crate::tree::between;

/// How the spread of two sides is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Criterion {
    /// Both sides count the same: a few rows that lie apart are cut off.
    Averaged,
    /// A side counts as many times as it has rows: the line is cut between clusters.
    Pooled,
}

/// A cut, and by which part of the whole deviation it lessens the spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cut {
    pub(crate) threshold: f64,
    pub(crate) gain: f64,
}

/// The best cut between two different values of a sorted list; the first of equally good ones. Nothing if all are equal, or too far apart
/// to be measured.
pub(crate) fn best_cut(sorted: &[f64], criterion: Criterion) -> Option<Cut> {
    let (least, greatest) = (*sorted.first()?, *sorted.last()?);
    let range = greatest - least;
    if !(range > 0.0 && range.is_finite()) {
        return None;
    }
    // In units of the range and from the mean, so that no square overflows and little is lost to rounding.
    let count = sorted.len() as f64;
    let middle = sorted.iter().map(|value| (value - least) / range).sum::<f64>() / count;
    let scaled = |value: f64| (value - least) / range - middle;
    let whole = sorted.iter().fold(Sums::default(), |sums, value| sums.with(scaled(*value)));
    let mut left = Sums::default();
    let mut best: Option<(f64, usize)> = None;
    for end in 1..sorted.len() {
        left = left.with(scaled(sorted[end - 1]));
        if sorted[end - 1] < sorted[end] {
            let spread = criterion.spread(left, whole.without(left));
            if best.is_none_or(|(least, _)| spread < least) {
                best = Some((spread, end));
            }
        }
    }
    let (spread, end) = best?;
    Some(Cut { threshold: between(sorted[end - 1], sorted[end], 0.5), gain: 1.0 - spread / whole.deviation() })
}

impl Criterion {
    fn spread(self, left: Sums, right: Sums) -> f64 {
        match self {
            Self::Averaged => (left.deviation() + right.deviation()) / 2.0,
            Self::Pooled => (left.count * left.deviation() + right.count * right.deviation()) / (left.count + right.count),
        }
    }
}

/// Count, sum and sum of squares of values.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn with(self, value: f64) -> Self {
        Self { count: self.count + 1.0, sum: self.sum + value, squares: self.squares + value * value }
    }

    fn without(self, part: Self) -> Self {
        Self { count: self.count - part.count, sum: self.sum - part.sum, squares: self.squares - part.squares }
    }

    fn deviation(self) -> f64 {
        // Rounding would leave one row a little.
        if self.count < 1.5 {
            return 0.0;
        }
        let mean = self.sum / self.count;
        (self.squares / self.count - mean * mean).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deviation(values: &[f64]) -> f64 {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn the_best_cut_is_the_one_that_trying_all_finds() {
        let mut random = crate::random::Random::of_tree(5, 0);
        for criterion in [Criterion::Averaged, Criterion::Pooled] {
            for _ in 0..50 {
                let mut values: Vec<f64> = (0..30).map(|_| random.normal() + if random.share() < 0.3 { 5.0 } else { 0.0 }).collect();
                values.sort_by(f64::total_cmp);
                let spread = |end: usize| {
                    let (left, right) = values.split_at(end);
                    let share = if criterion == Criterion::Averaged { 0.5 } else { end as f64 / 30.0 };
                    share * deviation(left) + (1.0 - share) * deviation(right)
                };
                let end = (1..30).min_by(|one, other| spread(*one).total_cmp(&spread(*other))).unwrap();
                let cut = best_cut(&values, criterion).unwrap();
                assert!(values[end - 1] <= cut.threshold && cut.threshold < values[end]);
                assert!((cut.gain - (1.0 - spread(end) / deviation(&values))).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn averaged_gain_cuts_one_row_off_and_pooled_gain_cuts_in_the_middle() {
        let mut values: Vec<f64> = (0..40).map(|step| f64::from(step) / 40.0).collect();
        values.push(1.6);
        assert!(best_cut(&values, Criterion::Averaged).unwrap().threshold > 1.0);
        let pooled = best_cut(&values, Criterion::Pooled).unwrap().threshold;
        assert!((0.4..0.8).contains(&pooled), "{pooled}");
    }

    #[test]
    fn there_is_no_cut_between_equal_values() {
        assert_eq!(best_cut(&[3.0; 5], Criterion::Pooled), None);
        assert_eq!(best_cut(&[], Criterion::Averaged), None);
        assert_eq!(best_cut(&[-f64::MAX, f64::MAX], Criterion::Averaged), None, "their distance overflows");
        let twice = best_cut(&[1.0, 1.0, 1.0_f64.next_up(), 1.0_f64.next_up()], Criterion::Pooled).unwrap();
        assert_eq!(twice.threshold, 1.0);
    }
}
