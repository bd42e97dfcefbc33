//! Forests from elsewhere: the trees of scikit-learn's and PyOD's Isolation Forest, as `scripts/export-model.py` writes them, become a forest that
//! gives the same scores. The README says what the file holds. Nothing in it is trusted.

use crate::NODES;
use crate::forest::{Forest, Shape, WIDTH};
use crate::parameters::{DEEPEST, MOST_TREES};
use crate::plane::Planes;
use crate::tree::{Node, Tree};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::VecDeque;
use synod_foreign::{Note, Scaling, check_features, check_parameters, read, refused};
use synod_sdk::{Error, Training};

/// What the file calls itself.
const FORMAT: &str = "synod/isolation-forest";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "format")]
    _format: IgnoredAny,
    #[serde(rename = "version")]
    _version: IgnoredAny,
    #[serde(default, rename = "source")]
    _source: Note,
    /// The columns, as they were called.
    #[serde(default)]
    features: Option<Vec<String>>,
    width: usize,
    /// What a row goes through first.
    #[serde(default)]
    scaling: Scaling,
    precision: Precision,
    /// Rows that each tree was grown on.
    sample: u32,
    trees: Vec<ForeignTree>,
}

/// In which precision a scaled value is compared with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Precision {
    /// Rounded to 32 bits first, as scikit-learn does.
    Single,
    Double,
}

/// A tree, node by node, the root first. A node without children is a leaf, and what it compares is not looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignTree {
    feature: Vec<u32>,
    threshold: Vec<f64>,
    /// The child of rows whose value is at most the threshold; -1 for a leaf.
    left: Vec<i64>,
    right: Vec<i64>,
    /// Training rows that reached the node.
    rows: Vec<u32>,
    /// The nodes where a row that lacks the value goes left; at all others it goes right. Absent: it goes both ways, in proportion to the rows.
    #[serde(default)]
    missing_left: Option<Vec<usize>>,
}

/// What a tree becomes: its nodes, and for each whether a row that lacks the value goes left.
struct Adopted {
    tree: Tree,
    missing_left: Option<Vec<bool>>,
}

/// What is the same for all trees of a file.
struct Values<'a> {
    width: usize,
    sample: u32,
    scaling: &'a Scaling,
    precision: Precision,
}

/// The forest of a file, or the part of it that is asked for.
///
/// # Errors
/// When the file is none of a forest, its features are not the configuration's, or parameters are set beside it.
pub(crate) fn forest(bytes: &[u8], training: &Training<'_>) -> Result<Forest, Error> {
    check_parameters(training)?;
    let file: File = read(FORMAT, bytes)?;
    check(&file)?;
    check_features(file.width, file.features.as_deref(), training)?;
    let File { width, scaling, precision, sample, trees, .. } = file;
    let count = trees.len();
    let values = Values { width, sample, scaling: &scaling, precision };
    let mut adopted = Vec::with_capacity(count);
    for (index, tree) in trees.into_iter().enumerate() {
        adopted.push(adopt(tree, &values).map_err(|why| refused(&format!("trees[{index}].{why}")))?);
    }
    let directed = adopted.iter().filter(|adopted| adopted.missing_left.is_some()).count();
    if directed != 0 && directed != count {
        return Err(refused("trees: either all of them have `missing_left`, or none"));
    }
    let part = training.part.of(count as u32);
    let adopted = adopted.drain(part.start as usize..part.end as usize);
    let (trees, sides): (Vec<Tree>, Vec<Option<Vec<bool>>>) = adopted.map(|adopted| (adopted.tree, adopted.missing_left)).unzip();
    let mut forest = Forest::new(Shape { width, sample, categories: Vec::new() }, 0, trees);
    if directed != 0 {
        forest.missing_left = Some(sides.into_iter().flatten().flatten().collect());
    }
    if training.part.index == 0 {
        synod_sdk::log::info(&format!("{count} trees from elsewhere, {} nodes in this part of them", forest.nodes.len()));
    }
    Ok(forest)
}

fn check(file: &File) -> Result<(), Error> {
    let File { width, scaling, sample, trees, .. } = file;
    if !(1..=WIDTH).contains(width) {
        return Err(refused(&format!("width: {width} is not between 1 and {WIDTH}")));
    }
    if *sample < 2 {
        return Err(refused(&format!("sample: {sample} rows have no path length, at least 2 are needed")));
    }
    if !(1..=MOST_TREES as usize).contains(&trees.len()) {
        return Err(refused(&format!("trees: {} are not between 1 and {MOST_TREES}", trees.len())));
    }
    let nodes: usize = trees.iter().map(|tree| tree.left.len()).sum();
    if nodes as u64 > NODES {
        return Err(refused(&format!("trees: {nodes} nodes are more than {NODES}")));
    }
    scaling.check(*width)
}

