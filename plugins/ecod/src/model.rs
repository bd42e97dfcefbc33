//! The fitted model: all features, and the sums that make scores of their tails.

use crate::feature::{Feature, Tails};
use crate::keys::LANES;
use crate::{Combine, Parameters};
use synod_sdk::{Error, Reader, Training, Writer};

/// The version of the model's bytes. Raise it whenever [`Feature::write`] changes.
const FORMAT: u32 = 1;

/// Rows that one feature scores before the next feature: they stay in the first-level cache.
const BLOCK: usize = 128;

#[derive(Debug)]
pub(crate) struct Model {
    combine: Combine,
    features: Vec<Feature>,
}

impl Model {
    /// Learns from finite rows, with missing values.
    ///
    /// # Errors
    /// When a feature has too many categories.
    pub(crate) fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let columns = training.rows.columns().into_iter().enumerate();
        let features = columns.map(|(index, column)| {
            let present = column.iter().copied().filter(|value| !value.is_nan()).collect();
            match training.features.get(index).filter(|feature| feature.categories > 0) {
                Some(feature) => Feature::fit_categories(present, &feature.name),
                None => Ok(Feature::fit(present, parameters.extrapolate, parameters.max_values)),
            }
        });
        Ok(Self { combine: parameters.combine, features: features.collect::<Result<_, _>>()? })
    }

    /// How many features a row has.
    pub(crate) fn width(&self) -> usize {
        self.features.len()
    }

    /// Raw scores of whole rows that lie one behind the other.
    pub(crate) fn score(&self, rows: &[f64]) -> Vec<f64> {
        match self.combine {
            Combine::EachFeature => self.sums(rows, |_, tails| [smaller(tails)]).into_iter().map(|[sum]| sum).collect(),
            Combine::WholeRow => self.sums(rows, all).into_iter().map(|sums| sums[greatest(&sums)]).collect(),
        }
    }

    /// Adds up, for each row, the parts of its features, in their order.
    fn sums<const K: usize>(&self, rows: &[f64], part: impl Fn(&Feature, Tails) -> [f64; K]) -> Vec<[f64; K]> {
        let width = self.width();
        let mut sums = vec![[0.0; K]; rows.len() / width];
        for (rows, sums) in rows.chunks(BLOCK * width).zip(sums.chunks_mut(BLOCK)) {
            for (index, feature) in self.features.iter().enumerate() {
                let (groups, rest) = sums.as_chunks_mut::<LANES>();
                let in_groups = groups.len() * LANES;
                for (group, sums) in groups.iter_mut().enumerate() {
                    let values: [f64; LANES] = std::array::from_fn(|lane| rows[(group * LANES + lane) * width + index]);
                    for (sum, tails) in sums.iter_mut().zip(feature.tails(values)) {
                        add(sum, part(feature, tails));
                    }
                }
                for (row, sum) in rest.iter_mut().enumerate() {
                    let [tails] = feature.tails([rows[(in_groups + row) * width + index]]);
                    add(sum, part(feature, tails));
                }
            }
        }
        sums
    }

    /// The features' parts of the sums that are the rows' raw scores.
    pub(crate) fn explain(&self, rows: &[f64]) -> Vec<f64> {
        let mut explained = Vec::with_capacity(rows.len());
        for row in rows.chunks_exact(self.width()) {
            let parts = self.features.iter().zip(row).map(|(feature, value)| {
                let [tails] = feature.tails([*value]);
                (smaller(tails), all(feature, tails))
            });
            match self.combine {
                Combine::EachFeature => explained.extend(parts.map(|(smaller, _)| smaller)),
                Combine::WholeRow => {
                    let parts: Vec<[f64; 3]> = parts.map(|(_, all)| all).collect();
                    let mut sums = [0.0; 3];
                    parts.iter().for_each(|part| add(&mut sums, *part));
                    let chosen = greatest(&sums);
                    explained.extend(parts.iter().map(|part| part[chosen]));
                }
            }
        }
        explained
    }

    /// The model's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        writer.number(self.combine as u64).number(self.features.len() as u64);
        self.features.iter().for_each(|feature| feature.write(&mut writer));
        writer.finish()
    }

    /// The inverse of [`Model::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are not such a model.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let (combine, width) = (reader.number()?, reader.number()?);
        let combine = [Combine::EachFeature, Combine::WholeRow].into_iter().find(|known| *known as u64 == combine);
        let combine = combine.ok_or_else(|| Error::Model("the model's way to combine features cannot be: fit it again".into()))?;
        if width == 0 {
            return Err(Error::Model("the model has no features: fit it again".into()));
        }
        // One by one: a length that was damaged ends with the bytes.
        let features = (0..width).map(|_| Feature::read(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { combine, features })
    }
}

/// The negative logarithm of the smaller tail.
fn smaller([left, right]: Tails) -> f64 {
    if left > right { left } else { right }
}

/// What the three sums of the paper are made of: the left tail, the right one, and that of the side to which the feature is skewed.
fn all(feature: &Feature, [left, right]: Tails) -> [f64; 3] {
    [left, right, if feature.skewed_left { left } else { right }]
}

fn greatest(sums: &[f64; 3]) -> usize {
    (1..3).fold(0, |best, index| if sums[index] > sums[best] { index } else { best })
}

fn add<const K: usize>(sums: &mut [f64; K], parts: [f64; K]) {
    sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
}
