//! Random numbers: xoshiro256++ 1.0 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 47, 2021), seeded by
//! SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014), as its authors advise; and the few
//! distributions that the generators draw from.

use super::arithmetic::{exponential, logarithm};

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random([u64; 4]);

/// SplitMix64's next number.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| split_mix(&mut state)))
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform from `low` up to `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.share() * (high - low)
    }

    /// A number between two positive ones whose logarithm is uniform.
    pub(super) fn between_by_ratio(&mut self, low: f64, high: f64) -> f64 {
        exponential(self.between(logarithm(low), logarithm(high)))
    }

    /// Uniform among `0..count`, where `count` is at least 1. Its bias is below `count` / 2^64, far below what any number of rows shows.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn whole(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    /// Yes with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// One of the choices, which are not none.
    pub(super) fn choice<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// An index into `weights`, each with its share of their sum; at least one of them is positive.
    pub(super) fn category(&mut self, weights: &[f64]) -> usize {
        let mut left = self.share() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        // Rounding can leave a rest beyond the last weight.
        weights.len() - 1
    }

    /// Standard normal, by the polar method (Marsaglia and Bray, "A Convenient Method for Generating Normal Variables", SIAM Review 6,
    /// 1964).
    pub(super) fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * logarithm(square) / square).sqrt();
            }
        }
    }

    /// Log-normal: `spread` is the standard deviation of the logarithm.
    pub(super) fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        median * exponential(spread * self.normal())
    }

    /// Poisson, for small means (Knuth, "The Art of Computer Programming" volume 2, section 3.4.1, algorithm Q); it takes `mean` + 1 steps.
    pub(super) fn poisson(&mut self, mean: f64) -> i64 {
        let limit = exponential(-mean);
        let mut product = self.share();
        let mut count = 0;
        while product > limit {
            product *= self.share();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 100_000;

    fn mean_and_deviation(draw: impl FnMut(usize) -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..DRAWS).map(draw).collect();
        let mean = values.iter().sum::<f64>() / DRAWS as f64;
        (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / DRAWS as f64).sqrt())
    }

    #[test]
    fn the_generators_are_the_published_ones() {
        // The first outputs of the authors' C code, from the state 1, 2, 3, 4, and of SplitMix64 from the state 1234567.
        let mut random = Random([1, 2, 3, 4]);
        assert_eq!([random.next(), random.next(), random.next()], [41_943_041, 58_720_359, 3_588_806_011_781_223]);
        assert_eq!(split_mix(&mut 1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn normal_draws_have_their_moments() {
        let mut random = Random::new(1);
        let (mean, deviation) = mean_and_deviation(|_| random.normal());
        assert!(mean.abs() < 0.015 && (deviation - 1.0).abs() < 0.01, "{mean} {deviation}");
        let beyond_two = (0..DRAWS).filter(|_| random.normal().abs() > 1.96).count();
        assert!(beyond_two.abs_diff(5_000) < 350, "{beyond_two}");
    }

    #[test]
    fn poisson_draws_have_their_moments() {
        let mut random = Random::new(2);
        let (mean, deviation) = mean_and_deviation(|_| random.poisson(5.5) as f64);
        assert!((mean - 5.5).abs() < 0.04 && (deviation - 5.5_f64.sqrt()).abs() < 0.03, "{mean} {deviation}");
    }

    #[test]
    fn log_normal_draws_have_their_median() {
        let mut random = Random::new(3);
        let below = (0..DRAWS).filter(|_| random.log_normal(120.0, 0.5) < 120.0).count();
        assert!(below.abs_diff(DRAWS / 2) < 800, "{below}");
    }

    #[test]
    fn categories_follow_their_weights() {
        let mut random = Random::new(4);
        let mut drawn = [0_usize; 3];
        for _ in 0..DRAWS {
            drawn[random.category(&[3.0, 0.0, 1.0])] += 1;
        }
        assert!(drawn[0].abs_diff(75_000) < 700 && drawn[1] == 0, "{drawn:?}");
    }

    #[test]
    fn whole_numbers_include_both_ends() {
        let mut random = Random::new(5);
        let drawn: std::collections::BTreeSet<i64> = (0..1_000).map(|_| random.whole(-1, 2)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [-1, 0, 1, 2]);
    }
}
