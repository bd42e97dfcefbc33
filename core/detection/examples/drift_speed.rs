//! What drift costs a row: nanoseconds for each feature, and what a reading of all metrics computes.
//!
//! `cargo run --release -p synod-detection --example drift_speed`

use std::hint::black_box;
use std::time::Instant;
use synod_detection::drift::{Reference, Window};

const ROWS: usize = 20_000;
const TIMES: usize = 30;

fn main() {
    // Spread widely and in no order, so that no branch can be foreseen.
    let values: Vec<f64> =
        (0..ROWS as u64).map(|row| (row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1_u64 << 53) as f64).collect();
    let categories: Vec<f64> = (0..ROWS).flat_map(|row| (0..8).map(move |column| f64::from(u8::from(row * 7 % 8 == column)))).collect();
    println!("series of a row | ns a row | ns a series");
    for features in [8, 24, 67] {
        let references = vec![Reference::of_values(&values); features];
        note(&format!("{features} numbers"), &references, &values, 1);
    }
    note("8 texts of 8 categories", &vec![Reference::of_categories(&categories, 8); 8], &categories, 8);
    let reference = Reference::of_values(&values);
    let counts: Vec<u64> = (0..reference.bins() as u64).map(|bin| 10 + bin * 7 % 13).collect();
    let both = best_of(|| black_box((reference.psi(black_box(&counts)), reference.distance(black_box(&counts)))));
    println!("index and distance of a series: {both:.0} ns");
}

/// One row at a time, as requests of a row do it.
fn note(name: &str, references: &[Reference], values: &[f64], width: usize) {
    let mut window = Window::new(references.iter().map(Reference::bins), 10_000);
    let mut bins = Vec::with_capacity(references.len());
    let took = best_of(|| {
        for row in values.chunks_exact(width) {
            bins.clear();
            bins.extend(references.iter().map(|reference| reference.bin(black_box(row))));
            window.note(&bins);
        }
    }) / (values.len() / width) as f64;
    println!("{name} | {took:.0} | {:.1}", took / references.len() as f64);
}

/// Nanoseconds that something takes when the machine has nothing else to do: the least of many times.
fn best_of<T>(mut work: impl FnMut() -> T) -> f64 {
    let took = |_| {
        let started = Instant::now();
        black_box(work());
        started.elapsed().as_nanos() as f64
    };
    (0..TIMES).map(took).fold(f64::INFINITY, f64::min)
}
