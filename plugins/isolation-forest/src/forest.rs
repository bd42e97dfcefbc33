//! The fitted forest: all nodes in one array, and what follows from them. `walk` makes scores of it, `bytes` reads and writes it.

use crate::bundle::Bundles;
use crate::lanes::FAST;
use crate::number::exp2;
use crate::parameters::DEEPEST;
use crate::plane::Planes;
use crate::tree::{Node, Test, Tree, average_path_length, depths, path_lengths};
use synod_sdk::Error;

/// Trees that are walked at a time: a step in one tree waits for memory, and the others' steps fill the wait.
pub(crate) const LANES: usize = 8;

/// Fewest trees that are walked in bundles.
const FEWEST: usize = 24;

/// Most features of a row: a block of rows still has a length that 32 bits hold.
pub(crate) const WIDTH: usize = 1 << 20;

/// What all trees of a forest share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// How many features a row has.
    pub(crate) width: usize,
    /// Rows that each tree has been grown on (psi of the paper), at least 2.
    pub(crate) sample: u32,
    /// For each feature, how many categories it has; empty if all are numbers.
    pub(crate) categories: Vec<u32>,
}

/// A fitted forest, or a part of one, which may be without trees. A node's `left` counts from the forest's first node.
#[derive(Debug)]
pub(crate) struct Forest {
    pub(crate) shape: Shape,
    pub(crate) roots: Vec<u32>,
    pub(crate) nodes: Vec<Node>,
    /// For each node, the number of training rows that reached it.
    pub(crate) reached: Vec<u32>,
    pub(crate) planes: Planes,
    /// For each node, whether a row that lacks what is compared goes left, else right; absent where it goes both ways, in proportion to
    /// the training rows. Only forests from elsewhere have it.
    pub(crate) missing_left: Option<Vec<bool>>,
    /// For each node, the average path length of the training rows that reached it.
    pub(crate) lengths: Vec<f64>,
    pub(crate) groups: Vec<Group>,
    pub(crate) kind: Kind,
    /// c(psi) of the paper: how long the path of a row is where nothing sets it apart.
    pub(crate) search_length: f64,
    /// The same nodes, ready for a faster walk, where there is one.
    pub(crate) bundles: Option<Bundles>,
}

/// Up to [`LANES`] trees that are walked together. Lanes without a tree repeat the last one, and do not count.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) roots: [u32; LANES],
    pub(crate) trees: usize,
    /// The depth of the group's deepest leaf.
    pub(crate) levels: u32,
}

/// By what a forest's nodes are split, which decides how it is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One number each.
    Numbers,
    /// A hyperplane each.
    Planes,
    /// One number or one category each.
    Subsets,
    /// Anything.
    Mixed,
}

impl Forest {
    /// Joins trees.
    pub(crate) fn new(shape: Shape, dimensions: usize, trees: impl IntoIterator<Item = Tree>) -> Self {
        let mut forest = Self::empty(shape, dimensions);
        for tree in trees {
            forest.roots.push(forest.nodes.len() as u32);
            forest.append(&tree.nodes, &tree.reached, &tree.planes);
        }
        forest.measure();
        forest
    }

    /// A forest without trees, still to be measured.
    pub(crate) fn empty(shape: Shape, dimensions: usize) -> Self {
        Self {
            shape,
            roots: Vec::new(),
            nodes: Vec::new(),
            reached: Vec::new(),
            planes: Planes::new(dimensions),
            missing_left: None,
            lengths: Vec::new(),
            groups: Vec::new(),
            kind: Kind::Numbers,
            search_length: 0.0,
            bundles: None,
        }
    }

    fn append(&mut self, nodes: &[Node], reached: &[u32], planes: &Planes) {
        let (first, plane) = (self.nodes.len() as u32, self.planes.len() as u32);
        self.nodes.extend(nodes.iter().map(|node| node.moved(first, plane)));
        self.reached.extend_from_slice(reached);
        self.planes.extend(planes);
    }

