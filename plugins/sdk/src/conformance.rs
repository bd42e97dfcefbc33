//! What every detector must keep, checked natively. Call [`run`] from a unit test of the plugin with its own rows; the same checks run
//! again in the production host.

use crate::{Detector, Part, Training};
use ndarray::{Array2, Axis, concatenate, s};

/// Fits on `rows`, then checks that:
/// - the same training gives the same bytes,
/// - a model read back scores as the one that was written, and writes the same bytes,
/// - scores are finite, and `anomaly` scores higher than the median of the rows,
/// - a row's score does not depend on its batch: alone, in any split, in any order, bit for bit,
/// - an empty batch has no scores,
/// - `explain` has the shape of its rows, and base and contributions add up to the raw score, where the description promises it,
/// - parts of a fit make the model of the undivided one, where the description promises it,
/// - a fit that goes on from a model is deterministic, and takes a single row, where the description promises it,
/// - damaged model bytes are an error and not a panic.
///
/// # Panics
/// When one of these does not hold, with its name.
pub fn run<D: Detector>(parameters: &D::Parameters, rows: &Array2<f64>, anomaly: &[f64], artifact: Option<&[u8]>) {
    let training = Training { artifact, ..Training::new(rows.view(), 7) };
    let fitted = fit::<D>(parameters, &training);
    let bytes = fitted.to_bytes();
    assert_eq!(fit::<D>(parameters, &training).to_bytes(), bytes, "the same training gives the same bytes");

    let model = D::from_bytes(&bytes).expect("own bytes can be read back");
    assert_eq!(model.to_bytes(), bytes, "a model that was read back writes the same bytes");
    assert_eq!(model.width(), rows.ncols(), "width is the number of features");
    let scores = score(&model, rows);
    assert_eq!(scores, score(&fitted, rows), "a model that was read back scores the same");
    assert!(scores.iter().all(|score| score.is_finite()), "scores are finite");

    higher_for_anomaly(&model, anomaly, &scores);
    independent_of_batch(&model, rows, &scores);
    assert!(score(&model, &Array2::zeros((0, rows.ncols()))).is_empty(), "an empty batch has no scores");
    if D::description().explains {
        adds_up(&model, rows, &scores);
    }
    if D::description().parts {
        let part = |index| {
            let part = Part { index, count: 3 };
            fit::<D>(parameters, &Training { artifact, part, ..Training::new(rows.view(), 7) })
        };
        let merged = D::merge((0..3).map(part).collect()).expect("merge is there, as described");
        assert_eq!(merged.to_bytes(), bytes, "the parts make the model of the undivided fit");
    }
    if D::description().continues {
        goes_on::<D>(parameters, rows, &bytes);
    }
    damaged_bytes::<D>(&bytes);
}

fn goes_on<D: Detector>(parameters: &D::Parameters, rows: &Array2<f64>, bytes: &[u8]) {
    let one = rows.slice(s![..1, ..]);
    let training = Training { previous: Some(bytes), ..Training::new(one, 7) };
    let model = fit::<D>(parameters, &training);
    assert_eq!(
        fit::<D>(parameters, &training).to_bytes(),
        model.to_bytes(),
        "going on from the same model with the same row gives the same bytes"
    );
    assert_eq!(model.width(), rows.ncols(), "going on keeps the features");
    score(&model, rows);
    let damaged = Training { previous: Some(&bytes[..bytes.len() / 2]), ..training };
    assert!(D::fit(parameters, &damaged).is_err(), "going on from a damaged model is an error");
}

fn fit<D: Detector>(parameters: &D::Parameters, training: &Training<'_>) -> D {
    D::fit(parameters, training).unwrap_or_else(|error| panic!("fit: {error}"))
}

fn score<D: Detector>(model: &D, rows: &Array2<f64>) -> Vec<f64> {
    let scores = model.score(rows.view()).unwrap_or_else(|error| panic!("score: {error}"));
    assert_eq!(scores.len(), rows.nrows(), "as many scores as rows");
    scores
}

fn adds_up<D: Detector>(model: &D, rows: &Array2<f64>, scores: &[f64]) {
    let explanation = model.explain(rows.view()).expect("explain is there, as described");
    let contributions = explanation.contributions;
    assert_eq!(contributions.dim(), rows.dim(), "explain has the shape of its rows");
    for (row, score) in scores.iter().enumerate() {
        let sum = explanation.base + contributions.row(row).sum();
        assert!(
            (sum - score).abs() <= 1e-6 * score.abs().max(1e-6),
            "row {row}: base and contributions add up to {sum}, the score is {score}"
        );
    }
}

fn higher_for_anomaly<D: Detector>(model: &D, anomaly: &[f64], scores: &[f64]) {
    let row = Array2::from_shape_vec((1, anomaly.len()), anomaly.to_vec()).expect("one row");
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (found, median) = (score(model, &row)[0], sorted[sorted.len() / 2]);
    assert!(found > median, "the anomaly scores {found}, not above the rows' median {median}");
}

fn independent_of_batch<D: Detector>(model: &D, rows: &Array2<f64>, scores: &[f64]) {
    for (index, expected) in scores.iter().enumerate() {
        let alone = score(model, &rows.slice(s![index..=index, ..]).to_owned());
        assert_eq!(alone[0].to_bits(), expected.to_bits(), "row {index} alone has its score in the batch");
    }
    let reversed = score(model, &rows.slice(s![..;-1, ..]).to_owned());
    assert!(reversed.iter().rev().eq(scores), "the order of the batch does not matter");
    let (head, tail) = rows.view().split_at(Axis(0), rows.nrows() / 3);
    let turned = concatenate(Axis(0), &[tail, head]).expect("same width");
    let mut expected = scores.to_vec();
    expected.rotate_left(rows.nrows() / 3);
    assert_eq!(score(model, &turned), expected, "the split of the batch does not matter");
}

fn damaged_bytes<D: Detector>(bytes: &[u8]) {
    let step = (bytes.len() / 200).max(1);
    for length in (0..bytes.len()).step_by(step) {
        assert!(D::from_bytes(&bytes[..length]).is_err(), "a model cut at {length} is an error");
    }
    for position in (0..bytes.len()).step_by(step) {
        let mut damaged = bytes.to_vec();
        damaged[position] ^= 0xff;
        // A flipped bit may still be a model. It must not be a panic.
        if let Ok(model) = D::from_bytes(&damaged) {
            let _ = model.score(Array2::zeros((1, model.width().min(1 << 16))).view());
        }
    }
}
