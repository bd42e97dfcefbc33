//! Points come into a tree and go from it, so that it always is a random cut tree of those in it: it has the same distribution as one that is
//! grown from them anew (sections 2.1 and 2.2 of the paper).

use crate::growth::draw;
use crate::points::Points;
use crate::random::Random;
use crate::tree::{Child, Inner, Kind, Leaf, Tree};

/// A tree that is changed. Nodes that become free are used again.
#[derive(Debug)]
pub(crate) struct Change {
    tree: Tree,
    free_inner: Vec<usize>,
    free_leaves: Vec<usize>,
}

impl Change {
    /// Begins to change a tree.
    pub(crate) fn of(tree: Tree) -> Self {
        Self { tree, free_inner: Vec::new(), free_leaves: Vec::new() }
    }

    /// The tree as it has become, in order.
    pub(crate) fn finish(self, points: &Points) -> Tree {
        self.tree.in_order(points.stride())
    }

    /// Lets a point in. From the root on, the box of each node and the new point is cut at random; if the cut parts the point from the box, the
    /// point becomes the node's sibling, and if not the node's own cut decides where it goes on.
    pub(crate) fn insert(&mut self, points: &Points, point: u32, random: &mut Random) {
        let (row, mut at, mut path) = (points.get(point), self.tree.root, Vec::new());
        loop {
            let (low, high) = self.tree.limits(points, at);
            match at.kind() {
                Kind::Leaf(index) if self.tree.leaves[index].point == point => {
                    self.tree.leaves[index].mass += 1;
                    break;
                }
                _ => {}
            }
            let wide_low: Vec<f64> = low.iter().zip(row).map(|(low, value)| low.min(*value)).collect();
            let wide_high: Vec<f64> = high.iter().zip(row).map(|(high, value)| high.max(*value)).collect();
            let (feature, cut) = draw(&wide_low, &wide_high, random.share());
            let (below, above) = (cut < low[feature], cut >= high[feature]);
            match at.kind() {
                Kind::Inner(index) if !below && !above => {
                    let side = self.tree.side(index, row);
                    path.push((index, side));
                    at = self.tree.inner[index].children[side];
                }
                // A cut through a box that is one point always parts.
                _ => {
                    let leaf = self.new_leaf(Leaf { point, mass: 1 });
                    let children = if below { [leaf, at] } else { [at, leaf] };
                    let inner = self.new_inner(points, Inner { cut, feature: feature as u32, children, mass: 0 });
                    self.hang(&path, inner);
                    break;
                }
            }
        }
        self.measure(points, &path);
    }

    /// Lets one row of a point go; its sibling takes its parent's place. Says whether it was there, and not the last one.
    #[must_use]
    pub(crate) fn remove(&mut self, points: &Points, point: u32) -> bool {
        let (row, mut at, mut path) = (points.get(point), self.tree.root, Vec::new());
        while let Kind::Inner(index) = at.kind() {
            let side = self.tree.side(index, row);
            path.push((index, side));
            at = self.tree.inner[index].children[side];
        }
        let Kind::Leaf(index) = at.kind() else { return false };
        if self.tree.leaves[index].point != point {
            return false;
        }
        if self.tree.leaves[index].mass > 1 {
            self.tree.leaves[index].mass -= 1;
        } else {
            let Some((parent, side)) = path.pop() else { return false };
            let sibling = self.tree.inner[parent].children[1 - side];
            self.hang(&path, sibling);
            self.free_inner.push(parent);
            self.free_leaves.push(index);
        }
        self.measure(points, &path);
        true
    }

    /// Puts a node where the path ends.
    fn hang(&mut self, path: &[(usize, usize)], child: Child) {
        match path.last() {
            None => self.tree.root = child,
            Some((parent, side)) => self.tree.inner[*parent].children[*side] = child,
        }
    }

    /// Makes masses and boxes of a path anew, from its end up.
    fn measure(&mut self, points: &Points, path: &[(usize, usize)]) {
        path.iter().rev().for_each(|(index, _)| self.tree.measure(points, *index));
    }

    fn new_leaf(&mut self, leaf: Leaf) -> Child {
        let leaves = &mut self.tree.leaves;
        let index = self.free_leaves.pop().unwrap_or_else(|| {
            leaves.push(leaf);
            leaves.len() - 1
        });
        leaves[index] = leaf;
        Child::leaf(index)
    }

    fn new_inner(&mut self, points: &Points, inner: Inner) -> Child {
        let index = self.free_inner.pop().unwrap_or_else(|| {
            self.tree.inner.push(inner);
            self.tree.inner.len() - 1
        });
        self.tree.inner[index] = inner;
        self.tree.boxes.resize(2 * points.stride() * self.tree.inner.len(), 0.0);
        self.tree.measure(points, index);
        Child::inner(index)
    }
}
