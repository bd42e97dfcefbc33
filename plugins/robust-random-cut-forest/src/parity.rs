//! Agreement with the Python package rrcf on the vectors of `tests/parity`: what is worked out here must be the mean of what rrcf finds when it
//! lets the row in, again and again.

use super::*;
use crate::points::{Points, Register};
use crate::tree::{Child, Inner, Leaf, Tree};
use crate::walk::Walk;
use ndarray::Array2;
use serde::Deserialize;
use std::{fs, path::Path};

#[derive(Deserialize)]
struct Vectors {
    rows: Vec<Vec<f64>>,
    queries: Vec<Vec<f64>>,
    /// Single trees, into each of which the queries were let in many times.
    trees: Vec<Case>,
    /// Many trees, into each of which they were let in once.
    forest: Case,
}

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    nodes: Vec<Node>,
    means: Vec<f64>,
    /// The standard errors of the means.
    errors: Vec<f64>,
}

/// In the order of a walk: each node before those below it, left before right.
#[derive(Deserialize)]
#[serde(untagged)]
enum Node {
    Inner { feature: u32, cut: f64 },
    Leaf { row: usize, mass: u32 },
}

fn vectors() -> Vectors {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/robust_random_cut_forest.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn array(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn padded(row: &[f64]) -> Vec<f64> {
    let mut row = row.to_vec();
    row.resize(4, 0.0);
    row
}

/// The next of the nodes with all below it.
fn plant(nodes: &mut std::slice::Iter<'_, Node>, numbers: &[u32], tree: &mut Tree) -> Child {
    match nodes.next().unwrap() {
        Node::Leaf { row, mass } => {
            tree.leaves.push(Leaf { point: numbers[*row], mass: *mass });
            Child::leaf(tree.leaves.len() - 1)
        }
        Node::Inner { feature, cut } => {
            let index = tree.inner.len();
            tree.inner.push(Inner { cut: *cut, feature: *feature, children: [Child(0); 2], mass: 0 });
            let children = [plant(nodes, numbers, tree), plant(nodes, numbers, tree)];
            tree.inner[index].children = children;
            Child::inner(index)
        }
    }
}

/// Tolerance: five standard errors of rrcf's means, of 3,000 times each.
#[test]
fn a_displacement_is_the_mean_of_that_of_many_rows_let_in() {
    let vectors = vectors();
    let mut points = Points::new(3);
    let mut register = Register::of(&points).unwrap();
    let numbers: Vec<u32> = vectors.rows.iter().map(|row| register.point(&mut points, &padded(row))).collect();
    assert!(points.count() < numbers.len(), "some rows are equal");
    for case in &vectors.trees {
        let mut tree = Tree { root: Child(0), inner: Vec::new(), leaves: Vec::new(), boxes: Vec::new() };
        let mut nodes = case.nodes.iter();
        tree.root = plant(&mut nodes, &numbers, &mut tree);
        assert!(nodes.next().is_none() && tree.settle(&points) && tree.mass(tree.root) == numbers.len() as u32);
        let walk = Walk::new(tree, &points);
        for ((query, mean), error) in vectors.queries.iter().zip(&case.means).zip(&case.errors) {
            let found = walk.displacement(&points, &padded(query));
            assert!((found - mean).abs() <= 5.0 * error + 1e-9, "{query:?}: {found}, not {mean} ± {error}");
        }
    }
}

/// Tolerance: five standard errors of the difference of two means of 2,000 trees.
#[test]
fn forests_are_those_of_rrcf() {
    let Vectors { rows, queries, forest, .. } = vectors();
    let rows = array(&rows);
    let parameters = Parameters { trees: 2000, samples: 500, ..Parameters::default() };
    let model = RobustRandomCutForest::fit(&parameters, &Training::new(rows.view(), 5)).unwrap();
    let scores = model.score(array(&queries).view()).unwrap();
    for (((query, found), mean), error) in queries.iter().zip(scores).zip(&forest.means).zip(&forest.errors) {
        let each = |keeper: &forest::Keeper| keeper.walk.displacement(&model.0.points, &padded(query)) - found;
        let variance = model.0.keepers.iter().map(|keeper| each(keeper).powi(2)).sum::<f64>() / 2000.0 / 2000.0;
        let error = (error * error + variance).sqrt();
        assert!((found - mean).abs() <= 5.0 * error + 1e-9, "{query:?}: {found}, not {mean} ± {error}");
    }
}
