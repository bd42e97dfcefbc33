//! A function of each number by itself.

use crate::{
    four::Four,
    tiles::{Lane, Quad, halves, whole},
};

/// A row, or a block of rows.
pub trait Numbers {
    /// Replaces each number by the answer for it and the constant of its place. There are as many constants as places, padding included.
    fn each(&mut self, constants: &[Quad], answer: impl Fn(Four, Four) -> Four);
}

impl Numbers for [Quad] {
    fn each(&mut self, constants: &[Quad], answer: impl Fn(Four, Four) -> Four) {
        for (numbers, constants) in self.iter_mut().zip(constants) {
            *numbers = answer(Four::of(*numbers), Four::of(*constants)).numbers();
        }
    }
}

impl Numbers for [Lane] {
    fn each(&mut self, constants: &[Quad], answer: impl Fn(Four, Four) -> Four) {
        // Four places a turn: in the sandbox every turn looks at the time limit.
        for (lanes, constants) in self.as_chunks_mut::<4>().0.iter_mut().zip(constants) {
            let constants = constants.map(Four::all);
            for (lane, constant) in lanes.iter_mut().zip(constants) {
                *lane = whole(halves(*lane).map(|numbers| answer(numbers, constant)));
            }
        }
    }
}
