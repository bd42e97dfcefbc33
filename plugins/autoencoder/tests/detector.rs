//! What the detector promises beside the conformance suite, which runs first.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use autoencoder::{Activation, Autoencoder, FeatureError, Parameters, default_hidden};
use ndarray::{Array2, array};
use proptest::prelude::*;
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
    Parameters {
        error: FeatureError::Robust,
        hidden: vec![9, 2, 9],
        activation: Activation::Tanh,
        epochs: 30,
        learning_rate: 0.01,
        ..Parameters::default()
    }
}

/// Scored by the squared error as it is.
fn squared() -> Parameters {
    Parameters { error: FeatureError::Squared, ..quick() }
}

fn fit(parameters: &Parameters, rows: &Array2<f64>, seed: u64) -> Autoencoder {
    Autoencoder::fit(parameters, &Training::new(rows.view(), seed)).unwrap()
}

#[test]
fn keeps_what_every_detector_must() {
    for activation in [Activation::Tanh, Activation::Relu] {
        conformance::run::<Autoencoder>(&Parameters { activation, ..quick() }, &rows(70), &[0.9, 50.0, 1e5], None);
    }
    let other = Parameters { noise: 0.1, weight_decay: 0.01, dropout: 0.1, validation: 0.0, batch_size: 7, ..squared() };
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn units_do_not_matter(powers in prop::array::uniform3(-60_i32..60), shift in -8_i32..8, robust: bool) {
        let plain = rows(60);
        let mut scaled = plain.clone();
        // Powers of two: nothing is rounded, so that nothing may differ.
        for (mut column, power) in scaled.columns_mut().into_iter().zip(powers) {
            column.mapv_inplace(|value| value * 2.0_f64.powi(power));
        }
        let parameters = if robust { quick() } else { squared() };
        prop_assert_eq!(fit(&parameters, &plain, 3).score(plain.view()), fit(&parameters, &scaled, 3).score(scaled.view()));
        // Another zero: differences are rounded in another way, and the training follows another path of nearly the same length.
        let moved = plain.mapv(|value| value + f64::from(shift));
        let model = fit(&parameters, &plain, 3);
        let again = fit(&parameters, &moved, 3);
        for (one, other) in model.score(plain.view()).unwrap().into_iter().zip(again.score(moved.view()).unwrap()) {
            prop_assert!((one - other).abs() <= 0.05 * one.max(0.1), "{one} and {other}");
        }
    }

    #[test]
    fn a_row_has_its_score_in_any_batch(picked in prop::collection::vec(0_usize..70, 1..50), wide in 1_usize..20) {
        let training = Array2::from_shape_fn((70, wide), |(row, column)| f64::from((row * 37 + column * 11) as u32 % 17));
        let parameters = Parameters { epochs: 2, hidden: vec![5, 3], ..quick() };
        let model = fit(&parameters, &training, 1);
        let (scores, together) = (model.score(training.view()).unwrap(), training.select(ndarray::Axis(0), &picked));
        let expected: Vec<f64> = picked.iter().map(|row| scores[*row]).collect();
        prop_assert_eq!(model.score(together.view()).unwrap(), expected);
        let parts = model.explain(together.view()).unwrap().contributions;
        prop_assert_eq!(parts.rows().into_iter().map(|row| row.iter().sum()).collect::<Vec<f64>>(), model.score(together.view()).unwrap());
    }
}

#[test]
fn one_wild_feature_does_not_drown_the_others() {
    let (robust, plain) = (fit(&quick(), &rows(200), 1), fit(&squared(), &rows(200), 1));
    let wild = array![[0.5, -15.0, 1e9], [9.0, 400.0, 1e5]];
    let scores = robust.score(wild.view()).unwrap();
    // A feature counts at most a hundred times its usual error, and there are three.
    assert!(scores[0] <= 100.0 && scores[0] > 100.0 / 3.0 - 1.0 && scores[1] > scores[0], "{scores:?}");
    assert!(plain.score(wild.view()).unwrap()[0] > 1e6);
}

#[test]
fn a_row_that_weighs_more_is_reproduced_better() {
    // A few rows lie off the line that the others are on.
    let mut rows = rows(200);
    for mut row in rows.rows_mut().into_iter().step_by(20) {
        row[1] += 200.0;
    }
    let mean = |heavy: f64| {
        let weights: Vec<f64> = (0..200).map(|row| if row % 20 == 0 { heavy } else { 1.0 }).collect();
        let training = Training { weights: Some(&weights), ..Training::new(rows.view(), 1) };
        let parameters = Parameters { hidden: vec![9, 1, 9], epochs: 100, validation: 0.0, ..squared() };
        let scores = Autoencoder::fit(&parameters, &training).unwrap().score(rows.view()).unwrap();
        scores.iter().step_by(20).sum::<f64>() / 10.0
    };
    let (light, heavy) = (mean(0.001), mean(20.0));
    assert!(heavy < light / 2.0, "mean error {heavy} with much weight, {light} with little");
}

#[test]
fn weights_count_by_their_ratios_alone() {
    let (rows, weights) = (rows(50), vec![2.0_f64.powi(900); 50]);
    let weighted = Training { weights: Some(&weights), ..Training::new(rows.view(), 1) };
    assert_eq!(Autoencoder::fit(&quick(), &weighted).unwrap().to_bytes(), fit(&quick(), &rows, 1).to_bytes());
}

#[test]
fn another_seed_is_another_model() {
    assert_ne!(fit(&quick(), &rows(40), 1).to_bytes(), fit(&quick(), &rows(40), 2).to_bytes());
}

#[test]
fn training_reproduces_the_rows() {
    let rows = rows(300);
    let mean = |model: &Autoencoder| model.score(rows.view()).unwrap().iter().sum::<f64>() / 300.0;
    let (little, long) = (fit(&Parameters { epochs: 1, ..squared() }, &rows, 1), fit(&Parameters { epochs: 200, ..squared() }, &rows, 1));
    assert!(mean(&long) < 0.05 && mean(&long) < mean(&little) / 5.0, "{} after 1 epoch, {} after 200", mean(&little), mean(&long));
}

#[test]
fn a_constant_feature_is_measured_in_its_own_units() {
    let mut rows = rows(60);
    rows.column_mut(1).fill(0.1);
    let scores = fit(&squared(), &rows, 1).score(array![[0.0, 0.1, 1e5], [0.0, 30.1, 1e5]].view()).unwrap();
    assert!(scores[1] > scores[0] + 200.0, "{scores:?}");
}

#[test]
fn extreme_rows_have_finite_scores_and_missing_values_none() {
    let model = fit(&squared(), &rows(60), 1);
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
    let wrong =
        Parameters { hidden: vec![4, 0], epochs: 0, validation: 0.9, learning_rate: f64::NAN, dropout: 1.0, ..Parameters::default() };
    let mistakes = Autoencoder::check(&wrong);
    let keys: Vec<&str> = mistakes.iter().filter_map(|text| text.split(':').next()).collect();
    assert_eq!(keys, ["hidden", "epochs", "learning_rate", "validation", "dropout"]);
    assert!(Autoencoder::check(&Parameters::default()).is_empty());
    assert!(Autoencoder::check(&Parameters { hidden: default_hidden(100_000), ..Parameters::default() }).is_empty());
}
