//! What a team can set in the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most bins of a feature.
pub(crate) const BINS: u32 = 65_535;

/// How many bins a feature has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "neither a whole number nor `auto`")]
pub enum Bins {
    /// So many, 2 to 65535.
    Number(u32),
    /// As many as suit the feature's values.
    Rule(Rule),
}

/// How a number of bins is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// By the penalised likelihood of Birgé and Rozenholc, up to the root of the number of rows.
    Auto,
}

/// How wide bins are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// All bins of a feature are of one width.
    #[default]
    Static,
    /// All bins of a feature hold about as many rows.
    Dynamic,
}

/// What the height of a bin is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Height {
    /// A density: the share of the rows for each unit of the feature, as in PyOD.
    #[default]
    Density,
    /// Relative to the feature's tallest bin, as in the paper: units do not matter, and all features count alike.
    Relative,
}

/// What a value is worth that lies farther outside the bins than `tolerance`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// As much as one in an empty bin.
    #[default]
    Empty,
    /// As much as one in the feature's lowest bin, empty or not, as in PyOD.
    Lowest,
}

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How many bins each feature has: 2 to 65535, or `auto` for a number that suits its values, at most the root of the number of rows.
    pub bins: Bins,
    /// How wide bins are: all of one width (`static`), or so that all hold about as many rows (`dynamic`).
    pub width: Width,
    /// What is added to each bin's height before its logarithm is taken, 1e-12 to 1: the greater, the less an empty bin stands out.
    pub alpha: f64,
    /// How far outside the bins, in widths of the outermost bin, a value still counts as one in that bin, 0 to 1.
    pub tolerance: f64,
    /// What the height of a bin is: a `density` in the units of the feature, or `relative` to the tallest bin of the feature.
    pub height: Height,
    /// What a value farther outside is worth: one in an `empty` bin, or in the `lowest` bin that there is.
    pub outside: Outside,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            bins: Bins::Rule(Rule::Auto),
            width: Width::default(),
            alpha: 0.01,
            tolerance: 0.5,
            height: Height::default(),
            outside: Outside::default(),
        }
    }
}

impl Parameters {
    /// Every value that is out of its range.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let bins = match self.bins {
            Bins::Number(bins) if !(2..=BINS).contains(&bins) => Some(format!("bins: {bins} is neither from 2 to {BINS} nor auto")),
            _ => None,
        };
        let alpha = (!(1e-12..=1.0).contains(&self.alpha)).then(|| format!("alpha: {} is not from 1e-12 to 1", self.alpha));
        let tolerance =
            (!(0.0..=1.0).contains(&self.tolerance)).then(|| format!("tolerance: {} is not from 0 to 1 (widths of a bin)", self.tolerance));
        [bins, alpha, tolerance].into_iter().flatten().collect()
    }
}
