//! Agreement with scikit-learn's `LocalOutlierFactor(novelty=True)` on the vectors of `tests/parity`.

use super::*;
use std::{collections::HashMap, fs, path::Path};

#[derive(Deserialize)]
struct Vectors {
    sets: HashMap<String, Set>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Set {
    rows: Vec<Vec<f64>>,
    queries: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Case {
    set: String,
    neighbours: f64,
    metric: Metric,
    p: f64,
    scores: Vec<f64>,
    /// The score that the vectors' contamination of the training rows exceeds.
    threshold: f64,
    labels: Vec<bool>,
}

fn array(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

/// Tolerance: 1e-9 of the score. Labels, at the vectors' contamination, are all the same.
#[test]
fn scores_are_those_of_scikit_learn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/local_outlier_factor.json");
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.cases.len() >= 10);
    for case in vectors.cases {
        let set = &vectors.sets[&case.set];
        let parameters = Parameters {
            neighbours: Count::Number(case.neighbours),
            metric: case.metric,
            p: case.p,
            duplicates: Duplicates::Keep,
            ..Parameters::default()
        };
        let rows = array(&set.rows);
        let model = LocalOutlierFactor::fit(&parameters, &Training::new(rows.view(), 0)).unwrap();
        let scores = model.score(array(&set.queries).view()).unwrap();
        assert_eq!(scores.len(), case.scores.len());
        for (row, (score, expected)) in scores.iter().zip(&case.scores).enumerate() {
            assert!((score / expected - 1.0).abs() <= 1e-9, "{}, {parameters:?}, row {row}: {score}, not {expected}", case.set);
        }
        let labels: Vec<bool> = scores.iter().map(|score| *score > case.threshold).collect();
        assert_eq!(labels, case.labels, "{}, {parameters:?}", case.set);
    }
}

#[derive(Deserialize)]
struct Neighbours {
    sets: HashMap<String, Set>,
    cases: Vec<Metrics>,
}

#[derive(Deserialize)]
struct Metrics {
    set: String,
    neighbours: f64,
    metric: Metric,
    p: f64,
    lof: Scores,
}

#[derive(Deserialize)]
struct Scores {
    /// `-score_samples` of the queries, with `novelty=True`.
    new: Vec<f64>,
    /// `-negative_outlier_factor_` of the training rows.
    own: Vec<f64>,
}

/// Every metric, new rows and training rows, equal rows among them. Tolerance: 1e-9 of the score.
#[test]
fn scores_of_new_and_of_training_rows_are_those_of_scikit_learn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/neighbours.json");
    let vectors: Neighbours = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.cases.len() >= 8);
    for case in vectors.cases {
        let set = &vectors.sets[&case.set];
        for (novelty, queries, scores) in [(true, &set.queries, &case.lof.new), (false, &set.rows, &case.lof.own)] {
            let parameters = Parameters {
                neighbours: Count::Number(case.neighbours),
                metric: case.metric,
                p: case.p,
                duplicates: Duplicates::Keep,
                novelty,
                ..Parameters::default()
            };
            let rows = array(&set.rows);
            let model = LocalOutlierFactor::fit(&parameters, &Training::new(rows.view(), 0)).unwrap();
            let found = model.score(array(queries).view()).unwrap();
            assert_eq!(found.len(), scores.len());
            for (row, (score, expected)) in found.iter().zip(scores).enumerate() {
                assert!((score / expected - 1.0).abs() <= 1e-9, "{}, {parameters:?}, row {row}: {score}, not {expected}", case.set);
            }
        }
    }
}
