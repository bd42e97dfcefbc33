//! A forest of numbers, made ready for a fast walk: bundles of three levels, whose seven nodes are compared by one instruction, with ranks
//! in place of values. The bundles are those of Kim and others, "FAST: Fast Architecture Sensitive Tree Search on Modern CPUs and GPUs",
//! SIGMOD 2010, section 4, for trees whose nodes compare different features.

use crate::forest::{Forest, Group, Kind, LANES};
use crate::lanes::{EIGHT, Eight, Places, Row, above};
use crate::ranks::Ranks;
use crate::walk::in_blocks;

/// Levels of nodes in a bundle.
const LEVELS: u32 = 3;

/// Levels of nodes that a walk begins with: three nodes, of which two trees' are compared at once.
const TOP_LEVELS: u32 = 2;

/// Most features of a row: four registers of ranks.
const WIDTH: usize = 4 * EIGHT;

/// Most places of all trees: up to 40 MB of bundles and path lengths.
const PLACES: usize = 1 << 20;

/// For the comparisons of a bundle's nodes, the lowest bit the first node's, to which of its eight exits they lead. The eighth bit means nothing.
const EXITS: [u8; 256] = exits(LEVELS);

/// The same for a tree's first two levels. The fourth bit means nothing.
const TOP_EXITS: [u8; 16] = exits(TOP_LEVELS);

const fn exits<const N: usize>(levels: u32) -> [u8; N] {
    let (mut exits, mut bits) = ([0; N], 0);
    while bits < N {
        let (mut node, mut level) = (0, 0);
        while level < levels {
            node = 2 * node + 1 + (bits >> node & 1);
            level += 1;
        }
        exits[bits] = (node + 1 - (1 << levels)) as u8;
        bits += 1;
    }
    exits
}

/// Seven nodes: what they compare, and the ranks of their thresholds. In the eighth place is the place, among its octet's, of the first exit.
#[derive(Debug, Clone, Copy)]
struct Bundle {
    places: Places,
    limits: Eight,
}

/// Eight trees that are walked together, or fewer and leaves of length 0. Their places are numbered: first, for each tree, those of the four
/// ways out of its first two levels; then the exits of bundles, round by round. What has arrived at a leaf before the last round is kept by
/// a bundle whose first exit is itself.
#[derive(Debug)]
struct Octet {
    /// The first two levels of two trees each: three nodes in the lower half, three in the upper.
    tops: [(Places, Eight); LANES / 2],
    /// For each place but those that only the last round leads to.
    bundles: Vec<Bundle>,
    /// For each place, if it is a leaf's, its path length.
    lengths: Vec<f64>,
    rounds: u32,
}

/// How many registers hold the ranks of a row.
fn eights(width: usize) -> usize {
    width.div_ceil(EIGHT).next_power_of_two()
}

/// The forest.
#[derive(Debug)]
pub(crate) struct Bundles {
    ranks: Ranks,
    octets: Vec<Octet>,
}

impl Bundles {
    /// Of a forest that has been measured. Nothing if it does not suit: not of numbers alone, too wide or too large.
    pub(crate) fn new(forest: &Forest) -> Option<Self> {
        if forest.kind != Kind::Numbers || forest.shape.width > WIDTH {
            return None;
        }
        let mut thresholds = vec![Vec::new(); forest.shape.width];
        let inner = forest.nodes.iter().enumerate().filter(|(position, node)| !node.is_leaf(*position));
        inner.for_each(|(_, node)| thresholds[node.feature as usize].push(node.threshold));
        let ranks = Ranks::new(thresholds)?;
        let (mut octets, mut places) = (Vec::with_capacity(forest.groups.len()), 0);
        for group in &forest.groups {
            let octet = Octet::new(forest, &ranks, group)?;
            places += octet.lengths.len();
            if places > PLACES {
                return None;
            }
            octets.push(octet);
        }
        Some(Self { ranks, octets })
    }

    /// Path lengths, summed over the trees, of rows of `width` values.
    pub(crate) fn lengths(&self, rows: &[f64], width: usize) -> Vec<f64> {
        match eights(width) {
            1 => self.lengths_of::<1>(rows, width),
            2 => self.lengths_of::<2>(rows, width),
            _ => self.lengths_of::<4>(rows, width),
        }
    }

    fn lengths_of<const N: usize>(&self, rows: &[f64], width: usize) -> Vec<f64> {
        in_blocks(rows, width, &self.octets, |row| self.ranks.of_row::<N>(row), Octet::length)
    }
}

