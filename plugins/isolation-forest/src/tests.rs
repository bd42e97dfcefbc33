//! What the detector promises, on rows made here. Agreement with scikit-learn is in `parity`.

use super::*;
use ndarray::{Axis, s};
use synod_sdk::{Feature, Part, conformance};

/// Normal rows about 0, five features, the same at every call.
fn rows(count: usize) -> Array2<f64> {
    let mut random = Random::of_tree(99, 0);
    Array2::from_shape_simple_fn((count, 5), || (0..12).map(|_| random.share()).sum::<f64>() - 6.0)
}

fn fit(parameters: &Parameters, rows: &Array2<f64>, seed: u64) -> IsolationForest {
    IsolationForest::fit(parameters, &Training::new(rows.view(), seed)).unwrap()
}

#[test]
fn keeps_what_every_detector_must() {
    let all = [
        Parameters::default(),
        Parameters { trees: 9, max_samples: 0.5, max_features: 0.4, bootstrap: true, ..Parameters::default() },
        Parameters { trees: 1, max_samples: 1.0, ..Parameters::default() },
        Parameters { trees: 9, split: Split::Extended, ..Parameters::default() },
        Parameters { trees: 9, split: Split::Extended, features_per_split: 5, max_samples: 64.0, ..Parameters::default() },
        Parameters { trees: 5, split: Split::Sciforest, max_samples: 64.0, ..Parameters::default() },
        Parameters { trees: 9, split: Split::FairCut, max_samples: 64.0, ..Parameters::default() },
    ];
    for parameters in all {
        conformance::run::<IsolationForest>(&parameters, &rows(300), &[9.0, -9.0, 9.0, 9.0, -9.0], None);
    }
}

/// Rows of two numbers and a category of four, of which the first two are usual; a value is missing here and there.
fn mixed_rows(count: usize, missing: bool) -> (Array2<f64>, Vec<Feature>) {
    let mut rows = rows(count).slice_move(s![.., ..3]);
    for (row, mut values) in rows.rows_mut().into_iter().enumerate() {
        values[1] = if row % 50 == 0 { 2.0 } else { (row % 2) as f64 };
        if missing && row % 7 == 0 {
            values[row % 3] = f64::NAN;
        }
    }
    let feature = |name: &str, categories| Feature { name: name.into(), categories };
    (rows, vec![feature("one", 0), feature("kind", 5), feature("two", 0)])
}

fn all_splits() -> [Split; 4] {
    [Split::Axis, Split::Extended, Split::Sciforest, Split::FairCut]
}

#[test]
fn keeps_it_with_missing_values_too() {
    for split in all_splits() {
        let parameters = Parameters { trees: 9, split, max_samples: 64.0, ..Parameters::default() };
        conformance::run::<IsolationForest>(&parameters, &mixed_rows(300, true).0, &[9.0, 1.0, -9.0], None);
    }
}

#[test]
fn parts_make_the_undivided_fit_for_every_split_with_categories_weights_and_missing_values() {
    let (rows, features) = mixed_rows(300, true);
    let weights: Vec<f64> = (0..300).map(|row| 1.0 + f64::from(row % 5)).collect();
    for split in all_splits() {
        let parameters = Parameters { trees: 10, split, max_samples: 64.0, ..Parameters::default() };
        let training = Training { features: &features, weights: Some(&weights), ..Training::new(rows.view(), 3) };
        let fit = |part| {
            let mut training = training;
            training.part = part;
            IsolationForest::from_bytes(&IsolationForest::fit(&parameters, &training).unwrap().to_bytes()).unwrap()
        };
        let whole = fit(Part::default());
        for count in [2, 3, 17] {
            let parts = (0..count).map(|index| fit(Part { index, count })).collect();
            assert_eq!(IsolationForest::merge(parts).unwrap().to_bytes(), whole.to_bytes(), "{split:?} in {count} parts");
        }
    }
    let empty = IsolationForest::from_bytes(&Forest::new(Shape { width: 3, sample: 4, categories: Vec::new() }, 0, []).to_bytes()).unwrap();
    assert!(matches!(empty.score(rows.view()), Err(Error::Model(_))) && matches!(empty.explain(rows.view()), Err(Error::Model(_))));
}

#[test]
fn a_row_of_which_nothing_is_known_has_the_base_as_its_score() {
    let (rows, features) = mixed_rows(300, true);
    for split in all_splits() {
        let parameters = Parameters { split, ..Parameters::default() };
        let model = IsolationForest::fit(&parameters, &Training { features: &features, ..Training::new(rows.view(), 1) }).unwrap();
        let nothing = Array2::from_elem((1, 3), f64::NAN);
        let explanation = model.explain(nothing.view()).unwrap();
        assert!((model.score(nothing.view()).unwrap()[0] - explanation.base).abs() < 1e-12, "{split:?}");
        assert!(explanation.contributions.iter().all(|part| *part == 0.0));
    }
}

