//! What values of one feature are worth.

use crate::column::Column;
use crate::parameters::{BINS, Height, Outside, Parameters};
use synod_sdk::logarithm::log2;
use synod_sdk::{Error, Reader, Writer};

/// How a value's bin is found.
#[derive(Debug, Clone, PartialEq)]
enum Bins {
    /// Between edges, of which there is one more than bins.
    Numbers {
        edges: Vec<f64>,
        /// How far outside the outermost bins a value still counts as one in them, on either side.
        margins: [f64; 2],
        /// Bins for each unit if all are of one width: where to look first.
        pace: Option<f64>,
    },
    /// The value is a code, and has the bin of that number.
    Codes,
}

/// What is known of one feature: a bin's worth is the negative logarithm to base 2 of its height.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Feature {
    bins: Bins,
    /// For each bin. None if the feature was always missing.
    worth: Vec<f64>,
    /// Of a value in no bin.
    outside: f64,
    /// The mean over the training rows, which is also what a missing value is worth.
    pub(crate) mean: f64,
}

impl Feature {
    /// Learns from the values of a feature that are not missing.
    ///
    /// # Errors
    /// When they span more than a number can hold.
    pub(crate) fn fit(column: &Column, parameters: &Parameters, name: &str) -> Result<Self, Error> {
        let Some((least, greatest)) = column.limits() else { return Ok(Self::unknown()) };
        if !(greatest - least).is_finite() {
            return Err(Error::Data(format!("feature {name}: from {least} to {greatest} is too far for bins, give smaller numbers")));
        }
        let edges = column.edges(parameters.bins, parameters.width);
        let counts = column.counts(&edges);
        // A share in the narrowest of bins may overflow.
        let density = |(count, pair): (&f64, &[f64])| (count / (pair[1] - pair[0]) / column.total()).min(f64::MAX / 2.0);
        let densities: Vec<f64> = counts.iter().zip(edges.windows(2)).map(density).collect();
        Ok(Self::new(Bins::between(edges, parameters.tolerance), &counts, densities, parameters))
    }

    /// Learns from the codes of so many categories, as pairs of a code and its weight.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn fit_categories(pairs: &[(f64, f64)], categories: u32, parameters: &Parameters, name: &str) -> Result<Self, Error> {
        if categories > BINS {
            return Err(Error::Data(format!("feature {name}: {categories} categories are more than {BINS}, put the rare ones together")));
        }
        let mut counts = vec![0.0; categories as usize];
        for (code, weight) in pairs {
            let count = bin_of(*code, counts.len()).map(|bin| &mut counts[bin]);
            *count.ok_or_else(|| Error::Data(format!("feature {name}: {code} is no code of {categories} categories")))? += weight;
        }
        if pairs.is_empty() {
            return Ok(Self::unknown());
        }
        let total: f64 = counts.iter().sum();
        let shares = counts.iter().map(|count| count / total).collect();
        Ok(Self::new(Bins::Codes, &counts, shares, parameters))
    }

    /// A feature of which all values are missing: none is worth anything.
    fn unknown() -> Self {
        Self { bins: Bins::Codes, worth: Vec::new(), outside: 0.0, mean: 0.0 }
    }

    fn new(bins: Bins, counts: &[f64], mut heights: Vec<f64>, parameters: &Parameters) -> Self {
        if parameters.height == Height::Relative {
            let tallest = heights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            heights.iter_mut().for_each(|height| *height /= tallest);
        }
        let worth: Vec<f64> = heights.iter().map(|height| -log2(height + parameters.alpha)).collect();
        let outside = match parameters.outside {
            Outside::Empty => -log2(parameters.alpha),
            Outside::Lowest => worth.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        };
        let total: f64 = counts.iter().sum();
        let mean = counts.iter().zip(&worth).map(|(count, worth)| count / total * worth).sum();
        Self { bins, worth, outside, mean }
    }

    /// What a value is worth.
    #[inline]
    pub(crate) fn worth(&self, value: f64) -> f64 {
        if value.is_nan() || self.worth.is_empty() {
            return self.mean;
        }
        self.bins.find(value, self.worth.len()).map_or(self.outside, |bin| self.worth[bin])
    }

    /// How many bins there are.
    #[cfg(test)]
    pub(crate) fn bins(&self) -> usize {
        self.worth.len()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        match &self.bins {
            Bins::Codes => writer.number(0),
            Bins::Numbers { edges, margins, pace } => {
                writer.number(1).reals(edges).real(margins[0]).real(margins[1]).number(u64::from(pace.is_some()))
            }
        };
        writer.reals(&self.worth).real(self.outside).real(self.mean);
    }

    /// The inverse of [`Feature::write`].
    ///
    /// # Errors
    /// When the bytes are not such a feature.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let bins = match reader.number()? {
            0 => Bins::Codes,
            1 => {
                let (edges, margins) = (reader.reals()?, [reader.real()?, reader.real()?]);
                let ascending =
                    edges.len() >= 2 && edges.windows(2).all(|pair| pair[0] < pair[1]) && edges.iter().all(|edge| edge.is_finite());
                let sound = ascending && margins.iter().all(|margin| margin.is_finite() && *margin >= 0.0);
                let pace = match (sound, reader.number()?) {
                    (true, 0) => None,
                    (true, 1) => Some(pace(&edges)),
                    _ => return Err(damaged("bins")),
                };
                Bins::Numbers { edges, margins, pace }
            }
            _ => return Err(damaged("kinds of features")),
        };
        let feature = Self { bins, worth: reader.reals()?, outside: reader.real()?, mean: reader.real()? };
        if let Bins::Numbers { edges, .. } = &feature.bins
            && edges.len() != feature.worth.len() + 1
        {
            return Err(damaged("bins"));
        }
        // As large as a negative logarithm can be, so that no sum of them overflows.
        let sound = feature.worth.iter().chain([&feature.outside, &feature.mean]).all(|worth| worth.abs() <= 2048.0);
        if sound { Ok(feature) } else { Err(damaged("logarithms")) }
    }
}

