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

/// Which rows have the highest scores, so many of them; of equal scores the earlier rows.
pub fn top(scores: &[f64], count: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut highest = vec![false; scores.len()];
    order.into_iter().take(count).for_each(|row| highest[row] = true);
    highest
}

/// Share of anomalies among the rows with the highest scores, so many of them. Where the last place is tied, the tied rows count by their
/// share: what a blind draw among them would give on average.
pub fn precision_at(scores: &[f64], labels: &[bool], count: usize) -> f64 {
    let count = count.min(scores.len());
    let mut order = ascending(scores);
    order.reverse();
    let Some(last) = count.checked_sub(1).map(|place| scores[order[place]]) else { return f64::NAN };
    let (mut above, mut found, mut tied, mut tied_found) = (0.0, 0.0, 0.0, 0.0);
    for row in order.iter().take_while(|row| scores[**row] >= last) {
        let label = f64::from(u8::from(labels[*row]));
        if scores[*row] > last {
            (above, found) = (above + 1.0, found + label);
        } else {
            (tied, tied_found) = (tied + 1.0, tied_found + label);
        }
    }
    (found + tied_found / tied * (count as f64 - above)) / count as f64
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

/// What mistakes cost, both kinds in one unit.
#[derive(Debug, Clone, Copy)]
pub struct Costs<'a> {
    /// For each row what it costs to miss it, if it is an anomaly.
    pub missed: &'a [f64],
    /// What it costs to flag a row that is none.
    pub alarm: f64,
}

/// What the mistakes of decisions cost.
pub fn cost(flagged: &[bool], labels: &[bool], costs: Costs<'_>) -> f64 {
    let rows = flagged.iter().zip(labels).zip(costs.missed);
    let of_row = |((flag, label), missed): ((&bool, &bool), &f64)| match (flag, label) {
        (false, true) => *missed,
        (true, false) => costs.alarm,
        _ => 0.0,
    };
    rows.map(of_row).sum()
}

/// What a threshold comes to: the rows that score at least as high are flagged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Swept {
    /// The score, above 0.
    pub threshold: f64,
    /// Rows that are flagged.
    pub flagged: usize,
    /// Share of the flagged rows that are anomalies.
    pub precision: f64,
    /// Share of the anomalies that are flagged; 0 if there are none.
    pub recall: f64,
    /// What its mistakes cost.
    pub cost: f64,
}

/// For each of these shares of the rows, from small to large, the highest threshold that flags at least as many; at least one row. Equal
/// scores stay together, so that a threshold may flag more, and several shares may have one threshold: it is listed once. Rows with a score
/// of 0 or less are never flagged. Of all thresholds that flag the same rows it is the one with the fewest decimals.
pub fn sweep(scores: &[f64], labels: &[bool], costs: Costs<'_>, shares: &[f64]) -> Vec<Swept> {
    let steps = steps(scores, labels, costs);
    let wanted = |share: &f64| (share * scores.len() as f64).round().max(1.0) as usize;
    let reached = |share: &f64| steps.get(steps.partition_point(|step| step.flagged < wanted(share))).copied();
    let mut points: Vec<Swept> = shares.iter().filter_map(reached).collect();
    points.dedup_by_key(|point| point.flagged);
    points
}

/// Every threshold that makes a difference, from the highest to the lowest.
fn steps(scores: &[f64], labels: &[bool], costs: Costs<'_>) -> Vec<Swept> {
    let anomalies = labels.iter().filter(|label| **label).count();
    let order = ascending(scores);
    let (mut steps, mut start, mut below) = (Vec::new(), 0, 0.0_f64);
    let (mut missed, mut missed_cost) = (0, 0.0);
    while start < order.len() {
        let score = scores[order[start]];
        let end = start + order[start..].iter().take_while(|row| scores[**row] == score).count();
        if score > 0.0 {
            let (flagged, hits) = (order.len() - start, anomalies - missed);
            steps.push(Swept {
                threshold: fewest_decimals(below, score),
                flagged,
                precision: hits as f64 / flagged as f64,
                recall: if anomalies > 0 { hits as f64 / anomalies as f64 } else { 0.0 },
                cost: missed_cost + costs.alarm * (flagged - hits) as f64,
            });
            below = score;
        }
        for row in order[start..end].iter().filter(|row| labels[**row]) {
            missed += 1;
            missed_cost += costs.missed[*row];
        }
        start = end;
    }
    steps.reverse();
    steps
}

