//! Eight comparisons by one instruction. Spelled out for WebAssembly, whose compilers do not find them in loops; elsewhere the same
//! arithmetic, a number at a time.

pub(crate) use machine::{Eight, FAST, Places, Row, above};

/// Numbers that lie in one register: eight of 16 bits.
pub(crate) const EIGHT: usize = 8;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod machine {
    use super::EIGHT;
    use std::arch::wasm32::{
        i8x16, i8x16_bitmask, i8x16_narrow_i16x8, i8x16_shuffle, i8x16_splat, i8x16_sub, i8x16_swizzle, i16x8, i16x8_gt, i64x2_shuffle,
        u8x16_narrow_i16x8, u16x8_extract_lane, u16x8_shr, u16x8_splat, v128, v128_and, v128_or,
    };

    /// Whether eight comparisons cost one instruction.
    pub(crate) const FAST: bool = true;

    /// Eight numbers of 16 bits.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Eight(v128);

    impl Eight {
        #[inline(always)]
        pub(crate) fn new([a, b, c, d, e, f, g, h]: [i16; EIGHT]) -> Self {
            Self(i16x8(a, b, c, d, e, f, g, h))
        }

        /// The last number, without its sign.
        #[inline(always)]
        pub(crate) fn last(self) -> u16 {
            u16x8_extract_lane::<7>(self.0)
        }
    }

    /// A row of up to eight numbers, or of up to 8 `N`: then the lower bytes of all, and after them the upper bytes.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Row<const N: usize>([v128; N]);

    impl<const N: usize> Row<N> {
        #[inline(always)]
        pub(crate) fn new(numbers: [Eight; N]) -> Self {
            let pair = |part: usize| [numbers[2 * part % N].0, numbers[(2 * part + 1) % N].0];
            Self(std::array::from_fn(|part| match part {
                _ if N == 1 => numbers[0].0,
                _ if part < N / 2 => {
                    let [first, second] = pair(part).map(|numbers| v128_and(numbers, u16x8_splat(0xff)));
                    u8x16_narrow_i16x8(first, second)
                }
                _ => {
                    let [first, second] = pair(part - N / 2).map(|numbers| u16x8_shr(numbers, 8));
                    u8x16_narrow_i16x8(first, second)
                }
            }))
        }

        /// The numbers at these places.
        #[inline(always)]
        fn at(&self, first: Places, second: Places) -> [v128; 2] {
            let Self(parts) = self;
            if N == 1 {
                return [first, second].map(|Places(places)| i8x16_swizzle(parts[0], places));
            }
            let places = i64x2_shuffle::<0, 2>(first.0, second.0);
            let bytes = |parts: &[v128]| {
                let mut taken = i8x16_swizzle(parts[0], places);
                for (part, bytes) in parts.iter().enumerate().skip(1) {
                    // What is out of a register's range gives 0.
                    taken = v128_or(taken, i8x16_swizzle(*bytes, i8x16_sub(places, i8x16_splat(16 * part as i8))));
                }
                taken
            };
            let (lower, upper) = (bytes(&parts[..N / 2]), bytes(&parts[N / 2..]));
            [
                i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(lower, upper),
                i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(lower, upper),
            ]
        }
    }

    /// From where in a row eight numbers are taken.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Places(v128);

    impl Places {
        /// Places in a row of so many times eight numbers.
        pub(crate) fn new(places: [u8; EIGHT], eights: usize) -> Self {
            let [a, b, c, d, e, f, g, h] = places.map(|place| place as i8);
            if eights > 1 {
                return Self(i8x16(a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0));
            }
            let [a, b, c, d, e, f, g, h] = [a, b, c, d, e, f, g, h].map(|place| 2 * place);
            Self(i8x16(a, a + 1, b, b + 1, c, c + 1, d, d + 1, e, e + 1, f, f + 1, g, g + 1, h, h + 1))
        }
    }

    /// A bit for each number of the row, at the first places and then at the second ones, that is above its limit; the lowest for the first.
    #[inline(always)]
    pub(crate) fn above<const N: usize>(row: &Row<N>, first: (Places, Eight), second: (Places, Eight)) -> u16 {
        let [one, other] = row.at(first.0, second.0);
        i8x16_bitmask(i8x16_narrow_i16x8(i16x8_gt(one, first.1.0), i16x8_gt(other, second.1.0)))
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
        /// Places in a row of so many times eight numbers.
        pub(crate) fn new(places: [u8; EIGHT], _eights: usize) -> Self {
            Self(places)
        }
    }

    /// A row of up to 8 `N` numbers.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Row<const N: usize>([Eight; N]);

    impl<const N: usize> Row<N> {
        #[inline(always)]
        pub(crate) fn new(numbers: [Eight; N]) -> Self {
            Self(numbers)
        }
    }

    /// A bit for each number of the row, at the first places and then at the second ones, that is above its limit; the lowest for the first.
    #[inline(always)]
    pub(crate) fn above<const N: usize>(row: &Row<N>, first: (Places, Eight), second: (Places, Eight)) -> u16 {
        let number = |place: u8| row.0[usize::from(place) / EIGHT].0[usize::from(place) % EIGHT];
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
        let row = Row::new([Eight::new([0, 1, 2, 3, 4, 5, 6, 7]), Eight::new([i16::MIN, -1, i16::MAX, 0, 0, 0, 0, -7])]);
        let first = (Places::new([7, 0, 8, 9, 10, 15, 3, 3], 2), Eight::new([6, 0, i16::MIN, -2, i16::MAX - 1, -7, 2, 3]));
        let second = (Places::new([10; 8], 2), Eight::new([i16::MAX, 0, 0, 0, 0, 0, 0, i16::MAX]));
        assert_eq!(above(&row, first, second), 0b0111_1110_0101_1001);
        assert_eq!((first.1.last(), Eight::new([-1; 8]).last()), (3, u16::MAX));
    }
}
