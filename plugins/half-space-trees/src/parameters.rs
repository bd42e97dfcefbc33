//! What a team can set in the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The highest that a tree may be.
pub(crate) const HIGHEST: u32 = 30;

/// Most rows of a window, of all trees together: about 130 MB of model.
const ROWS: u64 = 1 << 24;

/// Where a node divides its range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Splits {
    /// In the middle, of a range that is wider than the values by a random amount, in a feature drawn at random: the paper.
    #[default]
    Middle,
    /// At random, but not near its ends, in a feature drawn in proportion to what is left of its range: river.
    Random,
}

/// Most nodes that walks can come to, of all trees together: about 400 MB in an instance.
const NODES: f64 = 16_777_216.0;

/// What a tree says of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mass {
    /// The mass of the node at which the row's walk ends, times two for each step to it: the paper.
    #[default]
    Terminal,
    /// The sum of that over all nodes of the walk: river.
    Path,
}

/// What a team can set in the configuration.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How many trees, 1 to 1000. More trees make scores of different seeds more alike, and cost time in proportion.
    pub trees: u32,
    /// How many times a tree divides the space, 1 to 30.
    pub height: u32,
    /// How many rows a window has, 1 to 1000000: rows are compared with those of the last full window. trees times window may be at most
    /// 16777216.
    pub window: u32,
    /// Where a row's walk ends: at a node that holds a smaller share of the window, 0 to 1.
    pub size_limit: f64,
    /// Where a node divides its range: in the `middle` of a random range, or at `random`.
    pub splits: Splits,
    /// What a tree says of a row: the mass where its walk ends (`terminal`), or summed over its walk (`path`).
    pub mass: Mass,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { trees: 25, height: 15, window: 250, size_limit: 0.1, splits: Splits::default(), mass: Mass::default() }
    }
}

impl Parameters {
    /// Every value that is out of its range.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let Self { trees, height, window, size_limit, .. } = *self;
        let rows = u64::from(trees) * u64::from(window);
        // On each level so many nodes at most hold enough rows for a walk to go on.
        let wide = (1.0 / size_limit).min(f64::from(window));
        let nodes = 2.0 * f64::from(trees) * f64::from(height) * wide;
        let checks = [
            ((1..=1000).contains(&trees), format!("trees: {trees} is not between 1 and 1000")),
            ((1..=HIGHEST).contains(&height), format!("height: {height} is not between 1 and {HIGHEST}")),
            ((1..=1_000_000).contains(&window), format!("window: {window} is not between 1 and 1000000 rows")),
            (
                rows <= ROWS,
                format!("window: {trees} trees of {window} rows are {rows}, more than {ROWS}: take fewer trees or a smaller window"),
            ),
            ((0.0..=1.0).contains(&size_limit), format!("size_limit: {size_limit} is no share of the window, from 0 to 1")),
            (
                !(nodes > NODES && rows <= ROWS),
                format!(
                    "size_limit: walks may come to {nodes:.0} nodes, more than {NODES}: take a greater size_limit, or fewer or lower trees"
                ),
            ),
        ];
        checks.into_iter().filter_map(|(right, mistake)| (!right).then_some(mistake)).collect()
    }

    /// The name of the first parameter that another set of them has otherwise.
    pub(crate) fn differs(&self, other: &Self) -> Option<&'static str> {
        let differences = [
            ("trees", self.trees != other.trees),
            ("height", self.height != other.height),
            ("window", self.window != other.window),
            ("size_limit", self.size_limit != other.size_limit),
            ("splits", self.splits != other.splits),
            ("mass", self.mass != other.mass),
        ];
        differences.into_iter().find(|(_, differs)| *differs).map(|(name, _)| name)
    }
}
