//! What a description promises is there: explanations that add up, parts that make the whole, learning on, weights, ONNX.

use super::{Answer, Call, Fitted, score};
use synod_host::{Failure, Training};

/// Parts of a divided fit.
const PARTS: u32 = 3;

/// Base and contributions are the raw score: what the service insists on before anybody is shown them.
pub(super) fn explains(fitted: &Fitted<'_>) -> Answer {
    if !fitted.subject.description().explains {
        return Answer::Skipped("not promised".into());
    }
    let (sample, width) = (fitted.subject.sample(), fitted.width());
    let explained = super::patiently(|| fitted.pool.explain(width, &sample)).and_then(|told| Ok((told, fitted.score(&sample)?)));
    let (told, scores) = match explained {
        Ok(explained) => explained,
        Err(failure) => return Answer::of(&failure, "explaining", Call::Score),
    };
    for (row, (parts, score)) in told.contributions.chunks(width).zip(&scores).enumerate() {
        let sum = told.base + parts.iter().sum::<f64>();
        if (sum - score).abs() > 1e-6 * score.abs().max(1e-6) {
            return Answer::broken(
                format!("row {row}: base and contributions add up to {sum}, and the score is {score}"),
                "make them add up to the raw score, or do not promise `explains`",
            );
        }
    }
    Answer::Held(format!("base and contributions add up to the scores of {} rows", scores.len()))
}

/// Parts of a fit make the model of the undivided one.
pub(super) fn parts(fitted: &Fitted<'_>) -> Answer {
    let subject = fitted.subject;
    if !subject.description().parts {
        return Answer::Skipped("not promised".into());
    }
    let features = subject.features();
    let learn = |index| subject.fit(&Training { part: Some((index, PARTS)), ..subject.training(&features, &subject.rows.normal) });
    let merged = (0..PARTS).map(learn).collect::<Result<Vec<_>, _>>().and_then(|parts| subject.plugin.merge(&parts, &subject.trial.fit));
    match merged {
        Ok(model) if *model == *fitted.model => {}
        Ok(_) => {
            return Answer::broken(
                format!("{PARTS} parts make another model than the undivided fit"),
                "have a part learn what the whole would have learnt there: the same seed for the same piece",
            );
        }
        Err(failure) => return Answer::of(&failure, "fitting in parts", Call::Fit),
    }
    match subject.plugin.merge(&[fitted.model[..fitted.model.len() / 2].to_vec()], &subject.trial.fit) {
        Err(Failure::Refused { .. }) => Answer::Held(format!("{PARTS} parts make the same model, and a damaged one is refused")),
        Err(failure) => Answer::of(&failure, "merging a damaged part", Call::Fit),
        Ok(_) => Answer::broken("a damaged part is merged", "answer `merge` with `error.model` for parts that are no models"),
    }
}

/// A fit that goes on from a model takes a single row, and gives the same bytes again.
pub(super) fn continues(fitted: &Fitted<'_>) -> Answer {
    let subject = fitted.subject;
    if !subject.description().continues {
        return Answer::Skipped("not promised".into());
    }
    let (features, row) = (subject.features(), &subject.rows.normal[..fitted.width()]);
    let go_on = |model: &[u8]| subject.fit(&Training { previous: Some(model), ..subject.training(&features, row) });
    let went_on = go_on(&fitted.model).and_then(|once| Ok((go_on(&fitted.model)?, once)));
    let model = match went_on {
        Ok((again, once)) if again == once => once,
        Ok(_) => {
            return Answer::broken(
                "going on from the same model with the same row gives another model",
                "take all randomness from the seed and the model",
            );
        }
        Err(failure) => return Answer::of(&failure, "going on from a model with one row", Call::Fit),
    };
    if let Err(failure) = subject.pool(&model).and_then(|pool| score(&pool, fitted.width(), &subject.sample())) {
        return Answer::of(&failure, "scoring with a model that went on", Call::Score);
    }
    match go_on(&fitted.model[..fitted.model.len() / 2]) {
        Err(Failure::Refused { .. }) => {
            Answer::Held("goes on with one row, to the same bytes each time; a damaged model is refused".into())
        }
        Err(failure) => Answer::of(&failure, "going on from a damaged model", Call::Fit),
        Ok(_) => Answer::broken("it goes on from a damaged model", "answer with `error.model` if `previous` is no model"),
    }
}

/// Weights are taken, and the same ones give the same model.
pub(super) fn weights(fitted: &Fitted<'_>) -> Answer {
    let subject = fitted.subject;
    if !subject.description().weights {
        return Answer::Skipped("not promised".into());
    }
    let features = subject.features();
    let weights: Vec<f64> = (0..subject.rows.count()).map(|row| if row.is_multiple_of(3) { 4.0 } else { 0.5 }).collect();
    let fit = || subject.fit(&Training { weights: Some(&weights), ..subject.training(&features, &subject.rows.normal) });
    match fit().and_then(|model| Ok((fit()?, model))) {
        Ok((again, model)) if again == model => match subject.pool(&model).and_then(|pool| score(&pool, fitted.width(), &subject.sample()))
        {
            Ok(_) => Answer::Held("are taken, and give the same bytes again".into()),
            Err(failure) => Answer::of(&failure, "scoring with a model of weighted rows", Call::Score),
        },
        Ok(_) => Answer::broken("the same weights give another model", "take all randomness from the seed"),
        Err(failure) => Answer::of(&failure, "fitting with weights", Call::Fit),
    }
}

/// The model can be had as an ONNX file, the same each time.
pub(super) fn exports(fitted: &Fitted<'_>) -> Answer {
    if !fitted.subject.description().exports_onnx {
        return Answer::Skipped("not promised".into());
    }
    match fitted.pool.export_onnx().and_then(|once| Ok((fitted.pool.export_onnx()?, once))) {
        Ok((again, once)) if again == once => Answer::Held(format!("a file of {} bytes", once.len())),
        Ok(_) => Answer::broken("the same model gives another file", "write the file in a fixed order"),
        Err(failure) => Answer::of(&failure, "exporting", Call::Load),
    }
}