impl Octet {
    /// Of a group of trees. Nothing if it is too large.
    fn new(forest: &Forest, ranks: &Ranks, group: &Group) -> Option<Self> {
        let root = |lane: usize| (lane < group.trees).then(|| group.roots[lane] as usize);
        let tops: [_; LANES] = std::array::from_fn(|lane| Nodes::<3, 4>::new(forest, ranks, root(lane)));
        let mut nodes: Vec<Option<usize>> = tops.iter().flat_map(|top| top.exits).collect();
        let eights = eights(forest.shape.width);
        let tops = std::array::from_fn(|pair| {
            let place = |lane: usize| tops[2 * pair + lane / 4].places.get(lane % 4).copied().unwrap_or(0);
            let limit = |lane: usize| tops[2 * pair + lane / 4].limits.get(lane % 4).copied().unwrap_or(Ranks::NEVER);
            (Places::new(std::array::from_fn(place), eights), Eight::new(std::array::from_fn(limit)))
        });
        let rounds = group.levels.saturating_sub(TOP_LEVELS).div_ceil(LEVELS);
        let mut bundles = Vec::new();
        for _ in 0..rounds {
            for place in bundles.len()..nodes.len() {
                let (bundle, exits) = Bundle::new(forest, ranks, nodes[place], (place, nodes.len()));
                bundles.push(bundle);
                nodes.extend(exits.into_iter().flatten());
            }
            if nodes.len() > usize::from(u16::MAX) {
                return None;
            }
        }
        // No walk ends at an inner node.
        let lengths = nodes.iter().map(|node| node.map_or(0.0, |node| forest.lengths[node])).collect();
        Some(Self { tops, bundles, lengths, rounds })
    }

    /// A row's path length, summed over the trees.
    #[inline(always)]
    fn length<const N: usize>(&self, row: &Row<N>) -> f64 {
        // All places are there. Were a missing one to be named by a panic, each would need a branch of its own, and those that are taken cost
        // a call up to twice the time.
        self.length_of_places(row).unwrap_or(f64::NAN)
    }

    /// The same, if all places are there.
    #[inline(always)]
    fn length_of_places<const N: usize>(&self, row: &Row<N>) -> Option<f64> {
        let [a, b, c, d] = self.tops;
        let tops = [above(row, a, b), above(row, c, d)];
        let mut at: [u32; LANES] = std::array::from_fn(|lane| {
            let bits = tops[lane / 4] >> (4 * (lane % 4)) & 15;
            4 * lane as u32 + u32::from(TOP_EXITS[usize::from(bits)])
        });
        for _ in 0..self.rounds {
            // Not a loop: one of so much work would be kept, and with it the places in memory.
            (at[0], at[1]) = self.advance(row, at[0], at[1])?;
            (at[2], at[3]) = self.advance(row, at[2], at[3])?;
            (at[4], at[5]) = self.advance(row, at[4], at[5])?;
            (at[6], at[7]) = self.advance(row, at[6], at[7])?;
        }
        // Starts at +0: the sum of nothing is -0.
        at.iter().try_fold(0.0, |sum, place| Some(sum + self.lengths.get(*place as usize)?))
    }

    /// From two trees' places to the next ones.
    #[inline(always)]
    fn advance<const N: usize>(&self, row: &Row<N>, one: u32, other: u32) -> Option<(u32, u32)> {
        let (one, other) = (self.bundles.get(one as usize)?, self.bundles.get(other as usize)?);
        let bits = above(row, (one.places, one.limits), (other.places, other.limits));
        Some((one.exit(bits & 255), other.exit(bits >> 8)))
    }
}

impl Bundle {
    /// The place to which comparisons lead.
    #[inline(always)]
    fn exit(&self, bits: u16) -> u32 {
        u32::from(self.limits.last()) + u32::from(EXITS[usize::from(bits)])
    }

    /// The three levels from this node on, which has the place `own`, and their exits, whose places begin at `next`. A leaf has none.
    fn new(forest: &Forest, ranks: &Ranks, node: Option<usize>, (own, next): (usize, usize)) -> (Self, Option<[Option<usize>; EIGHT]>) {
        let Nodes { places: [a, b, c, d, e, f, g], limits: [h, i, j, k, l, m, n], exits } = Nodes::<7, 8>::new(forest, ranks, node);
        let goes_on = node.is_some_and(|node| !forest.nodes[node].is_leaf(node));
        let first = if goes_on { next } else { own } as u16 as i16;
        let bundle = Self {
            places: Places::new([a, b, c, d, e, f, g, 0], eights(forest.shape.width)),
            limits: Eight::new([h, i, j, k, l, m, n, first]),
        };
        (bundle, goes_on.then_some(exits))
    }
}

