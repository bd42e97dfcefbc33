//! Fits: that one works, gives the same bytes again, and that rows from which nothing can be learnt are no trap.

use super::{Answer, Call, Fitted, Subject};
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

/// A model, with what it took.
pub(super) struct Model {
    pub(super) bytes: Arc<[u8]>,
    pub(super) took: Took,
}

/// Learns from the normal rows.
pub(super) fn fit(subject: &Subject<'_>) -> (Answer, Option<Model>) {
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
            (Answer::Held(found), Some(Model { bytes: learnt.model.into(), took }))
        }
        Err(failure) => (Answer::of(&failure, "fitting", Call::Fit), None),
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
        Err(failure) => Answer::of(&failure, "fitting again", Call::Fit),
    }
}

/// Rows that are all the same are refused, or give a model that scores.
pub(super) fn equal_rows(fitted: &Fitted<'_>) -> Answer {
    let (subject, width) = (fitted.subject, fitted.width());
    let (least, features) = (subject.description().minimum_rows.max(1) as usize, subject.features());
    let mut found = Vec::new();
    for count in [least, least.max(EQUAL_ROWS)] {
        let rows = subject.rows.normal[..width].repeat(count);
        found.push(match subject.fit(&subject.training(&features, &rows)) {
            Err(Failure::Refused { .. }) => format!("{count} are refused"),
            Err(failure) => return Answer::of(&failure, &format!("learning from {count} equal rows"), Call::Fit),
            Ok(model) => match subject.pool(&model).and_then(|pool| super::score(&pool, width, &subject.sample())) {
                Ok(_) => format!("{count} are learnt from"),
                Err(failure) => return Answer::of(&failure, &format!("scoring with a model of {count} equal rows"), Call::Score),
            },
        });
    }
    Answer::Held(found.join(", "))
}
