//! Four numbers in one vector. The compiler keeps arrays of numbers in vectors where it finds out that it can; in the sandbox it did not for
//! the loops that all the time goes into, so there the vector is named. Both answer the same bits: one product, then one sum, each rounded.

#[cfg(target_arch = "wasm32")]
use std::arch::wasm32::{f32x4, f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_pmax, f32x4_splat, v128};

/// Four numbers.
#[derive(Debug, Clone, Copy)]
#[cfg(target_arch = "wasm32")]
pub(crate) struct Four(v128);

#[cfg(target_arch = "wasm32")]
impl Four {
    /// These numbers.
    #[inline(always)]
    pub(crate) fn of([a, b, c, d]: [f32; 4]) -> Self {
        Self(f32x4(a, b, c, d))
    }

    /// Four times this number.
    #[inline(always)]
    pub(crate) fn all(number: f32) -> Self {
        Self(f32x4_splat(number))
    }

    /// These numbers and, added to each, a product.
    #[inline(always)]
    pub(crate) fn plus(self, one: Self, other: Self) -> Self {
        Self(f32x4_add(self.0, f32x4_mul(one.0, other.0)))
    }

    /// Each number if it is positive, else zero.
    #[inline(always)]
    pub(crate) fn positive(self) -> Self {
        Self(f32x4_pmax(f32x4_splat(0.0), self.0))
    }

    /// The numbers.
    #[inline(always)]
    pub(crate) fn numbers(self) -> [f32; 4] {
        let Self(four) = self;
        [f32x4_extract_lane::<0>(four), f32x4_extract_lane::<1>(four), f32x4_extract_lane::<2>(four), f32x4_extract_lane::<3>(four)]
    }
}

/// Four numbers.
#[derive(Debug, Clone, Copy)]
#[cfg(not(target_arch = "wasm32"))]
pub(crate) struct Four([f32; 4]);

#[cfg(not(target_arch = "wasm32"))]
impl Four {
    /// These numbers.
    #[inline(always)]
    pub(crate) fn of(numbers: [f32; 4]) -> Self {
        Self(numbers)
    }

    /// Four times this number.
    #[inline(always)]
    pub(crate) fn all(number: f32) -> Self {
        Self([number; 4])
    }

    /// These numbers and, added to each, a product.
    #[inline(always)]
    pub(crate) fn plus(self, Self(one): Self, Self(other): Self) -> Self {
        let Self([a, b, c, d]) = self;
        Self([a + one[0] * other[0], b + one[1] * other[1], c + one[2] * other[2], d + one[3] * other[3]])
    }

    /// Each number if it is positive, else zero.
    #[inline(always)]
    pub(crate) fn positive(self) -> Self {
        Self(self.0.map(|number| if number > 0.0 { number } else { 0.0 }))
    }

    /// The numbers.
    #[inline(always)]
    pub(crate) fn numbers(self) -> [f32; 4] {
        self.0
    }
}
