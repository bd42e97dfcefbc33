//! How values were distributed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How many bins the distance has. A bin holds less than two fortieths of the values, unless they are all the same.
const BINS: usize = 40;
/// A bin of the index holds about a tenth of the values.
const TENTHS: u64 = 10;
/// Most categories that have a bin each, as many as an encoding makes columns of; one bin is for others, one for what is missing.
const MOST_CATEGORIES: usize = crate::encoding::MOST_COLUMNS;

/// Counts of values by bins, in the order of the bins; those that were missing come last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Kept", into = "Kept")]
pub struct Reference {
    bins: Bins,
    counts: Vec<u64>,
    /// The bin of the index that each bin belongs to.
    merged: Vec<u8>,
}

/// Where a value belongs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Bins {
    /// A value belongs to the first bin whose upper edge it does not exceed, or else to the last one.
    Edges(Vec<f64>),
    /// So many categories have a bin each, and all others one.
    Categories(usize),
}

/// As it is kept with a model.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    bins: Bins,
    counts: Vec<u64>,
}

/// What was kept is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a reference of drift has bins and counts that do not fit each other")]
pub struct ReferenceMistake;

impl Reference {
    /// That of numbers: `sorted` are all that are there, in their order, and `missing` is how many are not.
    pub fn of_sorted(sorted: &[f64], missing: u64) -> Self {
        let edges = edges(sorted);
        let mut counts = vec![0; edges.len() + 2];
        // The values are in order, and so are their bins.
        let mut below = 0;
        for (bin, edge) in edges.iter().enumerate() {
            let up_to = sorted.partition_point(|value| value <= edge);
            counts[bin] = (up_to - below) as u64;
            below = up_to;
        }
        counts[edges.len()] = (sorted.len() - below) as u64;
        counts[edges.len() + 1] = missing;
        Self::new(Bins::Edges(edges), counts)
    }

    /// That of numbers in any order; what is not finite is missing.
    pub fn of_values(values: &[f64]) -> Self {
        let mut present: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        present.sort_by(f64::total_cmp);
        Self::of_sorted(&present, (values.len() - present.len()) as u64)
    }

    /// That of rows of a category each, as columns of which one is 1; none is 1 of an unknown category, and those of a missing one are NaN.
    pub fn of_categories(values: &[f64], width: usize) -> Self {
        let empty = Self::new(Bins::Categories(width), vec![0; width + 2]);
        let mut counts = empty.counts.clone();
        values.chunks_exact(width.max(1)).for_each(|row| counts[usize::from(empty.bin(row))] += 1);
        Self { counts, ..empty }
    }

    fn new(bins: Bins, counts: Vec<u64>) -> Self {
        let merged = match &bins {
            Bins::Edges(edges) => merged(edges, &counts),
            Bins::Categories(_) => (0..counts.len()).map(|bin| bin as u8).collect(),
        };
        Self { bins, counts, merged }
    }

    /// How many bins there are; the last one is for what is missing.
    pub fn bins(&self) -> usize {
        self.counts.len()
    }

    /// The bin of a number, or of a category's columns.
    pub fn bin(&self, values: &[f64]) -> u8 {
        let missing = self.counts.len() - 1;
        let bin = match &self.bins {
            _ if !values.first().is_some_and(|value| value.is_finite()) => missing,
            Bins::Edges(edges) => edges.partition_point(|edge| *edge < values[0]),
            Bins::Categories(width) => values.iter().position(|value| *value == 1.0).map_or(*width, |bin| bin.min(*width)),
        };
        bin as u8
    }

    /// The population stability index of `counts`, which are of these bins. A bin that is empty on one side alone is taken for one with half
    /// a value there. None if a side has nothing at all.
    pub fn psi(&self, counts: &[u64]) -> Option<f64> {
        let bins = usize::from(self.merged.iter().copied().max()?) + 1;
        let mut sides = [vec![0_u64; bins], vec![0_u64; bins]];
        for (side, counts) in sides.iter_mut().zip([&self.counts[..], counts]) {
            self.merged.iter().zip(counts).for_each(|(bin, count)| side[usize::from(*bin)] += count);
        }
        let [expected, actual] = sides;
        let (of_expected, of_actual) = (whole(&expected)?, whole(&actual)?);
        let share = |count: u64, of: f64| if count == 0 { 0.5 / of } else { count as f64 / of };
        let term = |(expected, actual): (&u64, &u64)| match (expected, actual) {
            (0, 0) => 0.0,
            (expected, actual) => {
                let (expected, actual) = (share(*expected, of_expected), share(*actual, of_actual));
                (actual - expected) * (actual / expected).ln()
            }
        };
        Some(expected.iter().zip(&actual).map(term).sum())
    }

