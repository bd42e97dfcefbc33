//! The exponential and the logarithm from additions, multiplications and divisions only. The standard library's are the platform's, whose
//! last bit differs from one machine to the next; these give the same bits everywhere. Good to about 1e-15, which is ample here.

use std::f64::consts::{LN_2, SQRT_2};

/// The natural logarithm of a positive, finite, normal number: its exponent, plus the series of 2·atanh((m-1)/(m+1)) for its mantissa m.
pub(super) fn logarithm(value: f64) -> f64 {
    let bits = value.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // Around 1 the series converges fastest: its argument stays below 0.172.
    if mantissa > SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    let argument = (mantissa - 1.0) / (mantissa + 1.0);
    let square = argument * argument;
    let series = (0..12).rev().fold(0.0, |sum, power| sum * square + 1.0 / f64::from(2 * power + 1));
    exponent as f64 * LN_2 + 2.0 * argument * series
}

/// e to the power of `value`, which is cut to -700..=700: a power of two, times the Taylor series of what is left.
pub(super) fn exponential(value: f64) -> f64 {
    let value = value.clamp(-700.0, 700.0);
    let exponent = (value / LN_2).round();
    let rest = value - exponent * LN_2;
    let series = (1..=14).rev().fold(1.0, |sum, power| 1.0 + sum * rest / f64::from(power));
    series * f64::from_bits(((exponent as i64 + 1023) as u64) << 52)
}

/// Rounded to two decimals.
pub(super) fn to_cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_platform() {
        for step in -3000..=3000 {
            let value = f64::from(step) * 0.01;
            let expected = value.exp();
            assert!((exponential(value) / expected - 1.0).abs() < 1e-14, "exponential of {value}");
            assert!((logarithm(expected) - expected.ln()).abs() < 1e-14 * (1.0 + value.abs()), "logarithm of {expected}");
        }
    }

    #[test]
    fn the_smallest_draw_has_a_logarithm() {
        let smallest = 1.0 / (1_u64 << 53) as f64;
        assert!((logarithm(smallest) - smallest.ln()).abs() < 1e-13);
        assert_eq!(logarithm(1.0), 0.0);
    }
}
