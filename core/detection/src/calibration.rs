//! Calibration: what a raw score means. It is learnt on rows that the model has not seen, and is the same scale for every detector.
//!
//! `p` is the share of such rows that score as high: `(1 + #{held-out >= s}) / (n + 1)`, the p-value of conformal prediction (Laxhammar
//! and Falkman 2010; Bates et al. 2023, section 2). Beyond the highest held-out score a generalised Pareto tail takes over, fitted to the
//! excesses over the 95 % point (of few rows: to the ten highest) by probability-weighted moments (Hosking and Wallis 1987, section 4); such
//! a value is marked as extrapolated. It is a guess: at 1 in 1,000 it flags about twice as many rows as it says.
//! The score is `0.25 * min(4, -log10 p)`: .25 is 1 in 10 rows, .5 is 1 in 100, 1 is 1 in 10,000. It is no probability of
//! fraud.

use serde::{Deserialize, Serialize};

/// Share of the held-out rows that the tail is fitted to.
const TAIL: f64 = 0.05;
/// Fewest excesses that a tail is fitted to, and the largest share of the held-out rows that they may be.
const FEWEST: usize = 10;
const WIDEST: f64 = 0.25;

/// A calibrated raw score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated {
    /// 0 to 1, see the module.
    pub score: f64,
    /// Whether the raw score lies beyond all held-out ones.
    pub extrapolated: bool,
}

/// The score that a share of all rows reaches: the threshold for a contamination.
pub fn score_of_share(share: f64) -> f64 {
    // The addition turns -0 into 0.
    0.25 * (-share.log10()).clamp(0.0, 4.0) + 0.0
}

/// A generalised Pareto distribution of the excesses over a point.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tail {
    from: f64,
    /// Share of the rows beyond `from`.
    share: f64,
    scale: f64,
    /// Negative for a tail that ends.
    shape: f64,
}

impl Tail {
    fn fit(sorted: &[f64]) -> Option<Self> {
        let wanted = sorted.len() - ((1.0 - TAIL) * sorted.len() as f64).ceil() as usize;
        let first = sorted.len() - wanted.max(FEWEST).min((WIDEST * sorted.len() as f64) as usize);
        let from = *sorted.get(first.checked_sub(1)?)?;
        let excesses: Vec<f64> = sorted[first..].iter().map(|score| score - from).collect();
        let count = excesses.len() as f64;
        if excesses.len() < FEWEST {
            return None;
        }
        let mean = excesses.iter().sum::<f64>() / count;
        let weighted = |(index, excess): (usize, &f64)| (count - 1.0 - index as f64) / (count - 1.0) * excess;
        let moment = excesses.iter().enumerate().map(weighted).sum::<f64>() / count;
        let ratio = mean - 2.0 * moment;
        let (scale, shape) = (2.0 * mean * moment / ratio, 2.0 - mean / ratio);
        (scale > 0.0 && scale.is_finite() && shape.is_finite()).then_some(Self { from, share: count / sorted.len() as f64, scale, shape })
    }

    fn p(&self, raw: f64) -> f64 {
        let excess = (raw - self.from).max(0.0) / self.scale;
        let beyond = if self.shape.abs() < 1e-9 { (-excess).exp() } else { (1.0 + self.shape * excess).max(0.0).powf(-1.0 / self.shape) };
        self.share * beyond
    }

    /// Where the share of rows beyond is `p`, which is at most the tail's own share.
    fn quantile(&self, p: f64) -> f64 {
        let beyond = p / self.share;
        let excess = if self.shape.abs() < 1e-9 { -beyond.ln() } else { (beyond.powf(-self.shape) - 1.0) / self.shape };
        self.from + excess * self.scale
    }
}

/// What raw scores mean, from held-out rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<f64>", into = "Vec<f64>")]
pub struct Calibration {
    /// In the order of the rows, so that several detectors' scores of one row can be put side by side.
    held_out: Vec<f64>,
    sorted: Vec<f64>,
    tail: Option<Tail>,
}

impl From<Vec<f64>> for Calibration {
    fn from(held_out: Vec<f64>) -> Self {
        let mut sorted = held_out.clone();
        sorted.sort_by(f64::total_cmp);
        let tail = Tail::fit(&sorted);
        Self { held_out, sorted, tail }
    }
}

impl From<Calibration> for Vec<f64> {
    fn from(calibration: Calibration) -> Self {
        calibration.held_out
    }
}

