//! Agreement with PyOD's `HBOS` on the vectors of `tests/parity`.

use super::*;
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path};

#[derive(Deserialize)]
struct Vectors {
    sets: BTreeMap<String, Set>,
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
    bins: Bins,
    alpha: f64,
    tolerance: f64,
    /// How many bins each feature has.
    number: Vec<usize>,
    /// `decision_scores_`: those of the training rows.
    own: Vec<f64>,
    /// `decision_function` of the queries.
    new: Vec<f64>,
}

fn array(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

/// Tolerance: 1e-9 of the score.
#[test]
fn scores_are_those_of_pyod() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/hbos.json");
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.cases.len() >= 8);
    for Case { set, bins, alpha, tolerance, number, own, new } in vectors.cases {
        let (rows, queries) = (array(&vectors.sets[&set].rows), array(&vectors.sets[&set].queries));
        let parameters = Parameters { bins, alpha, tolerance, outside: Outside::Lowest, ..Parameters::default() };
        let model = Hbos::fit(&parameters, &Training::new(rows.view(), 0)).unwrap();
        assert_eq!(model.0.iter().map(Feature::bins).collect::<Vec<_>>(), number, "{set}, {bins:?}");
        for (rows, expected) in [(rows, own), (queries, new)] {
            let scores = model.score(rows.view()).unwrap();
            assert_eq!(scores.len(), expected.len());
            for (found, expected) in scores.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{set}, {bins:?}: {found}, not {expected}");
            }
        }
    }
}
