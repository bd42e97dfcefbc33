//! What the plugin makes of graphs, good and bad, from `tests/parity-networks`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use ndarray::{Array2, array};
use onnx::{Onnx, Parameters, Score};
use std::{fs, path::PathBuf};
use synod_sdk::{Detector, Error, Training, conformance};

fn bytes(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity-networks").join(name)).unwrap()
}

fn rows(count: usize, width: usize) -> Array2<f64> {
    Array2::from_shape_fn((count, width), |(row, column)| f64::from((row * 29 + column * 13) as u32 % 31) / 10.0 - 1.5)
}

fn fit(name: &str, parameters: &Parameters, rows: &Array2<f64>) -> Result<Onnx, Error> {
    Onnx::fit(parameters, &Training { artifact: Some(&bytes(name)), ..Training::new(rows.view(), 0) })
}

/// What the error says.
fn refusal(name: &str, parameters: &Parameters, width: usize) -> String {
    match fit(name, parameters, &rows(20, width)) {
        Err(Error::Artifact(text)) => text,
        other => panic!("{name} must be refused, but: {other:?}"),
    }
}

fn scored_by(output: &str) -> Parameters {
    Parameters { score: Score::Output, output: output.into(), ..Parameters::default() }
}

#[test]
fn keeps_what_every_detector_must() {
    conformance::run::<Onnx>(&Parameters::default(), &rows(70, 6), &[50.0, -20.0, 900.0, 0.0, 3.0, 9.0], Some(&bytes("mlp.onnx")));
}

#[test]
fn keeps_it_for_a_graph_of_one_row() {
    conformance::run::<Onnx>(&Parameters::default(), &rows(40, 3), &[9.0, -9.0, 9.0], Some(&bytes("one_row.onnx")));
}

#[test]
fn a_row_is_scored_alone_where_the_graph_mixes_rows() {
    let model = fit("mixes_rows.onnx", &Parameters::default(), &rows(40, 3)).unwrap();
    let together = model.score(rows(40, 3).view()).unwrap();
    let alone: Vec<f64> = rows(40, 3).rows().into_iter().map(|row| model.score(row.insert_axis(ndarray::Axis(0))).unwrap()[0]).collect();
    assert_eq!(together, alone);
}

#[test]
fn a_score_that_is_no_reconstruction_cannot_be_explained() {
    let model = fit("scores.onnx", &scored_by("distance"), &rows(20, 3)).unwrap();
    assert_eq!(model.explain(rows(2, 3).view()), Err(Error::Unsupported));
}

#[test]
fn the_shares_add_up_to_the_score() {
    let model = fit("mlp.onnx", &Parameters::default(), &rows(50, 6)).unwrap();
    let (scores, parts) = (model.score(rows(50, 6).view()).unwrap(), model.explain(rows(50, 6).view()).unwrap().contributions);
    assert!(scores.iter().zip(parts.rows()).all(|(score, parts)| parts.iter().sum::<f64>() == *score));
}

#[test]
fn an_answer_that_is_no_number_is_an_error_that_names_the_row() {
    let model = fit("scores.onnx", &scored_by("distance"), &rows(20, 3)).unwrap();
    let error = model.score(array![[0.0, 0.0, 0.0], [f64::MAX, 1.0, 1.0]].view()).unwrap_err();
    assert!(matches!(&error, Error::Data(text) if text.contains("row 1")), "{error}");
}

#[test]
fn without_a_file_the_error_asks_for_one() {
    let error = Onnx::fit(&Parameters::default(), &Training::new(rows(20, 3).view(), 0)).unwrap_err();
    assert!(matches!(&error, Error::Artifact(text) if text.contains("ONNX file")), "{error}");
}

#[test]
fn a_graph_that_cannot_be_a_detector_is_refused_with_its_inputs_and_outputs() {
    let plain = Parameters::default();
    assert!(refusal("mlp.onnx", &plain, 5).contains("rows [?, 6] float"));
    assert!(refusal("two_inputs.onnx", &plain, 3).contains("others [N, 3] float"));
    assert!(refusal("random.onnx", &plain, 3).contains("RandomUniformLike"));
    assert!(refusal("scores.onnx", &plain, 3).contains("3 numbers a row"));
    assert!(refusal("mlp.onnx", &scored_by("variable"), 6).contains("no output \"variable\""));
    assert!(refusal("mlp.onnx", &scored_by(""), 6).contains("one number a row"));
    let input = Parameters { input: "row".into(), ..Parameters::default() };
    assert!(refusal("mlp.onnx", &input, 6).contains("no input \"row\""));
    assert!(refusal("planted.json", &plain, 3).contains("not an ONNX model"));
}

#[test]
fn a_damaged_file_is_an_error() {
    let whole = bytes("mlp.onnx");
    for length in (0..whole.len()).step_by(97) {
        let training = rows(20, 6);
        let cut = Training { artifact: Some(&whole[..length]), ..Training::new(training.view(), 0) };
        assert!(matches!(Onnx::fit(&Parameters::default(), &cut), Err(Error::Artifact(_))), "cut at {length}");
    }
}
