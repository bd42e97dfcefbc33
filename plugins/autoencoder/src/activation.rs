//! What a hidden unit answers to its sum.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use synod_dense::{Four, Lane, tanh};

/// What a hidden unit answers to its sum. The last layer answers the sum itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The hyperbolic tangent.
    Tanh,
    /// The sum if it is positive, else zero.
    #[default]
    Relu,
}

impl Activation {
    /// What a unit answers to its sum.
    #[inline(always)]
    pub(crate) fn answer(self, sums: Four) -> Four {
        match self {
            Self::Tanh => tanh(sums),
            Self::Relu => sums.positive(),
        }
    }

    /// Multiplies what is to change of the answers by the answers' slope: what is to change of the sums. The answers are given times `scale`.
    pub(crate) fn chain(self, answers: &[Lane], scale: f32, deltas: &mut [Lane]) {
        let numbers = answers.as_flattened().iter().zip(deltas.as_flattened_mut());
        match self {
            Self::Tanh => numbers.for_each(|(answer, delta)| {
                let answer = answer / scale;
                *delta *= 1.0 - answer * answer;
            }),
            Self::Relu => numbers.for_each(|(answer, delta)| *delta = if *answer > 0.0 { *delta } else { 0.0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_answer() {
        for activation in [Activation::Tanh, Activation::Relu] {
            let [below, above, ..] = activation.answer(Four::of([0.599, 0.601, 0.0, 0.0])).numbers();
            for scale in [1.0, 1.25] {
                let mut delta = [[1.0_f32; 8]];
                activation.chain(&[[below * scale; 8]], scale, &mut delta);
                assert!(((above - below) / 0.002 - delta[0][0]).abs() < 2e-3, "{activation:?}");
            }
        }
    }
}
