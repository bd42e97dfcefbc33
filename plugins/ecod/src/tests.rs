//! What the detector promises, on rows made here. Agreement with PyOD is in `parity`.

use super::*;
use ndarray::{array, s};
use proptest::prelude::*;
use synod_sdk::{Feature, conformance};

/// About normal rows, the same at every call; with skew to the right in every other feature.
fn rows(count: usize, width: usize) -> Array2<f64> {
    let mut state = 1_u64;
    let mut share = || {
        // Knuth's MMIX generator; its upper half is random enough for rows.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / (1_u64 << 32) as f64
    };
    let normal = Array2::from_shape_simple_fn((count, width), || (0..12).map(|_| share()).sum::<f64>() - 6.0);
    let mut skewed = normal;
    skewed.columns_mut().into_iter().step_by(2).for_each(|mut column| column.mapv_inplace(|value| (value + 6.0).powi(3)));
    skewed
}

fn fit(parameters: &Parameters, rows: &Array2<f64>) -> Ecod {
    Ecod::fit(parameters, &Training::new(rows.view(), 0)).unwrap()
}

fn whole_row() -> Parameters {
    Parameters { combine: Combine::WholeRow, ..Parameters::default() }
}

#[test]
fn keeps_what_every_detector_must() {
    let mut with_missing = rows(300, 3);
    with_missing[[5, 1]] = f64::NAN;
    with_missing.slice_mut(s![.., 2]).fill(f64::NAN);
    for parameters in [Parameters::default(), whole_row(), Parameters { extrapolate: false, max_values: 15, ..whole_row() }] {
        conformance::run::<Ecod>(&parameters, &rows(300, 4), &[9e3, -9.0, 9e3, 9.0], None);
        conformance::run::<Ecod>(&parameters, &with_missing, &[9e3, -9.0, 9.0], None);
    }
}

#[test]
fn tails_worked_out_by_hand() {
    // Of five rows in the first feature: one at most 1, three at most 2, and three at least 4.
    let training = array![[1.0, 7.0], [2.0, 7.0], [2.0, 7.0], [4.0, 7.0], [5.0, 7.0]];
    let constant = Parameters { extrapolate: false, ..Parameters::default() };
    let scores =
        fit(&constant, &training).score(array![[2.0, 7.0], [1.0, 7.0], [3.0, 7.0], [5.0, f64::NAN], [9.0, 7.0], [2.0, 8.0]].view());
    // At 3, three are as small and two as great; beyond all five, one in six.
    let expected = [5.0 / 3.0, 5.0, 2.5, 5.0, 6.0, 10.0].map(f64::ln);
    let scores = scores.unwrap();
    assert!(scores.iter().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-12), "{scores:?}, not {expected:?}");
}

#[test]
fn the_whole_row_counts_by_its_greatest_sum() {
    let rows = rows(400, 3);
    let whole = fit(&whole_row(), &rows);
    let each = fit(&Parameters::default(), &rows);
    // Small in one feature and great in another: neither sum of one side has both.
    let (mixed, low) = (array![[-9.0, 9.0, 216.0]], array![[-9.0, -9.0, -9.0]]);
    assert!(whole.score(mixed.view()).unwrap()[0] < 0.8 * each.score(mixed.view()).unwrap()[0]);
    assert_eq!(whole.score(low.view()).unwrap(), each.score(low.view()).unwrap());
    let parts = whole.explain(low.view()).unwrap().contributions;
    assert!(parts.iter().all(|part| *part > 5.0), "{parts}");
}

#[test]
fn a_planted_feature_contributes_most() {
    let rows = rows(500, 5);
    for parameters in [Parameters::default(), whole_row()] {
        let model = fit(&parameters, &rows);
        for planted in 0..5 {
            let mut anomaly = Array2::from_shape_fn((1, 5), |(_, column)| if column % 2 == 0 { 216.0 } else { 0.0 });
            anomaly[[0, planted]] = 1e5;
            let parts = model.explain(anomaly.view()).unwrap().contributions;
            let greatest = (0..5).max_by(|one, other| parts[[0, *one]].total_cmp(&parts[[0, *other]]));
            assert_eq!(greatest, Some(planted), "{parts}");
        }
    }
}

#[test]
fn farther_out_is_more_anomalous_and_finite() {
    let training = rows(200, 1);
    let at = [1e3, 1e4, 1e6, 1e100, f64::MAX];
    let far = |sign: f64| Array2::from_shape_fn((5, 1), |(row, _)| sign * at[row]);
    for sign in [1.0, -1.0] {
        let scores = fit(&Parameters::default(), &training).score(far(sign).view()).unwrap();
        assert!(scores.is_sorted_by(|one, other| one < other) && scores.iter().all(|score| score.is_finite()), "{scores:?}");
        assert!(scores[0] > 201_f64.ln() && scores[4] < 800.0, "{scores:?}");
        let constant = Parameters { extrapolate: false, ..Parameters::default() };
        let same = fit(&constant, &training).score(far(sign).view()).unwrap();
        assert!(same.iter().all(|score| (score - 201_f64.ln()).abs() < 1e-12), "{same:?}");
    }
    // A constant feature has no unit, however far away a value is.
    let constant = fit(&Parameters::default(), &array![[f64::MAX], [f64::MAX]]).score(array![[f64::MIN]].view()).unwrap();
    assert!((constant[0] - 3_f64.ln()).abs() < 1e-12, "{constant:?}");
    let widest = array![[f64::MIN], [0.0], [f64::MAX]];
    assert!(fit(&Parameters::default(), &widest).score(widest.view()).unwrap().iter().all(|score| score.is_finite()));
}

