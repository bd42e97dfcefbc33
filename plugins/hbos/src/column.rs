//! The training values of one feature, in order, and how they are divided into bins.

use crate::parameters::{Bins, Width};
use synod_sdk::logarithm::ln;

/// Values in ascending order, and how much those before each weigh.
#[derive(Debug)]
pub(crate) struct Column {
    values: Vec<f64>,
    /// One more than there are values: the weight of all values before it, the last that of all.
    before: Vec<f64>,
}

impl Column {
    /// Of pairs of a finite value and its weight.
    pub(crate) fn new(mut pairs: Vec<(f64, f64)>) -> Self {
        // Zero has two forms, which are one value. Equal values are ordered by weight: their sum must not depend on the order of rows.
        pairs.iter_mut().for_each(|pair| pair.0 += 0.0);
        pairs.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
        let sums = pairs.iter().scan(0.0, |sum, pair| {
            *sum += pair.1;
            Some(*sum)
        });
        let before = std::iter::once(0.0).chain(sums).collect();
        Self { values: pairs.iter().map(|pair| pair.0).collect(), before }
    }

    /// What all values weigh.
    pub(crate) fn total(&self) -> f64 {
        self.before[self.values.len()]
    }

    /// The least and the greatest value, if there is one.
    pub(crate) fn limits(&self) -> Option<(f64, f64)> {
        Some((*self.values.first()?, *self.values.last()?))
    }

    /// The edges of bins for the values that there are: one more than there are bins, in strictly ascending order.
    pub(crate) fn edges(&self, bins: Bins, width: Width) -> Vec<f64> {
        let Some((least, greatest)) = self.limits() else { return Vec::new() };
        let wanted = match bins {
            Bins::Number(bins) => bins as usize,
            Bins::Rule(_) => self.optimal(),
        };
        match width {
            Width::Dynamic if least < greatest => self.quantiles(wanted),
            _ => resolved(least, greatest, wanted),
        }
    }

    /// What the values in each bin weigh. A bin has its lower edge, and the last one its upper edge as well.
    pub(crate) fn counts(&self, edges: &[f64]) -> Vec<f64> {
        let below = |edge: &f64| self.before[self.values.partition_point(|value| value < edge)];
        let inner = edges[1..edges.len() - 1].iter().map(below);
        let ends: Vec<f64> = inner.chain([self.total()]).collect();
        ends.iter().scan(0.0, |start, end| Some(end - std::mem::replace(start, *end))).collect()
    }

    /// The number of bins with the greatest penalised likelihood, up to the root of the number of values: Birgé and Rozenholc, "How many bins
    /// should be put in a regular histogram", ESAIM: Probability and Statistics 10, 2006, as PyOD has it. Its penalty is that of the paper
    /// for each bin, and 1 is added within the logarithm: it finds fewer bins than the paper.
    fn optimal(&self) -> usize {
        let Some((least, greatest)) = self.limits() else { return 1 };
        let most = self.values.len().isqrt().max(2);
        let likelihood = |bins: usize| {
            let (share, log) = (bins as f64 / self.total(), ln(bins as f64));
            let counts = self.counts(&equal(least, greatest, bins));
            let sum: f64 = counts.iter().map(|count| count * ln(share * count + 1.0)).sum();
            sum - bins as f64 * (bins as f64 - 1.0 + log * log * log.sqrt())
        };
        let best = (1..most).map(|bins| (bins, likelihood(bins))).reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(1, |best| best.0)
    }

    /// Edges in the middle between values, so that each bin but the last holds its share of the weight, and all rows of a value besides.
    fn quantiles(&self, bins: usize) -> Vec<f64> {
        let share = self.total() / bins as f64;
        let mut edges = vec![self.values[0]];
        let mut start = 0.0;
        for index in 1..self.values.len() {
            let (last, next) = (self.values[index - 1], self.values[index]);
            // A little less than a share is one: sums of weights are rounded.
            if last < next && self.before[index] - start >= share * (1.0 - 1e-9) {
                edges.push(middle(last, next));
                start = self.before[index];
            }
        }
        edges.push(self.values[self.values.len() - 1]);
        // A last bin of a single value that was cut off at that value has no width; it goes to the bin before it.
        if edges.len() > 2 && edges[edges.len() - 2] >= edges[edges.len() - 1] {
            edges.remove(edges.len() - 2);
        }
        edges
    }
}

