//! One isolation tree: its nodes, where a row goes at each, and how long its paths are.

use crate::number::ln;
use crate::plane::Planes;

/// Marks a node that is split by a set of groups of a categorical feature.
const SUBSET: u32 = 1 << 31;

/// Marks a node that is split by a hyperplane.
const PLANE: u32 = 1 << 30;

/// One node. A row goes to `left` if its feature is at most the threshold, otherwise to `left + 1`. A leaf is its own left child with an
/// infinite threshold, so that a row which has arrived stays whatever its value, and a walk needs no test for leaves.
///
/// A node may be split otherwise, which is marked in `feature`. By a set of groups: the bits of `threshold` are the set, and rows of its
/// groups go to `left + 1`. By a hyperplane: `feature` is its index, and a row's place along it is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Node {
    pub(crate) threshold: f64,
    pub(crate) feature: u32,
    pub(crate) left: u32,
}

/// What a node compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    /// The number of this feature.
    Number(u32),
    /// The group of this feature, by a set.
    Subset(u32, u64),
    /// The place along the hyperplane of this index.
    Plane(u32),
}

impl Node {
    /// The leaf at `position`.
    pub(crate) fn leaf(position: usize) -> Self {
        Self { threshold: f64::INFINITY, feature: 0, left: position as u32 }
    }

    /// A node that sends the groups of `set` to the right. The children are still to be named.
    pub(crate) fn subset(feature: u32, set: u64) -> Self {
        Self { threshold: f64::from_bits(set), feature: feature | SUBSET, left: 0 }
    }

    /// A node that sends what lies behind `threshold` along the plane at `index` to the right. The children are still to be named.
    pub(crate) fn plane(index: u32, threshold: f64) -> Self {
        Self { threshold, feature: index | PLANE, left: 0 }
    }

    /// Whether this, the node at `position`, is a leaf.
    pub(crate) fn is_leaf(&self, position: usize) -> bool {
        self.left as usize == position
    }

    /// What is compared here.
    pub(crate) fn test(&self) -> Test {
        match self.feature & (SUBSET | PLANE) {
            0 => Test::Number(self.feature),
            PLANE => Test::Plane(self.feature ^ PLANE),
            _ => Test::Subset(self.feature & !SUBSET, self.threshold.to_bits()),
        }
    }

    /// The index of the hyperplane, 0 for a leaf: it stays a leaf by its threshold, whatever is compared with that.
    #[inline(always)]
    pub(crate) fn plane_or_first(&self) -> usize {
        (self.feature & !PLANE) as usize
    }

    /// The feature that is compared, where it is one.
    pub(crate) fn compared(&self) -> u32 {
        self.feature & !(SUBSET | PLANE)
    }

    /// The same node in a forest, where its tree's nodes begin at `first` and its planes at `plane`.
    pub(crate) fn moved(self, first: u32, plane: u32) -> Self {
        let feature = if matches!(self.test(), Test::Plane(_)) { self.feature + plane } else { self.feature };
        Self { left: self.left + first, feature, ..self }
    }

    /// Whether a row goes to the right; nothing if it lacks what is compared. This is the definition; the loops of a fast walk compute the
    /// same.
    pub(crate) fn goes_right(&self, planes: &Planes, value: impl Fn(u32) -> f64) -> Option<bool> {
        let known = |value: f64| (!value.is_nan()).then_some(value);
        match self.test() {
            Test::Number(feature) => known(value(feature)).map(|value| value > self.threshold),
            Test::Subset(feature, set) => known(value(feature)).map(|group| set >> (group as u32 & 63) & 1 == 1),
            Test::Plane(index) => planes.project(index as usize, value).map(|place| place > self.threshold),
        }
    }
}

/// A tree: its nodes, parents before children, the root at 0; the number of training rows that reached each, at least 1; and its planes.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) reached: Vec<u32>,
    pub(crate) planes: Planes,
}

/// The average path length of an unsuccessful search in a binary search tree of `rows`: c(n) of the paper, equation 1, with c(2) = 1.
pub(crate) fn average_path_length(rows: u32) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let others = f64::from(rows) - 1.0;
            2.0 * (ln(rows - 1) + EULER_GAMMA) - 2.0 * others / f64::from(rows)
        }
    }
}

/// For each node, the path length of the training rows that reached it, averaged. For a leaf that is its depth and the length of the tree
/// that its rows would still make. Children come after their parents; the first node is at position `first` of the forest.
pub(crate) fn path_lengths(nodes: &[Node], first: usize, reached: &[u32]) -> Vec<f64> {
    let depths = depths(nodes, first);
    let mut lengths = vec![0.0; nodes.len()];
    for (position, node) in nodes.iter().enumerate().rev() {
        lengths[position] = if node.is_leaf(first + position) {
            f64::from(depths[position]) + average_path_length(reached[position])
        } else {
            let left = node.left as usize - first;
            let weighted = |child: usize| f64::from(reached[child]) * lengths[child];
            (weighted(left) + weighted(left + 1)) / (f64::from(reached[left]) + f64::from(reached[left + 1]))
        };
    }
    lengths
}

/// The depth of every node of a tree whose first node is at position `first` of the forest.
pub(crate) fn depths(nodes: &[Node], first: usize) -> Vec<u32> {
    let mut depths = vec![0; nodes.len()];
    for (position, node) in nodes.iter().enumerate().filter(|(position, node)| !node.is_leaf(first + *position)) {
        let left = node.left as usize - first;
        depths[left] = depths[position] + 1;
        depths[left + 1] = depths[position] + 1;
    }
    depths
}

/// The point that lies this share of the way from `least` to `greatest`, and below `greatest`, so that both sides of a split have rows.
pub(crate) fn between(least: f64, greatest: f64, share: f64) -> f64 {
    // Not `least + share * (greatest - least)`, which overflows where the range does.
    let threshold = (least * (1.0 - share) + greatest * share).max(least);
    if threshold < greatest { threshold } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Term;

    #[test]
    fn neighbouring_and_huge_values_are_split() {
        let (low, high) = (1.0, 1.0_f64.next_up());
        assert!((0..100).all(|step| between(low, high, f64::from(step) / 100.0) == low));
        let middle = between(-f64::MAX, f64::MAX, 0.25);
        assert!(middle < 0.0 && middle.is_finite());
    }

    #[test]
    fn every_kind_of_node_knows_its_sides_and_what_it_lacks() {
        let mut planes = Planes::new(2);
        planes.push(&[(Term { coefficient: 1.0, feature: 0 }, 0.0), (Term { coefficient: 1.0, feature: 1 }, 0.0)]);
        let sides =
            |node: Node| [[1.0, 2.0], [3.0, 4.0], [f64::NAN; 2]].map(|row| node.goes_right(&planes, |feature| row[feature as usize]));
        let all = [Node { threshold: 3.0, feature: 1, left: 0 }, Node::subset(1, 1 << 4), Node::plane(0, 3.0)];
        for node in all {
            assert_eq!(sides(node), [Some(false), Some(true), None], "{node:?}");
        }
        assert!(Node::subset(1, (1 << 52) - 1).threshold.is_finite(), "a set of all groups is a number");
    }
}
