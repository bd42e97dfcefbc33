//! The tails of one feature.

use crate::counts::Counts;
use crate::keys::Keys;
use synod_sdk::logarithm::ln;
use synod_sdk::{Error, Reader, Writer};

/// The tail whose mean excess is the unit of distances beyond the training values: a tenth of the rows.
const TAIL: u32 = 10;

/// Most categories.
const MOST: usize = 65_535;

/// The negative logarithms of two tail probabilities: of values as small, and of values as great.
pub(crate) type Tails = [f64; 2];

/// What is known of one feature.
#[derive(Debug)]
pub(crate) struct Feature {
    counts: Counts,
    /// Whether the values are codes of categories, which have no order.
    categorical: bool,
    /// Whether the longer tail is the one of small values.
    pub(crate) skewed_left: bool,
    /// The units of distances beyond the least and the greatest value; infinite where distance does not count.
    units: [f64; 2],
    keys: Keys,
    /// For each place that [`Keys::find`] tells.
    tails: Vec<Tails>,
}

impl Feature {
    /// Learns from the values of a feature that are not missing.
    pub(crate) fn fit(column: Vec<f64>, extrapolate: bool, most: usize) -> Self {
        let skewed_left = third_moment(&column) < 0.0;
        let counts = Counts::of(column);
        let units = if extrapolate { [unit(&counts.mirrored()), unit(&counts)] } else { [f64::INFINITY; 2] };
        Self::new(counts.thin(most), false, skewed_left, units)
    }

    /// Learns from the codes of categories.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn fit_categories(column: Vec<f64>, name: &str) -> Result<Self, Error> {
        let counts = Counts::of(column);
        if counts.values.len() > MOST {
            let text = format!("feature {name}: {} categories are more than {MOST}, put the rare ones together", counts.values.len());
            return Err(Error::Data(text));
        }
        Ok(Self::new(counts, true, false, [f64::INFINITY; 2]))
    }

    fn new(counts: Counts, categorical: bool, skewed_left: bool, units: [f64; 2]) -> Self {
        let keys = Keys::new(&counts.values);
        let tails = if categorical { tails_by_rarity(&counts) } else { tails_by_order(&counts) };
        Self { counts, categorical, skewed_left, units, keys, tails }
    }

    /// The tails of some values, which are looked up together.
    #[inline(always)]
    pub(crate) fn tails<const N: usize>(&self, values: [f64; N]) -> [Tails; N] {
        let last = self.tails.len() - 1;
        let places = self.keys.find(values).map(|place| place.min(last));
        let mut tails = places.map(|place| self.tails[place]);
        // Without a branch for each: there seldom is one that lies outside.
        if places.iter().fold(false, |any, place| any | (*place == 0) | (*place == last)) {
            for lane in 0..N {
                if places[lane] == 0 || places[lane] == last {
                    tails[lane] = self.outside(values[lane], tails[lane]);
                }
            }
        }
        tails
    }

    /// Makes of the tails at the end of the training values those of a value beyond it: for each doubling of the distance from the end, in the
    /// unit of that side and counted from one unit before it, the probability is half as large (a Pareto tail of index 1).
    #[cold]
    fn outside(&self, value: f64, [left, right]: Tails) -> Tails {
        let (Some(least), Some(greatest)) = (self.counts.values.first(), self.counts.values.last()) else { return [0.0; 2] };
        // A difference may overflow; and infinite units make nothing of the farthest.
        let farther = |distance: f64, unit: f64| ln((1.0 + distance.min(f64::MAX) / unit).min(f64::MAX));
        if value.is_nan() {
            [0.0; 2]
        } else if value < *least {
            [left + farther(least - value, self.units[0]), right]
        } else if value > *greatest {
            [left, right + farther(value - greatest, self.units[1])]
        } else {
            [left, right]
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.number(u64::from(self.categorical)).number(u64::from(self.skewed_left));
        writer.real(self.units[0]).real(self.units[1]).number(u64::from(self.counts.rows));
        writer.reals(&self.counts.values).numbers(&self.counts.below).numbers(&self.counts.up_to);
    }

    /// The inverse of [`Feature::write`].
    ///
    /// # Errors
    /// When the bytes are not such a feature.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (categorical, skewed_left) = (flag(reader)?, flag(reader)?);
        let units = [reader.real()?, reader.real()?];
        let rows = u32::try_from(reader.number()?).map_err(|_| damaged("number of rows"))?;
        let counts = Counts { rows, values: reader.reals()?, below: reader.numbers()?, up_to: reader.numbers()? };
        if counts.values.len() > MOST || !counts.are_whole() {
            return Err(damaged("counts"));
        }
        if !units.iter().all(|unit| *unit > 0.0) {
            return Err(damaged("units"));
        }
        Ok(Self::new(counts, categorical, skewed_left, units))
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Error> {
    match reader.number()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(damaged("kinds of features")),
    }
}