#[test]
fn thinned_tails_are_near_the_exact_ones() {
    let training = rows(40_000, 2);
    let new = rows(41_000, 2).slice_move(s![40_000.., ..]);
    let exact = fit(&Parameters { max_values: 65_535, ..Parameters::default() }, &training).score(new.view()).unwrap();
    for (max_values, bound) in [(4095, 0.004), (255, 0.1), (63, 0.5)] {
        let model = fit(&Parameters { max_values, ..Parameters::default() }, &training);
        assert!(model.to_bytes().len() <= 100 + 2 * (100 + 16 * max_values));
        let scores = model.score(new.view()).unwrap();
        let worst = scores.iter().zip(&exact).map(|(thin, exact)| (thin - exact).abs()).fold(0.0, f64::max);
        assert!(worst <= bound, "{max_values}: {worst}");
    }
}

#[test]
fn categories_count_by_how_rare_they_are() {
    let codes = Array2::from_shape_fn((100, 1), |(row, _)| if row < 5 { 1.0 } else { f64::from(row as u32 % 2 * 2) });
    let features = [Feature { name: "colour".into(), categories: 4 }];
    let training = Training { features: &features, ..Training::new(codes.view(), 0) };
    let model = Ecod::fit(&Parameters::default(), &training).unwrap();
    let scores = model.score(array![[0.0], [1.0], [2.0], [3.0], [f64::NAN]].view()).unwrap();
    // 5 rows have the code 1; 47 the code 0, and with those 52 one that is no more frequent; the code 2 is the most frequent.
    let expected = [100.0 / 52.0, 20.0, 1.0, 101.0, 1.0].map(f64::ln);
    assert!(scores.iter().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-12), "{scores:?}, not {expected:?}");
    assert_eq!(Ecod::from_bytes(&model.to_bytes()).unwrap().score(codes.view()), model.score(codes.view()));
}

#[test]
fn mistakes_are_named() {
    for max_values in [0, 14, 65_536] {
        let mistakes = Ecod::check(&Parameters { max_values, ..Parameters::default() });
        assert_eq!(mistakes, [format!("max_values: {max_values} is not from 15 to 65535")]);
    }
    let infinite = array![[1.0, 2.0], [3.0, f64::INFINITY]];
    let refused = Ecod::fit(&Parameters::default(), &Training::new(infinite.view(), 0));
    assert!(matches!(refused, Err(Error::Data(text)) if text.contains("row 1, feature 1")));
    assert!(serde_json::from_str::<Parameters>(r#"{"combine": "pyod"}"#).is_err());
}

fn some_rows() -> impl Strategy<Value = Array2<f64>> {
    let value = prop_oneof![8 => -1e3..1e3_f64, 3 => (-3..3_i32).prop_map(f64::from), 1 => Just(f64::NAN)];
    prop::collection::vec(value, 6..240).prop_map(|values| {
        let rows = values.len() / 3;
        Array2::from_shape_vec((rows, 3), values[..rows * 3].to_vec()).unwrap()
    })
}

proptest! {
    #[test]
    fn units_do_not_matter(rows in some_rows(), new in some_rows(), power in -20..20_i32, whole: bool) {
        let parameters = if whole { whole_row() } else { Parameters::default() };
        // A power of two keeps every digit; the skewness of mirrored rows has the other sign, or none.
        let scale = 2.0_f64.powi(power);
        let scores = fit(&parameters, &rows).score(new.view()).unwrap();
        let scaled = fit(&parameters, &(&rows * scale)).score((&new * scale).view()).unwrap();
        prop_assert_eq!(&scores, &scaled);
        let mirrored = fit(&Parameters::default(), &-&rows).score((-&new).view()).unwrap();
        let scores = fit(&Parameters::default(), &rows).score(new.view()).unwrap();
        prop_assert!(scores.iter().zip(&mirrored).all(|(one, other)| (one - other).abs() < 1e-9));
    }

    #[test]
    fn the_order_of_training_rows_does_not_matter(rows in some_rows(), new in some_rows()) {
        let turned = rows.slice(s![..;-1, ..]).to_owned();
        prop_assert_eq!(fit(&Parameters::default(), &rows).to_bytes().len(), fit(&Parameters::default(), &turned).to_bytes().len());
        prop_assert_eq!(fit(&Parameters::default(), &rows).score(new.view()), fit(&Parameters::default(), &turned).score(new.view()));
    }

    #[test]
    fn batches_do_not_matter(rows in some_rows(), new in some_rows(), cut in 0..80_usize) {
        let model = fit(&Parameters::default(), &rows);
        let (whole, cut) = (model.score(new.view()).unwrap(), cut.min(new.nrows()));
        let mut split = model.score(new.slice(s![..cut, ..])).unwrap();
        split.extend(model.score(new.slice(s![cut.., ..])).unwrap());
        prop_assert_eq!(split, whole);
    }
}
