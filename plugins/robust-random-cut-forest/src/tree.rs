//! A random cut tree: its shape, and what follows from it.

use crate::points::Points;

/// The bit of a child's number that says that it is a leaf.
const LEAF: u32 = 1 << 31;

/// Which node a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Child(pub(crate) u32);

/// A child, told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Inner(usize),
    Leaf(usize),
}

impl Child {
    pub(crate) fn inner(index: usize) -> Self {
        Self(index as u32)
    }

    pub(crate) fn leaf(index: usize) -> Self {
        Self(index as u32 | LEAF)
    }

    #[inline]
    pub(crate) fn kind(self) -> Kind {
        if self.0 & LEAF == 0 { Kind::Inner(self.0 as usize) } else { Kind::Leaf((self.0 & !LEAF) as usize) }
    }
}

/// A cut: rows with at most this value of the feature are on the left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Inner {
    pub(crate) cut: f64,
    pub(crate) feature: u32,
    pub(crate) children: [Child; 2],
    /// How many kept rows lie below.
    pub(crate) mass: u32,
}

/// A point, and as how many kept rows it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) point: u32,
    pub(crate) mass: u32,
}

/// A tree of at least one leaf.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub(crate) root: Child,
    pub(crate) inner: Vec<Inner>,
    pub(crate) leaves: Vec<Leaf>,
    /// For each inner node the least values of the rows below it, and then the greatest ones, each as wide as the points' stride.
    pub(crate) boxes: Vec<f64>,
}

impl Tree {
    pub(crate) fn mass(&self, child: Child) -> u32 {
        match child.kind() {
            Kind::Inner(index) => self.inner[index].mass,
            Kind::Leaf(index) => self.leaves[index].mass,
        }
    }

    /// The side of an inner node on which a row lies: 0 is left.
    #[inline]
    pub(crate) fn side(&self, index: usize, row: &[f64]) -> usize {
        let Inner { cut, feature, .. } = self.inner[index];
        usize::from(row[feature as usize] > cut)
    }

    /// The least and the greatest values below a node.
    #[inline]
    pub(crate) fn limits<'a>(&'a self, points: &'a Points, child: Child) -> (&'a [f64], &'a [f64]) {
        let stride = points.stride();
        match child.kind() {
            Kind::Inner(index) => self.boxes[2 * index * stride..2 * (index + 1) * stride].split_at(stride),
            Kind::Leaf(index) => (points.get(self.leaves[index].point), points.get(self.leaves[index].point)),
        }
    }

    /// Makes the mass and the box of an inner node anew from its children.
    pub(crate) fn measure(&mut self, points: &Points, index: usize) {
        let [left, right] = self.inner[index].children;
        self.inner[index].mass = self.mass(left) + self.mass(right);
        let stride = points.stride();
        let (low, high) = (2 * index * stride, (2 * index + 1) * stride);
        for place in 0..stride {
            let (one, other) = (self.bounds(points, left, place), self.bounds(points, right, place));
            self.boxes[low + place] = one.0.min(other.0);
            self.boxes[high + place] = one.1.max(other.1);
        }
    }

    /// The least and the greatest value of one feature below a node.
    fn bounds(&self, points: &Points, child: Child, place: usize) -> (f64, f64) {
        let (low, high) = self.limits(points, child);
        (low[place], high[place])
    }

    /// The same tree with its nodes in the order in which a walk meets them, left before right, and none besides.
    pub(crate) fn in_order(&self, stride: usize) -> Self {
        let mut ordered = Self { root: self.root, inner: Vec::new(), leaves: Vec::new(), boxes: Vec::new() };
        // What is to be copied, and whose child it is, on which side.
        let mut waiting = vec![(self.root, None)];
        while let Some((child, parent)) = waiting.pop() {
            let copied = match child.kind() {
                Kind::Leaf(index) => {
                    ordered.leaves.push(self.leaves[index]);
                    Child::leaf(ordered.leaves.len() - 1)
                }
                Kind::Inner(index) => {
                    let place = ordered.inner.len();
                    ordered.inner.push(self.inner[index]);
                    ordered.boxes.extend_from_slice(&self.boxes[2 * index * stride..2 * (index + 1) * stride]);
                    let [left, right] = self.inner[index].children;
                    waiting.extend([(right, Some((place, 1))), (left, Some((place, 0)))]);
                    Child::inner(place)
                }
            };
            match parent {
                None => ordered.root = copied,
                Some((parent, side)) => {
                    let parent: &mut Inner = &mut ordered.inner[parent];
                    parent.children[side] = copied;
                }
            }
        }
        ordered
    }

    /// Whether the tree is in order, every leaf is below its cuts on the right side, and boxes and masses follow: what all else relies on.
    /// Boxes and masses of inner nodes are made here.
    pub(crate) fn settle(&mut self, points: &Points) -> bool {
        self.boxes = vec![0.0; 2 * points.stride() * self.inner.len()];
        if !self.is_ordered() || self.leaves.iter().any(|leaf| leaf.mass == 0 || leaf.point as usize >= points.count()) {
            return false;
        }
        (0..self.inner.len()).rev().all(|index| {
            let Inner { cut, feature, children, .. } = self.inner[index];
            let feature = feature as usize;
            let masses = children.map(|child| self.mass(child));
            let parted = feature < points.width()
                && self.limits(points, children[0]).1[feature] <= cut
                && self.limits(points, children[1]).0[feature] > cut
                && masses[0].checked_add(masses[1]).is_some();
            if parted {
                self.measure(points, index);
            }
            parted
        })
    }

    /// Whether a walk meets every node once, in the order of their numbers.
    fn is_ordered(&self) -> bool {
        let (mut inner, mut leaves, mut waiting) = (0, 0, vec![self.root]);
        while let Some(child) = waiting.pop() {
            match child.kind() {
                Kind::Leaf(index) if index == leaves && index < self.leaves.len() => leaves += 1,
                Kind::Inner(index) if index == inner && index < self.inner.len() => {
                    inner += 1;
                    let [left, right] = self.inner[index].children;
                    waiting.extend([right, left]);
                }
                _ => return false,
            }
        }
        inner == self.inner.len() && leaves == self.leaves.len()
    }
}