/// The nodes of some levels, `EXITS` - 1 of them, and the nodes to which they lead.
struct Nodes<const COUNT: usize, const EXITS: usize> {
    places: [u8; COUNT],
    limits: [i16; COUNT],
    exits: [Option<usize>; EXITS],
}

impl<const COUNT: usize, const EXITS: usize> Nodes<COUNT, EXITS> {
    /// From this node on. Where there are fewer levels, all rows go left.
    fn new(forest: &Forest, ranks: &Ranks, node: Option<usize>) -> Self {
        let (mut places, mut limits) = ([0; COUNT], [Ranks::NEVER; COUNT]);
        let mut nodes = vec![node];
        for at in 0..COUNT {
            let inner = nodes[at].map(|node| (node, forest.nodes[node])).filter(|(position, node)| !node.is_leaf(*position));
            let children = inner.map(|(_, node)| {
                places[at] = node.feature as u8;
                limits[at] = ranks.of_threshold(node.feature as usize, node.threshold);
                [Some(node.left as usize), Some(node.left as usize + 1)]
            });
            nodes.extend(children.unwrap_or([nodes[at], None]));
        }
        Self { places, limits, exits: std::array::from_fn(|exit| nodes[COUNT + exit]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IsolationForest, Parameters, Split};
    use ndarray::Array2;
    use proptest::prelude::*;
    use synod_sdk::{Detector, Training};

    fn fit(parameters: &Parameters, rows: &Array2<f64>) -> Forest {
        IsolationForest::fit(parameters, &Training::new(rows.view(), 7)).unwrap().0
    }

    fn bits(lengths: &[f64]) -> Vec<u64> {
        lengths.iter().map(|length| length.to_bits()).collect()
    }

    /// Rows of 1 to 32 features with many ties.
    fn rows() -> impl Strategy<Value = Array2<f64>> {
        (1_usize..=WIDTH, 2_usize..200).prop_flat_map(|(width, count)| {
            let value = prop_oneof![(-9_i32..9).prop_map(f64::from), -1.0..1.0, Just(-0.0)];
            prop::collection::vec(value, width * count).prop_map(move |values| Array2::from_shape_vec((count, width), values).unwrap())
        })
    }

    fn parameters() -> impl Strategy<Value = Parameters> {
        (1_u32..20, 2_u32..200, prop::option::of(1_u32..13)).prop_map(|(trees, sample, max_depth)| Parameters {
            trees,
            max_samples: f64::from(sample),
            max_depth,
            ..Parameters::default()
        })
    }

    proptest! {
        #[test]
        fn bundles_lead_to_the_leaves_of_the_nodes(parameters in parameters(), rows in rows()) {
            let forest = fit(&parameters, &rows);
            let bundles = Bundles::new(&forest).unwrap();
            let rows = (&rows * 1.25).into_raw_vec_and_offset().0;
            prop_assert_eq!(bits(&bundles.lengths(&rows, forest.shape.width)), bits(&forest.walked(&rows)));
        }
    }

    /// 512 rows, of one feature each.
    fn column() -> Array2<f64> {
        Array2::from_shape_fn((512, 1), |(row, _)| f64::from(row as u32).powi(2))
    }

    #[test]
    fn trees_of_any_depth() {
        let rows = column();
        for depth in 1..=64 {
            let forest = fit(&Parameters { trees: 9, max_samples: 1.0, max_depth: Some(depth), ..Parameters::default() }, &rows);
            let values = rows.as_slice().unwrap();
            let lengths = Bundles::new(&forest).unwrap().lengths(values, 1);
            assert_eq!(bits(&lengths), bits(&forest.walked(values)), "max_depth: {depth}");
        }
    }

    #[test]
    fn forests_that_do_not_suit_are_left_as_they_are() {
        let wide = |width: usize| {
            fit(&Parameters { trees: 2, ..Parameters::default() }, &Array2::from_shape_fn((9, width), |(row, _)| row as f64))
        };
        assert!(Bundles::new(&wide(WIDTH)).is_some() && Bundles::new(&wide(WIDTH + 1)).is_none());
        let planes = Parameters { trees: 2, split: Split::Extended, ..Parameters::default() };
        assert!(Bundles::new(&fit(&planes, &Array2::from_shape_fn((9, 2), |(row, _)| row as f64))).is_none());
        // A tree of many thousand leaves has more places than are numbered.
        let deep = Parameters { trees: 2, max_samples: 1.0, max_depth: Some(64), ..Parameters::default() };
        assert!(Bundles::new(&fit(&deep, &Array2::from_shape_fn((20_000, 1), |(row, _)| row as f64))).is_none());
    }
}
