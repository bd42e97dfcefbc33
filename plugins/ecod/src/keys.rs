//! Sorted values, laid out so that eight of them are looked up together without a branch: a complete search tree, breadth first (Khuong and
//! Morin, "Array Layouts for Comparison-Based Searching", 2017, section 2.3).

/// Values that are looked up together: one waits for memory while the others go on.
pub(crate) const LANES: usize = 8;

/// A complete search tree over sorted, different values.
#[derive(Debug)]
pub(crate) struct Keys {
    /// The root is at 1, the children of `i` at `2i` and `2i + 1`. A power of two, of those that [`Keys::find`] knows; what is beyond the
    /// values is infinite.
    tree: Vec<f64>,
}

impl Keys {
    /// Lays out at most 65,535 values.
    pub(crate) fn new(sorted: &[f64]) -> Self {
        let size = [16, 64, 256, 1024, 4096, 16_384].into_iter().find(|size| sorted.len() < *size).unwrap_or(65_536);
        // Nothing is found at 0, which is no node.
        let mut tree = vec![f64::NAN; size];
        let mut sorted = sorted.iter().copied();
        fill(&mut tree, 1, &mut sorted);
        Self { tree }
    }

    /// For each value twice the number of smaller keys, and one more if it is a key. A missing value is smaller than all keys.
    #[inline]
    pub(crate) fn find<const N: usize>(&self, values: [f64; N]) -> [usize; N] {
        match self.tree.len() {
            16 => descend::<16, N>(&self.tree, values),
            64 => descend::<64, N>(&self.tree, values),
            256 => descend::<256, N>(&self.tree, values),
            1024 => descend::<1024, N>(&self.tree, values),
            4096 => descend::<4096, N>(&self.tree, values),
            16_384 => descend::<16_384, N>(&self.tree, values),
            _ => descend::<65_536, N>(&self.tree, values),
        }
    }
}

/// Fills a subtree in the order of its values.
fn fill(tree: &mut [f64], node: usize, sorted: &mut impl Iterator<Item = f64>) {
    if node < tree.len() {
        fill(tree, 2 * node, sorted);
        tree[node] = sorted.next().unwrap_or(f64::INFINITY);
        fill(tree, 2 * node + 1, sorted);
    }
}

/// The size is known here: the loop is unrolled, and the remainder by a power of two is cheaper than a test of the bounds.
#[inline(always)]
fn descend<const SIZE: usize, const N: usize>(tree: &[f64], values: [f64; N]) -> [usize; N] {
    let Some(tree) = tree.first_chunk::<SIZE>() else { return [0; N] };
    let mut at = [1_usize; N];
    for _ in 0..SIZE.ilog2() {
        for lane in 0..N {
            at[lane] = 2 * at[lane] + usize::from(tree[at[lane] % SIZE] < values[lane]);
        }
    }
    // The last node at which the way went left holds the least key that is not smaller: what follows it in `at` are ones.
    let found = |lane: usize| {
        let node = at[lane] >> (at[lane].trailing_ones() + 1);
        2 * (at[lane] - SIZE) + usize::from(tree[node % SIZE] == values[lane])
    };
    std::array::from_fn(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_place() {
        for count in [1, 2, 15, 16, 40, 63, 64, 300, 4095, 5000, 65_535] {
            let sorted: Vec<f64> = (0..count).map(|index| f64::from(index) * 3.0 - 7.0).collect();
            let keys = Keys::new(&sorted);
            for (index, key) in sorted.iter().enumerate().step_by(1 + sorted.len() / 500) {
                let values = [*key, key - 1.0, key + 1.0, f64::NAN, f64::MIN, f64::MAX, f64::INFINITY, f64::NEG_INFINITY];
                let last = 2 * sorted.len();
                // An infinity equals the padding; the feature looks at the ends itself.
                let found = keys.find(values);
                assert_eq!(found[..6], [2 * index + 1, 2 * index, 2 * index + 2, 0, 0, last], "{count} keys, {key}");
                assert_eq!(found.map(|place| place.min(last))[6..], [last, 0]);
                assert_eq!(values.map(|value| keys.find([value])[0]), found, "alone and with others");
            }
        }
    }
}
