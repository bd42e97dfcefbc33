//! Trees for scoring: of all nodes only those that a walk can come to, for it ends where a window's mass is small.

use crate::parameters::Mass;
use crate::space::{Range, Space};
use synod_sdk::ndarray::ArrayViewMut1;

/// How many trees are walked through at once: their steps do not wait for each other.
const LANES: usize = 8;

/// Where a walk goes on, or ends: a node where walks end leads to itself.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// From this value on a row goes to the right.
    threshold: f64,
    feature: u32,
    /// The left child, beside which the right one lies.
    left: u32,
}

/// What the trees say of rows, as sums of their masses.
#[derive(Debug, Default)]
pub(crate) struct Trees {
    roots: Vec<u32>,
    nodes: Vec<Node>,
    /// For each node what a walk that ends there is worth; of one that goes on, the mean over the rows of the window that go on from there.
    worth: Vec<f64>,
}

/// A window of rows, as the leaves to which they come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    /// So many of each tree, in ascending order.
    pub(crate) leaves: &'a [u32],
    pub(crate) rows: usize,
    pub(crate) height: u32,
    /// A walk ends at a node with fewer rows.
    pub(crate) limit: f64,
    pub(crate) mass: Mass,
}

impl Trees {
    /// Grows the trees as far as a walk can come.
    pub(crate) fn grow<S: Space>(space: &S, window: Window<'_>) -> Self {
        let mut trees = Self::default();
        for (tree, leaves) in (0..).zip(window.leaves.chunks_exact(window.rows.max(1))) {
            let root = trees.push();
            trees.roots.push(root);
            let mut growth = Growth { trees: &mut trees, space, tree, window, ranges: space.ranges(tree) };
            growth.node(root, 1, 0, leaves, 0.0);
        }
        trees
    }

    fn push(&mut self) -> u32 {
        let index = self.nodes.len() as u32;
        self.nodes.push(Node { threshold: f64::INFINITY, feature: 0, left: index });
        self.worth.push(0.0);
        index
    }

    /// The sum over the trees.
    pub(crate) fn sum(&self, row: &[f64]) -> f64 {
        let (groups, rest) = self.roots.as_chunks::<LANES>();
        let together = groups.iter().flat_map(|roots| self.ends(row, *roots));
        together.chain(rest.iter().flat_map(|root| self.ends(row, [*root]))).map(|end| self.worth[end as usize]).sum()
    }

    /// Where walks from these nodes end.
    #[inline]
    fn ends<const N: usize>(&self, row: &[f64], mut at: [u32; N]) -> [u32; N] {
        loop {
            let mut moved = 0;
            for place in &mut at {
                let next = self.step(row, *place);
                moved |= next ^ *place;
                *place = next;
            }
            if moved == 0 {
                return at;
            }
        }
    }

    #[inline(always)]
    fn step(&self, row: &[f64], index: u32) -> u32 {
        let node = self.nodes[index as usize];
        node.left + u32::from(row[node.feature as usize] >= node.threshold)
    }

    /// The mean of the sum over the rows of the window.
    pub(crate) fn mean(&self) -> f64 {
        self.roots.iter().map(|root| self.worth[*root as usize]).sum()
    }

    /// Adds to each feature how the steps by it change the mean of the rows that go on from there, times a factor.
    pub(crate) fn attribute(&self, row: &[f64], factor: f64, mut parts: ArrayViewMut1<'_, f64>) {
        for root in &self.roots {
            let mut index = *root;
            loop {
                let next = self.step(row, index);
                if next == index {
                    break;
                }
                let feature = self.nodes[index as usize].feature as usize;
                parts[feature] += (self.worth[next as usize] - self.worth[index as usize]) * factor;
                index = next;
            }
        }
    }
}

/// What the growth of one tree needs at every node.
struct Growth<'a, S> {
    trees: &'a mut Trees,
    space: &'a S,
    tree: u32,
    window: Window<'a>,
    ranges: Vec<Range>,
}

impl<S: Space> Growth<'_, S> {
    /// Grows the node of this number in a heap, at this depth, to which these leaves belong. `above` is what its path has summed up.
    fn node(&mut self, index: u32, number: u32, depth: u32, leaves: &[u32], above: f64) {
        let mass = leaves.len() as f64 * f64::from(1_u32 << depth);
        let summed = if self.window.mass == Mass::Path { above + mass } else { mass };
        self.trees.worth[index as usize] = summed;
        // Below a node without rows all are without rows.
        if depth == self.window.height || leaves.is_empty() || (leaves.len() as f64) < self.window.limit {
            return;
        }
        let split = self.space.split(self.tree, number, &self.ranges);
        // The first leaf of the right half, as leaves are numbered.
        let half = (2 * number + 1 - (2 << depth)) << (self.window.height - depth - 1);
        let sides = leaves.split_at(leaves.partition_point(|leaf| *leaf < half));
        let left = self.trees.push();
        self.trees.push();
        self.trees.nodes[index as usize] = Node { threshold: split.threshold, feature: split.feature, left };
        let before = self.ranges[split.place];
        for (side, leaves) in [sides.0, sides.1].into_iter().enumerate() {
            self.ranges[split.place][1 - side] = split.at;
            self.node(left + side as u32, 2 * number + side as u32, depth + 1, leaves, summed);
            self.ranges[split.place] = before;
        }
        let share = sides.0.len() as f64 / leaves.len() as f64;
        let [on_left, on_right] = [left, left + 1].map(|child| self.trees.worth[child as usize]);
        self.trees.worth[index as usize] = share * on_left + (1.0 - share) * on_right;
    }
}
