//! What a team can set in the configuration.

use crate::{activation::Activation, error::FeatureError};
use schemars::JsonSchema;
use serde::Deserialize;

/// Most hidden layers, and most units of one.
const LAYERS: usize = 16;
const WIDTH: usize = 1024;

/// What a team can set in the configuration.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Units of each hidden layer, from the first to the last; the narrowest is the bottleneck. Empty: derived from the number of features.
    pub hidden: Vec<usize>,
    /// What a hidden unit answers to its sum.
    pub activation: Activation,
    /// The most times that the training goes over all rows. At least 1.
    pub epochs: usize,
    /// Rows behind one step of the training. At least 1.
    pub batch_size: usize,
    /// How long a step is. Above 0.
    pub learning_rate: f64,
    /// The training ends after this many epochs without a better loss; the weights of the best epoch are kept. At least 1.
    pub patience: usize,
    /// Share of the rows that is not learnt from but tells when to stop. From 0 to 0.5; 0 stops by the training loss.
    pub validation: f64,
    /// How strongly weights are drawn to zero. 0 or more.
    pub weight_decay: f64,
    /// Standard deviation of the noise added to the standardised rows while training, which the network learns to remove. 0 or more.
    pub noise: f64,
    /// Share of the hidden units that is left out of each step of the training, at random. From 0 to 0.9.
    pub dropout: f64,
    /// How the errors of a row's features make its score.
    pub error: FeatureError,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            hidden: Vec::new(),
            activation: Activation::default(),
            epochs: 100,
            batch_size: 32,
            learning_rate: 1e-3,
            patience: 10,
            validation: 0.1,
            weight_decay: 0.0,
            noise: 0.0,
            dropout: 0.0,
            error: FeatureError::default(),
        }
    }
}

impl Parameters {
    /// Every value out of its range.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut expect = |holds: bool, text: String| {
            if !holds {
                mistakes.push(text);
            }
        };
        expect(self.hidden.len() <= LAYERS, format!("hidden: {} layers are more than {LAYERS}", self.hidden.len()));
        for width in &self.hidden {
            expect((1..=WIDTH).contains(width), format!("hidden: {width} units are not from 1 to {WIDTH}"));
        }
        expect((1..=100_000).contains(&self.epochs), format!("epochs: {} is not from 1 to 100000", self.epochs));
        expect((1..=65_536).contains(&self.batch_size), format!("batch_size: {} is not from 1 to 65536", self.batch_size));
        expect(self.patience >= 1, format!("patience: {} is not at least 1", self.patience));
        let rate = self.learning_rate;
        expect(rate > 0.0 && rate <= 1e6, format!("learning_rate: {rate} is not above 0 and at most 1000000"));
        expect((0.0..=0.5).contains(&self.validation), format!("validation: {} is not from 0 to 0.5", self.validation));
        expect((0.0..=100.0).contains(&self.weight_decay), format!("weight_decay: {} is not from 0 to 100", self.weight_decay));
        expect((0.0..=100.0).contains(&self.noise), format!("noise: {} is not from 0 to 100", self.noise));
        expect((0.0..=0.9).contains(&self.dropout), format!("dropout: {} is not from 0 to 0.9", self.dropout));
        mistakes
    }

    /// Units of every layer, from the inputs to the outputs.
    pub(crate) fn widths(&self, features: usize) -> Vec<usize> {
        let hidden = if self.hidden.is_empty() { default_hidden(features) } else { self.hidden.clone() };
        std::iter::once(features).chain(hidden).chain(std::iter::once(features)).collect()
    }
}

/// The hidden layers that are used where the configuration names none: 64, 32, 32 and 64 units up to 32 features, and up to 256, 128, 128 and
/// 256 for more. Narrower bottlenecks ranked real anomalies worse, see the README.
pub fn default_hidden(features: usize) -> Vec<usize> {
    let outer = features.saturating_mul(2).clamp(64, 256);
    vec![outer, outer / 2, outer / 2, outer]
}