/// Above the smaller number and at most the greater one.
fn middle(one: f64, other: f64) -> f64 {
    let middle = one / 2.0 + other / 2.0;
    if middle > one { middle } else { other }
}

/// Edges of bins of one width, as numpy's `histogram` makes them: around a constant they are half a unit away.
fn equal(least: f64, greatest: f64, bins: usize) -> Vec<f64> {
    let (first, last) =
        if least < greatest { (least, greatest) } else { ((least - 0.5).min(least.next_down()), (least + 0.5).max(least.next_up())) };
    let step = (last - first) / bins as f64;
    (0..bins).map(|edge| edge as f64 * step + first).chain([last]).collect()
}

/// Edges of bins of one width, of fewer than wanted if so many are too narrow to be told from each other.
fn resolved(least: f64, greatest: f64, wanted: usize) -> Vec<f64> {
    let fewer = std::iter::successors(Some(wanted), |bins| Some(bins / 2).filter(|bins| *bins > 0));
    let ascending = |edges: &Vec<f64>| edges.windows(2).all(|pair| pair[0] < pair[1]);
    fewer.map(|bins| equal(least, greatest, bins)).find(ascending).unwrap_or_else(|| equal(least, greatest, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Rule;

    fn column(values: &[f64]) -> Column {
        Column::new(values.iter().map(|value| (*value, 1.0)).collect())
    }

    #[test]
    fn bins_have_their_lower_edge_and_the_last_one_both() {
        let column = column(&[4.0, 0.0, 1.0, 2.0, 2.0, 3.0]);
        let edges = column.edges(Bins::Number(4), Width::Static);
        assert_eq!(edges, [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(column.counts(&edges), [1.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn a_constant_is_in_the_middle_of_its_bins() {
        for width in [Width::Static, Width::Dynamic] {
            let edges = column(&[7.0; 3]).edges(Bins::Number(5), width);
            assert_eq!([edges[0], edges[5]], [6.5, 7.5]);
            assert_eq!(column(&[7.0; 3]).counts(&edges), [0.0, 0.0, 3.0, 0.0, 0.0]);
        }
        assert!(column(&[1e300]).edges(Bins::Number(10), Width::Static).is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn bins_too_narrow_for_a_number_are_fewer() {
        let edges = column(&[1.0, 1.0 + 3.0 * f64::EPSILON]).edges(Bins::Number(100), Width::Static);
        assert!(edges.is_sorted_by(|one, next| one < next) && (2..=4).contains(&edges.len()), "{edges:?}");
    }

    #[test]
    fn dynamic_bins_hold_their_share_and_whole_values() {
        let column = column(&[0.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 10.0]);
        let edges = column.edges(Bins::Number(4), Width::Dynamic);
        assert_eq!(edges, [0.0, 1.5, 7.0, 10.0]);
        assert_eq!(column.counts(&edges), [5.0, 2.0, 1.0]);
    }

    #[test]
    fn the_last_of_the_dynamic_bins_has_a_width() {
        let column = column(&[0.0, 1.0, 1.0 + f64::EPSILON, 2.0, 2.0 + 2.0 * f64::EPSILON]);
        for bins in 2..6 {
            let edges = column.edges(Bins::Number(bins), Width::Dynamic);
            assert!(edges.is_sorted_by(|one, next| one < next), "{edges:?}");
            assert_eq!(column.counts(&edges).iter().sum::<f64>(), 5.0);
        }
    }

    #[test]
    fn more_structure_has_more_bins() {
        let flat: Vec<f64> = (0..900).map(f64::from).collect();
        let peaks: Vec<f64> = (0..900_u32).map(|row| f64::from(row % 3 * 1000 + row % 7)).collect();
        let count = |values: &[f64]| column(values).edges(Bins::Rule(Rule::Auto), Width::Static).len() - 1;
        assert_eq!(count(&flat), 1);
        assert!(count(&peaks) > 5, "{}", count(&peaks));
    }
}
