use super::*;
use ndarray::{array, s};
use synod_sdk::conformance;

/// Rows that `synod plugin test` uses as well.
fn rows(csv: &str) -> Array2<f64> {
    let numbers: Vec<Vec<f64>> = csv.lines().skip(1).map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    Array2::from_shape_vec((numbers.len(), numbers[0].len()), numbers.concat()).unwrap()
}

fn normal() -> Array2<f64> {
    rows(include_str!("../fixtures/normal.csv"))
}

fn anomalous() -> Array2<f64> {
    rows(include_str!("../fixtures/anomalous.csv"))
}

fn fitted() -> RobustZ {
    RobustZ::fit(&Parameters::default(), &Training::new(normal().view(), 0)).unwrap()
}

#[test]
fn keeps_what_every_detector_must() {
    let few = normal().slice(s![..60, ..]).to_owned();
    for anomaly in anomalous().rows() {
        conformance::run::<RobustZ>(&Parameters::default(), &few, &anomaly.to_vec(), None);
    }
}

#[test]
fn a_score_is_the_largest_robust_z() {
    let model = fitted();
    let twice_as_far = model.median[1] + 2.0 * model.deviation[1];
    let score = model.score(array![[model.median[0], twice_as_far, model.median[2]]].view()).unwrap();
    assert!((score[0] - 2.0).abs() < 1e-12, "{score:?}");
}

#[test]
fn a_constant_feature_is_measured_in_its_own_units() {
    let model = RobustZ::fit(&Parameters::default(), &Training::new(array![[5.0], [5.0], [5.0]].view(), 0)).unwrap();
    assert_eq!(model.score(array![[5.0], [8.0]].view()).unwrap(), [0.0, 3.0]);
}

#[test]
fn a_cap_below_one_is_a_mistake_that_is_named() {
    assert_eq!(RobustZ::check(&Parameters { cap: 0.0 }), ["cap: 0 is not at least 1"]);
    assert!(RobustZ::check(&Parameters { cap: f64::NAN })[0].starts_with("cap: "));
}