#[test]
fn a_missing_value_is_neither_an_anomaly_nor_hides_one() {
    let mut rows = rows(600);
    for row in 0..600 {
        if row % 4 == 0 {
            rows[[row, row % 5]] = f64::NAN;
        }
    }
    for split in all_splits() {
        let model = fit(&Parameters { split, ..Parameters::default() }, &rows, 4);
        let scores = model.score(rows.view()).unwrap();
        let mean = |missing: bool| {
            let picked: Vec<f64> =
                scores.iter().enumerate().filter(|(row, _)| (row % 4 == 0) == missing).map(|(_, score)| *score).collect();
            picked.iter().sum::<f64>() / picked.len() as f64
        };
        // Less is known of such rows, so they lie a little nearer to the mean score.
        assert!((mean(true) - mean(false)).abs() < 0.03, "{split:?}: {} and {}", mean(true), mean(false));
        let anomaly = ndarray::array![[7.0, f64::NAN, 7.0, -7.0, 7.0]];
        let usual = ndarray::array![[0.1, f64::NAN, 0.1, -0.1, 0.1]];
        let [anomaly, usual] = [anomaly, usual].map(|row| model.score(row.view()).unwrap()[0]);
        assert!(anomaly > usual + 0.05, "{split:?}: {anomaly} and {usual}");
    }
}

#[test]
fn rare_and_unseen_categories_score_higher_whatever_their_codes() {
    let (mut rows, features) = mixed_rows(500, false);
    for split in all_splits() {
        let parameters = Parameters { trees: 50, split, ..Parameters::default() };
        let by_code = |rows: &Array2<f64>, code: f64| {
            let model = IsolationForest::fit(&parameters, &Training { features: &features, ..Training::new(rows.view(), 1) }).unwrap();
            model.score(ndarray::array![[0.0, code, 0.0]].view()).unwrap()[0]
        };
        let [usual, rare, unseen, unknown] = [0.0, 2.0, 4.0, 77.0].map(|code| by_code(&rows, code));
        assert!(rare > usual + 0.01 && unseen > usual + 0.01, "{split:?}: usual {usual}, rare {rare}, unseen {unseen}");
        assert_eq!(unseen, unknown);
        // The rare category between the usual ones: order means nothing.
        rows.column_mut(1).mapv_inplace(|code| [0.0, 2.0, 1.0][code as usize]);
        assert!(by_code(&rows, 1.0) > by_code(&rows, 0.0) + 0.01, "{split:?}");
        rows.column_mut(1).mapv_inplace(|code| [0.0, 2.0, 1.0][code as usize]);
    }
}

#[test]
fn rows_of_more_weight_are_usual() {
    // Two clusters of the same size: who is seldom drawn is the anomaly.
    let mut rows = rows(1_000);
    rows.slice_mut(s![500.., ..]).mapv_inplace(|value| value + 20.0);
    let weights: Vec<f64> = (0..1_000).map(|row| if row < 500 { 1.0 } else { 0.01 }).collect();
    let weighted =
        IsolationForest::fit(&Parameters::default(), &Training { weights: Some(&weights), ..Training::new(rows.view(), 2) }).unwrap();
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    let scores = weighted.score(rows.view()).unwrap();
    assert!(mean(&scores[500..]) > mean(&scores[..500]) + 0.1);
    let scores = fit(&Parameters::default(), &rows, 2).score(rows.view()).unwrap();
    assert!((mean(&scores[500..]) - mean(&scores[..500])).abs() < 0.05);
}

#[test]
fn wrong_weights_are_named() {
    let rows = rows(50);
    let refused = |weights: &[f64]| {
        let training = Training { weights: Some(weights), ..Training::new(rows.view(), 0) };
        IsolationForest::fit(&Parameters::default(), &training).unwrap_err().to_string()
    };
    assert!(refused(&[1.0; 49]).contains("49 weights for 50 rows"));
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut weights = [1.0; 50];
        weights[8] = wrong;
        assert!(refused(&weights).contains("row 8"), "{wrong}");
    }
}

