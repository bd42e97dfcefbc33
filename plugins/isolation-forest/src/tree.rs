//! Growing one isolation tree: Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, algorithm 2.

use crate::random::Random;
use ndarray::ArrayView2;

/// One node. A row goes to `left` if its feature is at most the threshold, otherwise to `left + 1`. A leaf is its own left child with an
/// infinite threshold, so that a row which has arrived stays whatever its value, and a walk needs no test for leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    pub(crate) threshold: f64,
    pub(crate) feature: u32,
    pub(crate) left: u32,
}

impl Node {
    /// The leaf at `position`.
    pub(crate) fn leaf(position: usize) -> Self {
        Self { threshold: f64::INFINITY, feature: 0, left: position as u32 }
    }

    /// Where a row with these values goes.
    pub(crate) fn next(&self, row: &[f64]) -> u32 {
        self.left + u32::from(row[self.feature as usize] > self.threshold)
    }

    /// Whether this, the node at `position`, is a leaf.
    pub(crate) fn is_leaf(&self, position: usize) -> bool {
        self.left as usize == position
    }
}

/// A tree: its nodes, parents before children, the root at 0; and for each node the path length of the training rows that reached it,
/// averaged. For a leaf that is its depth and the length of the tree that its rows would still make.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) lengths: Vec<f64>,
}

/// The average path length of an unsuccessful search in a binary search tree of `rows`: c(n) of the paper, equation 1, with c(2) = 1.
pub(crate) fn average_path_length(rows: u32) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let others = f64::from(rows) - 1.0;
            2.0 * (others.ln() + EULER_GAMMA) - 2.0 * others / f64::from(rows)
        }
    }
}

impl Tree {
    /// Measures the path lengths. `reached` is the number of training rows that reached each node, at least 1; children come after
    /// their parents.
    pub(crate) fn new(nodes: Vec<Node>, reached: &[u32]) -> Self {
        let depths = depths(&nodes);
        let mut lengths = vec![0.0; nodes.len()];
        for (position, node) in nodes.iter().enumerate().rev() {
            let (left, right) = (node.left as usize, node.left as usize + 1);
            lengths[position] = if node.is_leaf(position) {
                f64::from(depths[position]) + average_path_length(reached[position])
            } else {
                let weighted = |child: usize| f64::from(reached[child]) * lengths[child];
                (weighted(left) + weighted(right)) / (f64::from(reached[left]) + f64::from(reached[right]))
            };
        }
        Self { nodes, lengths }
    }

    /// Grows a tree on these rows (their positions in `rows`; a row that is named twice counts twice) with splits on `features` only,
    /// down to leaves that cannot be split or lie at depth `deepest`.
    pub(crate) fn grow(rows: ArrayView2<'_, f64>, sample: &mut [u32], features: &mut [u32], deepest: u32, random: &mut Random) -> Self {
        let mut growth =
            Growth { rows, features, random, nodes: vec![Node::leaf(0)], waiting: vec![Waiting { first: 0, end: sample.len(), depth: 0 }] };
        let mut position = 0;
        while let Some(&Waiting { first, end, depth }) = growth.waiting.get(position) {
            if depth < deepest {
                growth.split(position, &mut sample[first..end]);
            }
            position += 1;
        }
        let reached: Vec<u32> = growth.waiting.iter().map(|node| (node.end - node.first) as u32).collect();
        Self::new(growth.nodes, &reached)
    }
}

/// The depth of every node.
pub(crate) fn depths(nodes: &[Node]) -> Vec<u32> {
    let mut depths = vec![0; nodes.len()];
    for (position, node) in nodes.iter().enumerate().filter(|(position, node)| !node.is_leaf(*position)) {
        for child in [node.left as usize, node.left as usize + 1] {
            depths[child] = depths[position] + 1;
        }
    }
    depths
}

/// A node's rows, as a range of the sample.
struct Waiting {
    first: usize,
    end: usize,
    depth: u32,
}

/// A tree while it grows, breadth first: `nodes` and `waiting` have one entry for each node.
struct Growth<'a> {
    rows: ArrayView2<'a, f64>,
    features: &'a mut [u32],
    random: &'a mut Random,
    nodes: Vec<Node>,
    waiting: Vec<Waiting>,
}

