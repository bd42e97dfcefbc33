//! A natural logarithm with the same bits everywhere: the system's own differs between systems in the last bit, and which rows a tree keeps
//! must not.

use std::f64::consts::{LN_2, SQRT_2};

/// The natural logarithm of a normal positive number, within 2e-15 of its value or 4e-16: the exponent's part, and the series of the inverse
/// hyperbolic tangent for the rest (Abramowitz and Stegun, "Handbook of Mathematical Functions", 4.1.27).
pub(crate) fn ln(number: f64) -> f64 {
    let bits = number.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let (exponent, mantissa) = if mantissa > SQRT_2 { (exponent + 1, mantissa / 2.0) } else { (exponent, mantissa) };
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    // 1/23 + ... from the smallest term on; the next would be below 1e-18.
    let series = (0..11).rev().fold(1.0 / 23.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    exponent as f64 * LN_2 + 2.0 * ratio * series
}

#[cfg(test)]
mod tests {
    use super::ln;

    #[test]
    fn it_is_the_logarithm() {
        let far = (-1022..1024).map(|power| 2.0_f64.powi(power) * 1.37);
        for number in (1..200_000).map(|step| f64::from(step) * 1.7e-4).chain(far).chain([f64::MAX, f64::MIN_POSITIVE]) {
            let (found, expected) = (ln(number), number.ln());
            assert!((found - expected).abs() <= 2e-15 * expected.abs() + 4e-16, "ln({number}) is {expected}, found {found}");
        }
    }
}
