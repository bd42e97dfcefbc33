//! Gauss and Legendre's points and weights on the interval from 0 to 1: with `N` of them the integral of a polynomial of degree up to 2N - 1
//! is exact but for rounding.

/// Points and their weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quadrature<const N: usize> {
    pub(crate) points: [f64; N],
    pub(crate) weights: [f64; N],
}

impl<const N: usize> Quadrature<N> {
    pub(crate) fn new() -> Self {
        let roots = roots(N);
        // The weight of a root x is 2 / ((1 - x^2) P'(x)^2) on the interval from -1 to 1, which is twice as long.
        let weight = |x: f64| 1.0 / ((1.0 - x * x) * slope(N, x) * slope(N, x));
        Self { points: std::array::from_fn(|index| (1.0 + roots[index]) / 2.0), weights: std::array::from_fn(|index| weight(roots[index])) }
    }
}

/// The values at `x` of Legendre's polynomials of the degrees `degree` and `degree - 1`.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    (1..degree).fold((x, 1.0), |(value, before), n| {
        let n = n as f64;
        (((2.0 * n + 1.0) * x * value - n * before) / (n + 1.0), value)
    })
}

fn slope(degree: usize, x: f64) -> f64 {
    let (value, before) = legendre(degree, x);
    degree as f64 * (x * value - before) / (x * x - 1.0)
}

/// The roots of Legendre's polynomial of this degree, from 1, in their order: one lies between each two of the degree before.
fn roots(degree: usize) -> Vec<f64> {
    (1..=degree).fold(Vec::new(), |before, degree| {
        let ends = || std::iter::once(-1.0).chain(before.iter().copied()).chain(std::iter::once(1.0));
        ends().zip(ends().skip(1)).map(|(low, high)| root(degree, low, high)).collect()
    })
}

/// Halves the interval until it is as small as numbers can tell.
fn root(degree: usize, mut low: f64, mut high: f64) -> f64 {
    let rises = legendre(degree, low).0 < 0.0;
    for _ in 0..64 {
        let middle = (low + high) / 2.0;
        if (legendre(degree, middle).0 < 0.0) == rises { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_exact<const N: usize>() {
        let Quadrature { points, weights } = Quadrature::<N>::new();
        for degree in 0..2 * N as i32 {
            let integral: f64 = points.iter().zip(weights).map(|(point, weight)| weight * point.powi(degree)).sum();
            assert!((integral - 1.0 / f64::from(degree + 1)).abs() < 1e-14, "{N} points, degree {degree}: {integral}");
        }
    }

    #[test]
    fn polynomials_are_integrated_exactly() {
        is_exact::<1>();
        is_exact::<2>();
        is_exact::<4>();
        is_exact::<8>();
        is_exact::<16>();
        is_exact::<32>();
    }
}
