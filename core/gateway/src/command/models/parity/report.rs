//! How far two scores of the same rows are from each other.

use crate::command::CommandError;
use serde::Serialize;
use synod_detection::measure::top;

/// Most rows that are listed.
const LISTED: usize = 10;

/// Most rows that people are shown where all agree.
const SHOWN: usize = 3;

/// A row with what the library says of it and what the detector does, or why it says nothing.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) row: u64,
    pub(super) expected: f64,
    pub(super) found: Result<f64, String>,
}

/// A row with both scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Pair {
    row: u64,
    expected: f64,
    raw_score: f64,
    difference: f64,
}

/// A row without a score.
#[derive(Debug, Serialize)]
struct Abstained {
    row: u64,
    why: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Rows with both scores.
    rows: usize,
    /// Rows that the schema refuses.
    refused: usize,
    abstentions: usize,
    tolerance: f64,
    /// Whether every row has a score, and none is further from the library's than the tolerance: absolute up to 1, relative above.
    pub(super) within: bool,
    /// Rows that are further.
    beyond: usize,
    largest_difference: f64,
    largest_relative_difference: f64,
    /// Spearman's; absent where all scores of one side are equal.
    rank_correlation: Option<f64>,
    /// Of the highest hundredth of the rows by the library, the share that is among the highest hundredth here.
    agreement_of_top_1_percent: f64,
    /// Those that differ most.
    worst: Vec<Pair>,
    /// The first rows without a score.
    abstained: Vec<Abstained>,
    warnings: Vec<String>,
}

impl Report {
    /// Measures rows, of which a file had `all`.
    ///
    /// # Errors
    /// When no row has both scores.
    pub(super) fn new(compared: &[Compared], tolerance: f64, all: usize, warnings: Vec<String>) -> Result<Self, CommandError> {
        let pairs: Vec<Pair> = compared.iter().filter_map(pair).collect();
        let abstained = compared.iter().filter_map(|row| Some((row.row, row.found.as_ref().err()?)));
        let mut abstained: Vec<Abstained> = abstained.map(|(row, why)| Abstained { row, why: why.clone() }).collect();
        if pairs.is_empty() {
            let why = abstained.first().map_or_else(String::new, |first| format!(": row {}: {}", first.row, first.why));
            return Err(CommandError::Data(format!("no row has a score of the detector's to compare{why}")));
        }
        let abstentions = abstained.len();
        abstained.truncate(LISTED);
        let beyond = pairs.iter().filter(|pair| pair.difference > tolerance * pair.expected.abs().max(1.0)).count();
        let greatest = |of: &dyn Fn(&Pair) -> f64| pairs.iter().map(of).fold(0.0, f64::max);
        let (expected, found): (Vec<f64>, Vec<f64>) = pairs.iter().map(|pair| (pair.expected, pair.raw_score)).unzip();
        Ok(Self {
            rows: pairs.len(),
            refused: all - compared.len(),
            abstentions,
            tolerance,
            within: beyond == 0 && abstentions == 0,
            beyond,
            largest_difference: greatest(&|pair| pair.difference),
            largest_relative_difference: greatest(&relative),
            rank_correlation: correlation(&ranks(&expected), &ranks(&found)),
            agreement_of_top_1_percent: agreement(&expected, &found),
            worst: worst(&pairs),
            abstained,
            warnings,
        })
    }

    /// For people. That scores do not agree is said by the command's error.
    pub(super) fn table(&self, detector: &str, version: u64) -> String {
        let mut text = format!("{detector} version {version}, {} rows with both scores\n", self.rows);
        let correlation = self.rank_correlation.map_or_else(|| "-".to_owned(), |correlation| format!("{correlation:.9}"));
        for (name, value) in [
            ("largest difference", format!("{:.3e}", self.largest_difference)),
            ("largest relative difference", format!("{:.3e}", self.largest_relative_difference)),
            ("rank correlation", correlation),
            ("agreement of the top 1 %", format!("{:.4}", self.agreement_of_top_1_percent)),
            ("rows beyond the tolerance", format!("{} ({:e}, relative above 1)", self.beyond, self.tolerance)),
            ("rows without a score", self.abstentions.to_string()),
            ("rows refused by the schema", self.refused.to_string()),
        ] {
            text += &format!("  {name:28} {value}\n");
        }
        let shown = if self.beyond == 0 { SHOWN } else { LISTED };
        let differing: Vec<&Pair> = self.worst.iter().filter(|pair| pair.difference > 0.0).take(shown).collect();
        if !differing.is_empty() {
            text += &format!("  {:>10}  {:>24}  {:>24}  {:>10}\n", "row", "expected", "raw score", "difference");
        }
        for Pair { row, expected, raw_score, difference } in differing {
            let (expected, raw_score) = (short(*expected), short(*raw_score));
            text += &format!("  {row:>10}  {expected:>24}  {raw_score:>24}  {difference:>10.2e}\n");
        }
        self.abstained.iter().for_each(|row| text += &format!("  row {}: no score: {}\n", row.row, row.why));
        self.warnings.iter().for_each(|warning| text += &format!("warning: {warning}\n"));
        if self.within {
            text += &format!("{}\n", self.verdict());
        }
        text
    }

