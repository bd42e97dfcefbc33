//! For measuring a detector natively, on the rows that the host's `call_cost` measures it with in the sandbox.

use ndarray::{Array2, ArrayView2, Axis};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Calls of a short round, in which one can pass undisturbed on a busy machine.
const ROUND: usize = 32;

/// About normal rows (sums of uniform numbers) around one of two centres, the same for the same seed.
///
/// # Panics
/// When there is no memory for so many.
pub fn noise(count: usize, width: usize, seed: u64) -> Array2<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        // Splitmix64 (Steele, Lea and Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut values = Vec::with_capacity(count * width);
    for _ in 0..count {
        let centre = if uniform() < 0.3 { 3.0 } else { 0.0 };
        values.extend((0..width).map(|_| centre + (0..12).map(|_| uniform()).sum::<f64>() - 6.0));
    }
    Array2::from_shape_vec((count, width), values).expect("as many values as rows of this width have")
}

/// Nanoseconds of a call with so many rows: the best of several short rounds, because the machine has other things to do. The calls go
/// through the rows, so that no answer is foreseen.
///
/// # Errors
/// The first of a call.
pub fn best<T, E>(rows: ArrayView2<'_, f64>, count: usize, mut call: impl FnMut(ArrayView2<'_, f64>) -> Result<T, E>) -> Result<f64, E> {
    let calls: Vec<_> = rows.axis_chunks_iter(Axis(0), count).collect();
    let (mut best, begun) = (f64::INFINITY, Instant::now());
    for pass in 0..200 {
        for some in calls.chunks(ROUND) {
            let started = Instant::now();
            for rows in some {
                black_box(call(*rows)?);
            }
            best = best.min(started.elapsed().as_nanos() as f64 / some.len() as f64);
        }
        if pass >= 5 && begun.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    Ok(best)
}
