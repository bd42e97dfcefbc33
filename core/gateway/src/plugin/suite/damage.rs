//! Damaged models are errors, and no traps.

use super::{Answer, Fitted, score};
use synod_host::{Failure, Refusal};

/// Places of a model at which it is cut, or a byte is turned over.
const PLACES: usize = 64;

/// A model that is cut is refused; one with a byte turned over is refused, or still a model; neither is a trap.
pub(super) fn damaged(fitted: &Fitted<'_>) -> Answer {
    let bytes = &fitted.model;
    let step = (bytes.len() / PLACES).max(1);
    let cuts: Vec<usize> = (0..bytes.len()).step_by(step).chain([bytes.len() - 1]).collect();
    for length in &cuts {
        if let Err(answer) = refused(fitted, &bytes[..*length], &format!("a model cut at byte {length} of {}", bytes.len())) {
            return answer;
        }
    }
    for (what, strange) in [("a model of 0xff", vec![0xff; 4096]), ("a model of zeros", vec![0; 4096])] {
        if let Err(answer) = refused(fitted, &strange, what) {
            return answer;
        }
    }
    let sample = &fitted.subject.rows.normal[..fitted.width()];
    // Where a model may have a missing value it has scores as well; here whole rows are of interest.
    let sample: Vec<f64> = sample.iter().map(|value| if value.is_nan() { 0.0 } else { *value }).collect();
    for position in (0..bytes.len()).step_by(step) {
        let mut turned = bytes.to_vec();
        turned[position] ^= 0xff;
        let answer = fitted.subject.pool(&turned).and_then(|pool| score(&pool, fitted.width(), &sample));
        // It may still be a model, with scores that are no numbers: those abstain. It must not trap, hang or take all memory.
        if let Err(failure @ (Failure::Trap { .. } | Failure::Timeout { .. } | Failure::Memory { .. })) = answer {
            return broken(&failure, &format!("a model with byte {position} turned over"));
        }
    }
    Answer::Held(format!("{} cut and {} changed models: errors, no traps", cuts.len(), bytes.len().div_ceil(step)))
}

fn refused(fitted: &Fitted<'_>, model: &[u8], what: &str) -> Result<(), Answer> {
    match fitted.subject.pool(model) {
        Err(Failure::Refused { kind: Refusal::Model, .. }) => Ok(()),
        Err(failure) => Err(broken(&failure, what)),
        Ok(_) => Err(Answer::broken(
            format!("{what} is loaded as if it were whole"),
            "begin a model with the version of its format, and check that it ends where it must",
        )),
    }
}

fn broken(failure: &Failure, what: &str) -> Answer {
    let found = match failure {
        Failure::Trap { what: trap } => format!("{what} is a trap: {trap}"),
        failure => format!("{what}: {failure}"),
    };
    Answer::broken(found, "check every length and index of a model before it is used, and answer with `error.model`")
}
