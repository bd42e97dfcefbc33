//! The detector: a plan, the spread of the training rows, and the file that both came from.

use crate::{
    interface::read,
    parameters::{Parameters, Score},
    plan::{Block, Plan},
};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use synod_sdk::{Description, Detector, Error, Explanation, Reader, Training, Writer, decode, encode, log};

/// The version of the model's bytes. Raise it whenever [`Onnx::to_bytes`] changes.
const FORMAT: u32 = 2;

/// What `fit` finds out and `load` needs, beside the file.
#[derive(Debug, Serialize, Deserialize)]
struct Learnt {
    parameters: Parameters,
    /// What a difference in each feature is divided by; as many as there are features.
    spread: Vec<f64>,
    block: Block,
}

/// An ONNX graph, ready to score.
#[derive(Debug)]
pub struct Onnx {
    learnt: Learnt,
    file: Vec<u8>,
    plan: Plan,
}

impl Onnx {
    /// How far the reconstruction is from each row: for each feature its share of the mean squared difference, row by row.
    fn shares(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        let mut shares = self.plan.run(rows).map_err(Error::Data)?;
        let width = self.learnt.spread.len();
        for (shares, row) in shares.chunks_exact_mut(width).zip(rows.rows()) {
            for ((share, value), spread) in shares.iter_mut().zip(row).zip(&self.learnt.spread) {
                let difference = (value - *share) / spread;
                *share = difference * difference / width as f64;
            }
        }
        Ok(shares)
    }

    fn raw_scores(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        if self.learnt.parameters.score == Score::ReconstructionError {
            return Ok(self.shares(rows)?.chunks_exact(self.learnt.spread.len()).map(|shares| shares.iter().sum()).collect());
        }
        let mut scores = self.plan.run(rows).map_err(Error::Data)?;
        if !self.learnt.parameters.higher_is_anomalous {
            scores.iter_mut().for_each(|score| *score = -*score);
        }
        Ok(scores)
    }
}

impl Detector for Onnx {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "onnx",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Any ONNX graph: its output, or how badly it reconstructs a row",
            minimum_rows: 2,
            artifact: true,
            explains: true,
            ..Description::default()
        }
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let missing = "the plugin needs the bytes of an ONNX file: name one as the detector's artifact";
        let file = training.artifact.ok_or_else(|| Error::Artifact(missing.into()))?;
        let (block, plan) = prepared(file, parameters, training.rows).map_err(Error::Artifact)?;
        let learnt = Learnt { parameters: parameters.clone(), spread: spread(parameters, training.rows), block };
        let model = Self { learnt, file: file.to_vec(), plan };
        model.score(training.rows).map_err(|error| Error::Artifact(format!("the training rows cannot be scored: {error}")))?;
        Ok(model)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let learnt = encode(FORMAT, &self.learnt);
        let mut writer = Writer::new(FORMAT);
        writer.number(checksum(&[&learnt, &self.file])).bytes(&learnt).bytes(&self.file);
        writer.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let (sum, learnt, file) = (reader.number()?, reader.bytes()?, reader.bytes()?);
        reader.finish()?;
        // A damaged graph must not reach the optimiser, which may rely on what a sound one promises.
        if checksum(&[learnt, file]) != sum {
            return Err(Error::Model("the model is damaged: its checksum is wrong".into()));
        }
        let learnt: Learnt = decode(FORMAT, learnt)?;
        if learnt.spread.is_empty() || !learnt.spread.iter().all(|spread| spread.is_finite() && *spread > 0.0) {
            return Err(Error::Model("the model's spreads are not positive numbers".into()));
        }
        let plan = Plan::new(file, &learnt.parameters, learnt.spread.len(), learnt.block).map_err(Error::Model)?;
        Ok(Self { learnt, file: file.to_vec(), plan })
    }

    fn width(&self) -> usize {
        self.learnt.spread.len()
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        let scores = self.raw_scores(rows)?;
        finite(&scores)?;
        Ok(scores)
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        if self.learnt.parameters.score == Score::Output {
            return Err(Error::Unsupported);
        }
        let shares = self.shares(rows)?;
        finite(&shares.chunks_exact(self.learnt.spread.len()).map(|row| row.iter().sum()).collect::<Vec<_>>())?;
        let contributions = Array2::from_shape_vec(rows.dim(), shares).map_err(|error| Error::Data(error.to_string()))?;
        Ok(Explanation { base: 0.0, contributions })
    }
}

/// The plan that takes many rows at once, if the graph can do that and keeps its rows apart, if possible with another one for a row alone;
/// else the one that takes them one by one.
fn prepared(file: &[u8], parameters: &Parameters, rows: ArrayView2<'_, f64>) -> Result<(Block, Plan), String> {
    let width = rows.ncols();
    let (_, interface) = read(file)?;
    if !interface.input(&parameters.input, width)?.one_row() {
        for block in [Block::Both, Block::Many] {
            if let Ok(plan) = Plan::new(file, parameters, width, block)
                && matches!(plan.keeps_rows_apart(rows), Ok(true))
            {
                return Ok((block, plan));
            }
        }
    }
    log::info("the graph is run row by row: it takes no more, or its rows would depend on their neighbours");
    Ok((Block::One, Plan::new(file, parameters, width, Block::One)?))
}

fn spread(parameters: &Parameters, rows: ArrayView2<'_, f64>) -> Vec<f64> {
    let columns = rows.axis_iter(Axis(1));
    columns.map(|column| if parameters.standardise { deviation(column) } else { 1.0 }).collect()
}

/// The standard deviation; 1 for a constant feature, any change of which is then measured in its own units.
fn deviation(column: ArrayView1<'_, f64>) -> f64 {
    // Measured in the largest value, so that squares cannot overflow.
    let unit = column.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let count = column.len() as f64;
    let mean = column.iter().map(|value| value / unit / count).sum::<f64>();
    let deviation = unit * column.iter().map(|value| (value / unit - mean).powi(2) / count).sum::<f64>().sqrt();
    // What is left of a constant by rounding is no spread.
    if deviation.is_finite() && deviation > unit * 1e-14 { deviation } else { 1.0 }
}

fn finite(scores: &[f64]) -> Result<(), Error> {
    match scores.iter().position(|score| !score.is_finite()) {
        Some(row) => Err(Error::Data(format!("row {row}: the graph's answer makes no finite score"))),
        None => Ok(()),
    }
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo, RFC 9923): against damage, not against malice.
fn checksum(parts: &[&[u8]]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    parts.iter().flat_map(|part| part.iter()).fold(0xcbf2_9ce4_8422_2325, step)
}
