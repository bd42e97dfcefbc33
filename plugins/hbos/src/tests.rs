//! What the detector promises, on rows made here. Agreement with PyOD is in `parity`.

use super::*;
use ndarray::{array, s};
use proptest::prelude::*;
use synod_sdk::{Feature as Described, conformance, measuring::noise};

fn fit(parameters: &Parameters, rows: &Array2<f64>) -> Hbos {
    Hbos::fit(parameters, &Training::new(rows.view(), 0)).unwrap()
}

fn ten_bins() -> Parameters {
    Parameters { bins: Bins::Number(10), alpha: 0.1, ..Parameters::default() }
}

fn dynamic() -> Parameters {
    Parameters { width: Width::Dynamic, ..ten_bins() }
}

fn relative() -> Parameters {
    Parameters { bins: Bins::Rule(Rule::Auto), height: Height::Relative, ..ten_bins() }
}

#[test]
fn keeps_what_every_detector_must() {
    let mut with_missing = noise(300, 3, 1);
    with_missing[[5, 1]] = f64::NAN;
    with_missing.slice_mut(s![.., 2]).fill(f64::NAN);
    for parameters in [Parameters::default(), ten_bins(), dynamic(), relative()] {
        conformance::run::<Hbos>(&parameters, &noise(300, 4, 1), &[9e3, -9.0, 9e3, 9.0], None);
        conformance::run::<Hbos>(&parameters, &with_missing, &[9e3, -90.0, 9.0], None);
    }
}

#[test]
fn heights_worked_out_by_hand() {
    // Two bins of width 2: of four rows three in the first.
    let training = array![[0.0], [1.0], [1.5], [4.0]];
    let parameters = |height, outside| Parameters { bins: Bins::Number(2), height, outside, ..ten_bins() };
    let asked = array![[0.5], [3.0], [-1.0], [-1.1], [5.0], [5.1], [2.0], [f64::NAN]];
    let (high, low) = (3.0 / 8.0 + 0.1_f64, 1.0 / 8.0 + 0.1_f64);
    let scores = fit(&parameters(Height::Density, Outside::Empty), &training).score(asked.view()).unwrap();
    let mean = -0.75 * high.log2() - 0.25 * low.log2();
    let expected = [high, low, high, 0.1, low, 0.1, low].map(|height| -height.log2());
    assert!(scores.iter().zip(expected.iter().chain([&mean])).all(|(score, expected)| (score - expected).abs() < 1e-12), "{scores:?}");
    let scores = fit(&parameters(Height::Relative, Outside::Lowest), &training).score(asked.view()).unwrap();
    let low = 1.0 / 3.0 + 0.1_f64;
    assert!((scores[0] + 1.1_f64.log2()).abs() < 1e-12 && (scores[3] + low.log2()).abs() < 1e-12, "{scores:?}");
}

#[test]
fn dynamic_bins_see_what_static_ones_do_not() {
    // One far row makes static bins so wide that all others share one.
    let mut rows = noise(1000, 1, 3).mapv(|value| if value > 1.5 { 0.0 } else { value });
    rows[[0, 0]] = 1e6;
    let asked = array![[0.0], [10.0]];
    let static_ones = fit(&ten_bins(), &rows).score(asked.view()).unwrap();
    assert_eq!(static_ones[0], static_ones[1]);
    let dynamic = fit(&dynamic(), &rows).score(asked.view()).unwrap();
    assert!(dynamic[1] > dynamic[0] + 1.0, "{dynamic:?}");
}

#[test]
fn a_planted_feature_contributes_most() {
    let rows = noise(500, 5, 2);
    for parameters in [ten_bins(), dynamic(), relative()] {
        let model = fit(&parameters, &rows);
        for planted in 0..5 {
            let mut anomaly = Array2::zeros((1, 5));
            anomaly[[0, planted]] = 1e3;
            let parts = model.explain(anomaly.view()).unwrap().contributions;
            let greatest = (0..5).max_by(|one, other| parts[[0, *one]].total_cmp(&parts[[0, *other]]));
            assert_eq!(greatest, Some(planted), "{parts}");
        }
    }
}

