//! Agreement with PyOD's `KNN` (for `cosine`, which it does not take, with scikit-learn's `NearestNeighbors`) on the vectors of
//! `tests/parity`.

use super::*;
use std::collections::HashMap;
use synod_neighbours::testing::{Scores, each_case};

#[derive(Deserialize)]
struct Expected {
    /// By method: `decision_function` of the queries, `decision_scores_` of the training rows.
    knn: HashMap<String, Scores>,
}

/// Tolerance: 1e-9 of the score. A cosine of equal rows is not quite 1 there, so distances below 1e-15 are all the same.
#[test]
fn scores_are_those_of_pyod() {
    each_case::<Expected>("neighbours.json", 8, |case, rows, queries| {
        for (name, method) in [("largest", Method::Largest), ("mean", Method::Mean), ("median", Method::Median)] {
            let scores = &case.expected.knn[name];
            for (novelty, queries, scores) in [(true, queries, &scores.new), (false, rows, &scores.own)] {
                let parameters = Parameters {
                    neighbours: Count::Number(case.neighbours),
                    method,
                    metric: case.metric,
                    p: case.p,
                    duplicates: Duplicates::Keep,
                    novelty,
                    ..Parameters::default()
                };
                let model = KNearestNeighbours::fit(&parameters, &Training::new(rows.view(), 0)).unwrap();
                let found = model.score(queries.view()).unwrap();
                assert_eq!(found.len(), scores.len());
                for (row, (score, expected)) in found.iter().zip(scores).enumerate() {
                    let near = (score - expected).abs() <= 1e-9 * expected.abs() + 1e-15;
                    assert!(near, "{}, {parameters:?}, row {row}: {score}, not {expected}", case.set);
                }
            }
        }
    });
}
