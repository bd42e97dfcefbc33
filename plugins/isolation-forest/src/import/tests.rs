//! What becomes of files, good and damaged. Agreement with the libraries that wrote some is in `parity`.

use super::*;
use crate::{IsolationForest, Parameters};
use ndarray::{Array2, array};
use proptest::prelude::*;
use serde_json::{Value, json};
use synod_sdk::{Detector, conformance};

/// Two trees over two features.
fn file() -> Value {
    json!({
        "format": "synod/isolation-forest", "version": 1, "width": 2, "precision": "single", "sample": 4,
        "trees": [
            {"feature": [0, 1, 0, 0, 0], "threshold": [0.5, 0.1, 0, 0, 0], "left": [1, 3, -1, -1, -1], "right": [2, 4, -1, -1, -1],
             "rows": [4, 3, 1, 2, 1]},
            {"feature": [1, 0, 0], "threshold": [-2.0, 0, 0], "left": [2, -1, -1], "right": [1, -1, -1], "rows": [4, 1, 3]}
        ]
    })
}

fn rows() -> Array2<f64> {
    array![[0.0, 0.0], [0.5, 0.1], [0.5, 0.2], [9.0, 9.0], [0.6, -3.0]]
}

fn try_import(file: &Value) -> Result<IsolationForest, Error> {
    let text = file.to_string();
    let rows = rows();
    IsolationForest::fit(&Parameters::default(), &Training { artifact: Some(text.as_bytes()), ..Training::new(rows.view(), 0) })
}

fn refusal(file: &Value) -> String {
    match try_import(file) {
        Err(Error::Artifact(why)) => why,
        other => panic!("{file} must be refused, but: {other:?}"),
    }
}

/// The file with another value at a JSON pointer.
fn with(pointer: &str, value: Value) -> Value {
    let mut file = file();
    *file.pointer_mut(pointer).unwrap() = value;
    file
}

fn directed() -> Value {
    let mut file = file();
    file["trees"][0]["missing_left"] = json!([0]);
    file["trees"][1]["missing_left"] = json!([]);
    file
}

#[test]
fn keeps_what_every_detector_must() {
    for file in [file(), directed()] {
        conformance::run::<IsolationForest>(&Parameters::default(), &rows(), &[9.0, 9.0], Some(file.to_string().as_bytes()));
    }
}

#[test]
fn a_score_follows_from_the_paths() {
    let model = try_import(&file()).unwrap();
    let score = |one: f64, other: f64| model.0.raw_score((one + other) / 2.0);
    let (two, three) = (2.0 + crate::tree::average_path_length(2), 1.0 + crate::tree::average_path_length(3));
    // .1 in single precision is more than .1. In the second tree what is at most -2 goes to node 2, with three rows.
    assert_eq!(
        model.score(rows().view()).unwrap(),
        [score(two, 1.0), score(2.0, 1.0), score(2.0, 1.0), score(1.0, 1.0), score(1.0, three)]
    );
}

/// .1 as a number of 32 bits is above .1: what is rounded to it does not go left where the threshold is .1.
#[test]
fn values_are_rounded_as_scikit_learn_rounds_them() {
    for threshold in [0.1, -0.1, 0.5, 0.0, 1e-44, -1e-44, 3.4e38, -3.4e38, 16_777_216.0, 16_777_217.5] {
        let file = with("/trees/0/threshold/0", json!(threshold));
        let boundary = try_import(&file).unwrap().0.nodes[0].threshold;
        let left = |value: f64| f64::from(value as f32) <= threshold;
        assert!(left(boundary) && !left(boundary.next_up()), "{threshold}: {boundary}");
    }
    let double = with("/precision", json!("double"));
    assert_eq!(try_import(&double).unwrap().0.nodes[0].threshold, 0.5);
}

#[test]
fn a_scaler_is_folded_into_the_thresholds() {
    let mut scaled = file();
    scaled["scaling"] = json!([{"operation": "subtract", "by": [0.3, 7.1]}, {"operation": "divide", "by": [0.7, 3.3]}]);
    let (plain, scaled) = (try_import(&file()).unwrap(), try_import(&scaled).unwrap());
    for step in 0..2_000 {
        let row = array![[f64::from(step % 50) * 0.013, f64::from(step) * 0.011 - 5.0]];
        let by_hand = array![[(row[[0, 0]] - 0.3) / 0.7, (row[[0, 1]] - 7.1) / 3.3]];
        assert_eq!(scaled.score(row.view()).unwrap(), plain.score(by_hand.view()).unwrap(), "{row}");
    }
}

#[test]
fn a_row_that_lacks_a_value_goes_where_the_file_says() {
    let (both, one) = (try_import(&file()).unwrap(), try_import(&directed()).unwrap());
    let row = array![[f64::NAN, f64::NAN]];
    // Left, then right, in the first tree; right in the second, which is node 1.
    let expected = one.0.raw_score((2.0 + 1.0) / 2.0);
    assert_eq!(one.score(row.view()).unwrap(), [expected]);
    assert_ne!(both.score(row.view()).unwrap(), [expected]);
    let explained = one.explain(row.view()).unwrap();
    assert!((explained.base + explained.contributions.sum() - expected).abs() < 1e-9);
}

