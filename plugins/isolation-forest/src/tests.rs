//! What the detector promises, on rows made here. Agreement with scikit-learn is in `parity`.

use super::*;
use ndarray::{Axis, s};
use synod_sdk::conformance;

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
    ];
    for parameters in all {
        conformance::run::<IsolationForest>(&parameters, &rows(300), &[9.0, -9.0, 9.0, 9.0, -9.0], None);
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
    let model = fit(&Parameters::default(), &rows, 1);
    let usual = model.0.raw_score(model.0.mean_length());
    for planted in 0..5 {
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
