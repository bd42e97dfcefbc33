//! Dense layers, for the detectors that run networks: matrix products of a row or of rows in blocks of eight, and functions of each number.
//! Everything has the same bits natively and in the sandbox, in any batch. What a network is, the detectors know.

mod each;
mod four;
mod functions;
mod tiles;

pub use each::Numbers;
pub use four::Four;
pub use functions::{logistic, tanh};
pub use tiles::{Lane, Quad, ROWS, Tiles, padded, quads};
