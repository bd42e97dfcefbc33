//! What holds for any rows: a score is the row's own, units do not matter, and explanations add up.

use super::*;
use proptest::prelude::*;
use synod_sdk::Feature;

/// Rows of `width` small numbers with ties, some of them missing.
fn rows(width: usize) -> impl Strategy<Value = Array2<f64>> {
    let value = prop_oneof![8 => (-40_i32..40).prop_map(|value| f64::from(value) / 8.0), 1 => Just(f64::NAN)];
    prop::collection::vec(value, 8 * width..40 * width).prop_map(move |mut values| {
        values.truncate(values.len() / width * width);
        Array2::from_shape_vec((values.len() / width, width), values).unwrap()
    })
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let splits = prop::sample::select(vec![Split::Axis, Split::Extended, Split::Sciforest, Split::FairCut]);
    (splits, 1_u32..4, 1_u32..12, any::<bool>()).prop_map(|(split, features_per_split, trees, bootstrap)| Parameters {
        trees,
        split,
        features_per_split,
        tries: Some(2),
        max_samples: 16.0,
        bootstrap,
        ..Parameters::default()
    })
}

fn fit(parameters: &Parameters, rows: &Array2<f64>, categories: u32) -> IsolationForest {
    let feature = |column: usize| Feature { name: column.to_string(), categories: if column == 0 { categories } else { 0 } };
    let features: Vec<Feature> = (0..rows.ncols()).map(feature).collect();
    IsolationForest::fit(parameters, &Training { features: &features, ..Training::new(rows.view(), 3) }).unwrap()
}

fn bits(scores: &[f64]) -> Vec<u64> {
    scores.iter().map(|score| score.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_score_is_the_rows_own(parameters in parameters(), rows in rows(3), categories in 0_u32..4, at in 0.0..1.0) {
        let model = fit(&parameters, &rows, categories);
        let scores = model.score(rows.view()).unwrap();
        prop_assert!(scores.iter().all(|score| *score > 0.0 && *score <= 1.0));
        let (head, tail) = rows.view().split_at(ndarray::Axis(0), (at * rows.nrows() as f64) as usize);
        let parted = [model.score(head).unwrap(), model.score(tail).unwrap()].concat();
        prop_assert_eq!(bits(&parted), bits(&scores));
        let backwards: Vec<f64> = model.score(rows.slice(ndarray::s![..;-1, ..])).unwrap().into_iter().rev().collect();
        prop_assert_eq!(bits(&backwards), bits(&scores));
        prop_assert_eq!(bits(&IsolationForest::from_bytes(&model.to_bytes()).unwrap().score(rows.view()).unwrap()), bits(&scores));
    }

    /// Powers of two change no digit, so that trees are the very same.
    #[test]
    fn units_do_not_matter(parameters in parameters(), rows in rows(3), powers in prop::array::uniform3(-30_i32..30)) {
        let units = ndarray::arr1(&powers.map(|power| 2.0_f64.powi(power)));
        let other = &rows * &units;
        let scores = fit(&parameters, &rows, 0).score(rows.view()).unwrap();
        prop_assert_eq!(bits(&fit(&parameters, &other, 0).score(other.view()).unwrap()), bits(&scores));
    }

    #[test]
    fn contributions_add_up_and_what_is_missing_has_none(parameters in parameters(), rows in rows(3), categories in 0_u32..4) {
        let model = fit(&parameters, &rows, categories);
        let Explanation { base, contributions } = model.explain(rows.view()).unwrap();
        for ((row, parts), score) in rows.rows().into_iter().zip(contributions.rows()).zip(model.score(rows.view()).unwrap()) {
            prop_assert!((base + parts.sum() - score).abs() < 1e-9);
            prop_assert!(row.iter().zip(parts).all(|(value, part)| !value.is_nan() || *part == 0.0));
        }
    }
}
