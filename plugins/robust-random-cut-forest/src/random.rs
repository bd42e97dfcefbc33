//! The forest's random numbers: SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 16).

/// The increment of SplitMix64: the odd integer nearest to 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64: every bit of the answer depends on every bit of the state.
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// A seed that depends on two of them, in their order.
pub(crate) fn seed_after(previous: u64, next: u64) -> u64 {
    mix(mix(previous.wrapping_add(GOLDEN)).wrapping_add(next))
}

/// What a tree draws numbers for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Which rows it keeps.
    Sample,
    /// Where it cuts.
    Cuts,
}

/// One tree's own stream of random numbers, for one purpose.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of the tree at `index` in a forest seeded with `seed`. The seed is mixed before the index is added: the trees of two
    /// forests with neighbouring seeds would otherwise be the same trees, moved by one.
    pub(crate) fn of_tree(seed: u64, index: usize, purpose: Purpose) -> Self {
        let place = 2 * index as u64 + purpose as u64;
        Self(mix(mix(seed.wrapping_add(GOLDEN)).wrapping_add(place.wrapping_mul(GOLDEN))))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub(crate) fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform between 0 and 1, and neither: an odd multiple of 2^-53.
    pub(crate) fn inner_share(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs of the authors' code from the state 1234567.
        let mut random = Random(1_234_567);
        assert_eq!([random.bits(), random.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn shares_are_uniform() {
        let mut random = Random::of_tree(3, 0, Purpose::Cuts);
        let shares: Vec<f64> = (0..100_000).map(|_| random.inner_share()).collect();
        assert!(shares.iter().all(|share| *share > 0.0 && *share < 1.0));
        let mean = shares.iter().sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 5.0 * (1.0_f64 / 12.0 / 100_000.0).sqrt(), "{mean}");
    }
}
