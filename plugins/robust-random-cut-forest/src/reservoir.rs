//! Which rows a tree keeps: a weighted sample without replacement of all that ever came, by random keys of which the smallest stay (Efraimidis
//! and Spirakis, "Weighted random sampling with a reservoir", Information Processing Letters 97, 2006).

use crate::random::Random;
use synod_sdk::logarithm::ln;

/// A row that a tree keeps, by the number of its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Kept {
    pub(crate) key: f64,
    pub(crate) point: u32,
}

/// The rows that a tree keeps, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reservoir(pub(crate) Vec<Kept>);

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// It is not kept.
    Passed,
    /// It is kept, and there was room.
    Kept,
    /// It is kept instead of this point.
    Instead(u32),
}

impl Reservoir {
    /// Keeps a row if its key is small enough. `point` is asked for its number only then.
    pub(crate) fn offer(&mut self, key: f64, samples: usize, point: impl FnOnce() -> u32) -> Fate {
        let full = self.0.len() >= samples;
        if full && self.0.last().is_some_and(|last| key >= last.key) {
            return Fate::Passed;
        }
        let leaving = if full { self.0.pop() } else { None };
        let place = self.0.partition_point(|kept| kept.key <= key);
        self.0.insert(place, Kept { key, point: point() });
        leaving.map_or(Fate::Kept, |leaving| Fate::Instead(leaving.point))
    }
}

/// A key of the row that came as the `number`th: the logarithm of an exponential variable whose rate is the row's weight times
/// e^(number time_decay), so that keys of later fits can be compared with those of earlier ones.
pub(crate) fn key(random: &mut Random, weight: f64, number: u64, time_decay: f64) -> f64 {
    ln(-ln(random.inner_share())) - ln(weight.max(f64::MIN_POSITIVE)) - time_decay * number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    /// How often each of so many rows is among four kept ones, of 20,000 trees.
    fn frequencies(rows: u64, weight: impl Fn(u64) -> f64, time_decay: f64) -> Vec<f64> {
        let mut counts = vec![0.0; rows as usize];
        for tree in 0..20_000 {
            let (mut random, mut reservoir) = (Random::of_tree(1, tree, Purpose::Sample), Reservoir::default());
            for row in 0..rows {
                reservoir.offer(key(&mut random, weight(row), row, time_decay), 4, || row as u32);
            }
            assert_eq!(reservoir.0.len(), 4);
            reservoir.0.iter().for_each(|kept| counts[kept.point as usize] += 1.0 / 20_000.0);
        }
        counts
    }

    #[test]
    fn all_rows_are_kept_equally_often() {
        // Five standard deviations of a share of .4 are .0173.
        assert!(frequencies(10, |_| 1.0, 0.0).iter().all(|share| (share - 0.4).abs() < 0.0173));
    }

    #[test]
    fn the_smallest_key_goes_by_weight_and_by_age() {
        let first = |weights: [f64; 3], time_decay: f64| {
            let mut counts = [0.0; 3];
            for tree in 0..20_000 {
                let mut random = Random::of_tree(2, tree, Purpose::Sample);
                let mut reservoir = Reservoir::default();
                for (row, weight) in (0..).zip(weights) {
                    reservoir.offer(key(&mut random, weight, row, time_decay), 1, || row as u32);
                }
                counts[reservoir.0[0].point as usize] += 1.0 / 20_000.0;
            }
            counts
        };
        let near =
            |found: [f64; 3], expected: [f64; 3]| found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.018);
        assert!(near(first([1.0, 2.0, 5.0], 0.0), [0.125, 0.25, 0.625]));
        // Each row has twice the weight of the one before it.
        assert!(near(first([1.0; 3], std::f64::consts::LN_2), [1.0 / 7.0, 2.0 / 7.0, 4.0 / 7.0]));
    }

    #[test]
    fn old_rows_are_forgotten() {
        let shares = frequencies(60, |_| 1.0, 0.2);
        assert!(shares[59] > 0.4 && shares[30] < 0.01 && shares[0] == 0.0, "{shares:?}");
    }

    #[test]
    fn who_leaves_is_told() {
        let mut reservoir = Reservoir::default();
        let fates: Vec<Fate> = [3.0, 1.0, 2.0, 5.0].into_iter().zip(7..).map(|(key, point)| reservoir.offer(key, 2, || point)).collect();
        assert_eq!(fates, [Fate::Kept, Fate::Kept, Fate::Instead(7), Fate::Passed]);
        assert_eq!(reservoir.0, [Kept { key: 1.0, point: 8 }, Kept { key: 2.0, point: 9 }]);
    }
}
