//! What a graph costs natively, to compare with the sandbox (`call_cost` of the host, which has the same rows):
//! `cargo run --release -p onnx --example native_cost GRAPH.onnx [WIDTH [ROWS]]`. Prints the time of a fit and of a load, and nanoseconds for
//! a call with one row and for a row in bulk: of the plugin, and of tract by itself with the graph made for as many rows.

use ndarray::{Array2, ArrayView2, Axis};
use onnx::{Onnx, Parameters};
use std::time::{Duration, Instant};
use synod_sdk::{Detector, Training};
use tract_onnx::{prelude::*, tract_hir::infer::InferenceFact};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = std::fs::read(arguments.next().ok_or("usage: native_cost GRAPH.onnx [WIDTH [ROWS]]")?)?;
    let width: usize = arguments.next().map_or(Ok(8), |width| width.parse())?;
    let count: usize = arguments.next().map_or(Ok(1024), |rows| rows.parse())?;
    let training = rows(count, width, 1)?;
    let begun = Instant::now();
    let fitted = Onnx::fit(&Parameters::default(), &Training { artifact: Some(&file), ..Training::new(training.view(), 1) })?;
    println!("fit: {:?}", begun.elapsed());
    let (bytes, begun) = (fitted.to_bytes(), Instant::now());
    let model = Onnx::from_bytes(&bytes)?;
    println!("load: {:?}", begun.elapsed());
    let rows = rows(1024, width, 2)?;
    for count in [1, 32, 256] {
        let plugin = best(rows.view(), count, |rows| Ok(model.score(rows)?.len()))?;
        let graph = tract_onnx::onnx().model_for_read(&mut file.as_slice())?;
        let graph =
            graph.with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), [count, width]))?.into_optimized()?.into_runnable()?;
        let mut state = graph.spawn()?;
        let tract = best(rows.view(), count, |rows| {
            let single: Vec<f32> = rows.iter().map(|value| *value as f32).collect();
            Ok(state.run(tvec!(Tensor::from_shape(rows.shape(), &single)?.into_tvalue()))?.len())
        })?;
        println!("{count:>5} rows: plugin {:>7.1} ns a row, tract {:>7.1}", plugin / count as f64, tract / count as f64);
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
fn best(
    rows: ArrayView2<'_, f64>,
    count: usize,
    mut call: impl FnMut(ArrayView2<'_, f64>) -> Result<usize, Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let calls: Vec<_> = rows.axis_chunks_iter(Axis(0), count).collect();
    let (mut best, begun) = (f64::INFINITY, Instant::now());
    for round in 0..200 {
        for some in calls.chunks(32) {
            let started = Instant::now();
            for rows in some {
                std::hint::black_box(call(*rows)?);
            }
            best = best.min(started.elapsed().as_nanos() as f64 / some.len() as f64);
        }
        if round >= 5 && begun.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    Ok(best)
}