/// The number with the fewest decimals that is above `below` and not above `at`; both at least 0.
fn fewest_decimals(below: f64, at: f64) -> f64 {
    let cut = |decimals| {
        let unit = 10_f64.powi(decimals);
        (at * unit).floor() / unit
    };
    (0..=15).map(cut).find(|number| *number > below && *number <= at).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    fn the_highest_scores_and_their_ties() {
        let labels = [true, false, true, false, false];
        assert_eq!(precision_at(&[5.0, 4.0, 3.0, 2.0, 1.0], &labels, 3), 2.0 / 3.0);
        assert_eq!(precision_at(&[5.0, 3.0, 3.0, 3.0, 1.0], &labels, 2), (1.0 + 1.0 / 3.0) / 2.0);
        assert_eq!(precision_at(&[1.0; 5], &labels, 10), 0.4);
        assert_eq!(top(&[1.0, 3.0, 3.0, 2.0], 2), [false, true, true, false]);
    }

    #[test]
    fn precision_and_recall() {
        let found = decided(&[true, true, false, false], &[true, false, true, false]);
        assert_eq!(found, Decided { precision: 0.5, recall: 0.5, f1: 0.5, flag_rate: 0.5 });
        assert_eq!(decided(&[false], &[true]).precision, 0.0);
    }

    #[test]
    fn mistakes_have_their_price() {
        let labels = [true, true, false, false];
        let costs = Costs { missed: &[100.0, 7.0, 100.0, 100.0], alarm: 5.0 };
        assert_eq!(cost(&[true, false, true, false], &labels, costs), 12.0);
        assert_eq!(cost(&[true, true, false, false], &labels, costs), 0.0);
        assert_eq!(cost(&[false; 4], &labels, costs), 107.0);
    }

    #[test]
    fn a_sweep_goes_from_few_alarms_to_many() {
        let (scores, labels) = ([0.9, 0.56, 0.56, 0.3, 0.0], [true, false, true, false, true]);
        let costs = Costs { missed: &[100.0; 5], alarm: 5.0 };
        let points = sweep(&scores, &labels, costs, &[0.01, 0.2, 0.4, 0.6, 0.8, 1.0]);
        let found: Vec<_> = points.iter().map(|point| (point.threshold, point.flagged, point.cost)).collect();
        // The two that are tied come together, and a score of 0 flags nobody.
        assert_eq!(found, [(0.9, 1, 200.0), (0.5, 3, 105.0), (0.3, 4, 110.0)]);
        assert_eq!((points[1].precision, points[1].recall), (2.0 / 3.0, 2.0 / 3.0));
        assert_eq!(sweep(&[], &[], costs, &[0.5]), []);
        assert_eq!(sweep(&[0.5], &[false], costs, &[0.5])[0].recall, 0.0);
    }

    #[test]
    fn a_threshold_is_as_short_as_it_can_be() {
        assert_eq!(fewest_decimals(0.0, 1.0), 1.0);
        assert_eq!(fewest_decimals(0.512, 0.513_7), 0.513);
        assert_eq!(fewest_decimals(0.299_999_999_9, 0.3), 0.3);
        let next = 0.1_f64.next_up();
        assert_eq!(fewest_decimals(0.1, next), next);
    }

    proptest! {
        #[test]
        fn each_threshold_does_what_is_said_of_it(rows in prop::collection::vec((0..40_u8, any::<bool>(), 0.0..50.0_f64), 1..80)) {
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0) / 39.0).collect();
            let labels: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let missed: Vec<f64> = rows.iter().map(|row| row.2).collect();
            let costs = Costs { missed: &missed, alarm: 3.0 };
            let shares: Vec<f64> = (1..=20).map(|step| f64::from(step) / 20.0).collect();
            for point in sweep(&scores, &labels, costs, &shares) {
                let flagged: Vec<bool> = scores.iter().map(|score| *score >= point.threshold).collect();
                let said = decided(&flagged, &labels);
                prop_assert_eq!(flagged.iter().filter(|flag| **flag).count(), point.flagged);
                prop_assert_eq!((said.precision, said.recall), (point.precision, point.recall));
                prop_assert!((cost(&flagged, &labels, costs) - point.cost).abs() < 1e-9);
            }
        }
    }
}
