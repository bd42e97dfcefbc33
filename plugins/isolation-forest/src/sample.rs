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

/// Draws from `0..weights.len()`, each number with a probability in proportion to its weight among those that are left. The weights lie in
/// the leaves of a binary tree of their sums: `sums[node] = sums[2 * node] + sums[2 * node + 1]`, the root at 1.
#[derive(Debug)]
pub(crate) struct WeightedUrn {
    sums: Vec<f64>,
    leaves: usize,
    weights: usize,
}

impl WeightedUrn {
    /// An urn of as many numbers as there are weights, which are positive. Weights count relative to the greatest, so that no sum
    /// overflows.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let leaves = weights.len().next_power_of_two();
        let greatest = weights.iter().copied().fold(0.0, f64::max);
        let mut sums = vec![0.0; 2 * leaves];
        // A weight that is nothing beside the greatest still can be drawn when the others are gone.
        sums[leaves..].iter_mut().zip(weights).for_each(|(sum, weight)| *sum = (weight / greatest).max(1e-300));
        for node in (1..leaves).rev() {
            sums[node] = sums[2 * node] + sums[2 * node + 1];
        }
        Self { sums, leaves, weights: weights.len() }
    }

    /// Draws `size` numbers and puts each back at once.
    pub(crate) fn with_replacement(&self, size: usize, random: &mut Random) -> Vec<u32> {
        (0..size).map(|_| self.draw(random)).collect()
    }

    /// Draws `size` different numbers, then puts all back. `size` is at most the number of weights.
    pub(crate) fn without_replacement(&mut self, size: usize, random: &mut Random) -> Vec<u32> {
        let mut drawn = Vec::with_capacity(size);
        for _ in 0..size {
            let number = self.draw(random);
            drawn.push((number, self.set(number, 0.0)));
        }
        drawn.iter().for_each(|(number, weight)| {
            self.set(*number, *weight);
        });
        drawn.into_iter().map(|(number, _)| number).collect()
    }

    fn draw(&self, random: &mut Random) -> u32 {
        let mut left = random.share() * self.sums[1];
        let mut node = 1;
        while node < self.leaves {
            node *= 2;
            // Rounding must not lead to a side where nothing is left.
            if left >= self.sums[node] && self.sums[node + 1] > 0.0 {
                left -= self.sums[node];
                node += 1;
            } else if self.sums[node] == 0.0 {
                node += 1;
            }
        }
        (node - self.leaves).min(self.weights - 1) as u32
    }

    /// Gives a number another weight, and answers the one that it had. Sums are made anew from their parts: what is put back is exactly
    /// as it was.
    fn set(&mut self, number: u32, weight: f64) -> f64 {
        let mut node = self.leaves + number as usize;
        let before = std::mem::replace(&mut self.sums[node], weight);
        while node > 1 {
            node /= 2;
            self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1];
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighted_numbers_are_drawn_in_proportion_and_put_back() {
        let mut urn = WeightedUrn::new(&[1.0, 2.0, 0.5, 4.0, 2.5]);
        let before = urn.sums.clone();
        let mut first = [0_u32; 5];
        for index in 0..10_000 {
            let mut random = Random::of_tree(3, index);
            first[urn.with_replacement(1, &mut random)[0] as usize] += 1;
            let mut drawn = urn.without_replacement(5, &mut random);
            drawn.sort_unstable();
            assert_eq!(drawn, [0, 1, 2, 3, 4]);
        }
        assert_eq!(urn.sums, before);
        // Five standard deviations of a binomial count are at most 250.
        let expected = [1_000, 2_000, 500, 4_000, 2_500];
        assert!(first.iter().zip(expected).all(|(count, expected)| count.abs_diff(expected) < 250), "{first:?}");
    }

    #[test]
    fn without_replacement_the_second_draw_is_in_proportion_to_what_is_left() {
        let mut urn = WeightedUrn::new(&[6.0, 3.0, 1.0]);
        let mut seconds = [0_u32; 3];
        for index in 0..20_000 {
            seconds[urn.without_replacement(2, &mut Random::of_tree(4, index))[1] as usize] += 1;
        }
        // P(second = 0) = .3 * 6/7 + .1 * 6/9, and so on.
        let expected = [6_476.0, 9_667.0, 3_857.0];
        assert!(seconds.iter().zip(expected).all(|(count, expected)| (f64::from(*count) - expected).abs() < 350.0), "{seconds:?}");
    }

    #[test]
    fn weights_of_any_size_can_be_drawn_to_the_last() {
        let mut urn = WeightedUrn::new(&[f64::MAX, f64::MIN_POSITIVE, f64::MAX, 1e-200, 1.0]);
        let mut drawn = urn.without_replacement(5, &mut Random::of_tree(0, 0));
        drawn.sort_unstable();
        assert_eq!(drawn, [0, 1, 2, 3, 4]);
    }

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
