//! What the detector promises, on rows made here. Agreement with PyOD is in `parity`.

use super::*;
use ndarray::{Array2, array, s};
use proptest::prelude::*;
use synod_neighbours::testing::rows;
use synod_sdk::conformance;

fn try_fit(parameters: &Parameters, rows: &Array2<f64>) -> Result<KNearestNeighbours, Error> {
    KNearestNeighbours::fit(parameters, &Training::new(rows.view(), 0))
}

fn fit(parameters: &Parameters, rows: &Array2<f64>) -> KNearestNeighbours {
    try_fit(parameters, rows).unwrap()
}

fn neighbours(neighbours: f64, method: Method) -> Parameters {
    Parameters { neighbours: Count::Number(neighbours), method, ..Parameters::default() }
}

#[test]
fn keeps_what_every_detector_must() {
    let all = [
        Parameters::default(),
        Parameters { metric: Metric::Manhattan, ..neighbours(0.05, Method::Largest) },
        Parameters { metric: Metric::Minkowski, p: 1.5, ..neighbours(1.0, Method::Median) },
        Parameters { duplicates: Duplicates::Keep, novelty: false, max_rows: 100, ..neighbours(6.0, Method::Median) },
    ];
    for parameters in all {
        conformance::run::<KNearestNeighbours>(&parameters, &rows(300, 5), &[9.0, -9.0, 9.0, 9.0, -9.0], None);
    }
    conformance::run::<KNearestNeighbours>(&Parameters::default(), &rows(90, 60), &[8.0; 60], None);
}

#[test]
fn distances_worked_out_by_hand() {
    let training = array![[0.0], [1.0], [1.0], [3.0], [7.0]];
    let score = |parameters: &Parameters, row: f64| fit(parameters, &training).score(array![[row]].view()).unwrap()[0];
    // Three different neighbours of 2: 1 (twice) and 3 at distance 1, 0 at 2.
    assert_eq!(score(&neighbours(3.0, Method::Largest), 2.0), 2.0);
    assert_eq!(score(&neighbours(3.0, Method::Mean), 2.0), 5.0 / 4.0);
    assert_eq!(score(&neighbours(3.0, Method::Median), 2.0), 1.0);
    // Two of 6: 7, and 3.
    assert_eq!(score(&neighbours(2.0, Method::Median), 6.0), 2.0);
    let keep = Parameters { duplicates: Duplicates::Keep, ..neighbours(3.0, Method::Largest) };
    assert_eq!(score(&keep, 2.0), 1.0);
    // The 1 of the training rows: its copy, 0 and 3.
    let own = Parameters { novelty: false, ..neighbours(2.0, Method::Mean) };
    assert_eq!(score(&own, 1.0), 1.0);
    assert_eq!(score(&own, 7.0), 16.0 / 3.0, "3 once, 1 twice");
}

#[test]
fn contributions_name_the_planted_feature() {
    let training = rows(500, 5);
    for method in [Method::Largest, Method::Mean, Method::Median] {
        for metric in [Metric::Euclidean, Metric::Manhattan, Metric::Minkowski] {
            let model = fit(&Parameters { metric, p: 3.0, ..neighbours(10.0, method) }, &training);
            for planted in 0..5 {
                let mut anomalies = training.slice(s![..50, ..]).mapv(|value| value / 2.0);
                anomalies.column_mut(planted).fill(8.0);
                let (scores, parts) = (model.score(anomalies.view()).unwrap(), model.explain(anomalies.view()).unwrap());
                assert_eq!(parts.base, 0.0);
                for (score, parts) in scores.iter().zip(parts.contributions.rows()) {
                    assert!((parts.sum() / score - 1.0).abs() < 1e-12 && parts.iter().all(|part| *part >= 0.0));
                    let greatest = (0..5).max_by(|one, other| parts[*one].total_cmp(&parts[*other]));
                    assert_eq!(greatest, Some(planted), "{method:?}, {metric:?}: {parts}");
                }
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
    let zeros = fit(&neighbours(1.0, Method::Mean), &array![[0.0, 0.0], [1.0, 1.0]]);
    assert_eq!(zeros.explain(array![[0.0, 0.0]].view()).unwrap().contributions, array![[0.0, 0.0]]);
}

#[test]
fn mistakes_are_named() {
    let mistakes = KNearestNeighbours::check(&Parameters { p: f64::NAN, max_rows: 0, ..neighbours(0.0, Method::Mean) });
    let starts = ["neighbours: ", "p: ", "max_rows: "];
    assert!(mistakes.len() == 3 && mistakes.iter().zip(starts).all(|(mistake, start)| mistake.starts_with(start)), "{mistakes:?}");
    assert!(serde_json::from_str::<Parameters>(r#"{"method": "smallest"}"#).is_err());
    let mut missing = rows(50, 4);
    missing[[7, 3]] = f64::NAN;
    assert!(matches!(try_fit(&Parameters::default(), &missing), Err(Error::Data(text)) if text.contains("row 7, feature 3")));
    assert_eq!([100, 10_000, 1_000_000].map(auto), [15, 25, 50]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Distances are in the units of the rows: powers of two scale them exactly.
    #[test]
    fn scores_scale_with_the_rows(power in -20_i32..20, shift in -8_i32..8, wanted in 1_u8..20) {
        let (factor, training) = (2.0_f64.powi(power), rows(80, 3).mapv(|value| (value * 64.0).round() / 64.0));
        let moved = training.mapv(|value| (value + f64::from(shift)) * factor);
        let parameters = neighbours(f64::from(wanted), Method::Mean);
        let (one, other) = (fit(&parameters, &training), fit(&parameters, &moved));
        let queries = training.slice(s![..20, ..]).mapv(|value| value / 2.0);
        let moved = queries.mapv(|value| (value + f64::from(shift)) * factor);
        let (one, other) = (one.score(queries.view()).unwrap(), other.score(moved.view()).unwrap());
        prop_assert!(one.iter().zip(&other).all(|(one, other)| one * factor == *other), "{one:?}, {other:?}");
    }

    /// The order of the training rows does not matter, but for ties.
    #[test]
    fn the_order_of_training_rows_does_not_matter(turn in 0_usize..120, wanted in 1_u8..30) {
        let training = rows(120, 4);
        let order: Vec<usize> = (0..120).map(|row| (row * 77 + turn) % 120).collect();
        let parameters = neighbours(f64::from(wanted), Method::Largest);
        let (one, other) = (fit(&parameters, &training), fit(&parameters, &training.select(ndarray::Axis(0), &order)));
        let queries = rows(150, 4);
        prop_assert_eq!(one.score(queries.view()).unwrap(), other.score(queries.view()).unwrap());
    }
}
