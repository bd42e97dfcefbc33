//! Thresholds: from which calibrated score on something is anomalous. A rule says it, and what the held-out rows say makes a number of it;
//! so thresholds can be changed without fitting again.

use crate::{Calibration, score_of_share};

/// How a threshold is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// The score that this share of the rows reaches.
    FlagRate(f64),
    /// This score.
    Fixed(f64),
    /// Peaks over threshold (Siffer, Fouque, Termier and Largouet, "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017,
    /// section 3): where a generalised Pareto tail, and not the counting of rows, says that this share of the rows is beyond.
    Pot(f64),
    /// The highest share of false alarms among the alarms that is expected (Benjamini and Hochberg 1995), on rows as they come. What is
    /// normal must be known: it needs held-out rows that were declared clean, and rows that the fit left out beside them.
    Fdr(f64),
}

impl Threshold {
    /// The score from which on a row is anomalous. `left_out` are raw scores of the rows that the fit left out, in the share in which they
    /// come beside the held-out ones.
    pub fn score(self, calibration: &Calibration, left_out: &[f64]) -> f64 {
        match self {
            Self::FlagRate(share) => score_of_share(share),
            Self::Fixed(score) => score,
            Self::Pot(share) => calibration.peak(share).map_or_else(|| score_of_share(share), |peak| calibration.score(peak).score),
            Self::Fdr(level) => score_of_share(discovered(calibration, left_out, level)),
        }
    }
}

/// The highest p of which Benjamini and Hochberg's procedure says that among the rows up to it at most `level` are held-out ones. Where
/// nothing is discovered it is below all p.
fn discovered(calibration: &Calibration, left_out: &[f64], level: f64) -> f64 {
    let held_out = calibration.held_out().len();
    let rows = (held_out + left_out.len()) as f64;
    let mut all: Vec<f64> = calibration.held_out().iter().chain(left_out).map(|raw| calibration.p(*raw).0).collect();
    all.sort_by(f64::total_cmp);
    let accepted = all.iter().enumerate().rev().find(|(rank, p)| **p <= level * (*rank as f64 + 1.0) / rows);
    accepted.map_or(0.0, |(_, p)| *p)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(count: usize) -> Calibration {
        Calibration::from((0..count).map(|row| row as f64).collect::<Vec<_>>())
    }

    #[test]
    fn a_rate_and_a_score_need_no_rows() {
        let calibration = uniform(100);
        assert_eq!(Threshold::FlagRate(0.01).score(&calibration, &[]), 0.5);
        assert_eq!(Threshold::Fixed(0.6).score(&calibration, &[]), 0.6);
    }

    #[test]
    fn peaks_over_threshold_flag_their_share() {
        // An exponential distribution, of which the tail is known.
        let quantile = |row: usize| -(1.0 - (row as f64 + 0.5) / 2_000.0).ln();
        let calibration = Calibration::from((0..2_000).map(quantile).collect::<Vec<_>>());
        for share in [0.02, 0.002] {
            let threshold = Threshold::Pot(share).score(&calibration, &[]);
            let flagged = (0..2_000).filter(|row| calibration.score(quantile(*row)).score >= threshold).count() as f64 / 2_000.0;
            assert!((flagged - share).abs() <= 0.1 * share + 0.001, "{share}: {flagged}");
        }
        let beyond_the_tail = Threshold::Pot(0.2).score(&calibration, &[]);
        assert_eq!(beyond_the_tail, score_of_share(0.2));
    }

    #[test]
    fn false_discoveries_are_bounded() {
        let calibration = uniform(1_000);
        // A hundred anomalies, of which ninety lie beyond all held-out rows.
        let left_out: Vec<f64> = (0..100).map(|row| if row < 90 { 2_000.0 } else { 500.0 }).collect();
        for level in [0.05, 0.2] {
            let threshold = Threshold::Fdr(level).score(&calibration, &left_out);
            let flags = |raw: &f64| calibration.score(*raw).score >= threshold;
            let (false_alarms, found) =
                (calibration.held_out().iter().filter(|raw| flags(raw)).count(), left_out.iter().filter(|raw| flags(raw)).count());
            assert_eq!(found, 90);
            let share = false_alarms as f64 / (false_alarms + found) as f64;
            assert!(share <= level && share > 0.5 * level, "{level}: {share}");
        }
    }

    #[test]
    fn where_nothing_can_be_discovered_only_the_highest_score_is_flagged() {
        assert_eq!(Threshold::Fdr(0.1).score(&uniform(1_000), &[]), 1.0);
    }
}
