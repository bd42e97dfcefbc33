//! The forest's random numbers: xoshiro256++ 1.0 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 47,
//! 2021), seeded by SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 16), as
//! its authors advise.

/// The increment of SplitMix64: the odd integer nearest to 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64: every bit of the answer depends on every bit of the state.
pub(crate) fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// One tree's own stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random([u64; 4]);

impl Random {
    /// The stream of the tree at `index` in a forest seeded with `seed`. The seed is mixed before the index is added: the trees of two
    /// forests with neighbouring seeds would otherwise be the same trees, moved by one.
    pub(crate) fn of_tree(seed: u64, index: u64) -> Self {
        let mut state = mix(mix(seed.wrapping_add(GOLDEN)).wrapping_add(index.wrapping_mul(GOLDEN)));
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(GOLDEN);
            mix(state)
        }))
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
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Nearly normal with mean 0 and deviation 1: the sum of twelve uniform numbers, less six. It needs additions only, which give the same
    /// bits everywhere.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.next()
    }

    /// Uniform among `0..count`, without bias (Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29, 2019, algorithm 5).
    /// `count` is at least 1.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let count = count as u64;
        let rejected = count.wrapping_neg() % count;
        loop {
            let product = u128::from(self.next()) * u128::from(count);
            if product as u64 >= rejected {
                return (product >> 64) as usize;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_are_the_published_ones() {
        // The first outputs of the authors' C code, from the state 1, 2, 3, 4, and of SplitMix64 from the state 1234567.
        let mut random = Random([1, 2, 3, 4]);
        assert_eq!([random.next(), random.next(), random.next()], [41_943_041, 58_720_359, 3_588_806_011_781_223]);
        assert_eq!(mix(1_234_567_u64.wrapping_add(GOLDEN)), 6_457_827_717_110_365_317);
    }

    #[test]
    fn draws_below_a_count_are_uniform() {
        let mut random = Random::of_tree(1, 2);
        let mut drawn = [0_u32; 7];
        for _ in 0..70_000 {
            drawn[random.below(7)] += 1;
        }
        // Five standard deviations of a binomial count with mean 10,000.
        assert!(drawn.iter().all(|count| count.abs_diff(10_000) < 463), "{drawn:?}");
    }

    #[test]
    fn shares_are_uniform() {
        let mut random = Random::of_tree(3, 0);
        let shares: Vec<f64> = (0..100_000).map(|_| random.share()).collect();
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        let mean = shares.iter().sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 5.0 * (1.0_f64 / 12.0 / 100_000.0).sqrt(), "{mean}");
    }

    #[test]
    fn no_tree_shares_its_stream_with_another() {
        let seeds = (0..100).chain((0..100).map(|seed| u64::MAX - seed)).chain((0..100).map(|seed: u64| seed.wrapping_mul(GOLDEN)));
        let firsts: std::collections::HashSet<u64> = seeds
            .collect::<std::collections::HashSet<_>>()
            .into_iter()
            .flat_map(|seed| (0..100).map(move |index| Random::of_tree(seed, index).next()))
            .collect();
        assert_eq!(firsts.len(), 29_900, "300 seeds, of which 0 comes twice, with 100 trees each");
    }
}
