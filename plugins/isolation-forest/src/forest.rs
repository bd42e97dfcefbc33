//! The fitted forest: all nodes in one array, and the walk that makes scores of it.

use crate::tree::{Node, Tree, average_path_length, depths};
use synod_sdk::{Error, Reader, Writer};

/// The version of the model's bytes. Raise it whenever [`Forest`]'s fields change.
const FORMAT: u32 = 1;

/// Trees that are walked at a time: a step in one tree waits for memory, and the others' steps fill the wait.
const LANES: usize = 8;

/// Rows that one group of trees scores before the next group: the group stays in the first-level cache.
const BLOCK: usize = 128;

/// Most features of a row: [`BLOCK`] rows still have a length that 32 bits hold.
pub(crate) const WIDTH: usize = 1 << 20;

/// A fitted forest. A node's `left` counts from the forest's first node.
#[derive(Debug)]
pub(crate) struct Forest {
    width: usize,
    /// Rows that each tree has been grown on (psi of the paper), at least 2.
    sample: u32,
    roots: Vec<u32>,
    nodes: Vec<Node>,
    /// For each node, the average path length of the training rows that reached it.
    lengths: Vec<f64>,
    groups: Vec<Group>,
}

/// Up to [`LANES`] trees that are walked together. Lanes without a tree repeat the last one, and do not count.
#[derive(Debug)]
struct Group {
    roots: [u32; LANES],
    trees: usize,
    /// The depth of the group's deepest leaf.
    levels: u32,
}

impl Forest {
    /// Joins trees of `width` features, each grown on `sample` rows.
    pub(crate) fn new(width: usize, sample: u32, trees: impl IntoIterator<Item = Tree>) -> Self {
        let mut forest = Self { width, sample, roots: Vec::new(), nodes: Vec::new(), lengths: Vec::new(), groups: Vec::new() };
        for tree in trees {
            let root = forest.nodes.len() as u32;
            forest.roots.push(root);
            forest.nodes.extend(tree.nodes.into_iter().map(|node| Node { left: node.left + root, ..node }));
            forest.lengths.extend(tree.lengths);
        }
        forest.group();
        forest
    }

    /// How many features a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The nodes of the tree with this index, and the position of the first.
    fn tree(&self, index: usize) -> (usize, &[Node]) {
        let first = self.roots[index] as usize;
        let end = self.roots.get(index + 1).map_or(self.nodes.len(), |next| *next as usize);
        (first, &self.nodes[first..end])
    }

    fn group(&mut self) {
        let levels: Vec<u32> = (0..self.roots.len()).map(|index| self.levels(index)).collect();
        let groups = self.roots.chunks(LANES).zip(levels.chunks(LANES)).map(|(roots, levels)| Group {
            roots: std::array::from_fn(|lane| roots[lane.min(roots.len() - 1)]),
            trees: roots.len(),
            levels: levels.iter().copied().max().unwrap_or(0),
        });
        self.groups = groups.collect();
    }

    fn levels(&self, index: usize) -> u32 {
        let (first, nodes) = self.tree(index);
        let own: Vec<Node> = nodes.iter().map(|node| Node { left: node.left - first as u32, ..*node }).collect();
        depths(&own).into_iter().max().unwrap_or(0)
    }

    /// Raw scores of whole rows that lie one behind the other.
    pub(crate) fn score(&self, rows: &[f64]) -> Vec<f64> {
        match self.width {
            ..=8 => self.score_padded::<8>(rows),
            9..=16 => self.score_padded::<16>(rows),
            17..=32 => self.score_padded::<32>(rows),
            33..=64 => self.score_padded::<64>(rows),
            _ => self.score_blocks(rows, |row| row, |row: &&[f64], feature| row[feature as usize]),
        }
    }

    /// Scores rows of up to `N` features, a power of two. A row is copied into an array of that length, because the remainder by `N` is
    /// cheaper than a test whether a slice has this feature: it is the innermost step.
    fn score_padded<const N: usize>(&self, rows: &[f64]) -> Vec<f64> {
        let padded = |row: &[f64]| -> [f64; N] { std::array::from_fn(|feature| row.get(feature).copied().unwrap_or(0.0)) };
        self.score_blocks(rows, padded, |row, feature| row[feature as usize % N])
    }