impl Calibration {
    /// The held-out raw scores, in the order of their rows.
    pub fn held_out(&self) -> &[f64] {
        &self.held_out
    }

    /// Where the tail says that this share of the rows is beyond; `None` where it says nothing of so large a share, or there is no tail.
    pub fn peak(&self, share: f64) -> Option<f64> {
        self.tail.filter(|tail| share <= tail.share).map(|tail| tail.quantile(share))
    }

    /// The share of rows that score as high as this, and whether it is extrapolated.
    pub fn p(&self, raw: f64) -> (f64, bool) {
        let below = self.sorted.partition_point(|held_out| *held_out < raw);
        let (as_high, count) = ((self.sorted.len() - below) as f64, self.sorted.len() as f64);
        let ranked = (1.0 + as_high) / (count + 1.0);
        match self.tail {
            Some(tail) if as_high == 0.0 => (tail.p(raw).min(ranked), true),
            _ => (ranked, as_high == 0.0),
        }
    }

    /// The calibrated score of a raw score.
    pub fn score(&self, raw: f64) -> Calibrated {
        let (p, extrapolated) = self.p(raw);
        Calibrated { score: score_of_share(p), extrapolated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exponential(count: usize) -> Calibration {
        // Quantiles of the exponential distribution, whose tail has shape 0.
        Calibration::from((0..count).map(|i| -(1.0 - (i as f64 + 0.5) / count as f64).ln()).collect::<Vec<_>>())
    }

    #[test]
    fn a_half_is_one_in_a_hundred() {
        let calibration = exponential(10_000);
        let one_in = |share: f64| calibration.score(-share.ln()).score;
        assert!((one_in(0.1) - 0.25).abs() < 0.001);
        assert!((one_in(0.01) - 0.5).abs() < 0.002);
        assert!((one_in(0.001) - 0.75).abs() < 0.012);
        assert_eq!(score_of_share(0.01), 0.5);
        assert_eq!(score_of_share(1.0), 0.0);
    }

    #[test]
    fn beyond_the_held_out_rows_the_tail_goes_on() {
        let calibration = exponential(1_000);
        let far = calibration.score(-(1e-4_f64).ln());
        assert!(far.extrapolated && (far.score - 1.0).abs() < 0.1, "{far:?}");
        assert!(!calibration.score(1.0).extrapolated);
    }

    #[test]
    fn few_or_equal_rows_have_no_tail_and_still_a_score() {
        let few = Calibration::from(vec![1.0, 2.0, 3.0]);
        assert_eq!(few.p(9.0), (0.25, true));
        let equal = Calibration::from(vec![1.0; 1000]);
        assert_eq!(equal.p(1.0).0, 1.0);
        assert!(equal.score(2.0).score > 0.7);
    }

    #[test]
    fn a_peak_is_where_the_tail_has_its_share() {
        let calibration = exponential(1_000);
        for share in [0.02_f64, 0.001, 1e-4] {
            let peak = calibration.peak(share).unwrap();
            assert!((peak + share.ln()).abs() < 0.15, "{share}: {peak}");
            assert!((calibration.tail.unwrap().p(peak) - share).abs() < 1e-12);
        }
        assert_eq!(calibration.peak(0.06), None);
        assert_eq!(Calibration::from(vec![1.0; 30]).peak(0.01), None);
    }

    #[test]
    fn few_rows_have_a_tail_of_their_ten_highest() {
        assert!(exponential(60).tail.is_some_and(|tail| (tail.share - 10.0 / 60.0).abs() < 1e-12));
        assert!(exponential(39).tail.is_none(), "a quarter of them are fewer than ten");
        assert!(exponential(1_000).tail.is_some_and(|tail| (tail.share - 0.05).abs() < 1e-12));
    }

    #[test]
    fn it_survives_being_stored() {
        let calibration = exponential(50);
        let text = serde_json::to_string(&calibration).unwrap();
        assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), calibration);
    }

    proptest! {
        #[test]
        fn a_higher_raw_score_never_has_a_lower_score(mut raw in prop::collection::vec(-1e3..1e3_f64, 1..300), a in -2e3..2e3_f64, b in -2e3..2e3_f64) {
            raw.push(0.0);
            let calibration = Calibration::from(raw);
            let (low, high) = (calibration.score(a.min(b)).score, calibration.score(a.max(b)).score);
            prop_assert!(low <= high && (0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
        }
    }
}