impl Bins {
    fn between(edges: Vec<f64>, tolerance: f64) -> Self {
        let (count, width) = (edges.len() - 1, |bin: usize| edges[bin + 1] - edges[bin]);
        let margins = [width(0) * tolerance, width(count - 1) * tolerance];
        // Widths that differ by more than rounding are not equal; then each edge is looked for.
        let equal = (0..count).all(|bin| (width(bin) - width(0)).abs() <= 1e-6 * width(0));
        let pace = equal.then(|| pace(&edges));
        Self::Numbers { edges, margins, pace }
    }

    /// The bin of a value, of so many.
    #[inline]
    fn find(&self, value: f64, count: usize) -> Option<usize> {
        match self {
            Self::Codes => bin_of(value, count),
            Self::Numbers { edges, margins, pace } => {
                if value < edges[0] {
                    return (edges[0] - value <= margins[0]).then_some(0);
                }
                if value > edges[count] {
                    return (value - edges[count] <= margins[1]).then_some(count - 1);
                }
                Some(match pace {
                    Some(pace) => nearby(edges, value, (((value - edges[0]) * pace) as usize).min(count - 1)),
                    None => edges[1..count].partition_point(|edge| *edge <= value),
                })
            }
        }
    }
}

/// The bin that has a value within the edges, from one that is nearly right: a product is rounded other than the edges are.
#[inline]
fn nearby(edges: &[f64], value: f64, mut bin: usize) -> usize {
    while bin > 0 && value < edges[bin] {
        bin -= 1;
    }
    while bin + 2 < edges.len() && value >= edges[bin + 1] {
        bin += 1;
    }
    bin
}

fn pace(edges: &[f64]) -> f64 {
    let count = edges.len() - 1;
    count as f64 / (edges[count] - edges[0])
}

/// A code as the number of its bin.
fn bin_of(code: f64, count: usize) -> Option<usize> {
    (code >= 0.0 && code.fract() == 0.0 && code < count as f64).then_some(code as usize)
}

fn damaged(what: &str) -> Error {
    Error::Model(format!("the model's {what} cannot be: fit it again"))
}
