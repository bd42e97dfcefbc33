//! What a team can set in the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use synod_sdk::{Error, Training};

/// How the distances of a row's features become its raw score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The largest distance: one unusual feature is enough, and the others do not matter.
    #[default]
    Largest,
    /// The mean over the features that are not missing: a row is anomalous if many features are a little unusual.
    Mean,
    /// The sum of the squares: between the two.
    SumOfSquares,
}

/// On which side of its median a feature's values are unusual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    /// Above and below.
    #[default]
    Both,
    /// Above only: a value below the median has the distance 0.
    High,
    /// Below only: a value above the median has the distance 0.
    Low,
}

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How the distances of a row's features become its raw score.
    pub combine: Combine,
    /// Distances beyond this count as this: one broken sensor should not drown everything else. At least 1, at most 1e100.
    pub cap: f64,
    /// The sides of features that are unusual, by the features' names, as in `{amount: high}`. Both for those that are not named.
    pub sides: BTreeMap<String, Sides>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { combine: Combine::default(), cap: 1e6, sides: BTreeMap::new() }
    }
}

impl Parameters {
    /// Every value out of its range.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        // The square of the greatest cap, summed over all features, is still a finite number.
        if (1.0..=1e100).contains(&self.cap) { Vec::new() } else { vec![format!("cap: {} is not from 1 to 1e100", self.cap)] }
    }

    /// The sides of each column.
    ///
    /// # Errors
    /// When a feature is named that is not there.
    pub(crate) fn sides_of(&self, training: &Training<'_>) -> Result<Vec<Sides>, Error> {
        let names: Vec<&str> = training.features.iter().map(|feature| feature.name.as_str()).collect();
        if let Some(unknown) = self.sides.keys().find(|name| !names.contains(&name.as_str())) {
            let known =
                if names.is_empty() { "the features have no names here".to_owned() } else { format!("there are {}", names.join(", ")) };
            return Err(Error::Parameters(format!("sides: there is no feature {unknown:?}, {known}")));
        }
        let named = |column: usize| names.get(column).and_then(|name| self.sides.get(*name)).copied().unwrap_or_default();
        Ok((0..training.rows.ncols()).map(named).collect())
    }
}
