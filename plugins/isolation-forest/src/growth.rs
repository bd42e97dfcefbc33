//! Growing one isolation tree: Liu, Ting and Zhou, "Isolation Forest", ICDM 2008, algorithm 2, and its kinds. What a node is split by is
//! chosen here for one feature; `hyperplane` chooses planes.
//!
//! A row that lacks what a node compares tells nothing there: it goes to a side at random, in proportion to the other rows of the sides.

use crate::category::GROUPS;
use crate::criterion::Criterion;
use crate::plane::Planes;
use crate::random::Random;
use crate::tree::{Node, Tree, between};
use ndarray::ArrayView2;

/// How every tree of a forest is grown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// The training rows, with groups in place of categories' codes.
    pub(crate) rows: ArrayView2<'a, f64>,
    /// For each feature, how many categories it has; empty if all are numbers.
    pub(crate) categories: &'a [u32],
    /// Whether a value of the rows is missing.
    pub(crate) missing: bool,
    /// The depth at which a tree ends.
    pub(crate) deepest: u32,
    /// How many features make a hyperplane; 0 where a node is split by one feature.
    pub(crate) dimensions: usize,
    /// How many hyperplanes are tried for a split that is chosen by a criterion.
    pub(crate) tries: u32,
    /// What a cut along a hyperplane is chosen by; at random if by nothing.
    pub(crate) criterion: Option<Criterion>,
}

impl Plan<'_> {
    pub(crate) fn value(&self, row: u32, feature: u32) -> f64 {
        self.rows[[row as usize, feature as usize]]
    }

    fn is_categorical(&self, feature: u32) -> bool {
        self.categories.get(feature as usize).is_some_and(|count| *count > 0)
    }

    /// Grows a tree on these rows (their positions; a row that is named twice counts twice) with splits on `features` only.
    pub(crate) fn grow(&self, sample: &mut [u32], features: &mut [u32], random: &mut Random) -> Tree {
        let mut growth = Growth {
            plan: *self,
            features,
            random,
            nodes: vec![Node::leaf(0)],
            planes: Planes::new(self.dimensions),
            waiting: vec![Waiting { first: 0, end: sample.len(), depth: 0 }],
        };
        let mut position = 0;
        while let Some(&Waiting { first, end, depth }) = growth.waiting.get(position) {
            if depth < self.deepest {
                growth.split(position, &mut sample[first..end]);
            }
            position += 1;
        }
        let reached = growth.waiting.iter().map(|node| (node.end - node.first) as u32).collect();
        Tree { nodes: growth.nodes, reached, planes: growth.planes }
    }
}

/// A node's rows, as a range of the sample.
struct Waiting {
    first: usize,
    end: usize,
    depth: u32,
}

/// A tree while it grows, breadth first: `nodes` and `waiting` have one entry for each node.
pub(crate) struct Growth<'p, 'a> {
    pub(crate) plan: Plan<'p>,
    features: &'a mut [u32],
    pub(crate) random: &'a mut Random,
    nodes: Vec<Node>,
    pub(crate) planes: Planes,
    waiting: Vec<Waiting>,
}

