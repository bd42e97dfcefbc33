//! What a team can set in the configuration, and what follows where it sets nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The deepest that a tree may be, whatever the parameters.
pub(crate) const DEEPEST: u32 = 64;

/// Most trees of a forest.
pub(crate) const MOST_TREES: u32 = 10_000;

/// Most features of one hyperplane.
const DIMENSIONS: u32 = 256;

/// Most hyperplanes that are tried for one split.
const TRIES: u32 = 1_000;

/// How a node is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// One feature, a random value: Isolation Forest.
    #[default]
    Axis,
    /// A random hyperplane, a random point along it: Extended Isolation Forest.
    Extended,
    /// The best of several random hyperplanes, where the two sides' spread is least on average: SCiForest.
    Sciforest,
    /// A random hyperplane, where the pooled spread of both sides is least: Fair-Cut Forest.
    FairCut,
}

/// What a team can set in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-artifact" = "optional"))]
pub struct Parameters {
    /// How many trees, 1 to 10000. More trees make scores of different seeds more alike, and cost time in proportion.
    pub trees: u32,
    /// How a node is split: `axis` (Isolation Forest), `extended` (random hyperplanes), `sciforest` (the best of several hyperplanes by
    /// averaged gain) or `fair_cut` (hyperplanes cut by pooled gain).
    pub split: Split,
    /// How many features make a hyperplane, 1 to 256; no more than there are. Has no effect on `axis`.
    pub features_per_split: u32,
    /// How many hyperplanes are tried for one split, of which the one with the greatest gain is taken, 1 to 1000; null: 10 for
    /// `sciforest`, 1 for `fair_cut`. Has no effect on the others, which do not compare.
    pub tries: Option<u32>,
    /// How many rows each tree is grown on: a whole number from 2, of which no more are taken than there are; or a share of the rows,
    /// up to 1 (which is all of them).
    pub max_samples: f64,
    /// The share of the features, above 0 and up to 1, that each tree draws and splits on; at least one feature.
    pub max_features: f64,
    /// How deep a tree may be, 1 to 64; null: 64 for `sciforest` and `fair_cut`, whose trees are seldom that deep, and for the others the
    /// logarithm to base 2 of the rows that a tree is grown on, rounded up.
    pub max_depth: Option<u32>,
    /// Whether a tree may draw the same row more than once.
    pub bootstrap: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            trees: 100,
            split: Split::Axis,
            features_per_split: 2,
            tries: None,
            max_samples: 256.0,
            max_features: 1.0,
            max_depth: None,
            bootstrap: false,
        }
    }
}

impl Parameters {
    /// The number of rows that a tree is grown on, of `rows`.
    pub(crate) fn sample(&self, rows: usize) -> usize {
        let wanted = if self.max_samples > 1.0 { self.max_samples } else { self.max_samples * rows as f64 };
        (wanted as usize).min(rows)
    }

    /// The number of features that a tree splits on, of `width`.
    pub(crate) fn features(&self, width: usize) -> usize {
        ((self.max_features * width as f64) as usize).clamp(1, width)
    }

    /// The number of features of a hyperplane, of `width`; none where a split is one feature's.
    pub(crate) fn dimensions(&self, width: usize) -> usize {
        if self.split == Split::Axis { 0 } else { (self.features_per_split as usize).min(width) }
    }

    /// The number of hyperplanes that are tried for one split.
    pub(crate) fn tries(&self) -> u32 {
        match self.split {
            Split::Axis | Split::Extended => 1,
            Split::Sciforest => self.tries.unwrap_or(10),
            Split::FairCut => self.tries.unwrap_or(1),
        }
    }

    /// The depth at which a tree that is grown on `sample` rows (at least 2) ends. For random cuts that is the average depth of a search
    /// tree of that many rows, rounded up: deeper lie only rows that are no anomalies. Chosen cuts take row after row off, and rank
    /// better when they go on to the end.
    pub(crate) fn deepest(&self, sample: usize) -> u32 {
        self.max_depth.unwrap_or(match self.split {
            Split::Axis | Split::Extended => (sample as u32 - 1).ilog2() + 1,
            Split::Sciforest | Split::FairCut => DEEPEST,
        })
    }

    /// Every value that is out of its range.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let Self { trees, features_per_split, max_samples, max_features, .. } = *self;
        let (tries, depth) = (self.tries.unwrap_or(1), self.max_depth.unwrap_or(1));
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let whole = max_samples >= 2.0 && max_samples.fract() == 0.0 && max_samples <= f64::from(u32::MAX);
        let checks = [
            ((1..=MOST_TREES).contains(&trees), format!("trees: {trees} is not between 1 and {MOST_TREES}")),
            (
                (1..=DIMENSIONS).contains(&features_per_split),
                format!("features_per_split: {features_per_split} is not between 1 and {DIMENSIONS}"),
            ),
            ((1..=TRIES).contains(&tries), format!("tries: {tries} is not between 1 and {TRIES}")),
            (
                share(max_samples) || whole,
                format!("max_samples: {max_samples} is neither a whole number of rows from 2 nor a share above 0 and up to 1"),
            ),
            (share(max_features), format!("max_features: {max_features} is not a share above 0 and up to 1")),
            ((1..=DEEPEST).contains(&depth), format!("max_depth: {depth} is not between 1 and {DEEPEST}")),
        ];
        checks.into_iter().filter_map(|(right, mistake)| (!right).then_some(mistake)).collect()
    }
}
