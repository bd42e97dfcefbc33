//! Four numbers in one vector. The compiler keeps arrays of numbers in vectors where it finds out that it can; in the sandbox it did not for
//! the loops that all the time goes into, so there the vector is named. Both answer the same bits: one product, then one sum, each rounded.

use std::ops::{Add, Div, Mul, Sub};

#[cfg(target_arch = "wasm32")]
use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_div, f32x4_extract_lane, f32x4_mul, f32x4_pmax, f32x4_pmin, f32x4_splat, f32x4_sub, i32x4_add, i32x4_shl, v128,
};

/// Four numbers.
#[derive(Debug, Clone, Copy)]
#[cfg(target_arch = "wasm32")]
pub struct Four(v128);

#[cfg(target_arch = "wasm32")]
impl Four {
    /// These numbers.
    #[inline(always)]
    pub fn of([a, b, c, d]: [f32; 4]) -> Self {
        Self(f32x4(a, b, c, d))
    }

    /// Four times this number.
    #[inline(always)]
    pub fn all(number: f32) -> Self {
        Self(f32x4_splat(number))
    }

    /// The greater of two numbers, this one where they are equal or either is none.
    #[inline(always)]
    pub fn greatest(self, other: Self) -> Self {
        Self(f32x4_pmax(self.0, other.0))
    }

    /// The lesser of two numbers, this one where they are equal or either is none.
    #[inline(always)]
    pub fn least(self, other: Self) -> Self {
        Self(f32x4_pmin(self.0, other.0))
    }

    /// Each number times 2ⁿ, n being in the lowest nine bits of the other one.
    #[inline(always)]
    pub fn times_power_of_two(self, other: Self) -> Self {
        Self(i32x4_add(self.0, i32x4_shl(other.0, 23)))
    }

    /// The numbers.
    #[inline(always)]
    pub fn numbers(self) -> [f32; 4] {
        let Self(four) = self;
        [f32x4_extract_lane::<0>(four), f32x4_extract_lane::<1>(four), f32x4_extract_lane::<2>(four), f32x4_extract_lane::<3>(four)]
    }
}

/// Four numbers.
#[derive(Debug, Clone, Copy)]
#[cfg(not(target_arch = "wasm32"))]
pub struct Four([f32; 4]);

#[cfg(not(target_arch = "wasm32"))]
impl Four {
    /// These numbers.
    #[inline(always)]
    pub fn of(numbers: [f32; 4]) -> Self {
        Self(numbers)
    }

    /// Four times this number.
    #[inline(always)]
    pub fn all(number: f32) -> Self {
        Self([number; 4])
    }

    /// The greater of two numbers, this one where they are equal or either is none.
    #[inline(always)]
    pub fn greatest(self, other: Self) -> Self {
        self.with(other, |number, other| if number < other { other } else { number })
    }

    /// The lesser of two numbers, this one where they are equal or either is none.
    #[inline(always)]
    pub fn least(self, other: Self) -> Self {
        self.with(other, |number, other| if other < number { other } else { number })
    }

    /// Each number times 2ⁿ, n being in the lowest nine bits of the other one.
    #[inline(always)]
    pub fn times_power_of_two(self, other: Self) -> Self {
        self.with(other, |number, other| f32::from_bits(number.to_bits().wrapping_add(other.to_bits() << 23)))
    }

    /// The answers for one number of each after the other.
    #[inline(always)]
    fn with(self, Self(other): Self, answer: impl Fn(f32, f32) -> f32) -> Self {
        let Self([a, b, c, d]) = self;
        Self([answer(a, other[0]), answer(b, other[1]), answer(c, other[2]), answer(d, other[3])])
    }

    /// The numbers.
    #[inline(always)]
    pub fn numbers(self) -> [f32; 4] {
        self.0
    }
}

impl Four {
    /// These numbers and, added to each, a product.
    #[inline(always)]
    pub fn plus(self, one: Self, other: Self) -> Self {
        self + one * other
    }

    /// Each number if it is positive, else zero.
    #[inline(always)]
    pub fn positive(self) -> Self {
        Self::all(0.0).greatest(self)
    }

    /// Each number, or the nearest within ± this limit; what is no number stays so.
    #[inline(always)]
    pub fn within(self, limit: f32) -> Self {
        self.greatest(Self::all(-limit)).least(Self::all(limit))
    }
}

/// An operator, number by number.
macro_rules! operator {
    ($operator:ident, $name:ident, $vector:ident) => {
        impl $operator for Four {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                #[cfg(target_arch = "wasm32")]
                let answer = Self($vector(self.0, other.0));
                #[cfg(not(target_arch = "wasm32"))]
                let answer = self.with(other, $operator::$name);
                answer
            }
        }
    };
}

operator!(Add, add, f32x4_add);
operator!(Sub, sub, f32x4_sub);
operator!(Mul, mul, f32x4_mul);
operator!(Div, div, f32x4_div);
