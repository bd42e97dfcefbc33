//! What the detector promises, on rows made here. Agreement with SciPy is in `parity`.

use super::*;
use ndarray::{array, s};
use proptest::prelude::*;
use synod_sdk::{Feature, conformance};

const COMBINES: [Combine; 3] = [Combine::Largest, Combine::Mean, Combine::SumOfSquares];

/// Whole numbers from 0 to 10, in another order in each feature.
fn rows(count: usize, width: usize) -> Array2<f64> {
    Array2::from_shape_fn((count, width), |(row, column)| f64::from((row * (column + 2) + column * 3) as u32 % 11))
}

fn fit(parameters: &Parameters, rows: &Array2<f64>) -> RobustZScore {
    RobustZScore::fit(parameters, &Training::new(rows.view(), 0)).unwrap()
}

fn combined(combine: Combine) -> Parameters {
    Parameters { combine, ..Parameters::default() }
}

fn named(names: &[&str], categories: &[u32]) -> Vec<Feature> {
    names.iter().zip(categories).map(|(name, categories)| Feature { name: (*name).to_owned(), categories: *categories }).collect()
}

#[test]
fn keeps_what_every_detector_must() {
    let mut with_missing = rows(60, 11);
    with_missing[[5, 1]] = f64::NAN;
    with_missing.slice_mut(s![.., 2]).fill(f64::NAN);
    for combine in COMBINES {
        conformance::run::<RobustZScore>(&combined(combine), &rows(50, 2), &[100.0, 5.0], None);
        conformance::run::<RobustZScore>(&combined(combine), &with_missing, &[50.0; 11], None);
    }
}

#[test]
fn distances_worked_out_by_hand() {
    // Medians 3 and 10; absolute deviations 2, 1, 0, 1, 2 and 1, 0, 0, 0, 9, of which the medians are 1 and 0 and the mean of the latter is 2.
    let training = array![[1.0, 11.0], [2.0, 10.0], [3.0, 10.0], [4.0, 10.0], [5.0, 1.0]];
    let (first, second): (f64, f64) = (2.0 / 1.482_602_218_505_602, 5.0 / (2.0 * 1.253_314_137_315_500_3));
    let expected = [first.max(second), (first + second) / 2.0, first * first + second * second];
    for (combine, expected) in COMBINES.into_iter().zip(expected) {
        let model = fit(&combined(combine), &training);
        let scores = model.score(array![[1.0, 15.0], [f64::NAN, 15.0], [f64::NAN, f64::NAN]].view()).unwrap();
        let alone = if combine == Combine::SumOfSquares { second * second } else { second };
        let expected = [expected, alone, 0.0];
        assert!(scores.iter().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-12), "{scores:?}, not {expected:?}");
    }
}

#[test]
fn a_constant_feature_is_measured_in_its_own_units() {
    let model = fit(&Parameters::default(), &array![[4.0], [4.0], [4.0]]);
    assert_eq!(model.score(array![[4.0], [4.5], [-6.0]].view()).unwrap(), [0.0, 0.5, 10.0]);
}

#[test]
fn a_cap_is_the_greatest_distance() {
    let model = fit(&Parameters { cap: 7.0, ..Parameters::default() }, &rows(50, 2));
    assert_eq!(model.score(array![[1e9, 5.0], [f64::MAX, f64::MIN]].view()).unwrap(), [7.0, 7.0]);
    let widest = array![[f64::MIN], [0.0], [f64::MAX]];
    assert!(fit(&Parameters::default(), &widest).score(widest.view()).unwrap().iter().all(|score| score.is_finite()));
}

