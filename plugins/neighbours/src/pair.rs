//! Two numbers that are worked on by one instruction. Compilers find such pairs in loops over arrays as well, but for WebAssembly not
//! reliably; there they are spelled out. Both forms are the same arithmetic, bit for bit.

pub(crate) use machine::Pair;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod machine {
    use std::arch::wasm32::{
        f64x2, f64x2_abs, f64x2_add, f64x2_extract_lane, f64x2_le, f64x2_mul, f64x2_pmax, f64x2_pmin, f64x2_splat, f64x2_sub,
        i64x2_bitmask, v128,
    };

    /// Two numbers.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Pair(v128);

    impl Pair {
        #[inline(always)]
        pub(crate) fn new(first: f64, second: f64) -> Self {
            Self(f64x2(first, second))
        }

        /// The same number twice.
        #[inline(always)]
        pub(crate) fn both(value: f64) -> Self {
            Self(f64x2_splat(value))
        }

        #[inline(always)]
        pub(crate) fn numbers(self) -> [f64; 2] {
            [f64x2_extract_lane::<0>(self.0), f64x2_extract_lane::<1>(self.0)]
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self(f64x2_add(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            Self(f64x2_sub(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn times(self, other: Self) -> Self {
            Self(f64x2_mul(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn absolute(self) -> Self {
            Self(f64x2_abs(self.0))
        }

        /// The greater number of each place.
        #[inline(always)]
        pub(crate) fn greater(self, other: Self) -> Self {
            Self(f64x2_pmax(self.0, other.0))
        }

        /// The smaller number of each place.
        #[inline(always)]
        pub(crate) fn smaller(self, other: Self) -> Self {
            Self(f64x2_pmin(self.0, other.0))
        }

        /// A bit for each number that is not above the other one in its place, that of the first number the lowest.
        #[inline(always)]
        pub(crate) fn not_above(self, other: Self) -> u32 {
            u32::from(i64x2_bitmask(f64x2_le(self.0, other.0)))
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod machine {
    /// Two numbers.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Pair([f64; 2]);

    impl Pair {
        #[inline(always)]
        pub(crate) fn new(first: f64, second: f64) -> Self {
            Self([first, second])
        }

        /// The same number twice.
        #[inline(always)]
        pub(crate) fn both(value: f64) -> Self {
            Self([value; 2])
        }

        #[inline(always)]
        pub(crate) fn numbers(self) -> [f64; 2] {
            self.0
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self([self.0[0] + other.0[0], self.0[1] + other.0[1]])
        }

        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            Self([self.0[0] - other.0[0], self.0[1] - other.0[1]])
        }

        #[inline(always)]
        pub(crate) fn times(self, other: Self) -> Self {
            Self([self.0[0] * other.0[0], self.0[1] * other.0[1]])
        }

        #[inline(always)]
        pub(crate) fn absolute(self) -> Self {
            Self([self.0[0].abs(), self.0[1].abs()])
        }

        /// The greater number of each place.
        #[inline(always)]
        pub(crate) fn greater(self, other: Self) -> Self {
            let greater = |one: f64, other: f64| if one < other { other } else { one };
            Self([greater(self.0[0], other.0[0]), greater(self.0[1], other.0[1])])
        }

        /// The smaller number of each place.
        #[inline(always)]
        pub(crate) fn smaller(self, other: Self) -> Self {
            let smaller = |one: f64, other: f64| if other < one { other } else { one };
            Self([smaller(self.0[0], other.0[0]), smaller(self.0[1], other.0[1])])
        }

        /// A bit for each number that is not above the other one in its place, that of the first number the lowest.
        #[inline(always)]
        pub(crate) fn not_above(self, other: Self) -> u32 {
            u32::from(self.0[0] <= other.0[0]) | u32::from(self.0[1] <= other.0[1]) << 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_worked_on_alone() {
        let (one, other) = (Pair::new(3.0, -2.0), Pair::new(1.0, 5.0));
        let found =
            [one.plus(other), one.minus(other), one.times(other), one.absolute(), one.greater(other), one.smaller(other), Pair::both(7.0)];
        let expected = [[4.0, 3.0], [2.0, -7.0], [3.0, -10.0], [3.0, 2.0], [3.0, 5.0], [1.0, -2.0], [7.0, 7.0]];
        assert_eq!(found.map(Pair::numbers), expected);
        assert_eq!((one.not_above(other), other.not_above(one), one.not_above(one)), (2, 1, 3));
    }
}
