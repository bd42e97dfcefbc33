//! Functions of four numbers. The system's own would be a call for each number, and other bits on another system.

use crate::four::Four;
use std::f32::consts::LOG2_E;

/// `(exp(2x) - 1) / (exp(2x) + 1)`, within 1.6e-7 of the hyperbolic tangent and never beyond ±1.
#[inline(always)]
pub fn tanh(sums: Four) -> Four {
    // From here on the answer is ±1 in single precision.
    const LIMIT: f32 = 9.02;
    let [above, below] = exp2(sums.within(LIMIT) * Four::all(2.0 * LOG2_E));
    (above - below) / (above + below)
}

/// `1 / (1 + exp(-x))`, within 1.2e-7.
#[inline(always)]
pub fn logistic(sums: Four) -> Four {
    // Beyond it the power of two has no bits.
    const LIMIT: f32 = 80.0;
    let [above, below] = exp2(sums.within(LIMIT) * Four::all(-LOG2_E));
    below / (below + above)
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
    fn the_logistic_function_is_within_its_bound() {
        for step in -32_000..=32_000_i16 {
            let sums = [0.0, 0.25, 0.5, 0.75].map(|part| (f32::from(step) + part) * 5e-4);
            for (sum, found) in sums.into_iter().zip(logistic(Four::of(sums)).numbers()) {
                let expected = 1.0 / (1.0 + (-f64::from(sum)).exp());
                assert!((f64::from(found) - expected).abs() < 1.2e-7, "of {sum} is {expected}, found {found}");
            }
        }
        let [half, one, none, small] = logistic(Four::of([0.0, 1e30, f32::NEG_INFINITY, -60.0])).numbers();
        assert_eq!([half, one], [0.5, 1.0]);
        assert!((0.0..1e-30).contains(&none) && (8.7e-27..8.8e-27).contains(&small), "{none}, {small}");
    }
}
