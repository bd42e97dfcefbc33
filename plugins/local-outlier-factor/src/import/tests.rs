//! What becomes of files, good and damaged. Agreement with the libraries that wrote some is in `parity`.

use super::*;
use crate::{LocalOutlierFactor, Parameters};
use proptest::prelude::*;
use serde_json::{Value, json};
use synod_neighbours::testing::rows;
use synod_sdk::{Detector, conformance};

/// The model that `fit` makes of these rows, as a file.
fn file() -> Value {
    let rows = rows(60, 3);
    let parameters = Parameters { neighbours: Count::Number(5.0), duplicates: Duplicates::Keep, ..Parameters::default() };
    let Model { reference, reaches, densities, .. } = LocalOutlierFactor::fit(&parameters, &Training::new(rows.view(), 0)).unwrap().0;
    let (mut distances, mut own) = (vec![0.0; 60], vec![0.0; 60]);
    for position in 0..60 {
        let row = reference.rank(position) as usize;
        (distances[row], own[row]) = (reaches[position as usize], densities[position as usize]);
    }
    let rows: Vec<Vec<f64>> = rows.rows().into_iter().map(|row| row.to_vec()).collect();
    json!({
        "format": "synod/local-outlier-factor", "version": 1, "width": 3, "metric": "euclidean", "p": 2, "neighbours": 5, "novelty": true,
        "rows": rows, "distances": distances, "densities": own
    })
}

fn scaled() -> Value {
    let mut file = file();
    file["scaling"] = json!([{"operation": "multiply", "by": [0.5, 2, 4]}, {"operation": "add", "by": [1, 0, -1]}]);
    file
}

fn try_import(text: &[u8]) -> Result<LocalOutlierFactor, Error> {
    let rows = rows(40, 3);
    LocalOutlierFactor::fit(&Parameters::default(), &Training { artifact: Some(text), ..Training::new(rows.view(), 0) })
}

fn refusal(pointer: &str, value: &Value) -> String {
    let mut file = file();
    *file.pointer_mut(pointer).unwrap() = value.clone();
    match try_import(file.to_string().as_bytes()) {
        Err(Error::Artifact(why)) => why,
        other => panic!("{pointer} {value} must be refused, but: {other:?}"),
    }
}

#[test]
fn keeps_what_every_detector_must() {
    for file in [file(), scaled()] {
        conformance::run::<LocalOutlierFactor>(
            &Parameters::default(),
            &rows(50, 3),
            &[99.0, -99.0, 99.0],
            Some(file.to_string().as_bytes()),
        );
    }
}

#[test]
fn a_file_of_a_fit_is_that_fit() {
    let (training, queries) = (rows(60, 3), rows(200, 3));
    let parameters = Parameters { neighbours: Count::Number(5.0), duplicates: Duplicates::Keep, ..Parameters::default() };
    let own = LocalOutlierFactor::fit(&parameters, &Training::new(training.view(), 0)).unwrap();
    let imported = try_import(file().to_string().as_bytes()).unwrap();
    assert_eq!(imported.to_bytes(), own.to_bytes());
    let scaled = try_import(scaled().to_string().as_bytes()).unwrap();
    let by_hand = queries.map_axis(ndarray::Axis(1), |row| [row[0] * 0.5 + 1.0, row[1] * 2.0, row[2] * 4.0 - 1.0]);
    let by_hand = Array2::from_shape_fn(queries.dim(), |(row, column)| by_hand[row][column]);
    assert_eq!(scaled.score(queries.view()).unwrap(), own.score(by_hand.view()).unwrap());
    assert_eq!(scaled.explain(queries.view()).unwrap(), own.explain(by_hand.view()).unwrap());
}

#[test]
fn a_row_that_a_scaler_carries_beyond_all_numbers_is_scored() {
    let model = try_import(scaled().to_string().as_bytes()).unwrap();
    let scores = model.score(ndarray::array![[f64::MAX, f64::MAX, -f64::MAX]].view()).unwrap();
    assert_eq!(scores, [f64::MAX]);
}

#[test]
fn what_is_wrong_is_named_by_its_field() {
    for (pointer, value, words) in [
        ("/format", json!("synod/isolation-forest"), "format: "),
        ("/metric", json!("canberra"), "metric: "),
        ("/width", json!(0), "width: "),
        ("/width", json!(2), "rows[0]: 3 numbers for 2 features"),
        ("/p", json!(0.5), "p: 0.5"),
        ("/neighbours", json!(0), "neighbours: 0"),
        ("/neighbours", json!(60), "neighbours: 60 is not between 1 and 59"),
        ("/neighbours", json!(-1), "neighbours: "),
        ("/rows", json!([[1, 2, 3]]), "rows: 1 are not"),
        ("/rows/7", json!([1, 2]), "rows[7]: 2 numbers"),
        ("/rows/7/1", json!(null), "rows[7][1]: "),
        ("/distances", json!([1]), "distances: 1 for 60 rows"),
        ("/distances/3", json!(-1), "distances[3]: -1"),
        ("/densities/9", json!(0), "densities[9]: 0"),
    ] {
        let why = refusal(pointer, &value);
        assert!(why.contains(words), "{pointer} {value}: {why}");
    }
    let mut file = file();
    (file["metric"], file["rows"][4]) = (json!("cosine"), json!([0, 0, 0]));
    let error = try_import(file.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.contains("rows[4]: a row of zeros"), "{error}");
}

proptest! {
    #[test]
    fn damaged_bytes_are_an_error_or_a_model(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<prop::sample::Index>()) {
        let mut bytes = scaled().to_string().into_bytes();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(model) = try_import(bytes) {
                prop_assert!(model.score(rows(30, 3).view()).unwrap().iter().all(|score| score.is_finite()));
                prop_assert!(LocalOutlierFactor::from_bytes(&model.to_bytes()).is_ok());
            }
        }
    }
}
