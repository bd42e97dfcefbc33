//! Agreement with river's `HalfSpaceTrees` on the vectors of `tests/parity`. River's splits are imposed: what is compared is which masses
//! the windows leave in each node while rows pass, and the scores made of them.

use super::*;
use crate::space::{Range, Space, Split};
use crate::stream::Stream;
use ndarray::Array2;
use serde::Deserialize;
use std::{fs, path::Path};

#[derive(Deserialize)]
struct Vectors {
    rows: Vec<Vec<f64>>,
    queries: Vec<Vec<f64>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    trees: u32,
    height: u32,
    window: u32,
    /// Of each tree the inner nodes, level by level.
    features: Vec<Vec<u32>>,
    thresholds: Vec<Vec<f64>>,
    stages: Vec<Stage>,
}

/// After so many rows.
#[derive(Deserialize)]
struct Stage {
    rows: usize,
    /// Whether a window has been full.
    full: bool,
    /// `score_one` of the queries.
    scores: Vec<f64>,
    /// The paper's score of the queries.
    terminal: Vec<f64>,
    /// Of each tree the masses of all nodes, level by level.
    reference: Vec<Vec<u32>>,
    latest: Vec<Vec<u32>>,
}

/// River's splits.
#[derive(Clone)]
struct Planted {
    features: Vec<Vec<u32>>,
    thresholds: Vec<Vec<f64>>,
}

impl Space for Planted {
    fn ranges(&self, _: u32) -> Vec<Range> {
        vec![[0.0, 1.0]; 4]
    }

    fn split(&self, tree: u32, node: u32, _: &[Range]) -> Split {
        let (tree, index) = (tree as usize, node as usize - 1);
        let (feature, threshold) = (self.features[tree][index], self.thresholds[tree][index]);
        Split { place: feature as usize, at: threshold, feature, threshold }
    }
}

/// The masses of all nodes of a tree, level by level, from the leaves of rows.
fn masses(leaves: impl Iterator<Item = u32>, height: u32) -> Vec<u32> {
    let mut masses = vec![0; (2 << height) - 1];
    for leaf in leaves {
        let bottom = (1 << height) + leaf;
        (0..=height).for_each(|up| masses[(bottom >> up) as usize - 1] += 1);
    }
    masses
}

fn array(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

/// Masses are equal; scores agree to 1e-12.
#[test]
fn masses_and_scores_are_those_of_river() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/half_space_trees.json");
    let vectors: Vectors = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let (rows, queries) = (array(&vectors.rows), array(&vectors.queries));
    let mut compared = 0;
    for Case { trees, height, window, features, thresholds, stages } in vectors.cases {
        let space = Planted { features, thresholds };
        let parameters = |mass| Parameters { trees, height, window, mass, ..Parameters::default() };
        let empty = |mass| Model::new(parameters(mass), 4, space.clone(), Stream::default());
        let (mut path, mut terminal, mut seen) = (empty(Mass::Path), empty(Mass::Terminal), 0);
        for stage in stages {
            let next = rows.slice(ndarray::s![seen..stage.rows, ..]);
            (path, terminal, seen) = (path.after(next), terminal.after(next), stage.rows);
            for tree in 0..trees as usize {
                let latest = path.stream.latest.iter().skip(tree).step_by(trees as usize);
                assert_eq!(masses(latest.copied(), height), stage.latest[tree], "after {seen}");
                let reference = path.stream.reference.chunks(window as usize).nth(tree).unwrap_or_default();
                assert_eq!(masses(reference.iter().copied(), height), stage.reference[tree], "after {seen}");
            }
            if stage.full {
                let most = f64::from(trees) * f64::from(window) * f64::from(1_u32 << height);
                let expected = stage.terminal.iter().map(|sum| 1.0 - sum / most);
                for (found, expected) in terminal.score(queries.view()).into_iter().zip(expected) {
                    assert!((found - expected).abs() <= 1e-12, "after {seen}: {found}, not {expected}");
                }
                for (found, expected) in path.score(queries.view()).into_iter().zip(&stage.scores) {
                    assert!((found - expected).abs() <= 1e-12, "after {seen}: {found}, not {expected}");
                }
                compared += queries.nrows();
            }
        }
    }
    assert!(compared >= 300, "{compared}");
}
