//! What a pipeline does to each feature of a row before its model sees it: the scalers of scikit-learn, operation by operation, so that the same
//! numbers come out to the last bit.

use crate::refused;
use serde::Deserialize;
use synod_sdk::Error;

/// Most operations.
const MOST: usize = 16;

/// Operations, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Scaling(Vec<Operation>);

/// One operation on every feature.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    operation: Kind,
    /// A number for each feature.
    by: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Subtract,
    Add,
    Divide,
    Multiply,
}

/// All kinds, in the order of their numbers in a model.
const KINDS: [Kind; 4] = [Kind::Subtract, Kind::Add, Kind::Divide, Kind::Multiply];

impl Scaling {
    /// Whether rows stay as they are.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that every operation has a number for each of `width` features, and that none turns their order around.
    ///
    /// # Errors
    /// When it is otherwise, with the place in the file.
    pub fn check(&self, width: usize) -> Result<(), Error> {
        if self.0.len() > MOST {
            return Err(refused(&format!("scaling: {} operations are more than {MOST}", self.0.len())));
        }
        for (place, Operation { operation, by }) in self.0.iter().enumerate() {
            let wrong = |what: String| Err(refused(&format!("scaling[{place}].by{what}")));
            if by.len() != width {
                return wrong(format!(": {} numbers for {width} features", by.len()));
            }
            let factor = matches!(operation, Kind::Divide | Kind::Multiply);
            let right = |number: &f64| number.is_finite() && (!factor || *number > 0.0);
            if let Some(feature) = by.iter().position(|number| !right(number)) {
                let wanted = if factor { "a finite number above 0" } else { "a finite number" };
                return wrong(format!("[{feature}]: {} is not {wanted}", by[feature]));
            }
        }
        Ok(())
    }

    /// A value of this feature, scaled. Never less for a greater value.
    pub fn of(&self, feature: usize, value: f64) -> f64 {
        self.0.iter().fold(value, |value, Operation { operation, by }| match operation {
            Kind::Subtract => value - by[feature],
            Kind::Add => value + by[feature],
            Kind::Divide => value / by[feature],
            Kind::Multiply => value * by[feature],
        })
    }

    /// The numbers of which [`Scaling::from_numbers`] makes the same again: the kinds of the operations, and what they are done with.
    pub fn numbers(&self) -> (Vec<u32>, Vec<f64>) {
        let kind = |operation: &Operation| KINDS.iter().position(|kind| *kind == operation.operation).unwrap_or(0) as u32;
        (self.0.iter().map(kind).collect(), self.0.iter().flat_map(|operation| operation.by.iter().copied()).collect())
    }

    /// The inverse of [`Scaling::numbers`]; nothing if the numbers are no operations on `width` features.
    pub fn from_numbers(width: usize, kinds: &[u32], numbers: &[f64]) -> Option<Self> {
        if width == 0 || kinds.len().checked_mul(width)? != numbers.len() {
            return None;
        }
        let operations = kinds
            .iter()
            .zip(numbers.chunks_exact(width))
            .map(|(kind, by)| Some(Operation { operation: *KINDS.get(*kind as usize)?, by: by.to_vec() }));
        let scaling = Self(operations.collect::<Option<_>>()?);
        scaling.check(width).is_ok().then_some(scaling)
    }
}
