//! What the detector promises, on rows made here. Agreement with rrcf is in `parity`.

use super::*;
use crate::change::Change;
use crate::points::Points;
use crate::random::{Purpose, Random};
use crate::tree::{Kind, Leaf, Tree};
use crate::walk::Walk;
use ndarray::{Array2, array, s};
use proptest::prelude::*;
use std::collections::BTreeMap;
use synod_sdk::{Feature, conformance, measuring::noise};

fn fit(parameters: &Parameters, rows: &Array2<f64>) -> RobustRandomCutForest {
    RobustRandomCutForest::fit(parameters, &Training::new(rows.view(), 3)).unwrap()
}

fn go_on(model: &RobustRandomCutForest, parameters: &Parameters, rows: &Array2<f64>) -> Result<RobustRandomCutForest, Error> {
    let bytes = model.to_bytes();
    RobustRandomCutForest::fit(parameters, &Training { previous: Some(&bytes), ..Training::new(rows.view(), 99) })
}

fn small() -> Parameters {
    Parameters { trees: 20, samples: 32, ..Parameters::default() }
}

/// So many points of two features, some close together, some far.
fn points(count: usize) -> Points {
    let mut points = Points::new(2);
    for row in noise(count, 2, 11).rows() {
        points.push(&[row[0], row[1] * 3.0]);
    }
    points
}

fn leaves(range: std::ops::Range<u32>) -> Vec<Leaf> {
    range.map(|point| Leaf { point, mass: 1 + u32::from(point.is_multiple_of(7)) }).collect()
}

/// The mean and the standard error of some numbers.
fn mean(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / count;
    (mean, (variance / count).sqrt())
}

#[test]
fn keeps_what_every_detector_must() {
    let mut rows = noise(300, 5, 1);
    // Equal rows, and a constant.
    let first = rows.row(0).to_owned();
    (1..40).for_each(|row| rows.row_mut(row).assign(&first));
    rows.column_mut(4).fill(2.0);
    for parameters in [Parameters { trees: 30, ..Parameters::default() }, small(), Parameters { time_decay: 0.05, ..small() }] {
        conformance::run::<RobustRandomCutForest>(&parameters, &rows, &[90.0, -90.0, 90.0, 90.0, 2.0], None);
        conformance::run::<RobustRandomCutForest>(&parameters, &rows.slice(s![.., ..1]).to_owned(), &[90.0], None);
    }
}

#[test]
fn a_displacement_worked_out_by_hand() {
    // One cut between 0 and 2, with two rows on the left and one on the right.
    let mut points = Points::new(1);
    points.push(&[0.0]);
    points.push(&[2.0]);
    let counted = vec![Leaf { point: 0, mass: 2 }, Leaf { point: 1, mass: 1 }];
    let walk = Walk::new(Tree::grow(&points, counted, &mut Random::of_tree(0, 0, Purpose::Cuts)), &points);
    let at = |value: f64| walk.displacement(&points, &[value, 0.0, 0.0, 0.0]);
    // At 6 the row is parted from the box of all three in 4 of 6 cases, and displaces them; else from 2, which it displaces with the two on the
    // other side of the cut against both of them: max(1, 2 / 2).
    assert!((at(6.0) - (4.0 / 6.0 * 3.0 + 2.0 / 6.0)).abs() < 1e-12, "{}", at(6.0));
    // At -2 it is parted in half of the cases, else from 0: max(2, 1 / 3).
    assert!((at(-2.0) - (0.5 * 3.0 + 0.5 * 2.0)).abs() < 1e-12);
    // Equal to a point it displaces what is on the other side of the cut.
    assert!((at(0.0) - 1.0 / 3.0).abs() < 1e-12 && (at(2.0) - 1.0).abs() < 1e-12);
}

/// The collusive displacement of a point that is in a tree: its definition.
fn collusive(tree: &Tree, points: &Points, point: u32) -> f64 {
    let (row, mut at, mut ratios) = (points.get(point), tree.root, vec![0.0]);
    while let Kind::Inner(index) = at.kind() {
        let side = tree.side(index, row);
        let [here, beside] = [side, 1 - side].map(|side| f64::from(tree.mass(tree.inner[index].children[side])));
        ratios.push(beside / here);
        at = tree.inner[index].children[side];
    }
    ratios.into_iter().fold(0.0, f64::max)
}

