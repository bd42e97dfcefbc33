//! Agreement with scikit-learn and isotree on the vectors of `tests/parity`. Their random numbers cannot be repeated here, so there are two
//! kinds of tests: scikit-learn's own trees must give its own scores to 1e-12, and trees grown here must rank rows as their trees do.

use super::*;
use crate::plane::Planes;
use crate::tree::Node;
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::VecDeque, fs, path::Path};

fn vectors<T: DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Trees {
    queries: Vec<Vec<f64>>,
    forests: Vec<ForeignForest>,
}

#[derive(Deserialize)]
struct ForeignForest {
    sample: u32,
    trees: Vec<ForeignTree>,
    scores: Vec<f64>,
}

#[derive(Deserialize)]
struct ForeignTree {
    feature: Vec<u32>,
    threshold: Vec<f64>,
    left: Vec<i64>,
    right: Vec<i64>,
    rows: Vec<u32>,
}

/// The same tree with its nodes renumbered: breadth first, a right child next to its left sibling.
fn adopt(foreign: &ForeignTree) -> Tree {
    let (mut nodes, mut rows) = (vec![Node::leaf(0)], vec![foreign.rows[0]]);
    let mut waiting = VecDeque::from([(0, 0)]);
    while let Some((theirs, own)) = waiting.pop_front() {
        let (threshold, feature) = (foreign.threshold[theirs], foreign.feature[theirs]);
        if let (Ok(left), Ok(right)) = (usize::try_from(foreign.left[theirs]), usize::try_from(foreign.right[theirs])) {
            let next = nodes.len();
            nodes[own] = Node { threshold, feature, left: next as u32 };
            nodes.extend([Node::leaf(next), Node::leaf(next + 1)]);
            rows.extend([foreign.rows[left], foreign.rows[right]]);
            waiting.extend([(left, next), (right, next + 1)]);
        }
    }
    Tree { nodes, reached: rows, planes: Planes::new(0) }
}

#[test]
fn the_same_trees_give_the_same_scores_to_1e_12() {
    let vectors: Trees = vectors("isolation_forest_trees.json");
    let queries = vectors.queries.concat();
    for foreign in vectors.forests {
        let shape = Shape { width: vectors.queries[0].len(), sample: foreign.sample, categories: Vec::new() };
        let forest = Forest::new(shape, 0, foreign.trees.iter().map(adopt));
        let scores = Forest::from_bytes(&forest.to_bytes()).unwrap().score(&queries);
        assert_eq!(scores.len(), foreign.scores.len());
        for (score, expected) in scores.iter().zip(&foreign.scores) {
            assert!((score - expected).abs() <= 1e-12, "{score}, not {expected}");
        }
    }
}

#[derive(Deserialize)]
struct Scores {
    contamination: f64,
    rows: Vec<Vec<f64>>,
    queries: Vec<Vec<f64>>,
    scores: Vec<f64>,
    labels: Vec<bool>,
}

fn array(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

/// The mean of ten forests' scores.
fn mean_scores(parameters: &Parameters, rows: &Array2<f64>, queries: &Array2<f64>) -> Vec<f64> {
    let mut sums = vec![0.0; queries.nrows()];
    for seed in 0..10 {
        let model = IsolationForest::fit(parameters, &Training::new(rows.view(), seed)).unwrap();
        let scores = model.score(queries.view()).unwrap();
        sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score / 10.0);
    }
    sums
}

/// The rank of each value. There are no ties worth an average.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    order.iter().enumerate().for_each(|(rank, position)| ranks[*position] = rank as f64);
    ranks
}

/// Spearman's correlation of ranks.
fn rank_correlation(one: &[f64], other: &[f64]) -> f64 {
    let count = one.len() as f64;
    let squares: f64 = ranks(one).iter().zip(ranks(other)).map(|(one, other)| (one - other).powi(2)).sum();
    1.0 - 6.0 * squares / (count * (count * count - 1.0))
}