#[test]
fn a_side_that_does_not_count_has_no_distance() {
    let features = named(&["amount", "balance"], &[0, 0]);
    let rows = rows(50, 2);
    let training = Training { features: &features, ..Training::new(rows.view(), 0) };
    let sides = [("amount".to_owned(), Sides::High), ("balance".to_owned(), Sides::Low)].into();
    let model = RobustZScore::fit(&Parameters { sides, ..Parameters::default() }, &training).unwrap();
    let scores = model.score(array![[-50.0, 60.0], [60.0, 60.0], [-50.0, -50.0]].view()).unwrap();
    assert!(scores[0] == 0.0 && scores[1] > 5.0 && scores[2] > 5.0, "{scores:?}");

    let unknown = Parameters { sides: [("amuont".to_owned(), Sides::High)].into(), ..Parameters::default() };
    let refused = RobustZScore::fit(&unknown, &training).unwrap_err();
    assert_eq!(refused.to_string(), r#"sides: there is no feature "amuont", there are amount, balance"#);
}

#[test]
fn categories_count_for_nothing() {
    let features = named(&["colour", "amount"], &[5, 0]);
    let rows = rows(50, 2);
    let training = Training { features: &features, ..Training::new(rows.view(), 0) };
    let model = RobustZScore::fit(&Parameters::default(), &training).unwrap();
    assert_eq!(model.score(array![[4.0, 5.0]].view()), model.score(array![[0.0, 5.0]].view()));
}

#[test]
fn a_planted_feature_contributes_most() {
    let rows = rows(200, 11);
    for combine in COMBINES {
        let model = fit(&combined(combine), &rows);
        for planted in 0..11 {
            let mut anomaly = Array2::from_elem((1, 11), 4.0);
            anomaly[[0, planted]] = -30.0;
            let parts = model.explain(anomaly.view()).unwrap().contributions;
            let greatest = (0..11).max_by(|one, other| parts[[0, *one]].total_cmp(&parts[[0, *other]]));
            assert_eq!(greatest, Some(planted), "{combine:?}: {parts}");
        }
    }
}

#[test]
fn mistakes_are_named() {
    for cap in [0.0, f64::NAN, f64::INFINITY] {
        assert_eq!(RobustZScore::check(&Parameters { cap, ..Parameters::default() }), [format!("cap: {cap} is not from 1 to 1e100")]);
    }
    let infinite = array![[1.0, 2.0], [3.0, f64::INFINITY]];
    let refused = RobustZScore::fit(&Parameters::default(), &Training::new(infinite.view(), 0));
    assert!(matches!(refused, Err(Error::Data(text)) if text.contains("row 1, feature 1")));
    assert!(serde_json::from_str::<Parameters>(r#"{"combine": "median"}"#).is_err());
    assert!(serde_json::from_str::<Parameters>(r#"{"sides": {"a": "up"}}"#).is_err());
}

#[test]
fn any_damage_is_found() {
    let damages: [fn(&mut serde_json::Value); 4] = [
        |model| model["measures"]["spread"][0] = 0.0.into(),
        |model| model["measures"]["least"][1] = 1.0.into(),
        |model| model["measures"]["most"][1] = 1e200.into(),
        |model| drop(model["measures"]["median"].as_array_mut().unwrap().pop()),
    ];
    let bytes = fit(&Parameters::default(), &rows(50, 2)).to_bytes();
    for (index, damage) in damages.into_iter().enumerate() {
        let mut model: serde_json::Value = decode(FORMAT, &bytes).unwrap();
        damage(&mut model);
        assert!(matches!(RobustZScore::from_bytes(&encode(FORMAT, &model)), Err(Error::Model(_))), "damage {index}");
    }
}

fn some_rows() -> impl Strategy<Value = Array2<f64>> {
    let value = prop_oneof![8 => -1e3..1e3_f64, 3 => (-3..3_i32).prop_map(f64::from), 1 => Just(f64::NAN)];
    prop::collection::vec(value, 18..300).prop_map(|values| {
        let rows = values.len() / 9;
        Array2::from_shape_vec((rows, 9), values[..rows * 9].to_vec()).unwrap()
    })
}

proptest! {
    #[test]
    fn units_and_signs_do_not_matter(rows in some_rows(), new in some_rows(), power in -20..20_i32, which in 0..3_usize) {
        let parameters = combined(COMBINES[which]);
        let scores = fit(&parameters, &rows).score(new.view()).unwrap();
        // A power of two keeps every digit. Constant features have units, and are left out.
        let varies = |column: ndarray::ArrayView1<'_, f64>| {
            let mut present = column.iter().filter(|value| !value.is_nan());
            let first = present.next().copied();
            present.any(|value| Some(*value) != first)
        };
        prop_assume!(rows.columns().into_iter().all(varies));
        let scale = -(2.0_f64.powi(power));
        let scaled = fit(&parameters, &(&rows * scale)).score((&new * scale).view()).unwrap();
        prop_assert_eq!(&scores, &scaled);
    }

    #[test]
    fn orders_and_batches_do_not_matter(rows in some_rows(), new in some_rows(), cut in 0..33_usize, which in 0..3_usize) {
        let parameters = combined(COMBINES[which]);
        let model = fit(&parameters, &rows);
        let (whole, cut) = (model.score(new.view()).unwrap(), cut.min(new.nrows()));
        let mut split = model.score(new.slice(s![..cut, ..])).unwrap();
        split.extend(model.score(new.slice(s![cut.., ..])).unwrap());
        prop_assert_eq!(&split, &whole);
        let turned = fit(&parameters, &rows.slice(s![..;-1, ..]).to_owned()).score(new.view()).unwrap();
        // Means of the deviations are added in another order.
        prop_assert!(whole.iter().zip(&turned).all(|(one, other)| (one - other).abs() <= 1e-12 * one.abs()));
    }
}