#[test]
fn a_displacement_is_what_letting_the_row_in_gives_on_average() {
    let mut points = points(41);
    let queries = [[0.0, 0.0], [9.0, 1.0], [1.0, -30.0], [4.0, 4.0]].map(|row| points.push(&row));
    for seed in 0..3 {
        let tree = Tree::grow(&points, leaves(0..41), &mut Random::of_tree(seed, 0, Purpose::Cuts));
        let walk = Walk::new(tree.clone(), &points);
        for query in queries.into_iter().chain([5, 7]) {
            let found: Vec<f64> = (0..4000)
                .map(|time| {
                    let mut change = Change::of(tree.clone());
                    change.insert(&points, query, &mut Random::of_tree(seed, time, Purpose::Sample));
                    collusive(&change.finish(&points), &points, query)
                })
                .collect();
            let ((mean, error), expected) = (mean(&found), walk.displacement(&points, points.get(query)));
            assert!((mean - expected).abs() <= 5.0 * error + 1e-9, "{expected}, not {mean} ± {error}");
        }
    }
}

#[test]
fn trees_that_were_changed_are_distributed_as_if_they_were_grown() {
    let points = points(60);
    let queries = [[0.0, 0.0], [9.0, 1.0], [1.0, -30.0], [3.0, 9.0]];
    // Points 20 to 40, with those before and after them let in and out.
    let changed = |seed: usize| {
        let mut cuts = Random::of_tree(1, seed, Purpose::Cuts);
        let mut change = Change::of(Tree::grow(&points, leaves(0..10), &mut cuts));
        (10..60).for_each(|point| change.insert(&points, point, &mut cuts));
        let leave = (0..10).chain((0..10).filter(|point| point % 7 == 0)).chain(10..20).chain(41..60);
        leave.for_each(|point| assert!(change.remove(&points, point)));
        change.finish(&points)
    };
    let counted = || (20..41).map(|point| Leaf { point, mass: 1 }).collect();
    let grown = |seed: usize| Tree::grow(&points, counted(), &mut Random::of_tree(2, seed, Purpose::Cuts));
    let of = |make: &dyn Fn(usize) -> Tree| -> Vec<(f64, f64)> {
        let walks: Vec<Walk> = (0..3000).map(|seed| Walk::new(make(seed), &points)).collect();
        assert!(walks.iter().all(|walk| walk.tree.mass(walk.tree.root) == 21));
        let mut each: Vec<Vec<f64>> = queries
            .iter()
            .map(|query| walks.iter().map(|walk| walk.displacement(&points, &[query[0], query[1], 0.0, 0.0])).collect())
            .collect();
        // The shape as well: how large the left half is, and how many cuts are in the first feature.
        each.push(walks.iter().map(|walk| f64::from(walk.tree.mass(walk.tree.inner[0].children[0]))).collect());
        each.push(walks.iter().map(|walk| walk.tree.inner.iter().filter(|inner| inner.feature == 0).count() as f64).collect());
        each.iter().map(|numbers| mean(numbers)).collect()
    };
    for (one, other) in of(&changed).into_iter().zip(of(&grown)) {
        assert!((one.0 - other.0).abs() <= 5.0 * (one.1 * one.1 + other.1 * other.1).sqrt(), "{one:?}, not {other:?}");
    }
}

#[test]
fn a_planted_feature_contributes_most() {
    let rows = noise(400, 5, 2);
    let model = fit(&Parameters::default(), &rows);
    for planted in 0..5 {
        let mut anomaly = Array2::zeros((1, 5));
        anomaly[[0, planted]] = 25.0;
        let parts = model.explain(anomaly.view()).unwrap().contributions;
        let greatest = (0..5).max_by(|one, other| parts[[0, *one]].total_cmp(&parts[[0, *other]]));
        assert!(greatest == Some(planted) && parts[[0, planted]] > 0.7 * parts.sum(), "{parts}");
    }
}

#[test]
fn far_rows_have_finite_scores_and_explanations() {
    let model = fit(&small(), &noise(100, 3, 4));
    let far = array![[f64::MAX, f64::MIN, f64::MAX], [1e300, 0.0, 0.0], [f64::MAX, 0.0, -1e308]];
    let scores = model.score(far.view()).unwrap();
    assert!(scores.iter().all(|score| (score - 32.0).abs() < 1e-6), "{scores:?}");
    let parts = model.explain(far.view()).unwrap().contributions;
    assert!(parts.rows().into_iter().zip(&scores).all(|(row, score)| (row.sum() - score).abs() < 1e-6), "{parts}");
    assert!((parts[[2, 0]] / parts[[2, 2]] - f64::MAX / 1e308).abs() < 1e-6);
}