/// The same tree with its nodes renumbered: breadth first, a right child next to its left sibling. What is wrong with it is told with the
/// array and the node.
fn adopt(foreign: ForeignTree, values: &Values<'_>) -> Result<Adopted, String> {
    let ForeignTree { feature, threshold, left, right, rows, missing_left } = &foreign;
    let count = left.len();
    for (name, length) in [("feature", feature.len()), ("threshold", threshold.len()), ("right", right.len()), ("rows", rows.len())] {
        if length != count {
            return Err(format!("{name}: {length} entries, but `left` has {count}"));
        }
    }
    let first = *rows.first().ok_or("left: a tree without nodes")?;
    check_rows(first, values.sample)?;
    let goes_left = missing_left.as_deref().map(|nodes| marked(nodes, count)).transpose()?;
    let (mut nodes, mut reached, mut seen) = (vec![Node::leaf(0)], vec![first], vec![false; count]);
    let mut sides = vec![false];
    let mut waiting = VecDeque::from([(0, 0, 0)]);
    seen[0] = true;
    while let Some((theirs, own, depth)) = waiting.pop_front() {
        let Some([one, other]) = children(&foreign, theirs)? else { continue };
        if depth == DEEPEST {
            return Err(format!("left[{theirs}]: the tree is deeper than {DEEPEST}"));
        }
        for (name, child) in [("left", one), ("right", other)] {
            if std::mem::replace(&mut seen[child], true) {
                return Err(format!("{name}[{theirs}]: node {child} has two parents"));
            }
        }
        check_share(rows, theirs, one, other)?;
        let next = nodes.len();
        nodes[own] = Node { threshold: boundary(&foreign, theirs, values)?, feature: feature[theirs], left: next as u32 };
        nodes.extend([Node::leaf(next), Node::leaf(next + 1)]);
        reached.extend([rows[one], rows[other]]);
        sides[own] = goes_left.as_ref().is_some_and(|left| left[theirs]);
        sides.extend([false, false]);
        waiting.extend([(one, next, depth + 1), (other, next + 1, depth + 1)]);
    }
    if let Some(lost) = seen.iter().position(|seen| !seen) {
        return Err(format!("left: no path leads to node {lost}"));
    }
    Ok(Adopted { tree: Tree { nodes, reached, planes: Planes::new(0) }, missing_left: goes_left.map(|_| sides) })
}

fn check_rows(first: u32, sample: u32) -> Result<(), String> {
    if (1..=sample).contains(&first) {
        return Ok(());
    }
    Err(format!("rows[0]: {first} rows at the root, where `sample` is {sample}"))
}

fn marked(nodes: &[usize], count: usize) -> Result<Vec<bool>, String> {
    let mut marked = vec![false; count];
    for (place, node) in nodes.iter().enumerate() {
        *marked.get_mut(*node).ok_or_else(|| format!("missing_left[{place}]: there is no node {node}"))? = true;
    }
    Ok(marked)
}

/// The two children of a node; none of a leaf.
fn children(foreign: &ForeignTree, node: usize) -> Result<Option<[usize; 2]>, String> {
    let (left, right) = (foreign.left[node], foreign.right[node]);
    if left == -1 && right == -1 {
        return Ok(None);
    }
    let child = |name: &str, child: i64| {
        let found = usize::try_from(child).ok().filter(|child| *child < foreign.left.len());
        found.ok_or_else(|| format!("{name}[{node}]: there is no node {child}"))
    };
    Ok(Some([child("left", left)?, child("right", right)?]))
}

fn check_share(rows: &[u32], node: usize, one: usize, other: usize) -> Result<(), String> {
    if rows[one] > 0 && rows[other] > 0 && u64::from(rows[one]) + u64::from(rows[other]) == u64::from(rows[node]) {
        return Ok(());
    }
    Err(format!("rows[{node}]: {} rows do not go to children with {} and {}", rows[node], rows[one], rows[other]))
}

/// The greatest value of an unscaled row that goes left at a node. Scaling and rounding never put a greater value below a lesser one, so there
/// is such a boundary, and to compare with it is to do all of that, to the last bit.
fn boundary(foreign: &ForeignTree, node: usize, values: &Values<'_>) -> Result<f64, String> {
    let (threshold, feature) = (foreign.threshold[node], foreign.feature[node]);
    if feature as usize >= values.width {
        return Err(format!("feature[{node}]: there is no feature {feature}, there are {}", values.width));
    }
    if !threshold.is_finite() {
        return Err(format!("threshold[{node}]: {threshold} is not finite"));
    }
    let goes_left = |value: f64| {
        let scaled = values.scaling.of(feature as usize, value);
        if values.precision == Precision::Single { f64::from(scaled as f32) <= threshold } else { scaled <= threshold }
    };
    if values.precision == Precision::Double && values.scaling.is_empty() {
        return Ok(threshold);
    }
    if !goes_left(-f64::MAX) {
        return Err(format!("threshold[{node}]: {threshold} lies below all values that a row can have"));
    }
    // The order of finite numbers is that of these whole numbers.
    let (mut within, mut beyond) = (order(-f64::MAX), order(f64::INFINITY));
    while within + 1 < beyond {
        let middle = (within & beyond) + ((within ^ beyond) >> 1);
        if goes_left(ordered(middle)) { within = middle } else { beyond = middle }
    }
    Ok(ordered(within))
}

/// A number's place among all, without gaps.
fn order(value: f64) -> i64 {
    let size = value.abs().to_bits() as i64;
    if value.is_sign_negative() { -size } else { size }
}

/// The number at a place.
fn ordered(place: i64) -> f64 {
    let size = f64::from_bits(place.unsigned_abs());
    if place < 0 { -size } else { size }
}

#[cfg(test)]
pub(crate) mod tests;
