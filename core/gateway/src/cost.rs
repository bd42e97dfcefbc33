//! What calls cost on this machine, while it does what else it does.

use serde::Serialize;
use std::time::{Duration, Instant};

/// What a number of rows in one call costs, in nanoseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    /// The best round.
    pub(crate) call_ns: f64,
    /// The same, for a row.
    pub(crate) row_ns: f64,
    /// The median round, for a row: how much else the machine had to do.
    median_row_ns: f64,
}

/// Does things over and over, in rounds through all of them or of a twentieth of the time: three rounds at least.
pub(crate) fn cost(rows: usize, things: usize, time: Duration, mut act: impl FnMut(usize)) -> Cost {
    let begun = Instant::now();
    let mut rounds: Vec<f64> = Vec::new();
    let mut next = 0;
    while rounds.len() < 3 || begun.elapsed() < time {
        let started = Instant::now();
        let mut calls = 0;
        while calls == 0 || (calls < things && started.elapsed() < time / 20) {
            act(next);
            next = (next + 1) % things;
            calls += 1;
        }
        rounds.push(started.elapsed().as_nanos() as f64 / f64::from(calls as u32));
    }
    rounds.sort_by(f64::total_cmp);
    let (best, median) = (rounds[0], rounds[rounds.len() / 2]);
    Cost { call_ns: best, row_ns: best / rows as f64, median_row_ns: median / rows as f64 }
}
