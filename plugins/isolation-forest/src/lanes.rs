//! Eight comparisons by one instruction. Spelled out for WebAssembly, whose compilers do not find them in loops; elsewhere the same
//! arithmetic, a number at a time.

pub(crate) use machine::{Eight, FAST, Places, above};

/// Numbers that lie in one register: eight of 16 bits.
pub(crate) const EIGHT: usize = 8;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod machine {
    use std::arch::wasm32::{
        i8x16, i8x16_bitmask, i8x16_narrow_i16x8, i8x16_splat, i8x16_sub, i8x16_swizzle, i16x8, i16x8_gt, u16x8_extract_lane, v128, v128_or,
    };

    /// Whether eight comparisons cost one instruction.
    pub(crate) const FAST: bool = true;

    /// Eight numbers of 16 bits.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Eight(v128);

    impl Eight {
        #[inline(always)]
        pub(crate) fn new([a, b, c, d, e, f, g, h]: [i16; 8]) -> Self {
            Self(i16x8(a, b, c, d, e, f, g, h))
        }

        /// The last number, without its sign.
        #[inline(always)]
        pub(crate) fn last(self) -> u16 {
            u16x8_extract_lane::<7>(self.0)
        }
    }

    /// From where in a row eight numbers are taken.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Places(v128);

    impl Places {
        /// Places below 64.
        pub(crate) fn new(places: [u8; 8]) -> Self {
            let [a, b, c, d, e, f, g, h] = places.map(|place| 2 * place as i8);
            Self(i8x16(a, a + 1, b, b + 1, c, c + 1, d, d + 1, e, e + 1, f, f + 1, g, g + 1, h, h + 1))
        }

        /// The numbers of a row at these places.
        #[inline(always)]
        fn of<const N: usize>(self, row: &[Eight; N]) -> v128 {
            // What is out of a register's range gives 0.
            let mut taken = i8x16_swizzle(row[0].0, self.0);
            for (part, eight) in row.iter().enumerate().skip(1) {
                taken = v128_or(taken, i8x16_swizzle(eight.0, i8x16_sub(self.0, i8x16_splat(16 * part as i8))));
            }
            taken
        }
    }

    /// A bit for each number of the row, at the first places and then at the second ones, that is above its limit; the lowest for the first.
    #[inline(always)]
    pub(crate) fn above<const N: usize>(row: &[Eight; N], first: (Places, Eight), second: (Places, Eight)) -> u16 {
        let compare = |(places, limits): (Places, Eight)| i16x8_gt(places.of(row), limits.0);
        i8x16_bitmask(i8x16_narrow_i16x8(compare(first), compare(second)))
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod machine {
    use super::EIGHT;

    /// Whether eight comparisons cost one instruction.
    pub(crate) const FAST: bool = false;

    /// Eight numbers of 16 bits.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Eight([i16; EIGHT]);

    impl Eight {
        #[inline(always)]
        pub(crate) fn new(numbers: [i16; EIGHT]) -> Self {
            Self(numbers)
        }

        /// The last number, without its sign.
        #[inline(always)]
        pub(crate) fn last(self) -> u16 {
            self.0[EIGHT - 1] as u16
        }
    }

    /// From where in a row eight numbers are taken.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Places([u8; EIGHT]);

    impl Places {
        /// Places below 64.
        pub(crate) fn new(places: [u8; EIGHT]) -> Self {
            Self(places)
        }
    }

    /// A bit for each number of the row, at the first places and then at the second ones, that is above its limit; the lowest for the first.
    #[inline(always)]
    pub(crate) fn above<const N: usize>(row: &[Eight; N], first: (Places, Eight), second: (Places, Eight)) -> u16 {
        let number = |place: u8| row[usize::from(place) / EIGHT].0[usize::from(place) % EIGHT];
        let compare = |(places, limits): (Places, Eight)| {
            (0..EIGHT).fold(0, |bits, lane| bits | u16::from(number(places.0[lane]) > limits.0[lane]) << lane)
        };
        compare(first) | compare(second) << EIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_from_their_places_and_compared() {
        let row = [Eight::new([0, 1, 2, 3, 4, 5, 6, 7]), Eight::new([i16::MIN, -1, i16::MAX, 0, 0, 0, 0, -7])];
        let first = (Places::new([7, 0, 8, 9, 10, 15, 3, 3]), Eight::new([6, 0, i16::MIN, -2, i16::MAX - 1, -7, 2, 3]));
        let second = (Places::new([10; 8]), Eight::new([i16::MAX, 0, 0, 0, 0, 0, 0, i16::MAX]));
        assert_eq!(above(&row, first, second), 0b0111_1110_0101_1001);
        assert_eq!((first.1.last(), Eight::new([-1; 8]).last()), (3, u16::MAX));
    }
}
