//! What the autoencoder costs natively, to compare with the sandbox (`call_cost` of the host, which has the same rows):
//! `cargo run --release -p autoencoder --example native_cost [WIDTH [ROWS [PARAMETERS]]]`. Prints the time of a fit, and nanoseconds for a
//! call with one row and for a row in bulk.

use autoencoder::{Autoencoder, Parameters};
use ndarray::{Array2, ArrayView2, Axis};
use std::time::{Duration, Instant};
use synod_sdk::{Detector, Training};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let width: usize = arguments.next().map_or(Ok(8), |width| width.parse())?;
    let count: usize = arguments.next().map_or(Ok(1024), |rows| rows.parse())?;
    let parameters: Parameters = serde_json::from_str(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;
    let training = rows(count, width, 1)?;
    let begun = Instant::now();
    let model = Autoencoder::fit(&parameters, &Training::new(training.view(), 1))?;
    println!("fit: {:?}, a model of {} bytes", begun.elapsed(), model.to_bytes().len());
    let rows = rows(1024, width, 2)?;
    for count in [1, 32, 1024] {
        let nanoseconds = best(&model, rows.view(), count)?;
        println!("{count:>5} rows: {nanoseconds:>9.0} ns a call, {:>7.1} ns a row", nanoseconds / count as f64);
    }
    Ok(())
}

/// Sums of uniform numbers around one of two centres.
fn rows(count: usize, width: usize, seed: u64) -> Result<Array2<f64>, ndarray::ShapeError> {
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
    Array2::from_shape_vec((count, width), values)
}

/// The best of several short rounds, because the machine has other things to do.
fn best(model: &Autoencoder, rows: ArrayView2<'_, f64>, count: usize) -> Result<f64, synod_sdk::Error> {
    let calls: Vec<_> = rows.axis_chunks_iter(Axis(0), count).collect();
    let (mut best, begun) = (f64::INFINITY, Instant::now());
    for round in 0..200 {
        for some in calls.chunks(32) {
            let started = Instant::now();
            for rows in some {
                std::hint::black_box(model.score(*rows)?);
            }
            best = best.min(started.elapsed().as_nanos() as f64 / some.len() as f64);
        }
        if round >= 5 && begun.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    Ok(best)
}
