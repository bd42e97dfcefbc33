//! Random numbers by name: each node of each tree has its own, which nothing need remember. They are the outputs of SplitMix64 (Steele, Lea
//! and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 16), each computed from its place in the sequence.

/// The increment of SplitMix64: the odd integer nearest to 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64: every bit of the answer depends on every bit of the state.
fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// One tree's sequence of random numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of the tree at `index` in a model with this seed. The seed is mixed before the index is added: the trees of two models
    /// with neighbouring seeds would otherwise be the same trees, moved by one.
    pub(crate) fn of_tree(seed: u64, index: u32) -> Self {
        Self(mix(mix(seed.wrapping_add(GOLDEN)).wrapping_add(u64::from(index).wrapping_mul(GOLDEN))))
    }

    fn bits(self, place: u64) -> u64 {
        mix(self.0.wrapping_add(place.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// The number at a place of the sequence: uniform in [0, 1), a multiple of 2^-53.
    pub(crate) fn share(self, place: u64) -> f64 {
        (self.bits(place) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// The number at a place of the sequence, as one of so many. For counts of up to 2^20 no number is favoured by more than 2^-44.
    pub(crate) fn below(self, place: u64, count: usize) -> usize {
        ((u128::from(self.bits(place)) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs of the authors' code from the state 1234567.
        let random = Random(1_234_567);
        assert_eq!([random.bits(0), random.bits(1)], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn numbers_are_uniform() {
        let mut drawn = [0_u32; 7];
        let mut sum = 0.0;
        for tree in 0..70 {
            for place in 0..1000 {
                drawn[Random::of_tree(1, tree).below(place, 7)] += 1;
                sum += Random::of_tree(2, tree).share(place);
            }
        }
        // Five standard deviations.
        assert!(drawn.iter().all(|count| count.abs_diff(10_000) < 463), "{drawn:?}");
        assert!((sum / 70_000.0 - 0.5).abs() < 5.0 * (1.0_f64 / 12.0 / 70_000.0).sqrt(), "{sum}");
    }
}
