//! What other thresholds of the policy's score would have come to.
//!
//! They are looked at with hindsight: the cheapest threshold of the past was found on the rows that it is judged by. It is a place to look,
//! and the next period says whether it holds.

use super::report::{Measured, Part};
use super::rows::JudgedRows;
use serde::Serialize;
use synod_detection::Policy;
use synod_detection::measure::{Costs, Swept, sweep};

/// Thresholds that are tried.
const STEPS: i32 = 60;
/// The least and the greatest share of the rows that they flag.
const SHARES: (f64, f64) = (0.001, 0.2);

/// What a threshold comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Point {
    /// None where votes are counted.
    pub(super) threshold: Option<f64>,
    pub(super) flagged: usize,
    pub(super) flag_rate: f64,
    pub(super) alarms_a_day: f64,
    pub(super) precision: f64,
    pub(super) recall: f64,
    pub(super) cost: f64,
}

/// The configured threshold, the cheapest, and those between few alarms and many.
#[derive(Debug, Serialize)]
pub(super) struct Thresholds {
    /// What the policy does as it is configured.
    pub(super) configured: Point,
    /// The cheapest of all, the configured one among them.
    pub(super) cheapest: Point,
    /// What it would cost to flag nothing.
    pub(super) cost_without_alarms: f64,
    /// What to write into the configuration to have the cheapest; none if it is there already, or cannot be had by a threshold.
    pub(super) write: Option<String>,
    /// The same for people.
    pub(super) advice: String,
    /// From few alarms to many.
    pub(super) points: Vec<Point>,
}

impl Thresholds {
    pub(super) fn new(policy: &Policy, rows: &JudgedRows, overall: &Part, costs: Costs<'_>) -> Self {
        let scores: Vec<f64> = rows.verdicts.iter().map(|verdict| verdict.score).collect();
        let swept = sweep(&scores, &rows.labels, costs, &shares());
        let points: Vec<Point> = swept.iter().map(|swept| Point::swept(swept, overall)).collect();
        let threshold = rows.verdicts.first().and_then(|verdict| verdict.threshold);
        let configured = Point::configured(threshold, &overall.policy);
        // As good as any: what is configured stays.
        let cheapest = points.iter().fold(configured, |best, point| if point.cost < best.cost { *point } else { best });
        let missed = rows.labels.iter().zip(costs.missed).filter(|(label, _)| **label).map(|(_, missed)| missed);
        // The addition turns -0, the sum of nothing, into 0.
        let cost_without_alarms = missed.sum::<f64>() + 0.0;
        let write = write(&configured, &cheapest);
        let advice = advice(policy, &configured, &cheapest, cost_without_alarms);
        Self { configured, cheapest, cost_without_alarms, write, advice, points }
    }
}

impl Point {
    fn swept(swept: &Swept, overall: &Part) -> Self {
        Self {
            threshold: Some(swept.threshold),
            flagged: swept.flagged,
            flag_rate: swept.flagged as f64 / overall.rows as f64,
            alarms_a_day: swept.flagged as f64 / overall.days,
            precision: swept.precision,
            recall: swept.recall,
            cost: swept.cost,
        }
    }

    fn configured(threshold: Option<f64>, policy: &Measured) -> Self {
        Self {
            threshold,
            flagged: policy.flagged,
            flag_rate: policy.decided.flag_rate,
            alarms_a_day: policy.alarms_a_day,
            precision: policy.decided.precision,
            recall: policy.decided.recall,
            cost: policy.cost,
        }
    }
}

/// From the least to the greatest share, each by the same factor more than the one before.
fn shares() -> Vec<f64> {
    let (least, greatest) = SHARES;
    (0..STEPS).map(|step| least * (greatest / least).powf(f64::from(step) / f64::from(STEPS - 1))).collect()
}

fn write(configured: &Point, cheapest: &Point) -> Option<String> {
    let threshold = cheapest.threshold.filter(|_| configured.threshold.is_some() && configured != cheapest)?;
    Some(format!("consensus.threshold: {threshold}"))
}

fn advice(policy: &Policy, configured: &Point, cheapest: &Point, without_alarms: f64) -> String {
    let mut advice = match (write(configured, cheapest), configured.threshold) {
        (Some(line), _) => format!("To have the cheapest: write `{line}`, and take out `consensus.contamination`."),
        (None, Some(_)) => "No other threshold is cheaper than the configured one.".to_owned(),
        (None, None) => "The rule counts votes: a threshold of the score needs a rule over scores, such as weighted_mean.".to_owned(),
    };
    if let (Some(_), Some(review)) = (cheapest.threshold, policy.review) {
        advice += &format!(" `outcomes.review: {review}` sends rows to review whatever the threshold.");
    }
    if without_alarms < cheapest.cost {
        advice += " No alarm at all would be cheaper still.";
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow_from_a_thousandth_to_a_fifth() {
        let shares = shares();
        assert_eq!(shares.len(), 60);
        assert!((shares[0] - 0.001).abs() < 1e-12 && (shares[59] - 0.2).abs() < 1e-12);
        assert!(shares.windows(2).all(|pair| (pair[1] / pair[0] - 200_f64.powf(1.0 / 59.0)).abs() < 1e-9));
    }

    fn point(threshold: Option<f64>, cost: f64) -> Point {
        Point { threshold, flagged: 1, flag_rate: 0.1, alarms_a_day: 1.0, precision: 0.5, recall: 0.5, cost }
    }

    #[test]
    fn advice_says_what_to_write_and_what_stands_against_it() {
        let mut policy = Policy::new(synod_detection::Rule::Mean, 2, 0.01);
        let (dear, cheap) = (point(Some(0.5), 9.0), point(Some(0.625), 4.0));
        assert_eq!(write(&dear, &cheap).as_deref(), Some("consensus.threshold: 0.625"));
        assert!(advice(&policy, &cheap, &cheap, 3.0).contains("No alarm at all"));
        assert_eq!(advice(&policy, &cheap, &cheap, 5.0), "No other threshold is cheaper than the configured one.");
        let counted = point(None, 9.0);
        assert_eq!(write(&counted, &cheap), None);
        assert!(advice(&policy, &counted, &cheap, 90.0).contains("counts votes"));
        policy.review = Some(0.4);
        assert!(advice(&policy, &dear, &cheap, 90.0).contains("outcomes.review: 0.4"));
    }
}