/// A feature that is not the same in all rows of a node, and the range of its known values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Varying {
    pub(crate) feature: u32,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Growth<'_, '_> {
    fn split(&mut self, position: usize, sample: &mut [u32]) {
        let Some(mut node) = self.choose(sample) else { return };
        let to_left = self.part(&node, sample);
        let Waiting { first, end, depth } = self.waiting[position];
        let left = self.nodes.len();
        node.left = left as u32;
        self.nodes[position] = node;
        self.nodes.extend([Node::leaf(left), Node::leaf(left + 1)]);
        self.waiting.push(Waiting { first, end: first + to_left, depth: depth + 1 });
        self.waiting.push(Waiting { first: first + to_left, end, depth: depth + 1 });
    }

    /// What to split these rows by, so that both sides have some; nothing if that cannot be.
    fn choose(&mut self, sample: &[u32]) -> Option<Node> {
        if sample.len() < 2 {
            return None;
        }
        let mut undrawn = self.features.len();
        let found = self.varying(sample, &mut undrawn)?;
        if self.plan.is_categorical(found.feature) {
            return Some(self.subset(sample, found.feature));
        }
        if self.plan.dimensions > 0
            && let Some(plane) = self.hyperplane(sample)
        {
            return Some(plane);
        }
        // Also where no plane parts the rows, as where a feature's range overflows.
        let threshold = between(found.least, found.greatest, self.random.share());
        Some(Node { threshold, feature: found.feature, left: 0 })
    }

    /// A feature that varies, each such feature with equal probability. Features are drawn without replacement, from the first `undrawn`,
    /// until one varies, which is the first nearly always.
    fn varying(&mut self, sample: &[u32], undrawn: &mut usize) -> Option<Varying> {
        while *undrawn > 0 {
            let drawn = self.random.below(*undrawn);
            *undrawn -= 1;
            self.features.swap(*undrawn, drawn);
            let feature = self.features[*undrawn];
            let (least, greatest) = self.range(sample, feature);
            if least < greatest {
                return Some(Varying { feature, least, greatest });
            }
        }
        None
    }

    /// Up to `count` different numeric features that vary.
    pub(crate) fn varying_numbers(&mut self, sample: &[u32], count: usize) -> Vec<Varying> {
        let mut undrawn = self.features.len();
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            match self.varying(sample, &mut undrawn) {
                Some(varying) if self.plan.is_categorical(varying.feature) => {}
                Some(varying) => found.push(varying),
                None => break,
            }
        }
        found
    }

    /// The range of the known values: `min` and `max` pass a missing one over.
    fn range(&self, sample: &[u32], feature: u32) -> (f64, f64) {
        let values = sample.iter().map(|row| self.plan.value(*row, feature));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| (least.min(value), greatest.max(value)))
    }

    /// A random set of the groups that are there, neither none nor all. Groups that no row here has go where fewer rows go: what has not
    /// been seen is to be isolated early.
    fn subset(&mut self, sample: &[u32], feature: u32) -> Node {
        let groups = || sample.iter().map(|row| self.plan.value(*row, feature)).filter(|group| !group.is_nan()).map(|group| group as u32);
        let present = groups().fold(0_u64, |present, group| present | 1 << group);
        let chosen = loop {
            let chosen = self.random.bits() & present;
            if chosen != 0 && chosen != present {
                break chosen;
            }
        };
        let to_right = groups().filter(|group| chosen >> group & 1 == 1).count();
        let all = (1 << GROUPS) - 1;
        let few_go_right = to_right * 2 < groups().count();
        Node::subset(feature, if few_go_right { chosen | (all & !present) } else { chosen })
    }

    /// Moves the rows that go to the left to the front, and counts them.
    fn part(&mut self, node: &Node, sample: &mut [u32]) -> usize {
        let (plan, planes) = (self.plan, &self.planes);
        let goes_right = |row: u32| node.goes_right(planes, |feature| plan.value(row, feature));
        // Asked for only where a row lacks something: other training draws no more than it did without missing values.
        let share = if plan.missing { share_to_left(sample, goes_right) } else { 0.0 };
        let random = &mut *self.random;
        partition(sample, |row| goes_right(row).map_or_else(|| random.share() < share, |right| !right))
    }
}