    /// Puts the parts of a forest together, in their order.
    ///
    /// # Errors
    /// When they are not of one fit.
    pub(crate) fn merge(parts: Vec<Self>) -> Result<Self, Error> {
        let first = parts.first().ok_or_else(|| Error::Model("there are no parts to put together".into()))?;
        let mut whole = Self::empty(first.shape.clone(), first.planes.dimensions());
        for part in &parts {
            if part.shape != whole.shape || part.planes.dimensions() != whole.planes.dimensions() {
                return Err(Error::Model("these are not parts of one fit: they differ in features or samples".into()));
            }
            let moved = whole.nodes.len() as u32;
            whole.roots.extend(part.roots.iter().map(|root| root + moved));
            whole.append(&part.nodes, &part.reached, &part.planes);
            if let Some(sides) = &part.missing_left {
                whole.missing_left.get_or_insert_default().extend_from_slice(sides);
            }
        }
        if whole.missing_left.as_ref().is_some_and(|sides| sides.len() != whole.nodes.len()) {
            return Err(Error::Model("these are not parts of one fit: they differ in where missing values go".into()));
        }
        whole.measure();
        Ok(whole)
    }

    /// The nodes of the tree with this index, and the position of the first.
    pub(crate) fn tree(&self, index: usize) -> (usize, &[Node]) {
        let first = self.roots[index] as usize;
        let end = self.roots.get(index + 1).map_or(self.nodes.len(), |next| *next as usize);
        (first, &self.nodes[first..end])
    }

    /// Computes what follows from the nodes.
    pub(crate) fn measure(&mut self) {
        let mut lengths = Vec::with_capacity(self.nodes.len());
        for index in 0..self.roots.len() {
            let (first, nodes) = self.tree(index);
            lengths.extend(path_lengths(nodes, first, &self.reached[first..first + nodes.len()]));
        }
        self.lengths = lengths;
        let levels: Vec<u32> = (0..self.roots.len()).map(|index| self.levels(index)).collect();
        let groups = self.roots.chunks(LANES).zip(levels.chunks(LANES)).map(|(roots, levels)| Group {
            roots: std::array::from_fn(|lane| roots[lane.min(roots.len() - 1)]),
            trees: roots.len(),
            levels: levels.iter().copied().max().unwrap_or(0),
        });
        self.groups = groups.collect();
        self.kind = self.kind();
        self.search_length = average_path_length(self.shape.sample);
    }

    /// Makes it ready for many scores, once it is measured.
    pub(crate) fn prepare(&mut self) {
        // To rank a row's values takes as long as to walk it down so many trees.
        let worthwhile = self.roots.len() >= FEWEST.max(2 * self.shape.width);
        self.bundles = if FAST && worthwhile { Bundles::new(self) } else { None };
    }

    /// Whether a row goes to the right at the node at `position`; nothing if it lacks what is compared, and then goes both ways.
    pub(crate) fn goes_right(&self, position: usize, value: impl Fn(u32) -> f64) -> Option<bool> {
        let known = self.nodes[position].goes_right(&self.planes, value);
        known.or_else(|| self.missing_left.as_ref().map(|left| !left[position]))
    }

    /// The depth of a tree's deepest leaf.
    pub(crate) fn levels(&self, index: usize) -> u32 {
        let (first, nodes) = self.tree(index);
        depths(nodes, first).into_iter().max().unwrap_or(0).min(DEEPEST)
    }

    fn kind(&self) -> Kind {
        let tests = self.nodes.iter().enumerate().filter(|(position, node)| !node.is_leaf(*position)).map(|(_, node)| node.test());
        let (mut numbers, mut subsets, mut planes) = (false, false, false);
        tests.for_each(|test| match test {
            Test::Number(_) => numbers = true,
            Test::Subset(..) => subsets = true,
            Test::Plane(_) => planes = true,
        });
        match (numbers, subsets, planes) {
            (_, false, false) => Kind::Numbers,
            (false, false, true) => Kind::Planes,
            (_, true, false) => Kind::Subsets,
            _ => Kind::Mixed,
        }
    }

    /// The score of a row whose path length is `length` on average: 2^(-length / c(sample)), equation 2 of the paper.
    pub(crate) fn raw_score(&self, length: f64) -> f64 {
        exp2(-length / self.search_length)
    }

    /// The mean over the trees of the average path length of the rows that a tree has been grown on.
    pub(crate) fn mean_length(&self) -> f64 {
        self.roots.iter().map(|root| self.lengths[*root as usize]).sum::<f64>() / self.roots.len() as f64
    }
}
