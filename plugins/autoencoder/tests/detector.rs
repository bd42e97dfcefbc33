//! What the detector promises beside the conformance suite, which runs first.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use autoencoder::{Activation, Autoencoder, Parameters, default_hidden};
use ndarray::{Array2, array};
use synod_sdk::{Detector, Error, Training, conformance};

/// Rows on a line in three features, a little off it, in units that differ.
fn rows(count: u32) -> Array2<f64> {
    let wobble = |row: u32, column: usize| f64::from((row * 37 + column as u32 * 11) % 17) / 17.0 - 0.5;
    let line = |row: u32| f64::from(row % 23) / 11.5 - 1.0;
    Array2::from_shape_fn((count as usize, 3), |(row, column)| {
        let row = row as u32;
        [1.0, -50.0, 2000.0][column] * (line(row) + 0.1 * wobble(row, column)) + [0.0, 10.0, 1e5][column]
    })
}

fn quick() -> Parameters {
    Parameters { hidden: vec![9, 2, 9], activation: Activation::Tanh, epochs: 30, learning_rate: 0.01, ..Parameters::default() }
}

fn fit(parameters: &Parameters, rows: &Array2<f64>, seed: u64) -> Autoencoder {
    Autoencoder::fit(parameters, &Training::new(rows.view(), seed)).unwrap()
}

#[test]
fn keeps_what_every_detector_must() {
    for activation in [Activation::Tanh, Activation::Relu] {
        conformance::run::<Autoencoder>(&Parameters { activation, ..quick() }, &rows(70), &[0.9, 50.0, 1e5], None);
    }
    let other = Parameters { noise: 0.1, weight_decay: 0.01, validation: 0.0, batch_size: 7, ..quick() };
    conformance::run::<Autoencoder>(&other, &rows(41), &[0.9, 50.0, 1e5], None);
}

#[test]
fn the_shares_add_up_to_the_score() {
    let (model, rows) = (fit(&quick(), &rows(50), 1), rows(50));
    let (scores, parts) = (model.score(rows.view()).unwrap(), model.explain(rows.view()).unwrap().contributions);
    for (score, parts) in scores.iter().zip(parts.rows()) {
        assert_eq!(parts.iter().sum::<f64>(), *score);
    }
}

#[test]
fn the_largest_share_is_the_broken_feature() {
    let model = fit(&Parameters { epochs: 300, patience: 50, ..quick() }, &rows(200), 1);
    let parts = model.explain(array![[0.5, -15.0, 1e5 - 8000.0]].view()).unwrap().contributions;
    assert!(parts[[0, 2]] > parts[[0, 0]] && parts[[0, 2]] > parts[[0, 1]], "{parts}");
}

#[test]
fn units_do_not_matter() {
    let plain = rows(60);
    let mut scaled = plain.clone();
    // Powers of two: nothing is rounded, so that nothing may differ.
    scaled.column_mut(0).mapv_inplace(|value| value * 1024.0);
    scaled.column_mut(2).mapv_inplace(|value| value / 65536.0);
    assert_eq!(fit(&quick(), &plain, 3).score(plain.view()), fit(&quick(), &scaled, 3).score(scaled.view()));
}

#[test]
fn another_seed_is_another_model() {
    assert_ne!(fit(&quick(), &rows(40), 1).to_bytes(), fit(&quick(), &rows(40), 2).to_bytes());
}

#[test]
fn training_reproduces_the_rows() {
    let rows = rows(300);
    let mean = |model: &Autoencoder| model.score(rows.view()).unwrap().iter().sum::<f64>() / 300.0;
    let (little, long) = (fit(&Parameters { epochs: 1, ..quick() }, &rows, 1), fit(&Parameters { epochs: 200, ..quick() }, &rows, 1));
    assert!(mean(&long) < 0.05 && mean(&long) < mean(&little) / 5.0, "{} after 1 epoch, {} after 200", mean(&little), mean(&long));
}

#[test]
fn a_constant_feature_is_measured_in_its_own_units() {
    let mut rows = rows(60);
    rows.column_mut(1).fill(0.1);
    let scores = fit(&quick(), &rows, 1).score(array![[0.0, 0.1, 1e5], [0.0, 30.1, 1e5]].view()).unwrap();
    assert!(scores[1] > scores[0] + 200.0, "{scores:?}");
}

#[test]
fn extreme_rows_have_finite_scores_and_missing_values_none() {
    let model = fit(&quick(), &rows(60), 1);
    let scores = model.score(array![[f64::MAX, f64::MIN, 0.0], [1e30, 0.0, 0.0]].view()).unwrap();
    assert!(scores.iter().all(|score| score.is_finite() && *score > 1e20), "{scores:?}");
    assert!(matches!(model.score(array![[0.0, f64::NAN, 0.0]].view()), Err(Error::Data(text)) if text.contains("row 0")));
}

#[test]
fn a_training_that_diverges_is_refused() {
    // The first ends far from its rows, the second soon answers no number.
    for (activation, says) in [(Activation::Tanh, "where every row's mean would give"), (Activation::Relu, "is no longer a number")] {
        let wild = Parameters { learning_rate: 1e6, activation, hidden: vec![9; 9], ..quick() };
        let error = Autoencoder::fit(&wild, &Training::new(rows(60).view(), 1)).map(|_| ()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Parameters(_)) && text.contains(says) && text.contains("`learning_rate` (now 1000000)"), "{text}");
    }
}

#[test]
fn mistakes_are_named_all_at_once() {
    let wrong = Parameters { hidden: vec![4, 0], epochs: 0, validation: 0.9, learning_rate: f64::NAN, ..Parameters::default() };
    let mistakes = Autoencoder::check(&wrong);
    let keys: Vec<&str> = mistakes.iter().filter_map(|text| text.split(':').next()).collect();
    assert_eq!(keys, ["hidden", "epochs", "learning_rate", "validation"]);
    assert!(Autoencoder::check(&Parameters::default()).is_empty());
    assert!(Autoencoder::check(&Parameters { hidden: default_hidden(100_000), ..Parameters::default() }).is_empty());
}