    /// Scores rows by `copy`, made once for a row, from which `value` takes a feature.
    fn score_blocks<'a, R>(&self, rows: &'a [f64], copy: impl Fn(&'a [f64]) -> R, value: impl Fn(&R, u32) -> f64) -> Vec<f64> {
        let mut scores = Vec::with_capacity(rows.len() / self.width);
        for block in rows.chunks(self.width * BLOCK) {
            let first = scores.len();
            scores.resize(first + block.len() / self.width, 0.0);
            let copies: Vec<R> = block.chunks_exact(self.width).map(&copy).collect();
            for group in &self.groups {
                for (row, length) in copies.iter().zip(&mut scores[first..]) {
                    *length += self.length(group, |feature| value(row, feature));
                }
            }
        }
        scores.iter_mut().for_each(|length| *length = self.raw_score(*length / self.roots.len() as f64));
        scores
    }

    /// A row's path length, summed over the trees of a group.
    #[inline(always)]
    fn length(&self, group: &Group, value: impl Fn(u32) -> f64) -> f64 {
        let mut at = group.roots;
        for _ in 0..group.levels {
            for position in &mut at {
                let node = &self.nodes[*position as usize];
                *position = node.left + u32::from(value(node.feature) > node.threshold);
            }
        }
        let lengths = at.iter().map(|position| self.lengths[*position as usize]);
        // Starts at +0: the sum of nothing is -0.
        lengths.take(group.trees).fold(0.0, |sum, length| sum + length)
    }

    /// The score of a row whose path length is `length` on average: 2^(-length / c(sample)), equation 2 of the paper.
    pub(crate) fn raw_score(&self, length: f64) -> f64 {
        (-length / average_path_length(self.sample)).exp2()
    }

    /// The mean over the trees of the average path length of the rows that a tree has been grown on.
    pub(crate) fn mean_length(&self) -> f64 {
        self.roots.iter().map(|root| self.lengths[*root as usize]).sum::<f64>() / self.roots.len() as f64
    }

    /// What each feature contributed to one row's raw score. See [the detector](crate::IsolationForest) for what it means.
    pub(crate) fn explain(&self, row: &[f64]) -> Vec<f64> {
        let mut saved = vec![0.0; self.width];
        let mut length = 0.0;
        for root in &self.roots {
            length += self.follow(*root as usize, row, &mut saved);
        }
        let trees = self.roots.len() as f64;
        let (length, usual) = (length / trees, self.mean_length());
        let score_per_length = (self.raw_score(length) - self.raw_score(usual)) / (usual - length);
        // At the usual length itself the quotient is 0 / 0; its limit is the derivative.
        let derivative = self.raw_score(usual) * std::f64::consts::LN_2 / average_path_length(self.sample);
        let slope = if (usual - length).abs() > 1e-9 { score_per_length } else { derivative };
        saved.iter().map(|saved| saved / trees * slope).collect()
    }

    /// Walks one tree, adds to each split's feature by how much the split shortened the expected path, and returns the path's length.
    fn follow(&self, root: usize, row: &[f64], saved: &mut [f64]) -> f64 {
        let mut position = root;
        while !self.nodes[position].is_leaf(position) {
            let node = self.nodes[position];
            let next = node.next(row) as usize;
            saved[node.feature as usize] += self.lengths[position] - self.lengths[next];
            position = next;
        }
        self.lengths[position]
    }