fn damaged(what: &str) -> Error {
    Error::Model(format!("the model's {what} cannot be: fit it again"))
}

/// Tails below all values, and then in turns at a value and above it. Between two values that are kept the rows are divided in the middle
/// of those that have been left out there: if none have, the probabilities are exact.
fn tails_by_order(counts: &Counts) -> Vec<Tails> {
    let (rows, count) = (f64::from(counts.rows), counts.values.len());
    if count == 0 {
        return vec![[0.0; 2]];
    }
    let tail = |part: f64| ln(rows / part);
    let mut tails = vec![[ln(rows + 1.0), 0.0]];
    for index in 0..count {
        let (below, up_to) = (f64::from(counts.below[index]), f64::from(counts.up_to[index]));
        tails.push([tail(up_to), tail(rows - below)]);
        if let Some(next) = counts.below.get(index + 1) {
            let middle = (up_to + f64::from(*next)) / 2.0;
            tails.push([tail(middle), tail(rows - middle)]);
        }
    }
    tails.push([0.0, ln(rows + 1.0)]);
    tails
}

/// Tails of categories: how large a share of the rows has a category that is no more frequent. A category that no row has is as rare as one
/// in all rows and one more.
fn tails_by_rarity(counts: &Counts) -> Vec<Tails> {
    let rows = f64::from(counts.rows);
    let frequencies: Vec<u32> = counts.up_to.iter().zip(&counts.below).map(|(up_to, below)| up_to - below).collect();
    let mut sorted = frequencies.clone();
    sorted.sort_unstable();
    let sums: Vec<u32> = sorted
        .iter()
        .scan(0, |sum, frequency| {
            *sum += frequency;
            Some(*sum)
        })
        .collect();
    let unknown = [ln(rows + 1.0); 2];
    let mut tails = vec![unknown];
    for frequency in frequencies {
        let rarer = sums[sorted.partition_point(|other| *other <= frequency) - 1];
        tails.extend([[ln(rows / f64::from(rarer)); 2], unknown]);
    }
    tails
}

/// How far the greatest values exceed the value that a tenth of the rows exceed, on average; or else the median; infinite if not even that.
fn unit(counts: &Counts) -> f64 {
    [TAIL, 2]
        .into_iter()
        .map(|share| mean_excess(counts, counts.rows - counts.rows / share))
        .find(|mean| *mean > 0.0)
        .unwrap_or(f64::INFINITY)
}

/// The mean excess over the value with this rank of the rows that have a greater one.
fn mean_excess(counts: &Counts, rank: u32) -> f64 {
    let first = counts.up_to.partition_point(|up_to| *up_to < rank);
    let Some(threshold) = counts.values.get(first) else { return 0.0 };
    let more = f64::from(counts.rows - counts.up_to[first]).max(1.0);
    let excess = |index: usize| (counts.values[index] - threshold) / more * f64::from(counts.up_to[index] - counts.below[index]);
    (first + 1..counts.values.len()).map(excess).sum::<f64>().min(f64::MAX)
}

/// A number with the sign of the skewness.
fn third_moment(column: &[f64]) -> f64 {
    let count = column.len() as f64;
    let mean: f64 = column.iter().map(|value| value / count).sum();
    // In units of the greatest: cubes stay finite.
    let greatest = column.iter().map(|value| (value / 2.0 - mean / 2.0).abs()).fold(f64::MIN_POSITIVE, f64::max);
    column.iter().map(|value| (value / 2.0 - mean / 2.0) / greatest).map(|part| part * part * part).sum()
}