#[test]
fn what_was_usual_is_forgotten() {
    let new = &noise(2000, 2, 6) * 0.2 + 9.0;
    let asked = array![[0.0, 0.0], [9.0, 9.0]];
    let scores = |time_decay: f64| {
        let parameters = Parameters { time_decay, ..small() };
        let model = fit(&parameters, &noise(2000, 2, 5));
        (model.score(asked.view()).unwrap(), go_on(&model, &parameters, &new).unwrap().score(asked.view()).unwrap())
    };
    let (before, after) = scores(0.01);
    assert!(before[0] < before[1] && after[0] > after[1] && after[0] > 20.0, "{before:?} {after:?}");
    // Half of all rows ever are the old ones: they still are usual.
    let (_, after) = scores(0.0);
    assert!(after[0] < 10.0, "{after:?}");
}

#[test]
fn a_model_grows_no_larger_and_stays_whole() {
    let parameters = Parameters { time_decay: 0.02, ..small() };
    let mut model = fit(&parameters, &noise(20, 3, 1));
    let most = 200 + 20 * 32 * (3 * 8 + 6 * 4 + 2 * 8 + 4) + 20 * 100;
    for round in 0..30 {
        model = go_on(&model, &parameters, &noise(17, 3, round)).unwrap();
        assert!(model.to_bytes().len() <= most, "{}", model.to_bytes().len());
        assert_eq!(model.0.seen, 20 + 17 * (round + 1));
        let read = RobustRandomCutForest::from_bytes(&model.to_bytes()).unwrap();
        assert_eq!(read.to_bytes(), model.to_bytes());
        assert_eq!(read.score(noise(9, 3, 7).view()), model.score(noise(9, 3, 7).view()));
        for keeper in &model.0.keepers {
            let rows = keeper.reservoir.0.len();
            assert!(rows == 32 || round == 0 && rows <= 32);
            assert_eq!(keeper.walk.tree.mass(keeper.walk.tree.root) as usize, rows);
        }
    }
}

#[test]
fn weights_decide_which_rows_are_kept() {
    let rows = Array2::from_shape_fn((1000, 1), |(row, _)| row as f64);
    let weights: Vec<f64> = (0..1000).map(|row| if row < 500 { 1e-6 } else { 1.0 }).collect();
    let parameters = Parameters { samples: 64, ..Parameters::default() };
    let training = Training { weights: Some(&weights), ..Training::new(rows.view(), 0) };
    let model = RobustRandomCutForest::fit(&parameters, &training).unwrap();
    let light = model.0.points.plain().iter().filter(|value| **value < 500.0).count();
    assert!(light <= 3, "{light}");
    for weights in [vec![1.0; 999], vec![-1.0; 1000]] {
        let training = Training { weights: Some(&weights), ..training };
        assert!(matches!(RobustRandomCutForest::fit(&parameters, &training), Err(Error::Data(_))));
    }
}

#[test]
fn categories_count_for_nothing() {
    let features = [Feature { name: "colour".into(), categories: 9 }, Feature { name: "amount".into(), categories: 0 }];
    let rows = noise(100, 2, 3);
    let training = Training { features: &features, ..Training::new(rows.view(), 0) };
    let model = RobustRandomCutForest::fit(&small(), &training).unwrap();
    let asked = array![[0.0, 5.0], [8.0, 5.0]];
    let scores = model.score(asked.view()).unwrap();
    assert_eq!(scores[0], scores[1]);
    assert_eq!(model.explain(asked.view()).unwrap().contributions.column(0), array![0.0, 0.0]);
    let only = [Feature { name: "colour".into(), categories: 9 }, Feature { name: "shape".into(), categories: 2 }];
    let refused = RobustRandomCutForest::fit(&small(), &Training { features: &only, ..Training::new(rows.view(), 0) });
    assert!(matches!(refused, Err(Error::Data(_))));
}

#[test]
fn mistakes_are_named() {
    let mistakes = RobustRandomCutForest::check(&Parameters { trees: 0, samples: 1, time_decay: f64::NAN });
    assert!(mistakes.iter().zip(["trees", "samples", "time_decay"]).all(|(text, name)| text.starts_with(name)), "{mistakes:?}");
    assert!(RobustRandomCutForest::check(&Parameters { trees: 10_000, ..Parameters::default() })[0].contains("more than 1048576"));
    let wide = Array2::zeros((2, 2000));
    let refused = RobustRandomCutForest::fit(&Parameters::default(), &Training::new(wide.view(), 0));
    assert!(matches!(refused, Err(Error::Parameters(text)) if text.contains("2000 features")));
    let model = fit(&small(), &noise(50, 2, 1));
    for (rows, text) in
        [(array![[1.0, 2.0], [3.0, f64::NAN]], "row 1, feature 1"), (array![[f64::MIN, 0.0], [f64::MAX, 0.0]], "too far apart")]
    {
        let refused = RobustRandomCutForest::fit(&small(), &Training::new(rows.view(), 0)).unwrap_err();
        assert!(refused.to_string().contains(text), "{refused}");
        assert!(go_on(&model, &small(), &rows).unwrap_err().to_string().contains(text));
    }
    for (name, other) in [
        ("trees", Parameters { trees: 21, ..small() }),
        ("samples", Parameters { samples: 33, ..small() }),
        ("time_decay", Parameters { time_decay: 0.5, ..small() }),
    ] {
        assert!(matches!(go_on(&model, &other, &noise(5, 2, 1)), Err(Error::Parameters(text)) if text.starts_with(name)));
    }
    assert!(matches!(go_on(&model, &small(), &noise(5, 3, 1)), Err(Error::Data(text)) if text.contains("rows of 3 features")));
}

