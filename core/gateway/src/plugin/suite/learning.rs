//! Fits: that one works, gives the same bytes again, and that rows from which nothing can be learnt are no trap.

use super::{Answer, Fitted, ROWS_PER_CALL, Subject};
use std::sync::Arc;
use std::time::{Duration, Instant};
use synod_host::Failure;

/// Fewest equal rows that are learnt from.
const EQUAL_ROWS: usize = 32;
/// Lines of a call that the host keeps.
const LINES_KEPT: u64 = 10_000;

/// What the fit took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    pub(super) time: Duration,
    /// Bytes of its instance.
    pub(super) memory: usize,
    /// Lines for the operator.
    pub(super) lines: u64,
}

impl Took {
    /// Whether it wrote more lines than are kept.
    pub(super) fn is_flood(&self) -> bool {
        self.lines > LINES_KEPT
    }
}

/// Learns from the normal rows.
pub(super) fn fit(subject: &Subject<'_>) -> (Answer, Option<(Arc<[u8]>, Took)>) {
    let features = subject.features();
    let training = subject.training(&features, &subject.rows.normal);
    let (begun, mut lines) = (Instant::now(), 0);
    match subject.plugin.learn(&training, &subject.trial.fit, &mut |_, _| lines += 1) {
        Ok(learnt) => {
            let took = Took { time: begun.elapsed(), memory: learnt.memory, lines };
            let found = format!(
                "{} rows of {} features in {:.2} s with {:.1} MiB: a model of {} bytes",
                subject.rows.count(),
                features.len(),
                took.time.as_secs_f64(),
                mebibytes(took.memory),
                learnt.model.len()
            );
            (Answer::Held(found), Some((learnt.model.into(), took)))
        }
        Err(failure) => (Answer::of(&failure, "fitting", "fit_timeout"), None),
    }
}

pub(super) fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The same training gives the same bytes, in another instance.
pub(super) fn same_again(fitted: &Fitted<'_>) -> Answer {
    let subject = fitted.subject;
    let features = subject.features();
    match subject.fit(&subject.training(&features, &subject.rows.normal)) {
        Ok(model) if *model == *fitted.model => Answer::Held("gives the same bytes".into()),
        Ok(model) => {
            let at =
                model.iter().zip(fitted.model.iter()).position(|(one, other)| one != other).unwrap_or(model.len().min(fitted.model.len()));
            Answer::broken(
                format!("another fit gives another model: byte {at} differs"),
                "take all randomness from the seed, and sort what sets and maps hold before it is written or added up",
            )
        }
        Err(failure) => Answer::of(&failure, "fitting again", "fit_timeout"),
    }
}

/// Rows that are all the same are refused, or give a model that scores.
pub(super) fn equal_rows(fitted: &Fitted<'_>) -> Answer {
    let (subject, width) = (fitted.subject, fitted.width());
    let (least, features) = (subject.description().minimum_rows.max(1) as usize, subject.features());
    let mut found = Vec::new();
    for (what, count) in [("the fewest rows, all equal", least), ("equal rows", least.max(EQUAL_ROWS))] {
        let rows = subject.rows.normal[..width].repeat(count);
        let scored = subject.fit(&subject.training(&features, &rows)).and_then(|model| {
            let sample = subject.sample();
            super::score(&subject.pool(&model)?, width, &sample[..sample.len().min(ROWS_PER_CALL * width)])
        });
        found.push(match scored {
            Ok(_) => format!("{count} are learnt from"),
            Err(Failure::Refused { .. }) => format!("{count} are refused"),
            Err(failure) => return Answer::of(&failure, &format!("{what} ({count})"), "fit_timeout"),
        });
    }
    Answer::Held(found.join(", "))
}