    /// In one line.
    pub(super) fn verdict(&self) -> String {
        if self.within {
            return "the scores agree".into();
        }
        let Self { rows, beyond, abstentions, tolerance, .. } = self;
        format!("the scores do not agree: {beyond} of {rows} rows differ by more than {tolerance:e}, and {abstentions} have no score")
    }
}

/// All digits of a number, and not its zeros.
fn short(number: f64) -> String {
    if (1e-5..1e15).contains(&number.abs()) { number.to_string() } else { format!("{number:e}") }
}

fn pair(compared: &Compared) -> Option<Pair> {
    let raw_score = *compared.found.as_ref().ok()?;
    let Compared { row, expected, .. } = *compared;
    Some(Pair { row, expected, raw_score, difference: (raw_score - expected).abs() })
}

/// Of two zeros it is 0.
fn relative(pair: &Pair) -> f64 {
    let size = pair.expected.abs().max(pair.raw_score.abs());
    if size > 0.0 { pair.difference / size } else { 0.0 }
}

fn worst(pairs: &[Pair]) -> Vec<Pair> {
    let mut worst = pairs.to_vec();
    worst.sort_by(|one, other| {
        let beyond = |pair: &Pair| pair.difference / pair.expected.abs().max(1.0);
        beyond(other).total_cmp(&beyond(one)).then(one.row.cmp(&other.row))
    });
    worst.truncate(LISTED);
    worst
}

/// Each value's rank; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|one, other| values[*one] == values[*other]) {
        let mean = first as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|place| ranks[*place] = mean);
        first += equal.len();
    }
    ranks
}

/// Pearson's correlation; nothing where one side does not vary.
fn correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (middle, other_middle) = (mean(one), mean(other));
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for (one, other) in one.iter().zip(other) {
        let (one, other) = (one - middle, other - other_middle);
        both += one * other;
        first += one * one;
        second += other * other;
    }
    (first > 0.0 && second > 0.0).then(|| (both / (first * second).sqrt()).clamp(-1.0, 1.0))
}

fn agreement(expected: &[f64], found: &[f64]) -> f64 {
    let count = expected.len().div_ceil(100);
    let both = top(expected, count).into_iter().zip(top(found, count)).filter(|(one, other)| *one && *other).count();
    both as f64 / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(pairs: &[(f64, f64)]) -> Vec<Compared> {
        let row =
            |(place, (expected, found)): (usize, &(f64, f64))| Compared { row: place as u64 + 1, expected: *expected, found: Ok(*found) };
        pairs.iter().enumerate().map(row).collect()
    }

    fn report(pairs: &[(f64, f64)], tolerance: f64) -> Report {
        Report::new(&compared(pairs), tolerance, pairs.len(), Vec::new()).unwrap()
    }

    #[test]
    fn equal_scores_agree() {
        let report = report(&[(0.5, 0.5), (-1.0, -1.0), (0.0, 0.0)], 0.0);
        assert!(report.within && report.largest_relative_difference == 0.0);
        assert_eq!((report.rank_correlation, report.agreement_of_top_1_percent), (Some(1.0), 1.0));
        assert!(report.table("forest", 3).ends_with("the scores agree\n"));
    }

    #[test]
    fn a_tolerance_is_relative_above_1() {
        assert!(report(&[(1e6, 1e6 + 1e-4), (0.5, 0.5)], 1e-9).within);
        let report = report(&[(1e6, 1e6 + 1e-2), (0.5, 0.5 + 2e-9), (0.1, 0.1)], 1e-9);
        assert_eq!((report.within, report.beyond, report.worst[0].row), (false, 2, 1));
        assert!(report.verdict().contains("2 of 3 rows"));
    }

    #[test]
    fn ranks_are_compared_with_ties() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
        assert_eq!(report(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)], 1.0).rank_correlation, Some(-1.0));
        assert_eq!(report(&[(1.0, 3.0), (1.0, 2.0)], 1.0).rank_correlation, None);
        let turned: Vec<(f64, f64)> = (0..200).map(|row| (f64::from(row), -f64::from(row))).collect();
        assert_eq!(report(&turned, 1.0).agreement_of_top_1_percent, 0.0);
    }

    #[test]
    fn a_row_without_a_score_does_not_agree() {
        let mut rows = compared(&[(0.5, 0.5)]);
        rows.push(Compared { row: 2, expected: 0.1, found: Err("too slow".into()) });
        let report = Report::new(&rows, 1.0, 3, Vec::new()).unwrap();
        assert_eq!((report.within, report.abstentions, report.refused), (false, 1, 1));
        assert!(report.table("forest", 1).contains("row 2: no score: too slow"));
        let error = Report::new(&rows[1..], 1.0, 1, Vec::new()).unwrap_err().to_string();
        assert!(error.contains("row 2: too slow"), "{error}");
    }
}
