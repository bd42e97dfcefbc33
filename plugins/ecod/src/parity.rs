//! Agreement with PyOD's `ECOD` on the vectors of `tests/parity`.

use super::*;
use std::{fs, path::Path};

#[derive(Deserialize)]
struct Vectors {
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    rows: Vec<Vec<f64>>,
    /// `decision_scores_`: those of the training rows.
    scores: Vec<f64>,
    /// Each feature's part of them.
    parts: Vec<Vec<f64>>,
    queries: Vec<Vec<f64>>,
    /// `decision_function` of each query alone.
    alone: Vec<f64>,
}

fn array(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn sets() -> Vec<Set> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/ecod.json");
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.sets.len() >= 3);
    vectors.sets
}

fn fit(parameters: &Parameters, set: &Set) -> Ecod {
    Ecod::fit(parameters, &Training::new(array(&set.rows).view(), 0)).unwrap()
}

/// Tolerance: 1e-9, of scores and of each feature's part.
#[test]
fn training_rows_have_the_scores_of_pyod() {
    for set in sets() {
        let model = fit(&Parameters::default(), &set);
        let scores = model.score(array(&set.rows).view()).unwrap();
        let parts = model.explain(array(&set.rows).view()).unwrap().contributions;
        let all = scores.iter().chain(&parts).zip(set.scores.iter().chain(set.parts.iter().flatten()));
        assert_eq!(scores.len(), set.scores.len());
        for (found, expected) in all {
            assert!((found - expected).abs() <= 1e-9, "{}: {found}, not {expected}", set.name);
        }
    }
}

/// PyOD counts a new row among the training rows before it looks for its tails, in both directions: with n training rows a feature's tail is
/// (k + 1) / (n + 1) where it is k / n here, so that the two differ by at most the logarithm of 2 for k = 1, and agree beyond all rows.
#[test]
fn new_rows_have_nearly_the_scores_of_pyod() {
    for set in sets() {
        let model = fit(&Parameters { extrapolate: false, ..Parameters::default() }, &set);
        let (scores, width) = (model.score(array(&set.queries).view()).unwrap(), set.rows[0].len() as f64);
        assert_eq!(scores.len(), set.alone.len());
        for (found, expected) in scores.iter().zip(&set.alone) {
            let room = width * std::f64::consts::LN_2;
            assert!(found - expected <= room && expected - found <= 1e-9, "{}: {found}, not {expected}", set.name);
        }
    }
}
