//! What a hidden unit answers to its sum.

use crate::{four::Four, tiles::Lane};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// `1 - 2 / (exp(2x) + 1)`, within 2e-7 of the hyperbolic tangent. The system's own function would be a call for each number, and other bits
/// on another system.
fn tanh(sum: f32) -> f32 {
    // From here on the answer is ±1 in single precision.
    1.0 - 2.0 / (exp(2.0 * sum.clamp(-9.02, 9.02)) + 1.0)
}

impl Activation {
    /// What a unit answers to its sum.
    #[inline(always)]
    pub(crate) fn answer(self, sums: Four) -> Four {
        match self {
            Self::Tanh => Four::of(sums.numbers().map(tanh)),
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

/// The exponential of a number within ±80: 2ⁿ times a polynomial of the rest (Cody and Waite, "Software Manual for the Elementary Functions",
/// 1980, chapter 6).
fn exp(exponent: f32) -> f32 {
    // Adding 1.5 · 2²³ leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // The logarithm of two in two parts, of which the first has few bits: its product with n is exact.
    const LOG_TWO: f32 = 0.693_359_4;
    const LOG_TWO_REST: f32 = -2.121_944_4e-4;
    const TAYLOR: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let rounded = exponent * std::f32::consts::LOG2_E + ROUND;
    let whole = rounded - ROUND;
    let rest = exponent - whole * LOG_TWO - whole * LOG_TWO_REST;
    let polynomial = TAYLOR.into_iter().fold(1.0 / 5040.0, |sum, coefficient| sum * rest + coefficient);
    // The lowest bits of `rounded` are n: added to the exponent's bits of the polynomial, they multiply it by 2ⁿ.
    f32::from_bits(polynomial.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tangent_is_within_its_bound() {
        for step in -120_000..=120_000 {
            let sum = step as f32 * 1e-4;
            let (found, expected) = (tanh(sum), f64::from(sum).tanh());
            assert!((f64::from(found) - expected).abs() < 2e-7, "tanh({sum}) is {expected}, found {found}");
        }
        assert_eq!([0.0, 1e30, -1e30].map(tanh), [0.0, 1.0, -1.0]);
    }

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
