//! Logarithm and power by additions, multiplications and one division, so that natively and in the sandbox they give the same bits: the
//! system's mathematics library and the one that WebAssembly is linked with differ in last digits.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

/// 1 / n!, from n = 0: Taylor's series of the exponential function.
const EXPONENTIAL: [f64; 14] = {
    let (mut terms, mut n) = ([1.0; 14], 1);
    while n < 14 {
        terms[n] = terms[n - 1] / n as f64;
        n += 1;
    }
    terms
};

/// The natural logarithm of a whole number from 1, within two units of the last place.
pub(crate) fn ln(value: u32) -> f64 {
    let exponent = value.ilog2();
    let mut mantissa = f64::from(value) / (1_u64 << exponent) as f64;
    let mut powers = f64::from(exponent);
    if mantissa * FRAC_1_SQRT_2 > 1.0 {
        (mantissa, powers) = (mantissa / 2.0, powers + 1.0);
    }
    // ln m = 2 artanh s; s is at most .172, so that s^26 is below the last digit.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..13).rev().fold(0.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    powers * LN_2 + 2.0 * s * series
}

/// 2 to the power of `exponent`, which is at most 0, within two units of the last place; below -1000 it is 2^-1000.
pub(crate) fn exp2(exponent: f64) -> f64 {
    let exponent = exponent.max(-1000.0);
    let whole = (exponent - 0.5) as i32;
    let rest = (exponent - f64::from(whole)) * LN_2;
    // Even and odd powers apart: two short chains of operations are faster than a long one.
    let (pairs, _) = EXPONENTIAL.as_chunks::<2>();
    let square = rest * rest;
    let (even, odd) = pairs.iter().rev().fold((0.0, 0.0), |(even, odd), [a, b]| (even * square + a, odd * square + b));
    (even + rest * odd) * f64::from_bits(((1023 + i64::from(whole)) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_library_but_for_last_digits() {
        for value in (1..5_000).chain([65_535, 65_536, 1_000_003, u32::MAX]) {
            let expected = f64::from(value).ln();
            assert!((ln(value) - expected).abs() <= 4e-16 * expected.max(0.5), "{value}: {}, not {expected}", ln(value));
        }
    }

    #[test]
    fn powers_are_those_of_the_library_but_for_last_digits() {
        for step in 0..30_000 {
            let exponent = -f64::from(step) * 0.0317;
            let expected = exponent.exp2();
            assert!((exp2(exponent) - expected).abs() <= 6e-16 * expected, "{exponent}: {}, not {expected}", exp2(exponent));
        }
        assert_eq!(exp2(0.0), 1.0);
        assert_eq!(exp2(-1.0), 0.5);
        assert!(exp2(-1e300) > 0.0);
    }
}
