//! What the detector promises, on rows made here. Agreement with river is in `parity`.

use super::*;
use ndarray::{Array2, array, concatenate, s};
use proptest::prelude::*;
use synod_sdk::{Feature, conformance, measuring::noise};

fn fit(parameters: &Parameters, rows: &Array2<f64>) -> HalfSpaceTrees {
    HalfSpaceTrees::fit(parameters, &Training::new(rows.view(), 3)).unwrap()
}

fn go_on(model: &HalfSpaceTrees, parameters: &Parameters, rows: &Array2<f64>) -> Result<HalfSpaceTrees, Error> {
    let bytes = model.to_bytes();
    HalfSpaceTrees::fit(parameters, &Training { previous: Some(&bytes), ..Training::new(rows.view(), 99) })
}

fn small() -> Parameters {
    Parameters { trees: 10, height: 8, window: 40, ..Parameters::default() }
}

fn as_river() -> Parameters {
    Parameters { splits: Splits::Random, mass: Mass::Path, ..small() }
}

#[test]
fn keeps_what_every_detector_must() {
    let rows = noise(300, 4, 1);
    let many = Parameters { window: 1000, size_limit: 0.0, ..small() };
    for parameters in [Parameters::default(), small(), as_river(), many] {
        conformance::run::<HalfSpaceTrees>(&parameters, &rows, &[90.0, -90.0, 90.0, 90.0], None);
    }
}

#[test]
fn a_mass_worked_out_by_hand() {
    // One feature, one tree, one split: 0 to 1 is divided between .15 and .85.
    let parameters = Parameters { trees: 1, height: 1, window: 4, splits: Splits::Random, ..Parameters::default() };
    let model = fit(&parameters, &array![[0.0], [1.0], [0.0], [0.0]]);
    // Three quarters of the window on the left, one on the right.
    assert_eq!(model.score(array![[0.1], [0.9], [-7.0]].view()).unwrap(), [0.25, 0.75, 0.25]);
    let explained = model.explain(array![[0.1], [0.9]].view()).unwrap();
    // On average 3/4 of the rows have .25, 1/4 has .75.
    assert!((explained.base - 0.375).abs() < 1e-15);
    assert!((explained.contributions[[0, 0]] + 0.125).abs() < 1e-15 && (explained.contributions[[1, 0]] - 0.375).abs() < 1e-15);
}

#[test]
fn the_base_is_what_the_window_scores_on_average() {
    let rows = noise(40, 3, 4);
    for parameters in [small(), as_river()] {
        let model = fit(&parameters, &rows);
        let mean = model.score(rows.view()).unwrap().iter().sum::<f64>() / 40.0;
        assert!((model.explain(rows.view()).unwrap().base - mean).abs() < 1e-12);
    }
}

#[test]
fn a_planted_feature_contributes_most() {
    let rows = noise(500, 4, 2);
    let parameters = Parameters { trees: 100, splits: Splits::Random, ..Parameters::default() };
    let model = fit(&parameters, &rows);
    for planted in 0..4 {
        let mut anomaly = Array2::zeros((1, 4));
        anomaly[[0, planted]] = 20.0;
        let parts = model.explain(anomaly.view()).unwrap().contributions;
        let greatest = (0..4).max_by(|one, other| parts[[0, *one]].total_cmp(&parts[[0, *other]]));
        assert_eq!(greatest, Some(planted), "{parts}");
    }
}

#[test]
fn what_was_usual_is_forgotten_after_a_window() {
    let old = noise(400, 2, 5);
    let new = &noise(400, 2, 6) * 0.1 + 8.0;
    let parameters = Parameters { window: 100, ..Parameters::default() };
    let ranged = concatenate(ndarray::Axis(0), &[old.view(), array![[12.0, 12.0], [-6.0, -6.0]].view()]).unwrap();
    let before = fit(&parameters, &ranged);
    let after = go_on(&before, &parameters, &new).unwrap();
    let asked = array![[0.0, 0.0], [8.0, 8.0]];
    let (before, after) = (before.score(asked.view()).unwrap(), after.score(asked.view()).unwrap());
    assert!(before[0] < before[1] && after[0] > after[1], "{before:?} {after:?}");
}

#[test]
fn a_model_grows_no_larger() {
    let mut model = fit(&small(), &noise(100, 3, 1));
    let most = 200 + 24 * 3 + 2 * 4 * 10 * 40;
    for round in 0..20 {
        model = go_on(&model, &small(), &noise(37, 3, round)).unwrap();
        assert!(model.to_bytes().len() <= most, "{}", model.to_bytes().len());
    }
}

#[test]
fn going_on_needs_the_same_parameters_and_features() {
    let model = fit(&small(), &noise(100, 3, 1));
    let others = [
        ("trees", Parameters { trees: 11, ..small() }),
        ("height", Parameters { height: 9, ..small() }),
        ("window", Parameters { window: 41, ..small() }),
        ("size_limit", Parameters { size_limit: 0.2, ..small() }),
        ("splits", Parameters { splits: Splits::Random, ..small() }),
        ("mass", Parameters { mass: Mass::Path, ..small() }),
    ];
    for (name, other) in others {
        let refused = go_on(&model, &other, &noise(10, 3, 2));
        assert!(matches!(&refused, Err(Error::Parameters(text)) if text.starts_with(name)), "{refused:?}");
    }
    assert!(matches!(go_on(&model, &small(), &noise(10, 2, 2)), Err(Error::Data(text)) if text.contains("rows of 2 features")));
}

