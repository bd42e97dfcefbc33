//! What a forest costs natively, on the rows of the host's `call_cost`, so that the two can be compared in one run:
//! `cargo run --release -p isolation-forest --example native_cost [WIDTH [ROWS [PARAMETERS]]]`, by default 8 features, a fit on 1,024 rows and
//! `{}`. Prints nanoseconds for a call with one row and for a row in bulk, and for an explanation.

use isolation_forest::{IsolationForest, Parameters};
use std::time::{Duration, Instant};
use synod_sdk::ndarray::{Array2, Axis};
use synod_sdk::{Detector, Training};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let width: usize = arguments.next().map_or(Ok(8), |width| width.parse())?;
    let count: usize = arguments.next().map_or(Ok(1024), |rows| rows.parse())?;
    let parameters: Parameters = serde_json::from_str(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;

    let training = rows(count, width, 1)?;
    let begun = Instant::now();
    let fitted = IsolationForest::fit(&parameters, &Training::new(training.view(), 1))?;
    println!("fit: {:?}", begun.elapsed());
    let model = IsolationForest::from_bytes(&fitted.to_bytes())?;
    let rows = rows(1024, width, 2)?;
    for count in [1, 32, 1024] {
        let nanoseconds = best(&rows, count, |rows| model.score(rows.view()).map(|scores| scores[0]))?;
        println!("{count:>5} rows: {nanoseconds:>9.0} ns a call, {:>7.1} ns a row", nanoseconds / count as f64);
    }
    let nanoseconds = best(&rows, 32, |rows| model.explain(rows.view()).map(|explanation| explanation.base))?;
    println!("explain: {:>9.0} ns a row", nanoseconds / 32.0);
    Ok(())
}

/// Sums of uniform numbers around one of two centres.
fn rows(count: usize, width: usize, seed: u64) -> Result<Array2<f64>, Box<dyn std::error::Error>> {
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
    Ok(Array2::from_shape_vec((count, width), values)?)
}

/// The best of several rounds, because the machine has other things to do. The calls go through the rows, so that no answer is foreseen.
fn best<E>(rows: &Array2<f64>, count: usize, act: impl Fn(&Array2<f64>) -> Result<f64, E>) -> Result<f64, E> {
    let calls: Vec<Array2<f64>> = rows.axis_chunks_iter(Axis(0), count).map(|rows| rows.to_owned()).collect();
    let (mut best, begun) = (f64::INFINITY, Instant::now());
    for round in 0..200 {
        let started = Instant::now();
        for rows in &calls {
            std::hint::black_box(act(rows)?);
        }
        best = best.min(started.elapsed().as_nanos() as f64 / calls.len() as f64);
        if round >= 5 && begun.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    Ok(best)
}
