//! Logarithms with the same bits everywhere: the system's own differ between systems in the last bit.

use std::f64::consts::{LN_2, SQRT_2};

/// The natural logarithm of a normal positive number, within 2e-15 of its value or 4e-16 (from 1 on, 2e-16): the exponent's part, and the series of the inverse
/// hyperbolic tangent for the rest (Abramowitz and Stegun, "Handbook of Mathematical Functions", 4.1.27).
pub fn ln(number: f64) -> f64 {
    let (exponent, rest) = parts(number);
    exponent * LN_2 + rest
}

/// The logarithm to base 2, as exact.
pub fn log2(number: f64) -> f64 {
    let (exponent, rest) = parts(number);
    exponent + rest / LN_2
}

/// The exponent, and the natural logarithm of what is left of the number without it.
fn parts(number: f64) -> (f64, f64) {
    let bits = number.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let (exponent, mantissa) = if mantissa > SQRT_2 { (exponent + 1, mantissa / 2.0) } else { (exponent, mantissa) };
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    // 1/23 + ... from the smallest term on; the next would be below 1e-18.
    let series = (0..11).rev().fold(1.0 / 23.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    (exponent as f64, 2.0 * ratio * series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_logarithms() {
        let far = (-1022..1024).map(|power| 2.0_f64.powi(power) * 1.37);
        let near = (1..200_000).map(|step| f64::from(step) * 1.7e-4);
        for number in near.chain(far).chain([f64::MAX, f64::MIN_POSITIVE, 1.0 + f64::EPSILON]) {
            for (found, expected) in [(ln(number), number.ln()), (log2(number), number.log2())] {
                assert!((found - expected).abs() <= 2e-15 * expected.abs() + 4e-16, "of {number}: {expected}, found {found}");
            }
        }
        let far = (0..1024).map(|power| 2.0_f64.powi(power) * 1.37);
        for number in (0..200_000).map(|step| 1.0 + f64::from(step) * 1.7e-4).chain(far).chain([f64::MAX, 1.0 + f64::EPSILON]) {
            let (found, expected) = (ln(number), number.ln());
            assert!((found - expected).abs() <= 2e-15 * expected + 2e-16, "ln({number}) is {expected}, found {found}");
        }
        assert_eq!([ln(1.0), log2(1.0), log2(8.0), log2(0.25)], [0.0, 0.0, 3.0, -2.0]);
    }
}
