//! The training values of one feature: which there are, and how many rows have smaller ones.

/// Different values in ascending order, all of them or some.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counts {
    /// How many rows have a value at all.
    pub(crate) rows: u32,
    pub(crate) values: Vec<f64>,
    /// For each value how many rows have a smaller one.
    pub(crate) below: Vec<u32>,
    /// For each value how many rows have it or a smaller one.
    pub(crate) up_to: Vec<u32>,
}

impl Counts {
    /// Counts finite values.
    pub(crate) fn of(mut column: Vec<f64>) -> Self {
        // Zero has two forms, which are one value.
        column.iter_mut().for_each(|value| *value += 0.0);
        column.sort_unstable_by(f64::total_cmp);
        let mut counts = Self { rows: column.len() as u32, values: Vec::new(), below: Vec::new(), up_to: Vec::new() };
        for group in column.chunk_by(|one, other| one == other) {
            let below = counts.up_to.last().copied().unwrap_or(0);
            counts.values.push(group[0]);
            counts.below.push(below);
            counts.up_to.push(below + group.len() as u32);
        }
        counts
    }

    /// The counts of the negative values.
    pub(crate) fn mirrored(&self) -> Self {
        let from_above = |counts: &[u32]| counts.iter().rev().map(|count| self.rows - count).collect();
        let values = self.values.iter().rev().map(|value| -value).collect();
        Self { rows: self.rows, values, below: from_above(&self.up_to), up_to: from_above(&self.below) }
    }

    /// Keeps at most `most` values: with the smallest step, relative to the smaller tail, that comes to no more. So a small tail keeps all of
    /// its values, and between two values that are kept the smaller tail differs by at most that step.
    pub(crate) fn thin(self, most: usize) -> Self {
        if self.values.len() <= most {
            return self;
        }
        // A step of 1 keeps about two values for each doubling of the rows, which is less than the least number that can be asked for.
        let (mut fine, mut coarse) = (0.0, 64.0);
        for _ in 0..40 {
            let step = (fine + coarse) / 2.0;
            if self.kept(step).count() <= most { coarse = step } else { fine = step }
        }
        let kept: Vec<usize> = self.kept(coarse).take(most).collect();
        let pick = |counts: &[u32]| kept.iter().map(|index| counts[*index]).collect();
        Self {
            rows: self.rows,
            values: kept.iter().map(|index| self.values[*index]).collect(),
            below: pick(&self.below),
            up_to: pick(&self.up_to),
        }
    }

    /// The values' indices, the first and the last among them, in steps that are relative to the smaller tail: it grows by at most so much
    /// up to the middle, and then shrinks as it grew.
    fn kept(&self, step: f64) -> impl Iterator<Item = usize> + '_ {
        let (last, middle) = (self.values.len() - 1, f64::from(self.rows) / 2.0);
        let next = move |index: &usize| {
            let here = f64::from(self.up_to[*index]);
            let left = f64::from(self.rows) - here;
            let stride = if here < middle { (here * step).min(middle - here) } else { left * step / (1.0 + step) };
            let wanted = here + stride.max(1.0);
            let found = self.up_to.partition_point(|count| f64::from(*count) <= wanted);
            // The last one that is near enough, but at least the next: a value of many rows is a step of its own.
            (*index < last).then(|| (found - 1).clamp(*index + 1, last))
        };
        std::iter::successors(Some(0), next)
    }

    /// Whether these can be counts of this kind.
    pub(crate) fn are_whole(&self) -> bool {
        let count = self.values.len();
        let ascending = self.values.windows(2).all(|pair| pair[0] < pair[1]) && self.values.iter().all(|value| value.is_finite());
        let nested = self.below.iter().zip(&self.up_to).all(|(below, up_to)| below < up_to)
            && self.up_to.iter().zip(self.below.iter().skip(1)).all(|(up_to, below)| up_to <= below);
        self.below.len() == count
            && self.up_to.len() == count
            && ascending
            && nested
            && self.below.first().copied().unwrap_or(0) == 0
            && self.up_to.last().copied().unwrap_or(0) == self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_counted_together() {
        let counts = Counts::of(vec![3.0, -0.0, 3.0, 0.0, 1.0, 3.0]);
        let expected = Counts { rows: 6, values: vec![0.0, 1.0, 3.0], below: vec![0, 2, 3], up_to: vec![2, 3, 6] };
        assert_eq!(counts, expected);
        assert!(counts.are_whole() && Counts::of(Vec::new()).are_whole());
    }

    #[test]
    fn thinning_keeps_the_ends_whole_and_the_middle_in_small_steps() {
        for (rows, most, step) in [(100_000_u32, 4095_usize, 0.005), (100_000, 255, 0.1), (300, 15, 2.0), (5000, 4095, 0.005)] {
            let whole = Counts::of((0..rows).map(f64::from).collect());
            let thin = whole.clone().thin(most);
            assert!(thin.values.len() <= most && thin.values.len() > most * 2 / 3, "{} of {most}", thin.values.len());
            assert!(thin.are_whole());
            assert_eq!([thin.values[0], thin.values[thin.values.len() - 1]], [0.0, f64::from(rows - 1)]);
            for pair in thin.up_to.windows(2) {
                let tail = f64::from(pair[0].min(rows - pair[0]));
                assert!(f64::from(pair[1] - pair[0]) <= (tail * step).max(1.0), "{rows}, {most}: {pair:?}");
            }
            assert_eq!(whole.clone().thin(rows as usize), whole);
        }
    }

    #[test]
    fn a_value_of_many_rows_is_kept() {
        let mut values: Vec<f64> = (0..5000).map(f64::from).collect();
        values.extend([2500.5; 3000]);
        assert!(Counts::of(values).thin(63).values.contains(&2500.5));
    }
}