#[test]
fn contributions_are_zero_on_average_and_for_missing_values() {
    let rows = noise(400, 3, 5);
    let model = fit(&ten_bins(), &rows);
    let parts = model.explain(rows.view()).unwrap().contributions;
    assert!(parts.columns().into_iter().all(|column| column.sum().abs() < 1e-9), "{parts}");
    assert_eq!(model.explain(array![[f64::NAN; 3]].view()).unwrap().contributions, array![[0.0; 3]]);
}

#[test]
fn categories_have_a_bin_each() {
    let codes = Array2::from_shape_fn((100, 1), |(row, _)| if row < 5 { 1.0 } else { f64::from(row as u32 % 2 * 2) });
    let features = [Described { name: "colour".into(), categories: 4 }];
    let training = Training { features: &features, ..Training::new(codes.view(), 0) };
    let model = Hbos::fit(&ten_bins(), &training).unwrap();
    let scores = model.score(array![[0.0], [1.0], [2.0], [3.0], [4.0], [0.5]].view()).unwrap();
    let expected = [0.47, 0.05, 0.48, 0.0, 0.0, 0.0].map(|share: f64| -(share + 0.1).log2());
    assert!(scores.iter().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-12), "{scores:?}, not {expected:?}");
    assert_eq!(Hbos::from_bytes(&model.to_bytes()).unwrap().score(codes.view()), model.score(codes.view()));
    let refused = [(array![[7.0], [0.0]], 4), (codes, 65_536)].map(|(codes, categories)| {
        let features = [Described { name: "colour".into(), categories }];
        Hbos::fit(&ten_bins(), &Training { features: &features, ..Training::new(codes.view(), 0) }).unwrap_err().to_string()
    });
    assert!(refused[0].contains("colour: 7 is no code of 4") && refused[1].contains("colour: 65536 categories"), "{refused:?}");
}

#[test]
fn weights_count_as_copies() {
    let rows = noise(60, 2, 7);
    let weights: Vec<f64> = (0..60).map(|row| f64::from(1 + row % 3)).collect();
    let copied: Vec<f64> = rows.rows().into_iter().zip(&weights).flat_map(|(row, weight)| row.to_vec().repeat(*weight as usize)).collect();
    let copied = Array2::from_shape_vec((copied.len() / 2, 2), copied).unwrap();
    for parameters in [ten_bins(), dynamic()] {
        let weighted = Hbos::fit(&parameters, &Training { weights: Some(&weights), ..Training::new(rows.view(), 0) }).unwrap();
        let (one, other) = (weighted.score(rows.view()).unwrap(), fit(&parameters, &copied).score(rows.view()).unwrap());
        assert!(one.iter().zip(&other).all(|(one, other)| (one - other).abs() < 1e-9), "{one:?} {other:?}");
    }
    for weights in [vec![1.0; 59], vec![0.0; 60], vec![f64::NAN; 60]] {
        let training = Training { weights: Some(&weights), ..Training::new(rows.view(), 0) };
        assert!(matches!(Hbos::fit(&ten_bins(), &training), Err(Error::Data(_))));
    }
}

