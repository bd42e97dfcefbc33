//! Rows for tests.

use ndarray::Array2;

/// About normal rows, the same at every call.
pub(crate) fn rows(count: usize, width: usize) -> Array2<f64> {
    let mut state = 1_u64;
    let mut share = || {
        // Knuth's MMIX generator; its upper half is random enough for rows.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / (1_u64 << 32) as f64
    };
    Array2::from_shape_simple_fn((count, width), || (0..12).map(|_| share()).sum::<f64>() - 6.0)
}

/// The numbers of all rows.
pub(crate) fn all(rows: &Array2<f64>) -> Vec<u32> {
    (0..rows.nrows() as u32).collect()
}