/// Tolerances: a rank correlation of at least .985, a mean difference of at most .005, and the same label for at least 98 of 100 rows at
/// the vectors' contamination.
#[test]
fn own_trees_rank_and_label_rows_as_scikit_learn_does() {
    let vectors: Scores = vectors("isolation_forest_scores.json");
    let rows = array(&vectors.rows);
    let own = mean_scores(&Parameters::default(), &rows, &array(&vectors.queries));
    let correlation = rank_correlation(&own, &vectors.scores);
    assert!(correlation >= 0.985, "rank correlation {correlation}");

    let difference = own.iter().zip(&vectors.scores).map(|(own, theirs)| own - theirs).sum::<f64>() / own.len() as f64;
    assert!(difference.abs() <= 0.005, "mean difference {difference}");

    let mut training = mean_scores(&Parameters::default(), &rows, &rows);
    training.sort_by(f64::total_cmp);
    let threshold = training[((training.len() - 1) as f64 * (1.0 - vectors.contamination)).round() as usize];
    let equal = own.iter().zip(&vectors.labels).filter(|(score, label)| (**score > threshold) == **label).count();
    assert!(equal * 100 >= own.len() * 98, "{equal} of {} labels are equal", own.len());
    println!("rank correlation {correlation}, mean difference {difference}, {equal} of {} labels", own.len());
}

#[derive(Deserialize)]
struct Splits {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    split: Split,
    features_per_split: u32,
    tries: u32,
    max_depth: u32,
    scores: Vec<f64>,
}

/// Tolerances for hyperplanes: a rank correlation of at least .985 with the mean of twenty of isotree's forests, and a mean difference of at most
/// .01 of the score. (Means of twenty forests correlate by .991 to .999; two halves of isotree's twenty by .997.)
#[test]
fn hyperplanes_rank_rows_as_isotree_does() {
    let Scores { rows, queries, .. } = vectors("isolation_forest_scores.json");
    let (rows, queries) = (array(&rows), array(&queries));
    let splits: Splits = vectors("isolation_forest_splits.json");
    for Case { split, features_per_split, tries, max_depth, scores } in splits.cases {
        let parameters =
            Parameters { trees: 1000, split, features_per_split, tries: Some(tries), max_depth: Some(max_depth), ..Parameters::default() };
        let model = IsolationForest::fit(&parameters, &Training::new(rows.view(), 1)).unwrap();
        let own = model.score(queries.view()).unwrap();
        let correlation = rank_correlation(&own, &scores);
        let difference = own.iter().zip(&scores).map(|(own, theirs)| own - theirs).sum::<f64>() / own.len() as f64;
        println!(
            "{split:?}, {features_per_split} features, depth {max_depth}: rank correlation {correlation}, mean difference {difference}"
        );
        assert!(correlation >= 0.985, "{split:?}, {features_per_split} features, depth {max_depth}: rank correlation {correlation}");
        assert!(difference.abs() <= 0.01, "{split:?}, {features_per_split} features, depth {max_depth}: mean difference {difference}");
    }
}

/// The rows of a parity file, and what the library that wrote it says of them. An empty cell is a missing value.
fn foreign(name: &str) -> (Vec<u8>, Array2<f64>, Vec<f64>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/foreign");
    let text = fs::read_to_string(folder.join(format!("{name}.parity.csv"))).unwrap();
    let number = |cell: &str| if cell.is_empty() { f64::NAN } else { cell.parse().unwrap() };
    let rows: Vec<Vec<f64>> = text.lines().skip(1).map(|line| line.split(',').map(number).collect()).collect();
    let (rows, scores): (Vec<_>, Vec<_>) = rows.iter().map(|row| (row[..row.len() - 1].to_vec(), row[row.len() - 1])).unzip();
    (fs::read(folder.join(format!("{name}.json"))).unwrap(), array(&rows), scores)
}

/// Forests that `scripts/export_model.py` wrote: rows next to the thresholds in single precision, far out and with missing values, scalers, drawn
/// features, PyOD's with its contamination. Tolerance: 1e-12. Explanations add up.
#[test]
fn forests_from_elsewhere_give_the_scores_of_their_libraries() {
    for name in ["forest", "forest_missing", "forest_scaled", "forest_max_abs", "forest_pyod"] {
        let (file, rows, expected) = foreign(name);
        let training = Training { artifact: Some(&file), ..Training::new(rows.view(), 0) };
        let model = IsolationForest::fit(&Parameters::default(), &training).unwrap();
        let model = IsolationForest::from_bytes(&model.to_bytes()).unwrap();
        let (scores, explained) = (model.score(rows.view()).unwrap(), model.explain(rows.view()).unwrap());
        assert!(scores.len() == expected.len() && scores.len() > 50);
        for (row, (score, expected)) in scores.iter().zip(&expected).enumerate() {
            assert!((score - expected).abs() <= 1e-12, "{name}, row {row}: {score}, not {expected}");
            let sum = explained.base + explained.contributions.row(row).sum();
            assert!((sum - score).abs() <= 1e-9, "{name}, row {row}: {sum}, not {score}");
        }
    }
}
