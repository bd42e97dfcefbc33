//! What a search costs natively, to compare with `call_cost` of the host: `cargo run --release -p synod-neighbours --example native_cost
//! [WIDTH [ROWS [NEIGHBOURS]]]`, by default 8 features, 100,000 rows and 20 neighbours. The rows are those of `call_cost`: normal noise in
//! two clusters. Prints nanoseconds for a row, the best of several rounds.

use ndarray::Array2;
use std::hint::black_box;
use std::time::{Duration, Instant};
use synod_neighbours::{Count, Duplicates, Metric, Reference, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<usize>());
    let (width, count, neighbours) = (number(8)?, number(100_000)?, number(20)?);
    let settings = Settings {
        neighbours: Count::Number(neighbours as f64),
        auto: |rows| rows,
        metric: Metric::Euclidean,
        p: 2.0,
        duplicates: Duplicates::Merge,
        novelty: true,
        max_rows: count,
    };
    let training = Array2::from_shape_vec((count, width), rows(count, width, 1))?;
    let begun = Instant::now();
    let reference = Reference::build(training.view(), &settings, 1)?;
    println!("build: {:?}", begun.elapsed());
    let queries = rows(1024, width, 2);
    println!("{:.0} ns a row", best(&reference, &queries));
    Ok(())
}

fn best(reference: &Reference, rows: &[f64]) -> f64 {
    let mut search = reference.search();
    let (mut best, begun) = (f64::INFINITY, Instant::now());
    for round in 0..200 {
        let started = Instant::now();
        for row in rows.chunks_exact(reference.width()) {
            black_box(reference.neighbours_of(row, &mut search).neighbours);
        }
        best = best.min(started.elapsed().as_nanos() as f64 / 1024.0);
        if round >= 5 && begun.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    best
}

/// Sums of uniform numbers around one of two centres.
fn rows(count: usize, width: usize, seed: u64) -> Vec<f64> {
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
    values
}
