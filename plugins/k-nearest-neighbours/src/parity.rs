//! Agreement with PyOD's `KNN` (for `cosine`, which it does not take, with scikit-learn's `NearestNeighbors`) on the vectors of
//! `tests/parity`.

use super::*;
use std::{collections::HashMap, fs, path::Path};
use synod_neighbours::Metric;

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
    knn: HashMap<String, Scores>,
}

#[derive(Deserialize)]
struct Scores {
    /// `decision_function` of the queries.
    new: Vec<f64>,
    /// `decision_scores_` of the training rows.
    own: Vec<f64>,
}

fn array(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

/// Tolerance: 1e-9 of the score. A cosine of equal rows is not quite 1 there, so distances below 1e-15 are all the same.
#[test]
fn scores_are_those_of_pyod() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/neighbours.json");
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.cases.len() >= 8);
    for case in vectors.cases {
        let set = &vectors.sets[&case.set];
        for (name, method) in [("largest", Method::Largest), ("mean", Method::Mean), ("median", Method::Median)] {
            for (novelty, queries, scores) in [(true, &set.queries, &case.knn[name].new), (false, &set.rows, &case.knn[name].own)] {
                let parameters = Parameters {
                    neighbours: Count::Number(case.neighbours),
                    method,
                    metric: case.metric,
                    p: case.p,
                    duplicates: Duplicates::Keep,
                    novelty,
                    ..Parameters::default()
                };
                let rows = array(&set.rows);
                let model = KNearestNeighbours::fit(&parameters, &Training::new(rows.view(), 0)).unwrap();
                let found = model.score(array(queries).view()).unwrap();
                assert_eq!(found.len(), scores.len());
                for (row, (score, expected)) in found.iter().zip(scores).enumerate() {
                    let near = (score - expected).abs() <= 1e-9 * expected.abs() + 1e-15;
                    assert!(near, "{}, {parameters:?}, row {row}: {score}, not {expected}", case.set);
                }
            }
        }
    }
}
