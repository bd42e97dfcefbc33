//! Agreement with scikit-learn's `LocalOutlierFactor` on the vectors of `tests/parity`.

use super::*;
use ndarray::Array2;
use std::{fs, path::Path};
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

/// The rows of a parity file, and what the library that wrote it says of them.
fn foreign(name: &str) -> (Vec<u8>, Array2<f64>, Vec<f64>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/foreign");
    let text = fs::read_to_string(folder.join(format!("{name}.parity.csv"))).unwrap();
    let rows: Vec<Vec<f64>> = text.lines().skip(1).map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    let width = rows[0].len() - 1;
    let values = Array2::from_shape_fn((rows.len(), width), |(row, column)| rows[row][column]);
    (fs::read(folder.join(format!("{name}.json"))).unwrap(), values, rows.iter().map(|row| row[width]).collect())
}

/// Models that `scripts/export_model.py` wrote: with scalers, equal rows, every metric, training rows as themselves, PyOD's with its contamination.
/// Tolerance: 1e-9 of the score.
#[test]
fn factors_from_elsewhere_are_those_of_their_libraries() {
    for name in ["factor", "factor_scaled", "factor_cubed", "factor_cosine", "factor_own", "factor_pyod"] {
        let (file, rows, expected) = foreign(name);
        let training = Training { artifact: Some(&file), ..Training::new(rows.view(), 0) };
        let model = LocalOutlierFactor::fit(&Parameters::default(), &training).unwrap();
        let scores = LocalOutlierFactor::from_bytes(&model.to_bytes()).unwrap().score(rows.view()).unwrap();
        assert!(scores.len() == expected.len() && scores.len() > 50);
        for (row, (score, expected)) in scores.iter().zip(&expected).enumerate() {
            assert!((score / expected - 1.0).abs() <= 1e-9, "{name}, row {row}: {score}, not {expected}");
        }
    }
}