#[test]
fn categories_count_for_nothing() {
    let features = [Feature { name: "amount".into(), categories: 0 }, Feature { name: "colour".into(), categories: 9 }];
    let rows = noise(100, 2, 3);
    let training = Training { features: &features, ..Training::new(rows.view(), 0) };
    let model = HalfSpaceTrees::fit(&small(), &training).unwrap();
    let scores = model.score(array![[0.5, 0.0], [0.5, 8.0]].view()).unwrap();
    assert_eq!(scores[0], scores[1]);
    let only = [Feature { name: "colour".into(), categories: 9 }, Feature { name: "shape".into(), categories: 2 }];
    let refused = HalfSpaceTrees::fit(&small(), &Training { features: &only, ..Training::new(rows.view(), 0) });
    assert!(matches!(refused, Err(Error::Data(_))));
}

#[test]
fn zero_has_one_form() {
    let signed = |first: f64, second: f64| fit(&small(), &array![[first], [second], [1.0]]).to_bytes();
    assert_eq!(signed(0.0, -0.0), signed(-0.0, 0.0));
    assert_eq!(signed(-0.0, -0.0), signed(0.0, 0.0));
}

#[test]
fn mistakes_are_named() {
    let wrong = Parameters { trees: 0, height: 31, window: 0, size_limit: f64::NAN, ..Parameters::default() };
    let mistakes = HalfSpaceTrees::check(&wrong);
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    let large = Parameters { trees: 1000, window: 100_000, ..Parameters::default() };
    assert!(HalfSpaceTrees::check(&large)[0].contains("more than 16777216"));
    let deep = Parameters { trees: 16, height: 30, window: 1_000_000, size_limit: 0.0, ..Parameters::default() };
    assert!(matches!(&HalfSpaceTrees::check(&deep)[..], [text] if text.starts_with("size_limit: walks may come to 960000000 nodes")));
    assert!(HalfSpaceTrees::check(&Parameters { size_limit: 1e-5, window: 1_000_000, trees: 5, ..deep }).len() == 1);
    assert!(HalfSpaceTrees::check(&Parameters { size_limit: 0.0, ..Parameters::default() }).is_empty());
    for value in [f64::NAN, f64::INFINITY] {
        let rows = array![[1.0, 2.0], [3.0, value]];
        let refused = HalfSpaceTrees::fit(&small(), &Training::new(rows.view(), 0)).unwrap_err();
        assert!(refused.to_string().contains("row 1, feature 1"), "{refused}");
        assert!(fit(&small(), &noise(50, 2, 1)).score(rows.view()).is_err());
    }
    let far = array![[f64::MIN], [f64::MAX]];
    assert!(HalfSpaceTrees::fit(&small(), &Training::new(far.view(), 0)).unwrap_err().to_string().contains("feature 0"));
}

proptest! {
    #[test]
    fn rows_that_come_in_parts_make_the_same_model(cuts in prop::collection::vec(1..150_usize, 0..4), count in 2..200_usize, river: bool) {
        let parameters = if river { as_river() } else { small() };
        let rows = noise(200, 3, 7);
        // The ranges are those of the first fit: both extremes of all rows come first.
        let limits = |pick: fn(f64, f64) -> f64| rows.fold_axis(ndarray::Axis(0), rows[[0, 0]], |one, other| pick(*one, *other));
        let ends = ndarray::stack(ndarray::Axis(0), &[limits(f64::min).view(), limits(f64::max).view()]).unwrap();
        let all = concatenate(ndarray::Axis(0), &[ends.view(), rows.slice(s![..count, ..])]).unwrap();
        let whole = fit(&parameters, &all);
        let mut places: Vec<usize> = cuts.into_iter().map(|cut| (2 + cut).min(all.nrows())).collect();
        places.sort_unstable();
        places.dedup();
        let first = places.first().copied().unwrap_or(all.nrows());
        let mut model = fit(&parameters, &all.slice(s![..first, ..]).to_owned());
        for (index, place) in places.iter().enumerate() {
            let next = places.get(index + 1).copied().unwrap_or(all.nrows());
            if *place < next {
                model = go_on(&model, &parameters, &all.slice(s![*place..next, ..]).to_owned()).unwrap();
            }
        }
        prop_assert_eq!(model.to_bytes(), whole.to_bytes());
    }

    #[test]
    fn units_do_not_matter(power in -20..20_i32, river: bool) {
        let parameters = if river { as_river() } else { small() };
        let (rows, new) = (noise(90, 3, 8), noise(50, 3, 9));
        let scale = 2.0_f64.powi(power);
        let scores = fit(&parameters, &rows).score(new.view()).unwrap();
        prop_assert_eq!(scores, fit(&parameters, &(&rows * scale)).score((&new * scale).view()).unwrap());
    }

    #[test]
    fn the_order_within_the_window_does_not_matter(turn in 0..40_usize) {
        let rows = noise(40, 3, 10);
        let turned = concatenate(ndarray::Axis(0), &[rows.slice(s![turn.., ..]), rows.slice(s![..turn, ..])]).unwrap();
        prop_assert_eq!(fit(&small(), &rows).to_bytes(), fit(&small(), &turned).to_bytes());
    }
}
