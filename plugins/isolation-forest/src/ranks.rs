//! A row's values as ranks among the thresholds of a forest: whole numbers of 16 bits that compare with a threshold's own rank as the value
//! compares with the threshold.

use crate::lanes::{EIGHT, Eight, Row};

/// Most different thresholds of a feature. The rank of what no value exceeds is still free.
const MOST: usize = u16::MAX as usize - 1;

/// Into how many parts of the same width the range of a feature's thresholds is divided.
const PARTS: usize = 256;

/// For each feature the thresholds of a forest, in order. Where a value is sought among them follows from the part of the range that it lies
/// in; only those of one part remain.
#[derive(Debug)]
pub(crate) struct Ranks {
    features: Vec<Range>,
    /// For each feature the keys of its thresholds, in order, and then as many times the greatest key as are looked at.
    keys: Vec<i64>,
    /// For each part of each feature's range, where its keys begin.
    parts: Vec<u32>,
    /// The logarithm of how many keys are looked at: more than there are in any part.
    steps: u32,
}

/// The thresholds of a feature.
#[derive(Debug, Clone, Copy)]
struct Range {
    least: f64,
    /// Parts to a unit.
    density: f64,
    first: u32,
    count: u32,
}

impl Range {
    /// The part in which a value lies. No greater value lies in a part before it, whatever is rounded and whatever overflows.
    #[inline(always)]
    fn part(&self, value: f64) -> usize {
        let place = (value - self.least) * self.density;
        let place = if place > 0.0 { place } else { 0.0 };
        let place = if place < (PARTS - 1) as f64 { place } else { (PARTS - 1) as f64 };
        // 2^52: the last bits of the sum are the rounded number.
        (place + 4_503_599_627_370_496.0).to_bits() as usize % PARTS
    }
}

impl Ranks {
    /// The rank of a threshold that no value exceeds.
    pub(crate) const NEVER: i16 = i16::MAX;

    /// Of the thresholds of each feature, in any order. Nothing if a feature has too many.
    pub(crate) fn new(thresholds: Vec<Vec<f64>>) -> Option<Self> {
        let mut made = Self { features: Vec::new(), keys: Vec::new(), parts: Vec::new(), steps: 0 };
        let mut all = Vec::new();
        for mut thresholds in thresholds {
            thresholds.sort_unstable_by_key(|threshold| key(*threshold));
            thresholds.dedup();
            if thresholds.len() > MOST {
                return None;
            }
            let (least, greatest) = (thresholds.first().copied().unwrap_or(0.0), thresholds.last().copied().unwrap_or(0.0));
            let range = Range { least, density: (PARTS - 1) as f64 / (greatest - least), first: 0, count: thresholds.len() as u32 };
            let mut counts = [0_u32; PARTS];
            thresholds.iter().for_each(|threshold| counts[range.part(*threshold)] += 1);
            let most = counts.iter().copied().max().unwrap_or(0);
            made.steps = made.steps.max(u32::BITS - most.leading_zeros());
            all.push((range, counts, thresholds));
        }
        for (mut range, counts, thresholds) in all {
            range.first = made.keys.len() as u32;
            let mut before = range.first;
            for count in counts {
                made.parts.push(before);
                before += count;
            }
            made.keys.extend(thresholds.into_iter().map(key));
            made.keys.resize(made.keys.len() + (1 << made.steps), i64::MAX);
            made.features.push(range);
        }
        Some(made)
    }

    /// The rank of a threshold of a feature. A value exceeds the threshold if its rank exceeds this.
    pub(crate) fn of_threshold(&self, feature: usize, threshold: f64) -> i16 {
        let Range { first, count, .. } = self.features[feature];
        let keys = &self.keys[first as usize..(first + count) as usize];
        rank(keys.partition_point(|other| *other < key(threshold)))
    }

    /// The ranks of a row's values, of each how many thresholds it exceeds. Eight are sought at a time: a step of one waits for memory, and
    /// the others' steps fill the wait.
    #[inline(always)]
    pub(crate) fn of_row<const N: usize>(&self, row: &[f64]) -> Row<N> {
        Row::new(std::array::from_fn(|eight| {
            if eight * EIGHT >= row.len() {
                return Eight::new([0; EIGHT]);
            }
            // What the row does not have is sought among the first feature's, for nothing.
            let feature = |lane: usize| if eight * EIGHT + lane < row.len() { eight * EIGHT + lane } else { 0 };
            let sought: [i64; EIGHT] = std::array::from_fn(|lane| key(row[feature(lane)]));
            let mut at: [usize; EIGHT] = std::array::from_fn(|lane| {
                let feature = feature(lane);
                self.parts[feature * PARTS + self.features[feature].part(row[feature])] as usize
            });
            for step in (0..self.steps).rev() {
                let half = 1 << step;
                for (at, sought) in at.iter_mut().zip(sought) {
                    let Some(key) = self.keys.get(*at + half - 1) else { return Eight::new([0; EIGHT]) };
                    *at += usize::from(*key < sought) << step;
                }
            }
            Eight::new(std::array::from_fn(|lane| rank(at[lane] - self.features[feature(lane)].first as usize)))
        }))
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
            let of_row: Row<2> = ranks.of_row(&row);
            for feature in 0..10 {
                let places = Places::new([feature as u8; EIGHT], 2);
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
        let places = Places::new([0; EIGHT], 1);
        let exceeded = |value: f64, rank: i16| {
            let row: Row<1> = ranks.of_row(&[value]);
            above(&row, (places, Eight::new([rank; EIGHT])), (places, Eight::new([Ranks::NEVER; EIGHT])))
        };
        assert_eq!((exceeded(f64::MAX, last), exceeded(MOST as f64 - 1.0, last)), (0xff, 0));
        assert!(Ranks::new(thresholds(MOST + 1)).is_none());
    }
}
