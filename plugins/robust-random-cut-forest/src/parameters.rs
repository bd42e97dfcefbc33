//! What a team can set in the configuration.

use schemars::JsonSchema;
use serde::Deserialize;

/// Most rows that all trees together keep.
const ROWS: u64 = 1 << 20;

/// Most numbers in the boxes of all trees together: about 550 MB in an instance.
const NUMBERS: u64 = 1 << 25;

/// What a team can set in the configuration.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How many trees, 1 to 10000. More trees make scores of different seeds more alike, and cost time in proportion.
    pub trees: u32,
    /// How many rows each tree keeps, 2 to 65536; fewer if there are not so many. trees times samples may be at most 1048576.
    pub samples: u32,
    /// How fast a tree forgets, 0 to 1: of two rows the one that came k rows earlier is kept with the weight e^(-k time_decay) of the other.
    /// 0: all rows that ever came are kept with the same probability.
    pub time_decay: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { trees: 100, samples: 256, time_decay: 0.0 }
    }
}

impl Parameters {
    /// Every value that is out of its range.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let Self { trees, samples, time_decay } = *self;
        let rows = u64::from(trees) * u64::from(samples);
        let checks = [
            ((1..=10_000).contains(&trees), format!("trees: {trees} is not between 1 and 10000")),
            ((2..=65_536).contains(&samples), format!("samples: {samples} is not between 2 and 65536")),
            (rows <= ROWS, format!("samples: {trees} trees of {samples} rows are {rows}, more than {ROWS}: take fewer trees or rows")),
            ((0.0..=1.0).contains(&time_decay), format!("time_decay: {time_decay} is not from 0 to 1")),
        ];
        checks.into_iter().filter_map(|(right, mistake)| (!right).then_some(mistake)).collect()
    }

    /// What is wrong if rows have so many features.
    pub(crate) fn mistake_with(&self, width: usize) -> Option<String> {
        let Self { trees, samples, .. } = *self;
        let numbers = u64::from(trees) * u64::from(samples) * width as u64;
        let text = || {
            format!("samples: {trees} trees of {samples} rows of {width} features are {numbers} numbers, more than {NUMBERS}: take fewer")
        };
        (numbers > NUMBERS).then(text)
    }

    /// The name of the first parameter that another set of them has otherwise.
    pub(crate) fn differs(&self, other: &Self) -> Option<&'static str> {
        let differences = [
            ("trees", self.trees != other.trees),
            ("samples", self.samples != other.samples),
            ("time_decay", self.time_decay != other.time_decay),
        ];
        differences.into_iter().find(|(_, differs)| *differs).map(|(name, _)| name)
    }
}