#[test]
fn a_tree_does_not_depend_on_the_number_of_trees() {
    let rows = rows(400);
    let few = fit(&Parameters { trees: 3, ..Parameters::default() }, &rows, 5);
    let many = fit(&Parameters { trees: 11, ..Parameters::default() }, &rows, 5);
    let parameters = Parameters::default();
    let urn = AnyUrn::new(&Training::new(rows.view(), 5));
    let mut grower = Grower { parameters: &parameters, plan: plan(&parameters, rows.view(), &[], 256), seed: 5, urn };
    let mut trees: Vec<Tree> = (0..11).rev().map(|index| grower.grow(index)).collect();
    trees.reverse();
    let shape = Shape { width: 5, sample: 256, categories: Vec::new() };
    assert_eq!(Forest::new(shape.clone(), 0, trees.clone()).to_bytes(), many.to_bytes());
    assert_eq!(Forest::new(shape, 0, trees.into_iter().take(3)).to_bytes(), few.to_bytes());
}

#[test]
fn contributions_add_up_and_name_the_planted_feature() {
    let rows = rows(500);
    let models = all_splits().map(|split| fit(&Parameters { split, ..Parameters::default() }, &rows, 1));
    for (model, planted) in models.iter().flat_map(|model| (0..5).map(move |planted| (model, planted))) {
        let usual = model.0.raw_score(model.0.mean_length());
        for value in [-8.0, 8.0] {
            let mut anomalies = rows.slice(s![..50, ..]).mapv(|value| value / 2.0);
            anomalies.column_mut(planted).fill(value);
            let parts = model.explain(anomalies.view()).unwrap().contributions;
            for (row, parts) in parts.axis_iter(Axis(0)).enumerate() {
                let greatest = (0..5).max_by(|one, other| parts[*one].total_cmp(&parts[*other]));
                assert_eq!(greatest, Some(planted), "row {row} with {value}: {parts}");
            }
            let scores = model.score(anomalies.view()).unwrap();
            let sums = parts.sum_axis(Axis(1));
            assert!(scores.iter().zip(&sums).all(|(score, sum)| (score - usual - sum).abs() < 1e-12));
        }
    }
}

#[test]
fn a_path_of_average_length_has_finite_contributions_that_add_up_to_nothing() {
    let rows = Array2::from_shape_fn((2, 1), |(row, _)| row as f64);
    let model = fit(&Parameters { trees: 5, ..Parameters::default() }, &rows, 0);
    assert!(model.explain(rows.view()).unwrap().contributions.iter().all(|part| part.abs() < 1e-15));
}

#[test]
fn max_features_limits_each_tree() {
    let parameters = Parameters { trees: 1, max_features: 0.4, ..Parameters::default() };
    for seed in 0..20 {
        let model = fit(&parameters, &rows(300), seed);
        let parts = model.explain(rows(300).view()).unwrap().contributions;
        let used = parts.columns().into_iter().filter(|column| column.iter().any(|part| *part != 0.0)).count();
        assert_eq!(used, 2, "seed {seed}");
    }
}

#[test]
fn mistakes_are_named() {
    let wrong = Parameters {
        trees: 0,
        features_per_split: 0,
        tries: Some(0),
        max_samples: 2.5,
        max_features: 0.0,
        max_depth: Some(65),
        ..Parameters::default()
    };
    let mistakes = IsolationForest::check(&wrong);
    let names = ["trees", "features_per_split", "tries", "max_samples", "max_features", "max_depth"];
    assert_eq!(mistakes.len(), names.len());
    assert!(mistakes.iter().zip(names).all(|(text, name)| text.starts_with(name)), "{mistakes:?}");
    for max_samples in [0.0, -1.0, f64::NAN, 1.5, 1e12] {
        assert_eq!(IsolationForest::check(&Parameters { max_samples, ..Parameters::default() }).len(), 1, "{max_samples}");
    }
    for max_samples in [0.01, 1.0, 2.0, 256.0] {
        assert!(IsolationForest::check(&Parameters { max_samples, ..Parameters::default() }).is_empty(), "{max_samples}");
    }
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let refused =
        |parameters: &Parameters, rows: &Array2<f64>| IsolationForest::fit(parameters, &Training::new(rows.view(), 0)).unwrap_err();
    assert!(matches!(refused(&Parameters { max_samples: 0.01, ..Parameters::default() }, &rows(50)), Error::Parameters(_)));
    let mut infinite = rows(50);
    infinite[[7, 3]] = f64::INFINITY;
    assert!(matches!(refused(&Parameters::default(), &infinite), Error::Data(text) if text.contains("row 7, feature 3")));
    assert!(fit(&Parameters::default(), &rows(50), 0).score(infinite.view()).is_err());
    let many = Parameters { trees: 10_000, max_samples: 1.0, ..Parameters::default() };
    assert!(matches!(refused(&many, &rows(2_000)), Error::Parameters(_)));
}
