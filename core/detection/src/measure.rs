//! How well scores and decisions agree with labels.

use serde::Serialize;

/// Area under the receiver operating characteristic: the share of pairs (anomaly, normal row) that the scores put in order; ties count
/// half. NaN unless there are rows of both kinds.
pub fn aucroc(scores: &[f64], labels: &[bool]) -> f64 {
    let order = ascending(scores);
    let (mut rank_sum, mut start) = (0.0, 0);
    while start < order.len() {
        let end = start + order[start..].iter().take_while(|row| scores[**row] == scores[order[start]]).count();
        let rank = (start + 1 + end) as f64 / 2.0;
        rank_sum += rank * order[start..end].iter().filter(|row| labels[**row]).count() as f64;
        start = end;
    }
    let anomalies = labels.iter().filter(|label| **label).count() as f64;
    let normal = labels.len() as f64 - anomalies;
    (rank_sum - anomalies * (anomalies + 1.0) / 2.0) / (anomalies * normal)
}

/// Area under the precision-recall curve as average precision: the sum over thresholds of precision times gain in recall. NaN without
/// anomalies.
pub fn aucpr(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order = ascending(scores);
    order.reverse();
    let anomalies = labels.iter().filter(|label| **label).count() as f64;
    let (mut found, mut area, mut start) = (0.0, 0.0, 0);
    while start < order.len() {
        let end = start + order[start..].iter().take_while(|row| scores[**row] == scores[order[start]]).count();
        let gained = order[start..end].iter().filter(|row| labels[**row]).count() as f64;
        found += gained;
        area += found / end as f64 * gained / anomalies;
        start = end;
    }
    if anomalies > 0.0 { area } else { f64::NAN }
}

fn ascending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    order
}

/// How decisions compare with labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Decided {
    /// Share of the flagged rows that are anomalies; 0 if nothing is flagged.
    pub precision: f64,
    /// Share of the anomalies that are flagged.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Share of all rows that are flagged.
    pub flag_rate: f64,
}

/// Compares decisions with labels.
pub fn decided(flagged: &[bool], labels: &[bool]) -> Decided {
    let count = |wanted: &dyn Fn(bool, bool) -> bool| flagged.iter().zip(labels).filter(|(f, l)| wanted(**f, **l)).count() as f64;
    let (hits, all) = (count(&|flag, label| flag && label), count(&|flag, _| flag));
    let anomalies = count(&|_, label| label);
    let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let (precision, recall) = (ratio(hits, all), ratio(hits, anomalies));
    Decided { precision, recall, f1: ratio(2.0 * precision * recall, precision + recall), flag_rate: ratio(all, labels.len() as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_those_of_scikit_learn() {
        // roc_auc_score and average_precision_score of the same lists.
        let labels = [false, false, true, true];
        assert_eq!(aucroc(&[0.1, 0.4, 0.35, 0.8], &labels), 0.75);
        assert!((aucpr(&[0.1, 0.4, 0.35, 0.8], &labels) - 0.833_333_333_333_333_3).abs() < 1e-15);
        assert_eq!(aucroc(&[1.0; 4], &labels), 0.5);
        assert_eq!(aucpr(&[1.0; 4], &labels), 0.5);
        assert!(aucroc(&[1.0, 2.0], &[false, false]).is_nan());
    }

    #[test]
    fn precision_and_recall() {
        let found = decided(&[true, true, false, false], &[true, false, true, false]);
        assert_eq!(found, Decided { precision: 0.5, recall: 0.5, f1: 0.5, flag_rate: 0.5 });
        assert_eq!(decided(&[false], &[true]).precision, 0.0);
    }
}
