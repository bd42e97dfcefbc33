#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::*;
use ndarray::Array2;
use proptest::prelude::*;
use synod_sdk::Feature;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "these are only read")]
struct File {
    format: IgnoredAny,
    version: IgnoredAny,
    trees: Vec<Vec<u32>>,
    #[serde(default)]
    scaling: Scaling,
}

fn refusal(text: &str) -> String {
    match read::<File>("some/model", text.as_bytes()) {
        Err(Error::Artifact(why)) => why,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn what_is_wrong_is_named_by_its_field() {
    assert!(read::<File>("some/model", br#"{"format": "some/model", "version": 1, "trees": [[1]]}"#).is_ok());
    for (text, words) in [
        ("", "no JSON object"),
        (r#"["some/model", 1]"#, "no JSON object"),
        ("{", "EOF"),
        ("{}", "missing field `format`"),
        (r#"{"format": "other", "version": 1}"#, r#"format: "other""#),
        (r#"{"format": "some/model", "version": 2, "leaves": 3}"#, "version: 2"),
        (r#"{"format": "some/model", "version": 1, "trees": [[1], [2, -1]]}"#, "trees[1][1]: "),
        (r#"{"format": "some/model", "version": 1, "trees": [[1, NaN]]}"#, "expected value"),
        (r#"{"format": "some/model", "version": 1, "trees": [], "leaves": 3}"#, "leaves"),
        (r#"{"format": "some/model", "version": 1, "trees": []} x"#, "trailing"),
        (r#"{"format": "some/model", "version": 1, "trees": [], "scaling": [{"operation": "root", "by": []}]}"#, "scaling[0].operation"),
        (r#"{"format": "some/model", "version": 1, "trees": [], "scaling": [{"operation": "add", "by": [1e999]}]}"#, "range"),
    ] {
        assert!(refusal(text).contains(words), "{text}: {}", refusal(text));
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused_before_it_is_read() {
    assert!(refusal(&",".repeat(MOST_VALUES + 1)).contains("at most"));
    let deep = format!(r#"{{"format": "some/model", "version": 1, "trees": {}"#, "[".repeat(100_000));
    assert!(refusal(&deep).contains("trees: EOF"), "{}", refusal(&deep));
    let long = format!(r#"{{"format": "{}", "version": 1}}"#, "x".repeat(10_000));
    assert!(refusal(&long).len() < 500);
}

fn scaling(text: &str) -> Scaling {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_scaler_is_what_it_is_elsewhere() {
    let scaling = scaling(r#"[{"operation": "subtract", "by": [1, 2]}, {"operation": "divide", "by": [3, 7]}]"#);
    scaling.check(2).unwrap();
    assert_eq!([scaling.of(0, 0.1), scaling.of(1, 0.1)], [(0.1 - 1.0) / 3.0, (0.1 - 2.0) / 7.0]);
    let (kinds, numbers) = scaling.numbers();
    assert_eq!(Scaling::from_numbers(2, &kinds, &numbers), Some(scaling.clone()));
    for (kinds, numbers) in [(vec![9, 2], numbers.clone()), (vec![0], numbers.clone()), (kinds, vec![1.0, 2.0, 0.0, 7.0])] {
        assert_eq!(Scaling::from_numbers(2, &kinds, &numbers), None);
    }
}

#[test]
fn what_is_no_scaler_is_named() {
    for (text, words) in [
        (r#"[{"operation": "add", "by": [1]}]"#, "scaling[0].by: 1 numbers for 2 features"),
        (r#"[{"operation": "add", "by": [1, 2]}, {"operation": "divide", "by": [1, 0]}]"#, "scaling[1].by[1]: 0 is not"),
        (r#"[{"operation": "multiply", "by": [-1, 2]}]"#, "scaling[0].by[0]: -1 is not"),
    ] {
        let error = scaling(text).check(2).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn features_are_the_files_own() {
    let rows = Array2::zeros((3, 2));
    let feature = |name: &str, categories| Feature { name: name.into(), categories };
    let check = |names: &[&str], own: [Feature; 2]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        check_features(names.len(), Some(&names), &Training { features: &own, ..Training::new(rows.view(), 0) })
    };
    let own = || [feature("amount", 0), feature("balance", 0)];
    assert!(check(&["amount", "balance"], own()).is_ok());
    assert!(check(&["amount", "other"], own()).is_ok(), "names are for people");
    assert!(check(&["balance", "amount"], own()).unwrap_err().to_string().contains("its order is balance, amount"));
    assert!(check(&["amount"], own()).unwrap_err().to_string().contains("it has 1 features: amount; the detector sees 2"));
    assert!(check(&["amount", "kind"], [feature("amount", 0), feature("kind", 3)]).unwrap_err().to_string().contains("feature kind"));
}

#[test]
fn parameters_beside_a_file_are_refused_by_name() {
    let rows = Array2::zeros((3, 2));
    let given = ["trees".to_owned(), "split".to_owned()];
    assert!(check_parameters(&Training::new(rows.view(), 0)).is_ok());
    let error = check_parameters(&Training { given: &given, ..Training::new(rows.view(), 0) }).unwrap_err();
    assert!(matches!(&error, Error::Parameters(text) if text.starts_with("trees, split: ")), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read::<File>("some/model", &bytes);
    }
}
