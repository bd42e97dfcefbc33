//! For tests of the detectors: rows, and the parity vectors. Not part of a plugin.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first thing that is not as it should be")]

use crate::Metric;
use ndarray::Array2;
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::HashMap, fs, path::Path};

/// About normal rows, the same at every call.
pub fn rows(count: usize, width: usize) -> Array2<f64> {
    let mut state = 1_u64;
    let mut share = || {
        // Knuth's MMIX generator; its upper half is random enough for rows.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / (1_u64 << 32) as f64
    };
    Array2::from_shape_simple_fn((count, width), || (0..12).map(|_| share()).sum::<f64>() - 6.0)
}

/// A case of the vectors, and what it says besides.
#[derive(Debug, Deserialize)]
pub struct Case<T> {
    /// The name of its rows.
    pub set: String,
    /// The number of neighbours.
    pub neighbours: f64,
    /// The metric.
    pub metric: Metric,
    /// The exponent of [`Metric::Minkowski`].
    pub p: f64,
    /// What there is only in this file.
    #[serde(flatten)]
    pub expected: T,
}

/// Scores of new rows and of training rows.
#[derive(Debug, Deserialize)]
pub struct Scores {
    /// Of the queries.
    pub new: Vec<f64>,
    /// Of the training rows, each without itself.
    pub own: Vec<f64>,
}

#[derive(Deserialize)]
struct Vectors<T> {
    sets: HashMap<String, Set>,
    cases: Vec<Case<T>>,
}

#[derive(Deserialize)]
struct Set {
    rows: Vec<Vec<f64>>,
    queries: Vec<Vec<f64>>,
}

/// Calls `check` with each case of a file of `tests/parity`, its training rows and its queries.
///
/// # Panics
/// When the file cannot be read, or has less than `least` cases.
pub fn each_case<T: DeserializeOwned>(file: &str, least: usize, mut check: impl FnMut(&Case<T>, &Array2<f64>, &Array2<f64>)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity").join(file);
    let vectors: Vectors<T> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(vectors.cases.len() >= least, "{} cases", vectors.cases.len());
    let array = |rows: &[Vec<f64>]| Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap();
    for case in &vectors.cases {
        let set = &vectors.sets[&case.set];
        check(case, &array(&set.rows), &array(&set.queries));
    }
}
