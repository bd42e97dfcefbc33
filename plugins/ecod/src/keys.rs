//! Sorted values, laid out so that a value is found among them with few cache lines and no branch: a static B+ tree (Rao and Ross, "Cache
//! Conscious Indexing for Decision-Support in Main Memory", VLDB 1999), of which each node is as large as a cache line.

/// Values that are looked up together: one waits for memory while the others go on.
pub(crate) const LANES: usize = 8;

/// Keys of a node; it has one child more.
const KEYS: usize = 8;
const CHILDREN: usize = KEYS + 1;

/// Keys in ascending order; infinite where there are no more.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Node([f64; KEYS]);

impl Node {
    const EMPTY: Self = Self([f64::INFINITY; KEYS]);

    /// How many of the keys are smaller.
    #[inline(always)]
    fn smaller(&self, value: f64) -> usize {
        self.0.iter().map(|key| usize::from(*key < value)).sum()
    }
}

/// A search tree over sorted, different values.
#[derive(Debug)]
pub(crate) struct Keys {
    /// From the root down. The last level is the values themselves. In those above, key `i` of a node is the greatest value below child `i`, if
    /// there is a child after that.
    levels: Vec<Vec<Node>>,
}

impl Keys {
    /// Lays out finite values.
    pub(crate) fn new(sorted: &[f64]) -> Self {
        let mut leaves = vec![Node::EMPTY; sorted.len().div_ceil(KEYS).max(1)];
        leaves.iter_mut().flat_map(|leaf| &mut leaf.0).zip(sorted).for_each(|(key, value)| *key = *value);
        let mut levels = vec![leaves];
        // How many values lie below a child of the level that is made.
        let mut below = KEYS;
        while levels[0].len() > 1 {
            let children = levels[0].len();
            let mut nodes = vec![Node::EMPTY; children.div_ceil(CHILDREN)];
            for child in (0..children - 1).filter(|child| child % CHILDREN < KEYS) {
                nodes[child / CHILDREN].0[child % CHILDREN] = sorted[(child + 1) * below - 1];
            }
            levels.insert(0, nodes);
            below *= CHILDREN;
        }
        Self { levels }
    }

    /// For each value twice the number of smaller keys, and one more if it is a key. A missing value is smaller than all keys.
    #[inline(always)]
    pub(crate) fn find<const N: usize>(&self, values: [f64; N]) -> [usize; N] {
        let Some((leaves, levels)) = self.levels.split_last() else { return [0; N] };
        let mut at = [0; N];
        for level in levels {
            for lane in 0..N {
                at[lane] = at[lane] * CHILDREN + level[at[lane]].smaller(values[lane]);
            }
        }
        std::array::from_fn(|lane| {
            let (leaf, value) = (&leaves[at[lane]], values[lane]);
            let smaller = leaf.smaller(value);
            // The key that follows the smaller ones is in the same leaf: only what is greater than all keys has none.
            let equal = leaf.0[smaller % KEYS] == value;
            2 * (at[lane] * KEYS + smaller) + usize::from(equal)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_place() {
        for count in [1, 2, 7, 8, 9, 72, 73, 80, 648, 649, 4095, 5000, 65_535] {
            let sorted: Vec<f64> = (0..count).map(|index| f64::from(index) * 3.0 - 7.0).collect();
            let keys = Keys::new(&sorted);
            for (index, key) in sorted.iter().enumerate().step_by(1 + sorted.len() / 500) {
                let values = [*key, key - 1.0, key + 1.0, f64::NAN, f64::MIN, f64::MAX, f64::NEG_INFINITY, sorted[0]];
                let last = 2 * sorted.len();
                let expected = [2 * index + 1, 2 * index, 2 * index + 2, 0, 0, last, 0, 1];
                assert_eq!(keys.find(values), expected, "{count} keys, {key}");
                assert_eq!(values.map(|value| keys.find([value])[0]), expected, "alone, {count} keys, {key}");
                // An infinity equals what the nodes are filled up with: beyond the last key in any case.
                assert!(keys.find([f64::INFINITY])[0] >= last);
            }
        }
        assert_eq!(Keys::new(&[]).find([1.0, f64::NAN]), [0, 0]);
    }
}
