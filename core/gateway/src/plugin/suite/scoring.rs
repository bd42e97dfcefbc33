//! Scores: one finite number for every row, higher for what is worse, also where values are missing or far out.

use super::{Answer, Call, Fitted, MOST_RANKED};
use synod_host::{Failure, Refusal};

/// Raw scores of the rows.
pub(super) struct Scores {
    normal: Vec<f64>,
    anomalous: Vec<f64>,
}

/// Rows that values are taken out of, or put into.
const SOME_ROWS: usize = 16;

/// Scores the rows of both kinds. The host insists on one finite number for each.
pub(super) fn scores(fitted: &Fitted<'_>) -> (Answer, Option<Scores>) {
    let (rows, width) = (fitted.subject.rows, fitted.width());
    let first = |values: &[f64]| fitted.score(&values[..values.len().min(MOST_RANKED * width)]);
    match first(&rows.normal).and_then(|normal| Ok(Scores { normal, anomalous: first(&rows.anomalous)? })) {
        Ok(scores) => {
            let count = scores.normal.len() + scores.anomalous.len();
            (Answer::Held(format!("one finite score for each of {count} rows")), Some(scores))
        }
        Err(failure) => (Answer::of(&failure, "scoring", Call::Score), None),
    }
}

/// Anomalous rows have higher scores than normal ones, as often as is wanted.
pub(super) fn ranking(fitted: &Fitted<'_>, scores: &Scores) -> Answer {
    let (area, wanted) = (area(&scores.normal, &scores.anomalous), fitted.subject.trial.ranking);
    let found =
        format!("an anomalous row scores higher than a normal one in {:.1} % of pairs ({:.1} % wanted)", area * 100.0, wanted * 100.0);
    if area >= wanted {
        return Answer::Held(found);
    }
    let mend = if area < 0.5 {
        "scores seem to be the wrong way round: a higher score must mean more anomalous"
    } else {
        "make the detector tell them apart, give rows that it is meant for, or lower `ranking` in plugin.yaml"
    };
    Answer::broken(found, mend)
}

/// The area under the ROC curve: how often the second kind is higher, where equal scores count half.
fn area(normal: &[f64], anomalous: &[f64]) -> f64 {
    let mut sorted = normal.to_vec();
    sorted.sort_by(f64::total_cmp);
    let pairs = (normal.len() * anomalous.len()).max(1) as f64;
    let below = |score: f64| {
        let (less, at_most) = (sorted.partition_point(|normal| *normal < score), sorted.partition_point(|normal| *normal <= score));
        (less + at_most) as f64 / 2.0
    };
    anomalous.iter().map(|score| below(*score)).sum::<f64>() / pairs
}

/// Where the description allows missing values, rows with them have scores, and can be learnt from.
pub(super) fn missing(fitted: &Fitted<'_>) -> Answer {
    let (subject, width) = (fitted.subject, fitted.width());
    if !subject.description().missing_values {
        return Answer::Skipped("not promised: rows with missing values are refused before the plugin sees them".into());
    }
    let mut rows = Vec::new();
    for (at, row) in fitted.subject.rows.normal.chunks(width).take(SOME_ROWS.max(width)).enumerate() {
        rows.extend(row.iter().enumerate().map(|(column, value)| if column == at % width { f64::NAN } else { *value }));
    }
    rows.extend(vec![f64::NAN; width]);
    let scored = fitted.score(&rows).and_then(|together| Ok((together, fitted.score_alone(&rows)?)));
    match scored {
        Err(failure) => return Answer::of(&failure, "scoring rows with missing values", Call::Score),
        Ok((together, alone)) => {
            if let Err(row) = super::same(&together, &alone) {
                return Answer::broken(
                    format!("row {row} with a missing value has another score alone"),
                    "let a row's score depend on that row alone",
                );
            }
        }
    }
    let gaps =
        subject.rows.normal.iter().enumerate().map(|(at, value)| if at.is_multiple_of(7) { f64::NAN } else { *value }).collect::<Vec<_>>();
    let features = subject.features();
    let learnt = subject.fit(&subject.training(&features, &gaps)).and_then(|model| super::score(&subject.pool(&model)?, width, &rows));
    match learnt {
        Ok(_) => Answer::Held(format!("{} rows with missing values have scores, and such rows can be learnt from", rows.len() / width)),
        Err(failure) => Answer::of(&failure, "learning from rows with missing values", Call::Fit),
    }
}

/// Finite values, however far out, and categories that were never seen have finite scores.
pub(super) fn extreme(fitted: &Fitted<'_>) -> Answer {
    let (subject, width) = (fitted.subject, fitted.width());
    let usual = &subject.rows.normal[..width];
    // A missing value of the first row is of no interest here.
    let usual: Vec<f64> = usual.iter().map(|value| if value.is_nan() { 0.0 } else { *value }).collect();
    let mut rows = Vec::new();
    for value in [f64::MAX, f64::MIN, 1e300, -1e300, 1e18, f64::MIN_POSITIVE, 5e-324, 0.0] {
        let of = |column: usize| if subject.rows.features[column].1 == 0 { value } else { f64::from(subject.rows.features[column].1 - 1) };
        rows.extend((0..width).flat_map(|column| {
            usual.iter().enumerate().map(move |(at, usual)| if at == column { of(column) } else { *usual }).collect::<Vec<_>>()
        }));
        rows.extend((0..width).map(of));
    }
    let scored = fitted.score(&rows);
    match scored {
        Ok(scores) => {
            Answer::Held(format!("{} rows with values up to {:e} and unknown categories have finite scores", scores.len(), f64::MAX))
        }
        Err(failure) => Answer::of(&failure, "scoring rows with values far out", Call::Score),
    }
}

/// Rows of another width are an error.
pub(super) fn another_width(fitted: &Fitted<'_>) -> Answer {
    let width = fitted.width();
    for other in [width + 1, width.saturating_sub(1).max(1), 1000] {
        if other == width {
            continue;
        }
        match super::patiently(|| fitted.pool.score(other, &vec![0.0; other])) {
            Err(Failure::Refused { kind: Refusal::Data | Refusal::Model, .. }) => {}
            Err(failure) => {
                return Answer::of(&failure, &format!("scoring a row of {other} features with a model of {width}"), Call::Score);
            }
            Ok(_) => {
                return Answer::broken(
                    format!("a row of {other} features has a score, and the model learnt {width}"),
                    "answer with `error.data` if rows are not as wide as the model's",
                );
            }
        }
    }
    Answer::Held("rows of another width are refused".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs() {
        assert_eq!(area(&[1.0, 2.0, 3.0], &[4.0, 5.0]), 1.0);
        assert_eq!(area(&[1.0, 2.0], &[0.0]), 0.0);
        assert_eq!(area(&[1.0, 1.0], &[1.0]), 0.5);
        assert_eq!(area(&[1.0, 3.0], &[2.0, 3.0]), (1.0 + 1.5) / 4.0);
    }
}
