//! A row's values as ranks among the thresholds of a forest: whole numbers of 16 bits that compare with a threshold's own rank as the value
//! compares with the threshold.

use crate::lanes::{EIGHT, Eight};

/// Most different thresholds of a feature. The rank of what no value exceeds is still free.
const MOST: usize = u16::MAX as usize - 1;

/// For each feature the thresholds of a forest, in order.
#[derive(Debug)]
pub(crate) struct Ranks {
    /// For each feature 2^steps keys, in order: those of its thresholds, and then the greatest key there is.
    keys: Vec<i64>,
    steps: u32,
}

impl Ranks {
    /// The rank of a threshold that no value exceeds.
    pub(crate) const NEVER: i16 = i16::MAX;

    /// Of the thresholds of each feature, in any order. Nothing if a feature has too many.
    pub(crate) fn new(thresholds: Vec<Vec<f64>>) -> Option<Self> {
        let mut features: Vec<Vec<i64>> = thresholds.into_iter().map(|all| all.into_iter().map(key).collect()).collect();
        for keys in &mut features {
            keys.sort_unstable();
            keys.dedup();
        }
        let most = features.iter().map(Vec::len).max().unwrap_or(0);
        // At least one key is left over for values that exceed all thresholds.
        let steps = usize::BITS - most.leading_zeros();
        let filled = |mut keys: Vec<i64>| {
            keys.resize(1 << steps, i64::MAX);
            keys
        };
        (most <= MOST).then(|| Self { keys: features.into_iter().flat_map(filled).collect(), steps })
    }

    /// The rank of a threshold of a feature. A value exceeds the threshold if its rank exceeds this.
    pub(crate) fn of_threshold(&self, feature: usize, threshold: f64) -> i16 {
        let keys = &self.keys[feature << self.steps..(feature + 1) << self.steps];
        rank(keys.partition_point(|other| *other < key(threshold)))
    }

    /// The ranks of a row's values, of each how many thresholds it exceeds. Eight are sought at a time: a step of one waits for memory, and
    /// the others' steps fill the wait.
    #[inline(always)]
    pub(crate) fn of_row<const N: usize>(&self, row: &[f64]) -> [Eight; N] {
        std::array::from_fn(|part| {
            let sought: [i64; EIGHT] = std::array::from_fn(|lane| row.get(part * EIGHT + lane).map_or(i64::MIN, |value| key(*value)));
            // What the row does not have is sought among the first feature's, for nothing.
            let first: [usize; EIGHT] =
                std::array::from_fn(|lane| if part * EIGHT + lane < row.len() { (part * EIGHT + lane) << self.steps } else { 0 });
            let mut at = first;
            for step in (0..self.steps).rev() {
                let half = 1 << step;
                for (at, sought) in at.iter_mut().zip(sought) {
                    *at += usize::from(self.keys[*at + half - 1] < sought) << step;
                }
            }
            Eight::new(std::array::from_fn(|lane| rank(at[lane] - first[lane])))
        })
    }
}

/// The first rank is the least number of 16 bits.
fn rank(count: usize) -> i16 {
    (count as u16 ^ 0x8000) as i16
}

/// A whole number that is ordered as the value is, also where both are zeros. What is no number has one as well.
#[inline(always)]
fn key(value: f64) -> i64 {
    // -0 + 0 is 0.
    let bits = (value + 0.0).to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{Places, above};
    use proptest::prelude::*;

    /// Values with ties, zeros of both signs, and extremes.
    fn value() -> impl Strategy<Value = f64> {
        let extremes = prop::sample::select(vec![0.0, -0.0, f64::MIN_POSITIVE, -5e-324, f64::MAX, f64::MIN, 1.0_f64.next_up()]);
        prop_oneof![
            (-9_i32..9).prop_map(|value| f64::from(value) / 4.0),
            extremes,
            any::<f64>().prop_filter("finite", |value| value.is_finite())
        ]
    }

    proptest! {
        #[test]
        fn ranks_compare_as_values_do(thresholds in prop::collection::vec(value(), 0..40), row in prop::collection::vec(value(), 10)) {
            let ranks = Ranks::new((0..10).map(|feature| thresholds[..thresholds.len() * feature / 9].to_vec()).collect()).unwrap();
            let of_row: [Eight; 2] = ranks.of_row(&row);
            for feature in 0..10 {
                let places = Places::new([feature as u8; EIGHT]);
                for threshold in &thresholds[..thresholds.len() * feature / 9] {
                    let rank = ranks.of_threshold(feature, *threshold);
                    let expected = if row[feature] > *threshold { u16::from(u8::MAX) } else { 0 };
                    prop_assert_eq!(above(&of_row, (places, Eight::new([rank; EIGHT])), (places, Eight::new([Ranks::NEVER; EIGHT]))), expected);
                }
            }
        }
    }

    #[test]
    fn as_many_thresholds_as_have_ranks() {
        let thresholds = |count: usize| vec![(0..count).map(|index| index as f64).collect()];
        let ranks = Ranks::new(thresholds(MOST)).unwrap();
        let last = ranks.of_threshold(0, MOST as f64 - 1.0);
        let places = Places::new([0; EIGHT]);
        let exceeded = |value: f64, rank: i16| {
            let row: [Eight; 1] = ranks.of_row(&[value]);
            above(&row, (places, Eight::new([rank; EIGHT])), (places, Eight::new([Ranks::NEVER; EIGHT])))
        };
        assert_eq!((exceeded(f64::MAX, last), exceeded(MOST as f64 - 1.0, last)), (0xff, 0));
        assert!(Ranks::new(thresholds(MOST + 1)).is_none());
    }
}
