//! Which rows and which features each tree sees.

use crate::random::Random;

/// Draws from `0..count`.
#[derive(Debug)]
pub(crate) struct Urn(Vec<u32>);

impl Urn {
    /// An urn of the numbers below `count`.
    pub(crate) fn new(count: u32) -> Self {
        Self((0..count).collect())
    }

    /// Draws `size` numbers and puts each back at once, so that one may come more than once.
    pub(crate) fn with_replacement(&self, size: usize, random: &mut Random) -> Vec<u32> {
        (0..size).map(|_| self.0[random.below(self.0.len())]).collect()
    }

    /// Draws `size` different numbers (Fisher and Yates), then puts all back where they were: what a tree draws must not depend on the
    /// trees before it. `size` is at most the urn's count.
    pub(crate) fn without_replacement(&mut self, size: usize, random: &mut Random) -> Vec<u32> {
        let others: Vec<usize> = (0..size).map(|position| position + random.below(self.0.len() - position)).collect();
        others.iter().enumerate().for_each(|(position, other)| self.0.swap(position, *other));
        let drawn = self.0[..size].to_vec();
        others.iter().enumerate().rev().for_each(|(position, other)| self.0.swap(position, *other));
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_numbers_are_drawn_equally_often_and_put_back() {
        let mut urn = Urn::new(10);
        let mut counts = [0_u32; 10];
        for index in 0..10_000 {
            let mut drawn = urn.without_replacement(3, &mut Random::of_tree(0, index));
            drawn.iter().for_each(|number| counts[*number as usize] += 1);
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), 3);
        }
        assert_eq!(urn.0, Urn::new(10).0);
        // Five standard deviations of a binomial count with mean 3,000.
        assert!(counts.iter().all(|count| count.abs_diff(3_000) < 230), "{counts:?}");
    }

    #[test]
    fn with_replacement_numbers_come_again() {
        let mut drawn = Urn::new(100).with_replacement(100, &mut Random::of_tree(0, 0));
        drawn.sort_unstable();
        drawn.dedup();
        // The expected count is 63.4, its standard deviation 3.1.
        assert!((47..=80).contains(&drawn.len()), "{}", drawn.len());
    }
}
