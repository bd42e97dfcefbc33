//! How the distances to the neighbours become one number.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use synod_neighbours::{Found, Neighbour, Reference};
use synod_sdk::Error;

/// Which of the distances to the neighbours is the raw score, by the names of PyOD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// That of the farthest neighbour.
    Largest,
    /// Their mean.
    #[default]
    Mean,
    /// Their median; between the two in the middle, their mean.
    Median,
}

impl Method {
    /// The method that has this number in a model.
    ///
    /// # Errors
    /// When none has.
    pub(crate) fn numbered(number: u64) -> Result<Self, Error> {
        let known = [Self::Largest, Self::Mean, Self::Median].into_iter().find(|method| *method as u64 == number);
        known.ok_or_else(|| Error::Model("the model's method cannot be: fit it again".into()))
    }

    /// The neighbours whose distances make the raw score, and how much each counts. A neighbour that stands for several equal rows counts
    /// as so many; the copies of the row itself count at distance 0, where the row is one of the reference.
    pub(crate) fn weights(self, reference: &Reference, found: &Found<'_>) -> Vec<(Neighbour, f64)> {
        let copies = found.own.map(|own| (Neighbour { distance: 0.0, position: own }, f64::from(reference.count(own) - 1)));
        let others = found.neighbours.iter().map(|near| (*near, f64::from(reference.count(near.position))));
        let all = copies.into_iter().filter(|(_, count)| *count > 0.0).chain(others);
        match self {
            Self::Largest => all.last().map(|(near, _)| (near, 1.0)).into_iter().collect(),
            Self::Mean => all.collect(),
            Self::Median => middle(&all.collect::<Vec<_>>()),
        }
    }
}

/// The one or two of sorted values in whose middle half of the whole count lies.
fn middle(sorted: &[(Neighbour, f64)]) -> Vec<(Neighbour, f64)> {
    let half = sorted.iter().map(|(_, count)| count).sum::<f64>() / 2.0;
    // Counts are whole numbers below 2^53, and so are their sums: comparisons are exact.
    let mut below = 0.0;
    let place = sorted.iter().position(|(_, count)| {
        below += count;
        below >= half
    });
    let place = place.unwrap_or(sorted.len() - 1);
    let both = if below == half { place..(place + 2).min(sorted.len()) } else { place..place + 1 };
    sorted[both].iter().map(|(near, _)| (*near, 1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(values: &[(f64, u32)]) -> f64 {
        let sorted: Vec<_> =
            values.iter().map(|(distance, count)| (Neighbour { distance: *distance, position: 0 }, f64::from(*count))).collect();
        let middle = middle(&sorted);
        middle.iter().map(|(near, _)| near.distance).sum::<f64>() / middle.len() as f64
    }

    #[test]
    fn a_median_counts_copies() {
        assert_eq!(median(&[(1.0, 1)]), 1.0);
        assert_eq!(median(&[(1.0, 1), (2.0, 1), (4.0, 1)]), 2.0);
        assert_eq!(median(&[(1.0, 1), (2.0, 1), (4.0, 1), (9.0, 1)]), 3.0);
        assert_eq!(median(&[(1.0, 2), (2.0, 1), (4.0, 4)]), 4.0);
        assert_eq!(median(&[(1.0, 2), (2.0, 2), (4.0, 4)]), 3.0);
        assert_eq!(median(&[(1.0, 9), (2.0, 2), (4.0, 4)]), 1.0);
    }

    #[test]
    fn methods_have_numbers() {
        for method in [Method::Largest, Method::Mean, Method::Median] {
            assert_eq!(Method::numbered(method as u64), Ok(method));
        }
        assert!(Method::numbered(3).is_err());
    }
}
