//! A row's score is its own: the same in every batch, whatever stands beside it, bit for bit.

use super::{Answer, Call, Fitted, same};
use synod_host::Failure;

/// The same batch has the same scores again, and in another instance.
pub(super) fn same_again(fitted: &Fitted<'_>) -> Answer {
    let sample = fitted.subject.sample();
    let fresh = || super::score(&fitted.subject.pool(&fitted.model)?, fitted.width(), &sample);
    let scored = fitted.score(&sample).and_then(|first| Ok((first, fitted.score(&sample)?, fresh()?)));
    match scored {
        Err(failure) => Answer::of(&failure, "scoring the same batch again", Call::Score),
        Ok((first, again, elsewhere)) => match (same(&first, &again), same(&first, &elsewhere)) {
            (Ok(()), Ok(())) => Answer::Held(format!("{} rows have the same scores again, also in another instance", first.len())),
            (Err(row), _) => Answer::broken(
                format!("row {row} scores {} at first and {} then", first[row], again[row]),
                "keep nothing from one call to the next: a model does not change by scoring",
            ),
            (Ok(()), Err(row)) => Answer::broken(
                format!("row {row} scores {}, and {} in another instance", first[row], elsewhere[row]),
                "let scores depend on the model alone, not on what happened to the instance or where its memory lies",
            ),
        },
    }
}

/// Rows have the same scores alone, the other way round, and cut in two.
pub(super) fn order_and_split(fitted: &Fitted<'_>) -> Answer {
    let (sample, width) = (fitted.subject.sample(), fitted.width());
    let whole = match fitted.score(&sample) {
        Ok(whole) => whole,
        Err(failure) => return Answer::of(&failure, "scoring a batch", Call::Score),
    };
    let backwards: Vec<f64> = sample.chunks(width).rev().flatten().copied().collect();
    let cut = whole.len() / 3 * width;
    let ways: [(&str, Result<Vec<f64>, Failure>); 4] = [
        ("alone", fitted.score_alone(&sample)),
        ("in the opposite order", fitted.score(&backwards).map(|scores| scores.into_iter().rev().collect())),
        ("in two batches", fitted.score(&sample[..cut]).and_then(|head| Ok([head, fitted.score(&sample[cut..])?].concat()))),
        (
            "twice in one batch",
            fitted.score(&[&sample[..width], &sample[..width]].concat()).map(|twice| [&twice[1..], &whole[1..]].concat()),
        ),
    ];
    for (way, scores) in ways {
        match scores {
            Err(failure) => return Answer::of(&failure, &format!("scoring rows {way}"), Call::Score),
            Ok(scores) => {
                if let Err(row) = same(&whole, &scores) {
                    return Answer::broken(
                        format!("row {row} scores {} in its batch, and {} {way}", whole[row], scores.get(row).copied().unwrap_or(f64::NAN)),
                        "let a row's score depend on the model and that row alone, with sums in an order that does not depend on the batch",
                    );
                }
            }
        }
    }
    Answer::Held(format!("{} rows score the same alone, backwards and cut in two, bit for bit", whole.len()))
}

/// No rows have no scores.
pub(super) fn empty(fitted: &Fitted<'_>) -> Answer {
    match super::patiently(|| fitted.pool.score(fitted.width(), &[])) {
        Ok(_) => Answer::Held("has no scores".into()),
        Err(failure @ Failure::Refused { .. }) => {
            Answer::broken(format!("an empty batch is refused: {failure}"), "answer no rows with no scores")
        }
        Err(failure) => Answer::of(&failure, "scoring no rows", Call::Score),
    }
}
