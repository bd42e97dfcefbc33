//! How the trees divide the space: drawn once, at the first fit, and never remembered node by node. What a node divides follows from the seed,
//! the node's number and the way to it.

use crate::parameters::Splits;
use crate::random::Random;

/// How much of either end of a range a random split leaves alone, as in river.
const PADDING: f64 = 0.15;

/// What is left of a feature's range, 0 being the least value and 1 the greatest of the rows that it was learnt from.
pub(crate) type Range = [f64; 2];

/// What a node divides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Split {
    /// The feature's place among the ranges.
    pub(crate) place: usize,
    /// Where its range is divided.
    pub(crate) at: f64,
    /// The feature in a row, and the value from which a row is on the right.
    pub(crate) feature: u32,
    pub(crate) threshold: f64,
}

/// How the trees divide the space. Nodes are numbered as in a heap: the root is 1, the children of `n` are `2 n` and `2 n + 1`.
pub(crate) trait Space {
    /// The ranges with which a tree begins.
    fn ranges(&self, tree: u32) -> Vec<Range>;
    /// What a node divides, given what is left of the ranges there.
    fn split(&self, tree: u32, node: u32, ranges: &[Range]) -> Split;
}

/// The number of the leaf to which a row comes, counted from the left.
pub(crate) fn leaf<S: Space>(space: &S, tree: u32, height: u32, row: &[f64]) -> u32 {
    let mut ranges = space.ranges(tree);
    let mut node = 1;
    for _ in 0..height {
        let split = space.split(tree, node, &ranges);
        let right = row[split.feature as usize] >= split.threshold;
        ranges[split.place][usize::from(!right)] = split.at;
        node = 2 * node + u32::from(right);
    }
    node - (1 << height)
}

/// Ranges of features, and a seed that divides them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawn {
    pub(crate) seed: u64,
    pub(crate) splits: Splits,
    /// The features that are divided, in ascending order: those that are numbers.
    pub(crate) features: Vec<u32>,
    /// Their least values, and from there to their greatest ones.
    pub(crate) least: Vec<f64>,
    pub(crate) spans: Vec<f64>,
}

impl Space for Drawn {
    /// `middle` begins with the paper's work range: around a random point of the values, twice as far as the farther end of them.
    fn ranges(&self, tree: u32) -> Vec<Range> {
        let random = Random::of_tree(self.seed, tree);
        let work = |place: usize| {
            // Beyond the places of all nodes.
            let point = random.share((1 << 40) + place as u64);
            let reach = 2.0 * point.max(1.0 - point);
            [point - reach, point + reach]
        };
        match self.splits {
            Splits::Middle => (0..self.features.len()).map(work).collect(),
            Splits::Random => vec![[0.0, 1.0]; self.features.len()],
        }
    }

    fn split(&self, tree: u32, node: u32, ranges: &[Range]) -> Split {
        let random = Random::of_tree(self.seed, tree);
        let (first, second) = (2 * u64::from(node), 2 * u64::from(node) + 1);
        let (place, at) = match self.splits {
            Splits::Middle => {
                let place = random.below(first, ranges.len());
                (place, ranges[place][0] / 2.0 + ranges[place][1] / 2.0)
            }
            Splits::Random => {
                let place = by_width(ranges, random.share(first));
                let [low, high] = ranges[place];
                let padding = PADDING * (high - low);
                (place, low + padding + random.share(second) * (high - low - 2.0 * padding))
            }
        };
        Split { place, at, feature: self.features[place], threshold: self.least[place] + at * self.spans[place] }
    }
}

/// The place of a range that is drawn in proportion to its width.
fn by_width(ranges: &[Range], share: f64) -> usize {
    let width = |range: &Range| range[1] - range[0];
    let mut left = share * ranges.iter().map(width).sum::<f64>();
    let drawn = ranges.iter().position(|range| {
        left -= width(range);
        left < 0.0
    });
    drawn.unwrap_or(ranges.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(splits: Splits, width: u32) -> Drawn {
        let count = width as usize;
        Drawn { seed: 5, splits, features: (0..width).collect(), least: vec![-3.0; count], spans: vec![10.0; count] }
    }

    #[test]
    fn work_ranges_hold_all_values() {
        let space = drawn(Splits::Middle, 50);
        for range in (0..20).flat_map(|tree| space.ranges(tree)) {
            assert!(range[0] <= 0.0 && range[1] >= 1.0 && (2.0..=4.0).contains(&(range[1] - range[0])), "{range:?}");
        }
        assert_ne!(space.ranges(0), space.ranges(1));
    }

    #[test]
    fn splits_lie_within_their_ranges() {
        for splits in [Splits::Middle, Splits::Random] {
            let space = drawn(splits, 3);
            let mut drawn = [0_u32; 3];
            for node in 1..3000 {
                let ranges = [[0.1, 0.5], [-0.2, 0.2], [0.9, 1.0]];
                let split = space.split(1, node, &ranges);
                let [low, high] = ranges[split.place];
                assert!(split.at > low && split.at < high && (split.threshold - (split.at * 10.0 - 3.0)).abs() < 1e-12, "{split:?}");
                drawn[split.place] += 1;
            }
            let expected = if splits == Splits::Middle { [1000, 1000, 1000] } else { [1333, 1333, 333] };
            // Five standard deviations of a binomial count are at most 137.
            assert!(drawn.iter().zip(expected).all(|(count, expected)| count.abs_diff(expected) < 137), "{drawn:?}");
        }
    }

    #[test]
    fn a_row_comes_to_the_leaf_that_its_values_say() {
        let space = drawn(Splits::Random, 1);
        let leaves: Vec<u32> = (0..1000).map(|step| leaf(&space, 3, 6, &[-3.0 + f64::from(step) / 100.0])).collect();
        assert!(leaves.is_sorted() && leaves[0] == 0 && leaves[999] == 63);
        assert!(leaf(&space, 3, 6, &[f64::MAX]) == 63 && leaf(&space, 3, 6, &[f64::MIN]) == 0);
    }
}
