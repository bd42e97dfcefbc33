//! What a hidden unit answers to its sum.

use crate::{four::Four, tiles::Lane};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f32::consts::LOG2_E;

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

/// `(exp(2x) - 1) / (exp(2x) + 1)`, within 1.6e-7 of the hyperbolic tangent and never beyond ±1. The system's own function would be a call for
/// each number, and other bits on another system.
#[inline(always)]
fn tanh(sums: Four) -> Four {
    // From here on the answer is ±1 in single precision.
    const LIMIT: f32 = 9.02;
    let [above, below] = exp2(sums.within(LIMIT) * Four::all(2.0 * LOG2_E));
    (above - below) / (above + below)
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

/// Two to the power of numbers within ±120, as two numbers of which it is the quotient, so that what follows needs no second division: 2ⁿ times
/// `(q + r·p) / (q - r·p)` for the rest r, within ±½ (Cody and Waite, "Software Manual for the Elementary Functions", 1980, chapter 6), with the
/// coefficients of the least relative error: `r·p / q` is tanh(r · ln 2 / 2) within 6e-10, but for rounding.
#[inline(always)]
fn exp2(exponents: Four) -> [Four; 2] {
    // Adding 1.5 · 2²³ leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let rounded = exponents + Four::all(ROUND);
    let rest = exponents - (rounded - Four::all(ROUND));
    let square = rest * rest;
    let odd = rest * Four::all(7.215_025_4).plus(square, Four::all(0.057_700_478));
    let even = square + Four::all(20.818_163);
    // The lowest bits of `rounded` are n.
    [(even + odd).times_power_of_two(rounded), even - odd]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tangent_is_within_its_bound() {
        for step in -32_000..=32_000_i16 {
            let sums = [0.0, 0.25, 0.5, 0.75].map(|part| (f32::from(step) + part) * 3.5e-4);
            for (sum, found) in sums.into_iter().zip(tanh(Four::of(sums)).numbers()) {
                let expected = f64::from(sum).tanh();
                assert!((f64::from(found) - expected).abs() < 1.6e-7, "tanh({sum}) is {expected}, found {found}");
                assert!(found.abs() <= 1.0, "tanh({sum})");
            }
        }
        assert_eq!(tanh(Four::of([0.0, 1e30, f32::NEG_INFINITY, -10.0])).numbers(), [0.0, 1.0, -1.0, -1.0]);
        assert!(tanh(Four::all(f32::NAN)).numbers().iter().all(|number| number.is_nan()));
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