#[test]
fn mistakes_are_named() {
    let wrong = Parameters { bins: Bins::Number(1), alpha: 0.0, tolerance: 1.5, ..ten_bins() };
    let mistakes = Hbos::check(&wrong);
    assert!(mistakes.iter().zip(["bins", "alpha", "tolerance"]).all(|(text, name)| text.starts_with(name)), "{mistakes:?}");
    assert_eq!(Hbos::check(&Parameters { alpha: f64::NAN, ..ten_bins() }).len(), 1);
    for (rows, text) in [(array![[1.0, 2.0], [3.0, f64::INFINITY]], "row 1, feature 1"), (array![[f64::MIN], [f64::MAX]], "feature 0")] {
        let refused = Hbos::fit(&ten_bins(), &Training::new(rows.view(), 0)).unwrap_err();
        assert!(refused.to_string().contains(text), "{refused}");
    }
    let text = serde_json::from_str::<Parameters>(r#"{"bins": "many"}"#).unwrap_err().to_string();
    assert!(text.contains("neither a whole number nor `auto`"), "{text}");
    assert_eq!(serde_json::from_str::<Parameters>(r#"{"bins": "auto"}"#).unwrap().bins, Bins::Rule(Rule::Auto));
}

fn some_rows() -> impl Strategy<Value = Array2<f64>> {
    let value = prop_oneof![8 => -1e3..1e3_f64, 3 => (-3..3_i32).prop_map(f64::from), 1 => Just(f64::NAN)];
    prop::collection::vec(value, 6..240).prop_map(|values| {
        let rows = values.len() / 3;
        Array2::from_shape_vec((rows, 3), values[..rows * 3].to_vec()).unwrap()
    })
}

fn some_parameters() -> impl Strategy<Value = Parameters> {
    let bins = prop_oneof![(2..50_u32).prop_map(Bins::Number), Just(Bins::Rule(Rule::Auto))];
    (bins, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(bins, dynamic, relative, lowest)| Parameters {
        bins,
        width: if dynamic { Width::Dynamic } else { Width::Static },
        height: if relative { Height::Relative } else { Height::Density },
        outside: if lowest { Outside::Lowest } else { Outside::Empty },
        ..ten_bins()
    })
}

proptest! {
    #[test]
    fn units_do_not_matter_to_relative_heights(rows in some_rows(), new in some_rows(), bins in 2..50_u32, power in -20..20_i32) {
        // A constant has bins of one unit's width, whatever the unit: such features are left out.
        let known = |column: ndarray::ArrayView1<'_, f64>| column.iter().copied().filter(|value| !value.is_nan()).collect::<Vec<f64>>();
        let varied = rows.columns().into_iter().map(known).all(|known| known.iter().any(|value| *value != known[0]));
        let scale = 2.0_f64.powi(power);
        let parameters = Parameters { bins: Bins::Number(bins), height: Height::Relative, ..ten_bins() };
        let scores = fit(&parameters, &rows).score(new.view()).unwrap();
        let scaled = fit(&parameters, &(&rows * scale)).score((&new * scale).view()).unwrap();
        prop_assert!(!varied || scores == scaled);
    }

    #[test]
    fn the_order_of_training_rows_does_not_matter(parameters in some_parameters(), rows in some_rows()) {
        let turned = rows.slice(s![..;-1, ..]).to_owned();
        prop_assert_eq!(fit(&parameters, &rows).to_bytes(), fit(&parameters, &turned).to_bytes());
    }

    #[test]
    fn batches_and_bytes_do_not_matter(parameters in some_parameters(), rows in some_rows(), new in some_rows(), cut in 0..80_usize) {
        let model = fit(&parameters, &rows);
        let (whole, cut) = (model.score(new.view()).unwrap(), cut.min(new.nrows()));
        let read = Hbos::from_bytes(&model.to_bytes()).unwrap();
        let mut split = read.score(new.slice(s![..cut, ..])).unwrap();
        split.extend(read.score(new.slice(s![cut.., ..])).unwrap());
        prop_assert_eq!(split, whole);
    }

    #[test]
    fn every_training_value_lies_in_the_bin_that_counts_it(parameters in some_parameters(), rows in some_rows()) {
        let model = fit(&parameters, &rows);
        for (feature, column) in model.0.iter().zip(rows.columns()) {
            let known: Vec<f64> = column.iter().filter(|value| !value.is_nan()).map(|value| feature.worth(*value)).collect();
            let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
            // The mean was made of counts.
            prop_assert!(known.is_empty() || (mean - feature.mean).abs() < 1e-9, "{} {}", mean, feature.mean);
        }
    }
}
