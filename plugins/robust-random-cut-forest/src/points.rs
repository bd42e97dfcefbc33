//! The rows that trees keep, each once, whichever trees keep it.

use std::collections::BTreeMap;

/// How many numbers are worked on at once.
pub(crate) const LANES: usize = 4;

/// Different rows of one width. Each is followed by zeros up to a whole number of lanes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Points {
    width: usize,
    stride: usize,
    values: Vec<f64>,
}

impl Points {
    /// No rows yet.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, stride: width.next_multiple_of(LANES), values: Vec::new() }
    }

    /// How many numbers a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// How many numbers a row has with the zeros behind it.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    pub(crate) fn count(&self) -> usize {
        self.values.len() / self.stride
    }

    /// A row, with the zeros behind it.
    #[inline]
    pub(crate) fn get(&self, point: u32) -> &[f64] {
        let start = point as usize * self.stride;
        &self.values[start..start + self.stride]
    }

    /// Adds a row that is not among them, with or without the zeros behind it.
    pub(crate) fn push(&mut self, row: &[f64]) -> u32 {
        let point = self.count() as u32;
        self.values.extend_from_slice(&row[..self.width]);
        self.values.resize((point as usize + 1) * self.stride, 0.0);
        point
    }

    /// All numbers of all rows, without the zeros.
    pub(crate) fn plain(&self) -> Vec<f64> {
        self.values.chunks_exact(self.stride).flat_map(|row| &row[..self.width]).copied().collect()
    }
}

/// Finds rows among points by their values.
#[derive(Debug)]
pub(crate) struct Register(BTreeMap<Vec<u64>, u32>);

impl Register {
    /// Of all points; none if two are equal.
    pub(crate) fn of(points: &Points) -> Option<Self> {
        let known: BTreeMap<_, _> = (0..points.count() as u32).map(|point| (bits(points.get(point)), point)).collect();
        (known.len() == points.count()).then_some(Self(known))
    }

    /// The point that a row is. It becomes one if there is none. The row is as wide as the points' stride.
    pub(crate) fn point(&mut self, points: &mut Points, row: &[f64]) -> u32 {
        *self.0.entry(bits(row)).or_insert_with(|| points.push(row))
    }
}

fn bits(row: &[f64]) -> Vec<u64> {
    row.iter().map(|value| value.to_bits()).collect()
}
