//! What a plugin takes: lines of the log, memory over many calls, and time.

use super::learning::mebibytes;
use super::{Answer, Call, Fitted, ROWS_PER_CALL};
use crate::cost::cost;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Calls of a full batch, in the second half of which memory must stay flat.
const CALLS: usize = 1200;
/// How long calls go on, where they are slow.
const LONGEST: Duration = Duration::from_secs(3);
/// Bytes that memory may grow by in that half: what a collector of garbage has not come to yet.
const GROWTH: usize = 1 << 20;
/// How long a number of rows is measured.
const ROUND: Duration = Duration::from_millis(300);
/// A limit should be so many times what a call takes: the machine has other things to do.
const ROOM: f64 = 20.0;

/// What a plugin takes on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Of the component.
    pub component_bytes: usize,
    /// To compile it; a server does so once for each version.
    pub compile_seconds: f64,
    /// To fit on the rows.
    pub fit_seconds: f64,
    /// Of the fit's instance, at its largest.
    pub fit_memory_bytes: usize,
    /// Of the model.
    pub model_bytes: usize,
    /// To start an instance with the model, in milliseconds.
    pub start_milliseconds: f64,
    /// Of an instance after many calls, at its largest.
    pub memory_bytes: usize,
    /// A call with one row, in microseconds.
    pub one_row_microseconds: f64,
    /// A row of a call with 256, in microseconds.
    pub bulk_row_microseconds: f64,
    /// Features of these rows.
    pub features: usize,
}

/// Lines are few: what a call writes too much of is dropped.
pub(super) fn log(fitted: &Fitted<'_>) -> Answer {
    let (lines, dropped) = (fitted.pool.take_log().len(), fitted.pool.facts().dropped_lines);
    if fitted.learnt.is_flood() || dropped > 0 {
        let found = match fitted.learnt.is_flood() {
            true => "the fit writes more lines than the 10,000 that are kept of a call".to_owned(),
            false => format!("scoring writes so many lines that {dropped} were dropped"),
        };
        return Answer::broken(found, "write a line for what an operator needs to know, and none for rows");
    }
    Answer::Held(format!("{} lines while fitting, {lines} while scoring", fitted.learnt.lines))
}

/// Memory stays flat over many calls; and how much it is.
pub(super) fn memory(fitted: &Fitted<'_>) -> (Answer, usize) {
    let (sample, width) = (fitted.subject.sample(), fitted.width());
    let (begun, mut memory) = (Instant::now(), Vec::with_capacity(CALLS));
    while memory.len() < CALLS && (memory.len() < 20 || begun.elapsed() < LONGEST) {
        match super::patiently(|| fitted.pool.score(width, &sample)) {
            Ok(scored) => memory.push(scored.memory),
            Err(failure) => {
                let answer = Answer::of(&failure, &format!("scoring for the {}th time", memory.len() + 1), Call::Score);
                return (answer, memory.last().copied().unwrap_or_default());
            }
        }
    }
    let (calls, late) = (memory.len(), memory.last().copied().unwrap_or_default());
    let (growth, limit) = (late.saturating_sub(memory[calls / 2]), fitted.subject.trial.pool.call.memory);
    if growth > GROWTH {
        let each = growth / (calls - calls / 2);
        let found = format!(
            "grows by {:.1} KiB a call of {} rows: an instance has its {:.0} MiB after {} calls",
            each as f64 / 1024.0,
            sample.len() / width,
            mebibytes(limit),
            limit / each.max(1)
        );
        return (Answer::broken(found, "free what a call was given, and what it answered: an instance serves a million calls"), late);
    }
    (Answer::Held(format!("{:.1} MiB after {calls} calls, of {:.0} MiB", mebibytes(late), mebibytes(limit))), late)
}

/// Calls keep the time limit, with what else a call and an instance take.
pub(super) fn deadline(
    fitted: &Fitted<'_>,
    component_bytes: usize,
    compiling: Duration,
    memory_bytes: usize,
) -> (Answer, Option<Measured>) {
    let (width, limit) = (fitted.width(), fitted.subject.trial.pool.call.timeout);
    let rows: Vec<f64> = fitted.subject.rows.normal.iter().copied().cycle().take(ROWS_PER_CALL * width).collect();
    let started = Instant::now();
    if let Err(failure) = fitted.subject.pool(&fitted.model) {
        return (Answer::of(&failure, "starting an instance", Call::Load), None);
    }
    let start_milliseconds = started.elapsed().as_secs_f64() * 1e3;
    let mut failed = None;
    let mut call = |values: &[f64]| {
        if let Err(failure) = super::patiently(|| fitted.pool.score(width, values)) {
            failed.get_or_insert(failure);
        }
    };
    let one = cost(1, ROWS_PER_CALL, ROUND, |row| call(&rows[row * width..(row + 1) * width]));
    let bulk = cost(ROWS_PER_CALL, 1, ROUND, |_| call(&rows));
    if let Some(failure) = failed {
        return (Answer::of(&failure, "measuring", Call::Score), None);
    }
    let took = bulk.call_ns / 1e6;
    let little = took * ROOM > limit.as_secs_f64() * 1e3;
    let room = if little {
        format!("; little room on a busy machine: give it `limits: {{timeout: {:.0}ms}}`", (took * ROOM).ceil())
    } else {
        String::new()
    };
    let answer = Answer::Held(format!("{took:.2} ms for a call of {ROWS_PER_CALL} rows, of {limit:?}{room}"));
    let measured = Measured {
        component_bytes,
        compile_seconds: compiling.as_secs_f64(),
        fit_seconds: fitted.learnt.time.as_secs_f64(),
        fit_memory_bytes: fitted.learnt.memory,
        model_bytes: fitted.model.len(),
        start_milliseconds,
        memory_bytes,
        one_row_microseconds: one.call_ns / 1e3,
        bulk_row_microseconds: bulk.row_ns / 1e3,
        features: width,
    };
    (answer, Some(measured))
}
