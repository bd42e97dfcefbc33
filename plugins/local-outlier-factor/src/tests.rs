//! What the detector promises, on rows made here. Agreement with scikit-learn is in `parity`.

use super::*;
use ndarray::{Axis, array, concatenate, s};
use synod_sdk::conformance;

/// About normal rows, the same at every call.
pub(crate) fn rows(count: usize, width: usize) -> Array2<f64> {
    let mut state = 1_u64;
    let mut share = || {
        // Knuth's MMIX generator; its upper half is random enough for rows.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / (1_u64 << 32) as f64
    };
    Array2::from_shape_simple_fn((count, width), || (0..12).map(|_| share()).sum::<f64>() - 6.0)
}

fn try_fit(parameters: &Parameters, rows: &Array2<f64>) -> Result<LocalOutlierFactor, Error> {
    LocalOutlierFactor::fit(parameters, &Training::new(rows.view(), 0))
}

fn fit(parameters: &Parameters, rows: &Array2<f64>) -> LocalOutlierFactor {
    try_fit(parameters, rows).unwrap()
}

fn neighbours(neighbours: f64) -> Parameters {
    Parameters { neighbours, ..Parameters::default() }
}

#[test]
fn keeps_what_every_detector_must() {
    let all = [
        Parameters::default(),
        Parameters { metric: Metric::Manhattan, ..neighbours(0.05) },
        Parameters { metric: Metric::Minkowski, p: 1.5, ..neighbours(1.0) },
    ];
    for parameters in all {
        conformance::run::<LocalOutlierFactor>(&parameters, &rows(300, 5), &[9.0, -9.0, 9.0, 9.0, -9.0], None);
    }
    conformance::run::<LocalOutlierFactor>(&neighbours(7.0), &rows(90, 60), &[8.0; 60], None);
}

#[test]
fn a_factor_worked_out_by_hand() {
    // With one neighbour: the neighbour of 0 is 1, of 1 is 0, of 3 is 1. Their k-distances are 1, 1 and 2; their reachability
    // distances max(1, 1), max(1, 1) and max(1, 2), so their densities 1, 1 and 1/2.
    let model = fit(&neighbours(1.0), &array![[0.0], [1.0], [3.0]]);
    // The neighbour of 7 is 3: reachability 4, density 1/4, factor (1/2) / (1/4). That of 0.5 is 0, the first of two equally near.
    let scores = model.score(array![[7.0], [0.5], [3.0]].view()).unwrap();
    let expected = [2.0, 1.0, 1.0];
    assert!(scores.iter().zip(expected).all(|(score, expected)| (score - expected).abs() < 1e-9), "{scores:?}");
}

#[test]
fn equal_rows_have_a_finite_density() {
    let equal = concatenate![Axis(0), Array2::zeros((50, 2)), rows(50, 2)];
    let model = fit(&Parameters::default(), &equal);
    let scores = model.score(array![[0.0, 0.0], [0.0, 1e-3], [2.0, 2.0]].view()).unwrap();
    assert!((scores[0] - 1.0).abs() < 1e-9, "a row like 50 others is usual: {scores:?}");
    // Density 10^10 over a mean distance of 1/1000.
    assert!((scores[1] / 1e7 - 1.0).abs() < 1e-6, "{scores:?}");
    assert!(scores[2].is_finite());
    let parts = model.explain(array![[0.0, 0.0]].view()).unwrap().contributions;
    assert!(parts.iter().all(|part| (part - 0.5).abs() < 1e-9), "nothing tells the features apart: {parts}");
}

#[test]
fn contributions_add_up_and_name_the_planted_feature() {
    let rows = rows(500, 5);
    for metric in [Metric::Euclidean, Metric::Manhattan, Metric::Minkowski] {
        let model = fit(&Parameters { metric, p: 3.0, ..Parameters::default() }, &rows);
        for planted in 0..5 {
            let mut anomalies = rows.slice(s![..50, ..]).mapv(|value| value / 2.0);
            anomalies.column_mut(planted).fill(8.0);
            let (scores, parts) = (model.score(anomalies.view()).unwrap(), model.explain(anomalies.view()).unwrap().contributions);
            for (score, parts) in scores.iter().zip(parts.rows()) {
                assert!((parts.sum() / score - 1.0).abs() < 1e-12 && parts.iter().all(|part| *part >= 0.0));
                let greatest = (0..5).max_by(|one, other| parts[*one].total_cmp(&parts[*other]));
                assert_eq!(greatest, Some(planted), "{metric:?}: {parts}");
            }
        }
    }
}

#[test]
fn no_row_is_too_far_to_be_scored() {
    let model = fit(&Parameters::default(), &rows(100, 2));
    let far = array![[1e300, 0.0], [f64::MAX, -f64::MAX]];
    assert_eq!(model.score(far.view()).unwrap(), [f64::MAX; 2]);
    assert!(model.explain(far.view()).unwrap().contributions.iter().all(|part| part.is_finite()));
    assert!(matches!(try_fit(&neighbours(1.0), &array![[-1e300], [0.0], [1e300]]), Err(Error::Data(_))));
}

#[test]
fn neighbours_are_a_number_or_a_share_and_no_more_than_there_are() {
    let rows = rows(200, 2);
    let bytes = |wanted: f64| fit(&neighbours(wanted), &rows).to_bytes();
    assert_eq!(bytes(0.05), bytes(10.0));
    assert_eq!(bytes(0.0001), bytes(1.0));
    assert_eq!(bytes(5_000.0), bytes(199.0));
}

#[test]
fn a_power_of_two_is_euclidean_and_of_one_manhattan() {
    let rows = rows(200, 3);
    let scores = |metric, p| fit(&Parameters { metric, p, ..Parameters::default() }, &rows).score(rows.view()).unwrap();
    assert_eq!(scores(Metric::Minkowski, 2.0), scores(Metric::Euclidean, 7.0));
    assert_eq!(scores(Metric::Minkowski, 1.0), scores(Metric::Manhattan, 7.0));
    assert_ne!(scores(Metric::Minkowski, 3.0), scores(Metric::Euclidean, 3.0));
}

#[test]
fn mistakes_are_named() {
    let mistakes = LocalOutlierFactor::check(&Parameters { p: 0.5, ..neighbours(1.5) });
    assert_eq!(
        mistakes,
        ["neighbours: 1.5 is neither a whole number from 1 to 2000000 nor a share between 0 and 1", "p: 0.5 is not at least 1"]
    );
    for wrong in [0.0, -1.0, f64::NAN, 3e6] {
        assert_eq!(LocalOutlierFactor::check(&neighbours(wrong)).len(), 1, "{wrong}");
    }
    assert!(serde_json::from_str::<Parameters>(r#"{"metric": "cosine"}"#).is_err());
    assert!(serde_json::from_str::<Parameters>(r#"{"leaf_size": 30}"#).is_err());
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let mut missing = rows(50, 4);
    missing[[7, 3]] = f64::NAN;
    assert!(matches!(try_fit(&Parameters::default(), &missing), Err(Error::Data(text)) if text.contains("row 7, feature 3")));
    assert!(fit(&Parameters::default(), &rows(50, 4)).score(missing.view()).is_err());
    assert!(try_fit(&Parameters::default(), &rows(1, 4)).is_err());
    let many = try_fit(&Parameters::default(), &Array2::zeros((ROWS + 1, 1)));
    assert!(matches!(many, Err(Error::Data(text)) if text.contains("2000001 rows are more than 2000000")));
}
