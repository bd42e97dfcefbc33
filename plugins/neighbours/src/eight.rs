//! Eight small numbers that are worked on by one instruction, and four sums of their products. Like [`pair`](crate::pair), spelled out for
//! WebAssembly. Both forms are the same arithmetic.

pub(crate) use machine::{Eight, Four, not_above};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod machine {
    use std::arch::wasm32::{
        i16x8, i16x8_abs, i16x8_bitmask, i16x8_max, i16x8_min, i16x8_narrow_i32x4, i16x8_splat, i16x8_sub, i32x4_add, i32x4_dot_i16x8,
        i32x4_extract_lane, i32x4_gt, i32x4_splat, v128,
    };

    /// Eight numbers of 16 bits.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Eight(v128);

    impl Eight {
        pub(crate) fn new([a, b, c, d, e, f, g, h]: [i16; 8]) -> Self {
            Self(i16x8(a, b, c, d, e, f, g, h))
        }

        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            Self(i16x8_sub(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn greater(self, other: Self) -> Self {
            Self(i16x8_max(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn smaller(self, other: Self) -> Self {
            Self(i16x8_min(self.0, other.0))
        }

        /// Of each two numbers that lie side by side, the sum of their squares.
        #[inline(always)]
        pub(crate) fn squares(self) -> Four {
            Four(i32x4_dot_i16x8(self.0, self.0))
        }

        /// Of each two numbers that lie side by side, the sum of what they are without their sign.
        #[inline(always)]
        pub(crate) fn magnitudes(self) -> Four {
            Four(i32x4_dot_i16x8(i16x8_abs(self.0), i16x8_splat(1)))
        }
    }

    /// Four numbers of 32 bits.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Four(v128);

    impl Four {
        #[inline(always)]
        pub(crate) fn all(value: i32) -> Self {
            Self(i32x4_splat(value))
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self(i32x4_add(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn numbers(self) -> [i32; 4] {
            let Self(four) = self;
            [i32x4_extract_lane::<0>(four), i32x4_extract_lane::<1>(four), i32x4_extract_lane::<2>(four), i32x4_extract_lane::<3>(four)]
        }
    }

    /// A bit for each of eight numbers that is not above the limit, that of the first number the lowest.
    #[inline(always)]
    pub(crate) fn not_above([first, second]: [Four; 2], limit: i32) -> u32 {
        let limit = i32x4_splat(limit);
        let above = i16x8_narrow_i32x4(i32x4_gt(first.0, limit), i32x4_gt(second.0, limit));
        u32::from(!i16x8_bitmask(above))
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod machine {
    use std::array::from_fn;

    /// Eight numbers of 16 bits.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Eight([i16; 8]);

    impl Eight {
        pub(crate) fn new(numbers: [i16; 8]) -> Self {
            Self(numbers)
        }

        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            Self(from_fn(|place| self.0[place].wrapping_sub(other.0[place])))
        }

        #[inline(always)]
        pub(crate) fn greater(self, other: Self) -> Self {
            Self(from_fn(|place| self.0[place].max(other.0[place])))
        }

        #[inline(always)]
        pub(crate) fn smaller(self, other: Self) -> Self {
            Self(from_fn(|place| self.0[place].min(other.0[place])))
        }

        /// Of each two numbers that lie side by side, the sum of their squares.
        #[inline(always)]
        pub(crate) fn squares(self) -> Four {
            let square = |place: usize| i32::from(self.0[place]) * i32::from(self.0[place]);
            Four(from_fn(|place| square(2 * place).wrapping_add(square(2 * place + 1))))
        }

        /// Of each two numbers that lie side by side, the sum of what they are without their sign.
        #[inline(always)]
        pub(crate) fn magnitudes(self) -> Four {
            let magnitude = |place: usize| i32::from(self.0[place]).abs();
            Four(from_fn(|place| magnitude(2 * place) + magnitude(2 * place + 1)))
        }
    }

    /// Four numbers of 32 bits.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Four([i32; 4]);

    impl Four {
        #[inline(always)]
        pub(crate) fn all(value: i32) -> Self {
            Self([value; 4])
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self(from_fn(|place| self.0[place].wrapping_add(other.0[place])))
        }

        #[inline(always)]
        pub(crate) fn numbers(self) -> [i32; 4] {
            self.0
        }
    }

    /// A bit for each of eight numbers that is not above the limit, that of the first number the lowest.
    #[inline(always)]
    pub(crate) fn not_above([first, second]: [Four; 2], limit: i32) -> u32 {
        let bit = |place: usize, number: i32| u32::from(number <= limit) << place;
        let bits = |numbers: [i32; 4], at: usize| (0..4).fold(0, |bits, place| bits | bit(at + place, numbers[place]));
        bits(first.0, 0) | bits(second.0, 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_worked_on_alone() {
        let (one, other) = (Eight::new([1, -2, 3, 4, 5, 6, -32_767, 8]), Eight::new([8, 7, -6, 5, 4, 3, -1, 1]));
        assert_eq!(one.minus(other).squares().numbers(), [49 + 81, 81 + 1, 1 + 9, 32_766 * 32_766 + 49]);
        assert_eq!(one.minus(other).magnitudes().numbers(), [7 + 9, 9 + 1, 1 + 3, 32_766 + 7]);
        assert_eq!(one.greater(other).magnitudes().numbers(), [8 + 7, 3 + 5, 5 + 6, 1 + 8]);
        assert_eq!(one.smaller(other).magnitudes().numbers(), [1 + 2, 6 + 4, 4 + 3, 32_767 + 1]);
        let sums = [one.magnitudes(), other.magnitudes().plus(Four::all(-1))];
        assert_eq!((sums[0].numbers(), sums[1].numbers()), ([3, 7, 11, 32_775], [14, 10, 6, 1]));
        assert_eq!(not_above(sums, 11), 0b1110_0111);
    }
}
