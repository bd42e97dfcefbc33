//! What the detector promises, on rows made here. Agreement with scikit-learn is in `parity`.

use super::*;
use ndarray::{Array2, Axis, array, concatenate, s};
use proptest::prelude::*;
use synod_neighbours::testing::rows;
use synod_sdk::conformance;

fn try_fit(parameters: &Parameters, rows: &Array2<f64>) -> Result<LocalOutlierFactor, Error> {
    LocalOutlierFactor::fit(parameters, &Training::new(rows.view(), 0))
}

fn fit(parameters: &Parameters, rows: &Array2<f64>) -> LocalOutlierFactor {
    try_fit(parameters, rows).unwrap()
}

pub(crate) fn neighbours(neighbours: f64) -> Parameters {
    Parameters { neighbours: Count::Number(neighbours), ..Parameters::default() }
}

#[test]
fn keeps_what_every_detector_must() {
    let all = [
        Parameters::default(),
        Parameters { metric: Metric::Manhattan, ..neighbours(0.05) },
        Parameters { metric: Metric::Minkowski, p: 1.5, ..neighbours(1.0) },
        Parameters { metric: Metric::Minkowski, p: 3.0, duplicates: Duplicates::Keep, ..neighbours(9.0) },
        Parameters { novelty: false, max_rows: 100, ..neighbours(9.0) },
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

/// 50 rows at zero and 50 others.
fn with_copies() -> Array2<f64> {
    concatenate![Axis(0), Array2::zeros((50, 2)), rows(50, 2)]
}

#[test]
fn equal_rows_have_a_finite_density_and_so_have_those_near_them() {
    let model = fit(&neighbours(20.0), &with_copies());
    let queries = array![[0.0, 0.0], [0.0, 1e-3], [2.0, 2.0]];
    let scores = model.score(queries.view()).unwrap();
    assert!(scores[..2].iter().all(|score| (0.5..1.0).contains(score)), "rows like or near 50 others are usual: {scores:?}");
    assert!(scores[2] > 1.5, "{scores:?}");
}

/// The definitions of the paper, with 2-distinct-distances, worked out for -2, three times 0, 1 and 3 (positions by value).
#[test]
fn copies_count_as_often_as_they_occur() {
    let model = fit(&neighbours(2.0), &array![[0.0], [3.0], [0.0], [1.0], [-2.0], [0.0]]);
    // Neighbours and k-distances: of -2 are 0 (three times) and 1, 3; of 0 are its two copies, 1 and -2, 2; of 1 are 0 (three times) and 3
    // (which is as far as -2 is not), 2; of 3 are 1 and 0 (three times), 3.
    // Mean reachability: of -2: (3 * max(2, 2) + 3) / 4; of 0: (2 * 2 + max(2, 1) + max(3, 2)) / 4; of 1: (3 * 2 + max(3, 2)) / 4; of 3:
    // (max(2, 2) + 3 * max(2, 3)) / 4.
    let density = [9.0, 9.0, 9.0, 11.0].map(|mean| 4.0 / mean);
    // A new 0: its three copies and 1, of which each reaches 2.
    let expected = ((3.0 * density[1] + density[2]) / 4.0) * 2.0;
    let score = model.score(array![[0.0]].view()).unwrap()[0];
    assert!((score - expected).abs() < 1e-8, "{score}, not {expected}");
    // The 0 of the training rows: two copies, 1 and -2.
    let own = Parameters { novelty: false, ..neighbours(2.0) };
    let model = fit(&own, &array![[0.0], [3.0], [0.0], [1.0], [-2.0], [0.0]]);
    let expected = (2.0 * density[1] + density[2] + density[0]) / 4.0 / density[1];
    let score = model.score(array![[0.0]].view()).unwrap()[0];
    assert!((score - expected).abs() < 1e-8, "{score}, not {expected}");
}

#[test]
fn kept_copies_have_the_density_of_scikit_learn() {
    let model = fit(&Parameters { duplicates: Duplicates::Keep, ..neighbours(20.0) }, &with_copies());
    let scores = model.score(array![[0.0, 0.0], [0.0, 1e-3], [2.0, 2.0]].view()).unwrap();
    assert!((scores[0] - 1.0).abs() < 1e-9, "a row like 50 others is usual: {scores:?}");
    // Density 10^10 over a mean distance of 1/1000.
    assert!((scores[1] / 1e7 - 1.0).abs() < 1e-6, "{scores:?}");
    assert!(scores[2].is_finite());
    let parts = model.explain(array![[0.0, 0.0]].view()).unwrap().contributions;
    assert!(parts.iter().all(|part| (part - 0.5).abs() < 1e-9), "nothing tells the features apart: {parts}");
}

#[test]
fn a_training_row_is_itself_without_novelty() {
    let rows = rows(200, 3);
    let scores =
        |novelty, rows: ArrayView2<'_, f64>| fit(&Parameters { novelty, ..neighbours(10.0) }, &self::rows(200, 3)).score(rows).unwrap();
    let (new, own) = (scores(true, rows.view()), scores(false, rows.view()));
    assert!(new.iter().zip(&own).all(|(new, own)| new != own));
    let other = rows.mapv(|value| value + 0.01);
    assert_eq!(scores(true, other.view()), scores(false, other.view()), "rows that were never seen are new in any case");
}

#[test]
fn rows_are_thinned_by_the_seed() {
    let (rows, bound) = (rows(400, 3), Parameters { max_rows: 100, ..neighbours(5.0) });
    let bytes = |seed| LocalOutlierFactor::fit(&bound, &Training::new(rows.view(), seed)).unwrap().to_bytes();
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
    assert!(bytes(1).len() < fit(&neighbours(5.0), &rows).to_bytes().len() / 3);
    assert_eq!(fit(&Parameters { max_rows: 400, ..neighbours(5.0) }, &rows).to_bytes(), fit(&neighbours(5.0), &rows).to_bytes());
}

#[test]
fn contributions_add_up_and_name_the_planted_feature() {
    for metric in [Metric::Euclidean, Metric::Manhattan, Metric::Minkowski, Metric::Cosine] {
        // Around zero rows have all directions.
        let away = if metric == Metric::Cosine { 9.0 } else { 0.0 };
        let rows = rows(500, 5).mapv(|value| value + away);
        let model = fit(&Parameters { metric, p: 3.0, ..Parameters::default() }, &rows);
        for planted in 0..5 {
            let mut anomalies = rows.slice(s![..50, ..]).mapv(|value| value / 2.0);
            anomalies.column_mut(planted).fill(8.0 + 4.0 * away);
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
fn neighbours_are_a_number_a_share_or_a_rule_and_no_more_than_there_are() {
    let rows = rows(200, 2);
    let bytes = |wanted: f64| fit(&neighbours(wanted), &rows).to_bytes();
    assert_eq!(bytes(0.05), bytes(10.0));
    assert_eq!(bytes(0.0001), bytes(1.0));
    assert_eq!(bytes(5_000.0), bytes(199.0));
    assert_eq!(fit(&Parameters::default(), &rows).to_bytes(), bytes(30.0));
    assert_eq!([100, 2_500, 1_000_000].map(auto), [30, 50, 100]);
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
    let mistakes = LocalOutlierFactor::check(&Parameters { p: 0.5, max_rows: 1, ..neighbours(1.5) });
    assert_eq!(
        mistakes,
        [
            "neighbours: 1.5 is neither a whole number from 1 to 2000000 nor a share between 0 and 1",
            "p: 0.5 is not a number from 1",
            "max_rows: 1 is not a whole number from 2 to 2000000"
        ]
    );
    let read = |text| serde_json::from_str::<Parameters>(text).map(|read| read.neighbours);
    assert_eq!(read(r#"{"neighbours": "auto", "metric": "cosine", "duplicates": "keep"}"#).unwrap(), Count::Auto);
    assert_eq!(read(r#"{"neighbours": 20}"#).unwrap(), Count::Number(20.0));
    let error = read(r#"{"neighbours": "many"}"#).unwrap_err().to_string();
    assert!(error.contains("expected a number, a share below 1, or \"auto\""), "{error}");
    assert!(read(r#"{"leaf_size": 30}"#).is_err());
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let mut missing = rows(50, 4);
    missing[[7, 3]] = f64::NAN;
    assert!(matches!(try_fit(&Parameters::default(), &missing), Err(Error::Data(text)) if text.contains("row 7, feature 3")));
    assert!(fit(&Parameters::default(), &rows(50, 4)).score(missing.view()).is_err());
    assert!(try_fit(&Parameters::default(), &rows(1, 4)).is_err());
    let equal = try_fit(&Parameters::default(), &Array2::ones((60, 2)));
    assert!(matches!(equal, Err(Error::Data(text)) if text.contains("all 60 rows are equal") && text.contains("duplicates: keep")));
    assert!(try_fit(&Parameters { duplicates: Duplicates::Keep, ..Parameters::default() }, &Array2::ones((60, 2))).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// A factor is a ratio of distances: it has no units. What is added to every reachability has some, but is tiny.
    #[test]
    fn factors_do_not_depend_on_the_units(power in -6_i32..20, wanted in 1_u8..40) {
        let (factor, training) = (2.0_f64.powi(power), rows(90, 3));
        let parameters = neighbours(f64::from(wanted));
        let queries = rows(120, 3).mapv(|value| value * 1.5);
        let one = fit(&parameters, &training).score(queries.view()).unwrap();
        let other = fit(&parameters, &training.mapv(|value| value * factor)).score(queries.mapv(|value| value * factor).view()).unwrap();
        prop_assert!(one.iter().zip(&other).all(|(one, other)| (one / other - 1.0).abs() < 1e-6), "{one:?}, {other:?}");
    }

    /// The order of the training rows does not matter where no two distances are equal, but for the last bits of sums.
    #[test]
    fn the_order_of_training_rows_does_not_matter(turn in 0_usize..120, wanted in 1_u8..30) {
        let training = rows(120, 4);
        let order: Vec<usize> = (0..120).map(|row| (row * 77 + turn) % 120).collect();
        let parameters = neighbours(f64::from(wanted));
        let (one, other) = (fit(&parameters, &training), fit(&parameters, &training.select(Axis(0), &order)));
        let queries = rows(150, 4);
        let (one, other) = (one.score(queries.view()).unwrap(), other.score(queries.view()).unwrap());
        prop_assert!(one.iter().zip(&other).all(|(one, other)| (one / other - 1.0).abs() < 1e-12));
    }
}
