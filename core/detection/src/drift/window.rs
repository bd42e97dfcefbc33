//! The latest values, as counts.

use std::collections::VecDeque;
use std::ops::Range;

/// The bin of what is not counted at all, as the score of a detector that abstained.
pub const ABSENT: u8 = u8::MAX;

/// In how many parts a window moves.
const PARTS: u64 = 10;

/// Counts of the latest rows by bins, for several series of values. It holds the last so many rows at most; it moves by a tenth of them at a
/// time, so that from the first time on it holds more than nine tenths. Its memory does not depend on how many rows these are.
#[derive(Debug, Clone)]
pub struct Window {
    /// Where the counts of each series begin, and where the last ones end.
    starts: Vec<usize>,
    /// Rows of a part.
    part: u64,
    /// The latest part comes last.
    parts: VecDeque<Part>,
    /// Of all parts.
    counts: Vec<u64>,
    rows: u64,
}

#[derive(Debug, Clone)]
struct Part {
    rows: u64,
    counts: Vec<u32>,
}

impl Window {
    /// A window of at most so many rows, at least ten, for series with these numbers of bins.
    pub fn new(series: impl IntoIterator<Item = usize>, rows: u32) -> Self {
        let mut starts = vec![0];
        starts.extend(series.into_iter().scan(0, |end, bins| {
            *end += bins;
            Some(*end)
        }));
        let width = starts[starts.len() - 1];
        let first = Part { rows: 0, counts: vec![0; width] };
        Self { starts, part: (u64::from(rows) / PARTS).max(1), parts: VecDeque::from([first]), counts: vec![0; width], rows: 0 }
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.starts.len() - 1
    }

    /// Counts rows. `bins` has a bin for each series of the first row, then for each of the next, and so on; one that the series does not have
    /// is not counted.
    pub fn note(&mut self, bins: &[u8]) {
        for row in bins.chunks_exact(self.series().max(1)) {
            let Some(part) = self.parts.back_mut() else { return };
            for (bin, range) in row.iter().zip(self.starts.windows(2)) {
                let place = range[0] + usize::from(*bin);
                if place < range[1] {
                    part.counts[place] += 1;
                    self.counts[place] += 1;
                }
            }
            part.rows += 1;
            self.rows += 1;
            if part.rows == self.part {
                self.next_part();
            }
        }
    }

    fn next_part(&mut self) {
        let is_full = self.parts.len() as u64 == PARTS;
        let next = match if is_full { self.parts.pop_front() } else { None } {
            Some(mut oldest) => {
                self.rows -= oldest.rows;
                self.counts.iter_mut().zip(&oldest.counts).for_each(|(all, count)| *all -= u64::from(*count));
                oldest.counts.fill(0);
                Part { rows: 0, ..oldest }
            }
            None => Part { rows: 0, counts: vec![0; self.counts.len()] },
        };
        self.parts.push_back(next);
    }

    /// How many rows it holds.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The counts of a series, in the order of its bins.
    pub fn counts(&self, series: usize) -> &[u64] {
        &self.counts[self.range(series)]
    }

    fn range(&self, series: usize) -> Range<usize> {
        self.starts[series]..self.starts[series + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_holds_the_latest_rows_and_no_others(rows in 10..200_u32, given in prop::collection::vec((0..6_u8, 0..6_u8), 0..700)) {
            let mut window = Window::new([3, 5], rows);
            for (seen, (one, other)) in given.iter().enumerate() {
                window.note(&[*one, *other]);
                let (held, seen) = (window.rows() as usize, seen + 1);
                prop_assert!(held <= rows as usize && (held == seen || held as u64 >= 9 * (u64::from(rows) / 10)), "{held} of {seen}");
                let latest = &given[seen - held..seen];
                let count = |series: usize, bin: u8| {
                    latest.iter().filter(|row| [row.0, row.1][series] == bin).count() as u64
                };
                let expected: Vec<Vec<u64>> = [3, 5].iter().enumerate().map(|(series, bins)| (0..*bins).map(|bin| count(series, bin)).collect()).collect();
                prop_assert_eq!([window.counts(0), window.counts(1)], [&expected[0][..], &expected[1][..]]);
            }
            let mut together = Window::new([3, 5], rows);
            together.note(&given.iter().flat_map(|row| [row.0, row.1]).collect::<Vec<_>>());
            prop_assert_eq!((together.rows(), together.counts), (window.rows(), window.counts));
        }
    }
}