impl Growth<'_> {
    fn split(&mut self, position: usize, sample: &mut [u32]) {
        let Some((feature, least, greatest)) = self.varying_feature(sample) else { return };
        let threshold = between(least, greatest, self.random.share());
        let at_most = partition(sample, |row| self.rows[[row as usize, feature as usize]] <= threshold);
        let Waiting { first, end, depth } = self.waiting[position];
        let left = self.nodes.len();
        self.nodes[position] = Node { threshold, feature, left: left as u32 };
        self.nodes.extend([Node::leaf(left), Node::leaf(left + 1)]);
        self.waiting.push(Waiting { first, end: first + at_most, depth: depth + 1 });
        self.waiting.push(Waiting { first: first + at_most, end, depth: depth + 1 });
    }

    /// A feature that is not the same in all rows of the sample, each such feature with equal probability, and its range. Features are
    /// drawn without replacement until one varies, which is the first nearly always.
    fn varying_feature(&mut self, sample: &[u32]) -> Option<(u32, f64, f64)> {
        if sample.len() < 2 {
            return None;
        }
        for left in (1..=self.features.len()).rev() {
            self.features.swap(left - 1, self.random.below(left));
            let feature = self.features[left - 1];
            let (least, greatest) = self.range(sample, feature as usize);
            if least < greatest {
                return Some((feature, least, greatest));
            }
        }
        None
    }

    fn range(&self, sample: &[u32], feature: usize) -> (f64, f64) {
        let values = sample.iter().map(|row| self.rows[[*row as usize, feature]]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| (least.min(value), greatest.max(value)))
    }
}

/// The point that lies this share of the way from `least` to `greatest`, and below `greatest`, so that both sides of a split have rows.
fn between(least: f64, greatest: f64, share: f64) -> f64 {
    // Not `least + share * (greatest - least)`, which overflows where the range does.
    let threshold = (least * (1.0 - share) + greatest * share).max(least);
    if threshold < greatest { threshold } else { least }
}

/// Moves the rows that satisfy the condition to the front and counts them.
fn partition(sample: &mut [u32], mut belongs: impl FnMut(u32) -> bool) -> usize {
    let mut count = 0;
    for position in 0..sample.len() {
        if belongs(sample[position]) {
            sample.swap(position, count);
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn grow(rows: &Array2<f64>, deepest: u32, seed: u64) -> Tree {
        let mut sample: Vec<u32> = (0..rows.nrows() as u32).collect();
        let mut features: Vec<u32> = (0..rows.ncols() as u32).collect();
        Tree::grow(rows.view(), &mut sample, &mut features, deepest, &mut Random::of_tree(seed, 0))
    }

    #[test]
    fn a_fully_grown_tree_isolates_every_row() {
        let rows = Array2::from_shape_fn((40, 2), |(row, column)| ((row * 17 + column * 5) % 41) as f64);
        let tree = grow(&rows, 40, 3);
        let leaves = tree.nodes.iter().enumerate().filter(|(position, node)| node.is_leaf(*position)).count();
        assert_eq!(leaves, 40);
        assert_eq!(tree.nodes.len(), 79);
    }

    #[test]
    fn no_node_lies_deeper_than_the_limit() {
        let rows = Array2::from_shape_fn((64, 1), |(row, _)| (row as f64).exp());
        assert_eq!(depths(&grow(&rows, 6, 1).nodes).into_iter().max(), Some(6));
    }

    #[test]
    fn constant_features_are_never_split() {
        let rows = Array2::from_shape_fn((30, 3), |(row, column)| if column == 1 { row as f64 } else { 7.0 });
        let tree = grow(&rows, 5, 2);
        assert!(tree.nodes.iter().enumerate().all(|(position, node)| node.is_leaf(position) || node.feature == 1));
        assert_eq!(grow(&array![[1.0, 2.0], [1.0, 2.0]], 5, 2).nodes, [Node::leaf(0)]);
    }

    #[test]
    fn every_varying_feature_is_as_likely() {
        let rows = array![[0.0, 0.0, 5.0, 0.0], [1.0, 1e-9, 5.0, 1e9]];
        let mut roots = [0_u32; 4];
        for seed in 0..3_000 {
            roots[grow(&rows, 1, seed).nodes[0].feature as usize] += 1;
        }
        assert_eq!(roots[2], 0, "the third feature is constant");
        // Five standard deviations of a binomial count with mean 1,000.
        assert!([0, 1, 3].iter().all(|feature| roots[*feature].abs_diff(1_000) < 130), "{roots:?}");
    }

    #[test]
    fn neighbouring_and_huge_values_are_split() {
        let (low, high) = (1.0, 1.0_f64.next_up());
        assert!((0..100).all(|step| between(low, high, f64::from(step) / 100.0) == low));
        let middle = between(-f64::MAX, f64::MAX, 0.25);
        assert!(middle < 0.0 && middle.is_finite());
    }

    #[test]
    fn an_inner_length_is_the_mean_of_its_rows() {
        let rows = Array2::from_shape_fn((50, 2), |(row, column)| ((row * 29 + column * 13) % 53) as f64);
        let tree = grow(&rows, 4, 9);
        let ends = rows.rows().into_iter().map(|row| {
            let (row, mut position) = (row.to_vec(), 0);
            while !tree.nodes[position].is_leaf(position) {
                position = tree.nodes[position].next(&row) as usize;
            }
            tree.lengths[position]
        });
        assert!((tree.lengths[0] - ends.sum::<f64>() / 50.0).abs() < 1e-12);
    }
}