#[test]
fn what_is_wrong_is_named_by_its_field() {
    for (pointer, value, words) in [
        ("/format", json!("synod/other"), "format: "),
        ("/version", json!(2), "version: 2"),
        ("/precision", json!("half"), "precision: "),
        ("/width", json!(0), "width: 0"),
        ("/width", json!(3), "it has 3 features; the detector sees 2"),
        ("/width", json!(1e300), "width: "),
        ("/sample", json!(1), "sample: 1"),
        ("/sample", json!(3), "trees[0].rows[0]: 4 rows"),
        ("/trees", json!([]), "trees: 0"),
        ("/trees/1/left", json!([2]), "trees[1].feature: 3 entries"),
        ("/trees/0/left", json!([]), "trees[0].feature: 5 entries"),
        ("/trees/0/left/0", json!(5), "trees[0].left[0]: there is no node 5"),
        ("/trees/0/left/0", json!(-2), "trees[0].left[0]: there is no node -2"),
        ("/trees/0/left/0", json!(-1), "trees[0].left[0]: there is no node -1"),
        ("/trees/0/left/0", json!(0), "trees[0].left[0]: node 0 has two parents"),
        ("/trees/0/left/1", json!(1), "trees[0].left[1]: node 1 has two parents"),
        ("/trees/0/right/1", json!(3), "trees[0].right[1]: node 3 has two parents"),
        ("/trees/0/feature/1", json!(2), "trees[0].feature[1]: there is no feature 2"),
        ("/trees/0/feature/1", json!(-2), "trees[0].feature[1]: "),
        ("/trees/0/threshold/1", json!(null), "trees[0].threshold[1]: "),
        ("/trees/0/threshold/1", json!("NaN"), "trees[0].threshold[1]: "),
        ("/trees/0/rows/1", json!(2), "trees[0].rows[0]: 4 rows"),
        ("/trees/0/rows/3", json!(0), "trees[0].rows[1]: 3 rows"),
        ("/trees/0/rows/0", json!(-4), "trees[0].rows[0]: "),
    ] {
        let why = refusal(&with(pointer, value.clone()));
        assert!(why.contains(words), "{pointer} {value}: {why}");
    }
    let mut file = file();
    file["trees"][0]["missing_left"] = json!([5]);
    assert!(refusal(&file).contains("trees[0].missing_left[0]: there is no node 5"));
    file["trees"][0]["missing_left"] = json!([0]);
    assert!(refusal(&file).contains("either all of them have `missing_left`"));
    file["depth"] = json!(3);
    assert!(refusal(&file).contains("depth"));
    let mut beyond = with("/trees/0/threshold/0", json!(-f64::MAX));
    beyond["precision"] = json!("double");
    beyond["scaling"] = json!([{"operation": "multiply", "by": [0.5, 1]}]);
    assert!(refusal(&beyond).contains("trees[0].threshold[0]: -17976"), "{}", refusal(&beyond));
    let lost = json!([{"feature": [0, 0], "threshold": [0, 0], "left": [-1, -1], "right": [-1, -1], "rows": [1, 1]}]);
    assert!(refusal(&with("/trees", lost)).contains("no path leads to node 1"));
}

#[test]
fn a_tree_that_is_too_deep_is_refused() {
    // Each inner node's left child is a leaf, and its right child the next inner node.
    let chain = |depth: usize| {
        let inner = |node: &usize| node.is_multiple_of(2) && *node < 2 * depth;
        let nodes: Vec<usize> = (0..=2 * depth).collect();
        let child = |step: usize| nodes.iter().map(|node| if inner(node) { (node + step) as i64 } else { -1 }).collect::<Vec<_>>();
        let rows: Vec<usize> = nodes.iter().map(|node| if node % 2 == 0 { depth + 1 - node / 2 } else { 1 }).collect();
        let zeros = vec![0; nodes.len()];
        let mut file = with("/sample", json!(1_000));
        file["trees"] = json!([{"feature": zeros, "threshold": zeros, "left": child(1), "right": child(2), "rows": rows}]);
        file
    };
    assert!(try_import(&chain(DEEPEST as usize)).is_ok());
    assert!(refusal(&chain(DEEPEST as usize + 1)).contains("trees[0].left[128]: the tree is deeper than 64"));
}

#[test]
fn parameters_beside_it_are_refused_by_name() {
    let (text, given, rows) = (file().to_string(), ["trees".to_owned()], rows());
    let training = Training { artifact: Some(text.as_bytes()), given: &given, ..Training::new(rows.view(), 0) };
    let error = IsolationForest::fit(&Parameters::default(), &training).unwrap_err();
    assert!(matches!(&error, Error::Parameters(text) if text.starts_with("trees: ")), "{error}");
}

/// A value of any kind.
fn damage() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3_i64..8).prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!("left")),
    ]
}

proptest! {
    /// A file is taken whole or refused, and a forest that is taken scores every row.
    #[test]
    fn damaged_values_are_an_error_or_a_forest(which in 0_usize..4, tree in 0_usize..2, node in 0_usize..5, value in damage(), directed in any::<bool>()) {
        let mut file = if directed { self::directed() } else { self::file() };
        let array = ["left", "right", "rows", "feature"][which];
        let entries = file["trees"][tree][array].as_array_mut().unwrap();
        let place = node % entries.len();
        entries[place] = value;
        if let Ok(model) = try_import(&file) {
            prop_assert!(model.score(rows().view()).unwrap().iter().all(|score| score.is_finite()));
            prop_assert!(IsolationForest::from_bytes(&model.to_bytes()).is_ok());
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_forest(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<prop::sample::Index>()) {
        let mut bytes = directed().to_string().into_bytes();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let rows = rows();
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            let training = Training { artifact: Some(bytes), ..Training::new(rows.view(), 0) };
            if let Ok(model) = IsolationForest::fit(&Parameters::default(), &training) {
                prop_assert!(model.score(rows.view()).unwrap().iter().all(|score| score.is_finite()));
            }
        }
    }
}
