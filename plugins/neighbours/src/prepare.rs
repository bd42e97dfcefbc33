//! What happens to rows before they are sorted into a tree: equal ones are merged, too many are thinned, and for the cosine they get
//! length 1.

use ndarray::{Array2, ArrayView1, ArrayView2};

/// The numbers of the rows that are kept, ascending, and how often each occurs.
pub(crate) struct Kept {
    pub(crate) numbers: Vec<u32>,
    pub(crate) counts: Vec<u32>,
}

impl Kept {
    /// All of `rows`, once each.
    pub(crate) fn all(rows: usize) -> Self {
        Self { numbers: (0..rows as u32).collect(), counts: vec![1; rows] }
    }

    /// The first of each group of rows that are equal in all features; 0 and -0 are.
    pub(crate) fn different(rows: ArrayView2<'_, f64>) -> Self {
        let mut numbers: Vec<u32> = (0..rows.nrows() as u32).collect();
        let row = |number: u32| rows.row(number as usize);
        // Finite numbers can always be compared.
        let compare = |one: u32, other: u32| row(one).iter().partial_cmp(row(other).iter()).unwrap_or(std::cmp::Ordering::Equal);
        numbers.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
        let mut groups: Vec<(u32, u32)> =
            numbers.chunk_by(|one, other| compare(*one, *other).is_eq()).map(|group| (group[0], group.len() as u32)).collect();
        groups.sort_unstable();
        let (numbers, counts) = groups.into_iter().unzip();
        Self { numbers, counts }
    }

    /// At most `most` of them, drawn by the seed without regard to their counts.
    pub(crate) fn thin(mut self, most: usize, seed: u64) -> Self {
        let rows = self.numbers.len();
        if rows <= most {
            return self;
        }
        let mut random = Random(seed);
        // Fisher and Yates, of whom the first steps are enough.
        let mut drawn: Vec<u32> = (0..rows as u32).collect();
        for place in 0..most {
            drawn.swap(place, place + random.below(rows - place));
        }
        drawn.truncate(most);
        drawn.sort_unstable();
        self.numbers = drawn.iter().map(|place| self.numbers[*place as usize]).collect();
        self.counts = drawn.iter().map(|place| self.counts[*place as usize]).collect();
        self
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 16).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform among `0..count`; for counts below 2^32 some come more often by less than one in 2^32.
    fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }
}

/// Appends the row in the direction that it has, with length 1, and a last value that is 0; a row of zeros, which has no direction, gets
/// 1 there. Half of the squared distance between two such rows is one minus their cosine, and 1 where one of them has none.
pub(crate) fn direct(row: ArrayView1<'_, f64>, into: &mut Vec<f64>) {
    let greatest = row.iter().fold(0.0, |greatest: f64, value| greatest.max(value.abs()));
    if greatest == 0.0 {
        into.extend(row.iter().map(|_| 0.0).chain([1.0]));
        return;
    }
    // In units of the greatest value, so that no square overflows or vanishes.
    let length = row.iter().map(|value| (value / greatest) * (value / greatest)).sum::<f64>().sqrt();
    into.extend(row.iter().map(|value| value / greatest / length).chain([0.0]));
}

/// [`direct`] of all rows.
pub(crate) fn directions(rows: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut values = Vec::with_capacity(rows.len() + rows.nrows());
    rows.rows().into_iter().for_each(|row| direct(row, &mut values));
    Array2::from_shape_vec((rows.nrows(), rows.ncols() + 1), values).expect("every row gets one value more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn equal_rows_are_counted() {
        let kept = Kept::different(array![[1.0, 2.0], [0.0, 0.0], [1.0, 2.0], [1.0, -2.0], [-0.0, 0.0], [1.0, 2.0]].view());
        assert_eq!((kept.numbers, kept.counts), (vec![0, 1, 3], vec![3, 2, 1]));
    }

    #[test]
    fn thinning_draws_every_row_equally_often_and_by_the_seed_alone() {
        let drawn = |seed| Kept::all(10).thin(3, seed).numbers;
        let mut counts = [0_u32; 10];
        for seed in 0..10_000 {
            let numbers = drawn(seed);
            assert!(numbers.len() == 3 && numbers.is_sorted_by(|one, other| one < other));
            numbers.iter().for_each(|number| counts[*number as usize] += 1);
        }
        // Five standard deviations of a binomial count with mean 3,000.
        assert!(counts.iter().all(|count| count.abs_diff(3_000) < 230), "{counts:?}");
        assert_eq!(drawn(4), drawn(4));
        assert_eq!(Kept::all(10).thin(10, 0).numbers.len(), 10);
    }

    #[test]
    fn directions_have_length_one_whatever_the_units() {
        let rows = directions(array![[3.0, 4.0], [3e300, 4e300], [3e-320, 4e-320], [0.0, 0.0]].view());
        for (row, expected) in rows.rows().into_iter().zip([[0.6, 0.8, 0.0], [0.6, 0.8, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]) {
            // 3e-320 is a subnormal number of few digits.
            assert!(row.iter().zip(expected).all(|(value, expected)| (value - expected).abs() < 1e-3), "{row}");
        }
    }
}
