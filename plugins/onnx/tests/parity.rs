//! Agreement with onnxruntime and with our own autoencoder, on the vectors of `tests/parity-networks`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use autoencoder::Autoencoder;
use ndarray::Array2;
use onnx::{Onnx, Parameters, Score};
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

fn scores(graph: &[u8], parameters: &Parameters, training: &Array2<f64>, rows: &Array2<f64>) -> Vec<f64> {
    let model = Onnx::fit(parameters, &Training { artifact: Some(graph), ..Training::new(training.view(), 0) }).unwrap();
    model.score(rows.view()).unwrap()
}

fn assert_close(own: &[f64], theirs: &[f64]) {
    assert_eq!(own.len(), theirs.len());
    for (row, (own, theirs)) in own.iter().zip(theirs).enumerate() {
        assert!((own - theirs).abs() <= 1e-5 * theirs.abs().max(1.0), "row {row}: own {own}, theirs {theirs}");
    }
}

#[test]
fn scikit_learns_network_is_scored_as_by_onnxruntime() {
    let vectors = vectors("mlp.json");
    let (training, rows) = (matrix(&vectors["training"]), matrix(&vectors["rows"]));
    for (standardise, expected) in [(true, "standardised"), (false, "plain")] {
        let parameters = Parameters { standardise, ..Parameters::default() };
        assert_close(&scores(&bytes("mlp.onnx"), &parameters, &training, &rows), &numbers(&vectors[expected]));
    }
}

#[test]
fn graphs_as_keras_and_pytorch_write_them_are_scored_as_by_onnxruntime() {
    let (vectors, planted) = (vectors("exported.json"), vectors("planted.json"));
    let (training, rows) = (matrix(&planted["training"]), matrix(&planted["rows"]));
    for graph in ["keras.onnx", "pytorch.onnx", "pytorch_script.onnx"] {
        let expected = numbers(&vectors[graph]["standardised"]);
        assert_close(&scores(&bytes(graph), &Parameters::default(), &training, &rows), &expected);
    }
}

#[test]
fn a_named_output_is_the_score() {
    let vectors = vectors("scores.json");
    let (training, rows) = (matrix(&vectors["training"]), matrix(&vectors["rows"]));
    for graph in ["scores.onnx", "scores_double.onnx"] {
        let distance = Parameters { score: Score::Output, output: "distance".into(), ..Parameters::default() };
        assert_close(&scores(&bytes(graph), &distance, &training, &rows), &numbers(&vectors[graph]["distance"]));
        let likelihood = Parameters { score: Score::Output, higher_is_anomalous: false, ..Parameters::default() };
        assert_close(&scores(&bytes(graph), &likelihood, &training, &rows), &numbers(&vectors[graph]["distance"]));
        let upside_down = Parameters { higher_is_anomalous: true, ..likelihood };
        assert_close(&scores(&bytes(graph), &upside_down, &training, &rows), &numbers(&vectors[graph]["likelihood"]));
    }
}

#[test]
fn our_autoencoders_file_is_scored_as_by_itself() {
    let vectors = vectors("planted.json");
    let (training, rows) = (matrix(&vectors["training"]), matrix(&vectors["rows"]));
    for activation in [autoencoder::Activation::Tanh, autoencoder::Activation::Relu] {
        let error = autoencoder::FeatureError::Squared;
        let parameters = autoencoder::Parameters { activation, error, epochs: 20, ..autoencoder::Parameters::default() };
        let own = Autoencoder::fit(&parameters, &Training::new(training.view(), 4)).unwrap();
        let (file, expected) = (own.export_onnx().unwrap(), own.score(rows.view()).unwrap());
        let output = Parameters { score: Score::Output, output: "score".into(), ..Parameters::default() };
        assert_close(&scores(&file, &output, &training, &rows), &expected);
        // The other output is the reconstruction in the rows' own units.
        assert_close(&scores(&file, &Parameters::default(), &training, &rows), &expected);
    }
}
