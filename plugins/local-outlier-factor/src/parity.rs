//! Agreement with scikit-learn's `LocalOutlierFactor` on the vectors of `tests/parity`.

use super::*;
use ndarray::Array2;
use synod_neighbours::testing::{Case, Scores, each_case};

#[derive(Deserialize)]
struct Labelled {
    /// `-score_samples` of the queries, with `novelty=True`.
    scores: Vec<f64>,
    /// The score that the vectors' contamination of the training rows exceeds.
    threshold: f64,
    labels: Vec<bool>,
}

#[derive(Deserialize)]
struct Metrics {
    /// `-score_samples` of the queries, with `novelty=True`, and `-negative_outlier_factor_` of the training rows.
    lof: Scores,
}

/// The scores of `queries`, which must be those expected, to 1e-9 of their value.
fn assert_scores<T>(case: &Case<T>, novelty: bool, rows: &Array2<f64>, queries: &Array2<f64>, expected: &[f64]) -> Vec<f64> {
    let parameters = Parameters {
        neighbours: Count::Number(case.neighbours),
        metric: case.metric,
        p: case.p,
        duplicates: Duplicates::Keep,
        novelty,
        ..Parameters::default()
    };
    let model = LocalOutlierFactor::fit(&parameters, &Training::new(rows.view(), 0)).unwrap();
    let scores = model.score(queries.view()).unwrap();
    assert_eq!(scores.len(), expected.len());
    for (row, (score, expected)) in scores.iter().zip(expected).enumerate() {
        assert!((score / expected - 1.0).abs() <= 1e-9, "{}, {parameters:?}, row {row}: {score}, not {expected}", case.set);
    }
    scores
}

/// Labels, at the vectors' contamination, are all the same.
#[test]
fn scores_are_those_of_scikit_learn() {
    each_case::<Labelled>("local_outlier_factor.json", 10, |case, rows, queries| {
        let Labelled { scores, threshold, labels } = &case.expected;
        let scores = assert_scores(case, true, rows, queries, scores);
        assert_eq!(&scores.iter().map(|score| score > threshold).collect::<Vec<_>>(), labels, "{}", case.set);
    });
}

/// Every metric, new rows and training rows, equal rows among them.
#[test]
fn scores_of_new_and_of_training_rows_are_those_of_scikit_learn() {
    each_case::<Metrics>("neighbours.json", 8, |case, rows, queries| {
        assert_scores(case, true, rows, queries, &case.expected.lof.new);
        assert_scores(case, false, rows, rows, &case.expected.lof.own);
    });
}
