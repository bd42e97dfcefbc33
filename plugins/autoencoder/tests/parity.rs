//! Agreement with scikit-learn's networks and with onnxruntime, on the vectors of `tests/parity-networks`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use autoencoder::{Activation, Autoencoder, Parameters};
use ndarray::Array2;
use serde_json::Value;
use std::{fs, path::PathBuf};
use synod_sdk::{Detector, Training};

fn bytes(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity-networks").join(name)).unwrap()
}

fn vectors(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    order.into_iter().enumerate().for_each(|(rank, place)| ranks[place] = rank as f64);
    ranks
}

/// The correlation of the ranks; there are no ties.
fn spearman(one: &[f64], other: &[f64]) -> f64 {
    let count = one.len() as f64;
    let square: f64 = ranks(one).iter().zip(ranks(other)).map(|(one, other)| (one - other).powi(2)).sum();
    1.0 - 6.0 * square / (count * (count * count - 1.0))
}

/// One seed of the reference agrees with the mean of ten by .866 to .949, and finds 19 or 20 of the 20.
#[test]
fn ranks_rows_as_scikit_learns_networks_do() {
    let vectors = vectors("planted.json");
    let (training, rows, reference) = (matrix(&vectors["training"]), matrix(&vectors["rows"]), numbers(&vectors["scores"]));
    let planted: Vec<usize> = numbers(&vectors["planted"]).into_iter().map(|place| place as usize).collect();
    let alike = Parameters { hidden: vec![16, 8, 4, 8, 16], activation: Activation::Tanh, ..Parameters::default() };
    // The default network is another than the reference: it must find the same rows, but orders the ordinary ones in its own way.
    let default = Parameters { epochs: 30, ..Parameters::default() };
    for (seed, parameters, least) in [(1, &alike, 0.8), (2, &alike, 0.8), (3, &default, 0.3)] {
        let model = Autoencoder::fit(parameters, &Training::new(training.view(), seed)).unwrap();
        let scores = model.score(rows.view()).unwrap();
        let agreement = spearman(&scores, &reference);
        let found = planted.iter().filter(|place| ranks(&scores)[**place] >= (scores.len() - planted.len()) as f64).count();
        eprintln!("seed {seed}: spearman {agreement:.3}, {found} of {}", planted.len());
        assert!(agreement >= least, "seed {seed}: the ranks agree by {agreement}");
        assert!(found >= 19, "seed {seed}: {found} of {} planted anomalies are at the top", planted.len());
    }
}

#[test]
fn onnxruntime_reads_the_exported_file_and_scores_alike() {
    let model = Autoencoder::from_bytes(&bytes("autoencoder.model")).unwrap();
    assert_eq!(model.export_onnx().unwrap(), bytes("autoencoder.onnx"), "the file that onnxruntime has read is another");
    let (rows, answers) = (matrix(&vectors("planted.json")["rows"]), vectors("autoencoder.json"));
    for (own, theirs) in model.score(rows.view()).unwrap().into_iter().zip(numbers(&answers["score"])) {
        // The file standardises in single precision, and what that loses is measured in the features' small usual errors.
        assert!((own - theirs).abs() <= 1e-4 * own.abs().max(1.0), "own {own}, onnxruntime {theirs}");
    }
}
