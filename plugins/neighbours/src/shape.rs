//! The shape of a tree: which rows belong to which node, a function of their number alone.

/// Rows in a group.
pub(crate) const LANES: usize = 8;

/// Most groups in a leaf.
const LEAF: usize = 4;

/// A complete binary tree above groups of [`LANES`] rows. It needs no pointers: node 1 is the root, the children of node `i` are `2i` and
/// `2i + 1`, and the leaves are the last level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    rows: usize,
    pub(crate) groups: usize,
    /// How many leaves there are, as a power of two.
    pub(crate) levels: u32,
}

impl Shape {
    pub(crate) fn new(rows: usize) -> Self {
        let groups = rows.div_ceil(LANES);
        Self { rows, groups, levels: groups.div_ceil(LEAF).next_power_of_two().ilog2() }
    }

    pub(crate) fn leaves(&self) -> usize {
        1 << self.levels
    }

    /// The groups of a leaf. In 64 bits, because the product leaves 32.
    #[inline(always)]
    pub(crate) fn groups_of_leaf(&self, leaf: usize) -> std::ops::Range<usize> {
        let first = |leaf: usize| ((leaf as u64 * self.groups as u64) >> self.levels) as usize;
        first(leaf)..first(leaf + 1)
    }

    /// The first row of a node and the one behind its last.
    pub(crate) fn rows(&self, node: usize) -> (usize, usize) {
        let levels = self.levels - node.ilog2();
        let leaf = (node << levels) - self.leaves();
        let last = leaf + (1 << levels) - 1;
        let first = self.groups_of_leaf(leaf).start * LANES;
        let end = self.groups_of_leaf(last).end * LANES;
        (first, end.min(self.rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_of_a_level_share_the_rows_out() {
        for rows in [1, 8, 33, 100, 257, 4_097, 2_000_000] {
            let shape = Shape::new(rows);
            for level in 0..=shape.levels {
                let nodes = (1 << level)..(2 << level);
                let end = nodes.fold(0, |end, node| {
                    let (first, next) = shape.rows(node);
                    assert!(first == end && next > first, "{rows} rows, node {node}: {first}..{next}");
                    next
                });
                assert_eq!(end, rows);
            }
        }
    }
}