#[test]
fn a_tree_that_does_not_keep_what_it_says_is_refused() {
    type Damage = fn(&mut RobustRandomCutForest);
    let damages: [(&str, Damage); 7] = [
        ("a cut beyond its box", |model| model.0.keepers[1].walk.tree.inner[0].cut = 1e9),
        ("a cut of a feature that no row has", |model| model.0.keepers[1].walk.tree.inner[0].feature = 2),
        ("a circle", |model| model.0.keepers[1].walk.tree.inner[1].children[0] = model.0.keepers[1].walk.tree.root),
        ("a leaf without rows", |model| model.0.keepers[1].walk.tree.leaves[0].mass = 0),
        ("a leaf with more rows than are kept", |model| model.0.keepers[1].walk.tree.leaves[0].mass += 1),
        ("keys out of order", |model| model.0.keepers[1].reservoir.0.swap(0, 1)),
        ("another point", |model| model.0.keepers[1].reservoir.0[0].point += 1),
    ];
    for (what, damage) in damages {
        let mut model = fit(&small(), &noise(50, 2, 1));
        damage(&mut model);
        assert!(matches!(RobustRandomCutForest::from_bytes(&model.to_bytes()), Err(Error::Model(_))), "{what}");
    }
}

proptest! {
    #[test]
    fn changed_trees_stay_whole(steps in prop::collection::vec((any::<bool>(), 0..30_u32), 1..120), seed: u64) {
        let points = points(30);
        let mut cuts = Random::of_tree(seed, 0, Purpose::Cuts);
        let mut change = Change::of(Tree::grow(&points, vec![Leaf { point: 0, mass: 1 }], &mut cuts));
        let mut kept = BTreeMap::from([(0, 1_u32)]);
        for (comes, point) in steps {
            if comes {
                change.insert(&points, point, &mut cuts);
                *kept.entry(point).or_insert(0) += 1;
            } else {
                let last = kept.values().sum::<u32>() == 1;
                let there = kept.contains_key(&point) && !last;
                prop_assert_eq!(change.remove(&points, point), there);
                if there {
                    kept.entry(point).and_modify(|mass| *mass -= 1);
                    kept.retain(|_, mass| *mass > 0);
                }
            }
        }
        let tree = change.finish(&points);
        let mut settled = tree.clone();
        prop_assert!(settled.settle(&points));
        prop_assert_eq!(&settled, &tree);
        let found: BTreeMap<u32, u32> = tree.leaves.iter().map(|leaf| (leaf.point, leaf.mass)).collect();
        prop_assert_eq!(found, kept);
    }

    #[test]
    fn a_unit_that_all_features_share_does_not_matter(power in -20..20_i32) {
        let (rows, new) = (noise(90, 3, 8), noise(30, 3, 9));
        let scale = 2.0_f64.powi(power);
        let scores = fit(&small(), &rows).score(new.view()).unwrap();
        prop_assert_eq!(scores, fit(&small(), &(&rows * scale)).score((&new * scale).view()).unwrap());
    }

    #[test]
    fn a_score_is_at_most_the_number_of_rows_kept(rows in prop::collection::vec(-3..3_i32, 4..60), new in prop::collection::vec(-9..9_i32, 2..20)) {
        let table = |values: &[i32]| Array2::from_shape_fn((values.len() / 2, 2), |(row, column)| f64::from(values[2 * row + column]));
        let (rows, new) = (table(&rows), table(&new));
        let model = fit(&small(), &rows);
        let scores = model.score(new.view()).unwrap();
        let most = rows.nrows().min(32) as f64;
        prop_assert!(scores.iter().all(|score| (0.0..=most + 1e-9).contains(score)), "{:?}", scores);
        let parts = model.explain(new.view()).unwrap().contributions;
        prop_assert!(parts.iter().all(|part| *part >= 0.0));
        prop_assert!(parts.rows().into_iter().zip(&scores).all(|(row, score)| (row.sum() - score).abs() < 1e-9));
    }
}