    /// The Kolmogorov-Smirnov distance of `counts`, which are of these bins, of the numbers that are there. It is looked for between the
    /// bins alone: the distance of the values themselves is at least this one, and at most this one and the greatest share of the earlier
    /// values in a bin that holds more than one value, which is less than .05 (and about .025 where no value comes twice). None of
    /// categories, which have no order, and if a side has nothing.
    pub fn distance(&self, counts: &[u64]) -> Option<f64> {
        let Bins::Edges(edges) = &self.bins else { return None };
        let (expected, actual) = (&self.counts[..=edges.len()], counts.get(..=edges.len())?);
        let (of_expected, of_actual) = (whole(expected)?, whole(actual)?);
        let mut up_to = [0.0; 2];
        let mut greatest: f64 = 0.0;
        for (expected, actual) in expected.iter().zip(actual) {
            up_to[0] += *expected as f64;
            up_to[1] += *actual as f64;
            greatest = greatest.max((up_to[0] / of_expected - up_to[1] / of_actual).abs());
        }
        Some(greatest)
    }

    /// How many of `counts`, which are of these bins, are of values that are there.
    pub fn present(counts: &[u64]) -> u64 {
        counts.split_last().map_or(0, |(_, present)| present.iter().sum())
    }
}

fn whole(counts: &[u64]) -> Option<f64> {
    let whole: u64 = counts.iter().sum();
    (whole > 0).then_some(whole as f64)
}

/// The upper edges of bins by quantiles, the last bin having none. A quantile that comes again has a bin of its own.
fn edges(sorted: &[f64]) -> Vec<f64> {
    // The lowest value that so many parts of the values do not exceed.
    let quantile = |part: usize| sorted.get((part * sorted.len()).div_ceil(BINS).saturating_sub(1)).copied();
    let mut edges: Vec<f64> = Vec::with_capacity(BINS);
    for edge in (1..BINS).filter_map(quantile) {
        match edges.last() {
            Some(known) if *known == edge => {
                let (below, place) = (edge.next_down(), edges.len() - 1);
                if below.is_finite() && !edges[..place].ends_with(&[below]) {
                    edges.insert(place, below);
                }
            }
            _ => edges.push(edge),
        }
    }
    edges
}

/// The bin of the index that each bin belongs to: about a tenth of the values in each, and a value that is a tenth of them or more alone.
fn merged(edges: &[f64], counts: &[u64]) -> Vec<u8> {
    let (present, whole) = (edges.len() + 1, Reference::present(counts).max(1));
    let is_alone = |bin: usize| bin > 0 && bin < edges.len() && edges[bin - 1] == edges[bin].next_down() && counts[bin] * TENTHS >= whole;
    let mut merged = Vec::with_capacity(present + 1);
    let (mut group, mut tenth, mut before) = (0, 0, 0);
    for (bin, count) in counts.iter().enumerate().take(present) {
        let now = before * TENTHS / whole;
        if bin > 0 && (now > tenth || is_alone(bin) || is_alone(bin - 1)) {
            (group, tenth) = (group + 1, now);
        }
        merged.push(group);
        before += count;
    }
    merged.push(group + 1);
    merged
}

impl From<Reference> for Kept {
    fn from(reference: Reference) -> Self {
        Self { bins: reference.bins, counts: reference.counts }
    }
}

impl TryFrom<Kept> for Reference {
    type Error = ReferenceMistake;

    fn try_from(kept: Kept) -> Result<Self, ReferenceMistake> {
        let bins = match &kept.bins {
            Bins::Edges(edges) if edges.windows(2).all(|pair| pair[0] < pair[1]) && edges.len() < BINS => edges.len() + 2,
            Bins::Categories(width) if *width <= MOST_CATEGORIES => width + 2,
            _ => return Err(ReferenceMistake),
        };
        let is_sane = kept.counts.len() == bins && kept.counts.iter().all(|count| *count < 1 << 48);
        if is_sane { Ok(Self::new(kept.bins, kept.counts)) } else { Err(ReferenceMistake) }
    }
}

#[cfg(test)]
mod tests;