/// Of the rows that are known to go one way or the other, the share that goes to the left.
fn share_to_left(sample: &[u32], goes_right: impl Fn(u32) -> Option<bool>) -> f64 {
    let (left, known) =
        sample.iter().filter_map(|row| goes_right(*row)).fold((0, 0), |(left, known), right| (left + u32::from(!right), known + 1));
    f64::from(left) / f64::from(known.max(1))
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
pub(crate) mod tests {
    use super::*;
    use crate::tree::{Test, depths, path_lengths};
    use ndarray::{Array2, array};

    /// A plan of one-feature splits.
    pub(crate) fn plan(rows: &Array2<f64>, deepest: u32) -> Plan<'_> {
        let missing = rows.iter().any(|value| value.is_nan());
        Plan { rows: rows.view(), categories: &[], missing, deepest, dimensions: 0, tries: 1, criterion: None }
    }

    pub(crate) fn grown(plan: &Plan<'_>, seed: u64) -> Tree {
        let mut sample: Vec<u32> = (0..plan.rows.nrows() as u32).collect();
        let mut features: Vec<u32> = (0..plan.rows.ncols() as u32).collect();
        plan.grow(&mut sample, &mut features, &mut Random::of_tree(seed, 0))
    }

    fn grow(rows: &Array2<f64>, deepest: u32, seed: u64) -> Tree {
        grown(&plan(rows, deepest), seed)
    }

    fn leaves(tree: &Tree) -> usize {
        tree.nodes.iter().enumerate().filter(|(position, node)| node.is_leaf(*position)).count()
    }

    #[test]
    fn a_fully_grown_tree_isolates_every_row() {
        let rows = Array2::from_shape_fn((40, 2), |(row, column)| ((row * 17 + column * 5) % 41) as f64);
        let tree = grow(&rows, 40, 3);
        assert_eq!(leaves(&tree), 40);
        assert_eq!(tree.nodes.len(), 79);
    }

    #[test]
    fn no_node_lies_deeper_than_the_limit() {
        let rows = Array2::from_shape_fn((64, 1), |(row, _)| (row as f64).exp());
        assert_eq!(depths(&grow(&rows, 6, 1).nodes, 0).into_iter().max(), Some(6));
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
    fn an_inner_length_is_the_mean_of_its_rows() {
        let rows = Array2::from_shape_fn((50, 2), |(row, column)| ((row * 29 + column * 13) % 53) as f64);
        let tree = grow(&rows, 4, 9);
        let lengths = path_lengths(&tree.nodes, 0, &tree.reached);
        let ends = rows.rows().into_iter().map(|row| {
            let mut position = 0;
            while !tree.nodes[position].is_leaf(position) {
                let node = tree.nodes[position];
                let right = node.goes_right(&tree.planes, |feature| row[feature as usize]).unwrap();
                position = node.left as usize + usize::from(right);
            }
            lengths[position]
        });
        assert!((lengths[0] - ends.sum::<f64>() / 50.0).abs() < 1e-12);
    }

    #[test]
    fn rows_that_lack_a_value_are_shared_out_as_the_others() {
        let mut rows = Array2::from_shape_fn((4_000, 1), |(row, _)| f64::from(u8::from(row % 4 == 0)));
        rows.slice_mut(ndarray::s![2_000.., ..]).fill(f64::NAN);
        let tree = grow(&rows, 1, 0);
        // Half of the rows go by their value, 1,500 of them to the left; of the others about three quarters, five deviations 97.
        assert!(tree.reached[1].abs_diff(3_000) < 97, "{:?}", tree.reached);
        assert_eq!(leaves(&grow(&array![[f64::NAN], [f64::NAN], [1.0]], 5, 0)), 1, "nothing varies");
    }

    #[test]
    fn a_subset_parts_the_groups_and_the_unseen_go_with_the_few() {
        let rows = Array2::from_shape_fn((90, 1), |(row, _)| if row < 80 { (row % 2) as f64 } else { 2.0 });
        let mut sets = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let tree = grown(&Plan { categories: &[10], ..plan(&rows, 1) }, seed);
            let Test::Subset(0, set) = tree.nodes[0].test() else { panic!("{:?}", tree.nodes[0]) };
            assert!((1..7).contains(&(set & 7)), "one side has no rows: {set:b}");
            let unseen = set >> 9 & 1 == 1;
            assert_eq!(unseen, tree.reached[2] < tree.reached[1], "{set:b}");
            sets.insert(set & 7);
        }
        assert_eq!(sets.len(), 6, "every set of groups comes");
    }
}
