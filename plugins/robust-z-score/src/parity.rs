//! Agreement with SciPy's `median_abs_deviation` on the vectors of `tests/parity`.

use super::*;
use std::{collections::BTreeMap, fs, path::Path};

#[derive(serde::Deserialize)]
struct Vectors {
    rows: Vec<Vec<f64>>,
    /// |x - median| / median_abs_deviation(scale="normal") of every value.
    distances: Vec<Vec<f64>>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    combine: Combine,
    cap: f64,
    scores: Vec<f64>,
}

fn array(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

/// Tolerance: 1e-12 of the value.
#[test]
fn distances_are_those_of_scipy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/robust_z_score.json");
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let rows = array(&vectors.rows);
    assert!(vectors.cases.len() >= 3);
    for case in &vectors.cases {
        let parameters = Parameters { combine: case.combine, cap: case.cap, sides: BTreeMap::new() };
        let model = RobustZScore::fit(&parameters, &Training::new(rows.view(), 0)).unwrap();
        for (score, expected) in model.score(rows.view()).unwrap().iter().zip(&case.scores) {
            assert!((score - expected).abs() <= 1e-12 * expected, "{:?}: {score}, not {expected}", case.combine);
        }
        let distances = vectors.rows.iter().flat_map(|row| model.measures.distances(row).collect::<Vec<_>>());
        for (found, expected) in distances.zip(vectors.distances.iter().flatten()) {
            assert!((found - expected.min(case.cap)).abs() <= 1e-12 * expected, "{found}, not {expected}");
        }
    }
}