    /// The model's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        writer.number(self.width as u64).number(u64::from(self.sample)).numbers(&self.roots);
        writer.numbers(&self.nodes.iter().map(|node| node.feature).collect::<Vec<_>>());
        writer.numbers(&self.nodes.iter().map(|node| node.left).collect::<Vec<_>>());
        writer.reals(&self.nodes.iter().map(|node| node.threshold).collect::<Vec<_>>()).reals(&self.lengths);
        writer.finish()
    }

    /// The inverse of [`Forest::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are no forest whose every walk ends at a leaf of its tree.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let (width, sample) = (reader.number()?, reader.number()?);
        let (roots, features, lefts) = (reader.numbers()?, reader.numbers()?, reader.numbers()?);
        let (thresholds, lengths) = (reader.reals()?, reader.reals()?);
        reader.finish()?;
        check(features.len() == lefts.len() && lefts.len() == thresholds.len() && thresholds.len() == lengths.len(), "arrays of nodes")?;
        let parts = thresholds.into_iter().zip(features).zip(lefts);
        let nodes = parts.map(|((threshold, feature), left)| Node { threshold, feature, left }).collect();
        let (width, sample) = (usize::try_from(width).unwrap_or(0), u32::try_from(sample).unwrap_or(0));
        let mut forest = Self { width, sample, roots, nodes, lengths, groups: Vec::new() };
        forest.check()?;
        forest.group();
        Ok(forest)
    }

    /// Whether everything holds that a walk relies on.
    fn check(&self) -> Result<(), Error> {
        check((1..=WIDTH).contains(&self.width), "width")?;
        check(self.sample >= 2, "sample size")?;
        check(self.roots.first() == Some(&0) && self.roots.is_sorted_by(|one, next| one < next), "roots")?;
        check(self.roots.last().is_some_and(|root| (*root as usize) < self.nodes.len()), "roots")?;
        check(self.lengths.iter().all(|length| length.is_finite() && *length >= 0.0), "path lengths")?;
        for index in 0..self.roots.len() {
            let (first, nodes) = self.tree(index);
            let sound = nodes.iter().zip(first..).all(|(node, position)| self.is_sound(node, position, first + nodes.len()));
            check(sound, "nodes")?;
        }
        Ok(())
    }

    /// A leaf holds every row; both children of another node lie behind it and in its own tree, which ends at `end`.
    fn is_sound(&self, node: &Node, position: usize, end: usize) -> bool {
        let left = node.left as usize;
        let leaf = left == position && node.threshold == f64::INFINITY;
        let inner = left > position && left < end - 1 && node.threshold.is_finite();
        (leaf || inner) && (node.feature as usize) < self.width
    }
}

fn check(holds: bool, what: &str) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Model(format!("the model's {what} are damaged: fit it again"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Damage = fn(&mut Forest);

    fn stump(feature: u32, threshold: f64) -> Tree {
        Tree::new(vec![Node { threshold, feature, left: 1 }, Node::leaf(1), Node::leaf(2)], &[4, 1, 3])
    }

    fn forest(trees: usize) -> Forest {
        Forest::new(2, 4, (0..trees).map(|index| stump(index as u32 % 2, index as f64)))
    }

    #[test]
    fn a_score_follows_from_the_mean_path_length() {
        // Trees 0 to 10: a row of 2.5s goes right in trees 0, 1 and 2, to a leaf of three rows.
        let length = (3.0 * (1.0 + average_path_length(3)) + 8.0) / 11.0;
        let expected = 2.0_f64.powf(-length / average_path_length(4));
        assert!((forest(11).score(&[2.5, 2.5])[0] - expected).abs() < 1e-15);
    }

    #[test]
    fn a_value_at_the_threshold_goes_left() {
        let forest = Forest::new(1, 4, [stump(0, 1.0)]);
        let scores = forest.score(&[1.0, 1.0_f64.next_up()]);
        assert!(scores[0] > scores[1], "the left leaf is the shorter path: {scores:?}");
    }

    #[test]
    fn any_damage_to_the_nodes_is_found() {
        let damages: [(&str, Damage); 11] = [
            ("a child before its parent", |forest| forest.nodes[3].left = 1),
            ("a child in the next tree", |forest| forest.nodes[0].left = 2),
            ("a child behind the end", |forest| forest.nodes[6].left = 8),
            ("a feature that no row has", |forest| forest.nodes[3].feature = 2),
            ("a threshold without order", |forest| forest.nodes[0].threshold = f64::NAN),
            ("a leaf that lets rows out", |forest| forest.nodes[8].threshold = 1.0),
            ("no path length", |forest| forest.lengths[1] = f64::NAN),
            ("roots out of order", |forest| forest.roots.swap(1, 2)),
            ("a root behind the end", |forest| forest.roots[2] = 9),
            ("a sample without a path length", |forest| forest.sample = 1),
            ("no features", |forest| forest.width = 0),
        ];
        assert!(Forest::from_bytes(&forest(3).to_bytes()).is_ok());
        for (what, damage) in damages {
            let mut damaged = forest(3);
            damage(&mut damaged);
            assert!(matches!(Forest::from_bytes(&damaged.to_bytes()), Err(Error::Model(_))), "{what}");
        }
    }
}
