//! The plugins' detectors as ordinary Rust: what the sandbox is measured against.

use ndarray::ArrayView2;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use synod_sdk::{Detector, Error};
use tract_onnx::{prelude::*, tract_hir::infer::InferenceFact};

/// A loaded model, whatever its detector.
pub(crate) trait Native {
    /// Raw scores of rows that lie one behind the other.
    fn score(&self, width: usize, values: &[f64]) -> Result<Vec<f64>, Error>;
}

impl<D: Detector> Native for D {
    fn score(&self, width: usize, values: &[f64]) -> Result<Vec<f64>, Error> {
        let rows = ArrayView2::from_shape((values.len() / width, width), values).map_err(|error| Error::Data(error.to_string()))?;
        Detector::score(self, rows)
    }
}

fn load_as<D: Detector>(model: &[u8]) -> Result<Box<dyn Native>, Error> {
    Ok(Box::new(D::from_bytes(model)?))
}

/// The plugin of this name with a model; none if it is not compiled in.
pub(crate) fn load(plugin: &str, model: &[u8]) -> Option<Result<Box<dyn Native>, Error>> {
    let load = match plugin {
        "autoencoder" => load_as::<autoencoder::Autoencoder>,
        "ecod" => load_as::<ecod::Ecod>,
        "isolation-forest" => load_as::<isolation_forest::IsolationForest>,
        "k-nearest-neighbours" => load_as::<k_nearest_neighbours::KNearestNeighbours>,
        "local-outlier-factor" => load_as::<local_outlier_factor::LocalOutlierFactor>,
        "onnx" => load_as::<onnx::Onnx>,
        "robust-z-score" => load_as::<robust_z_score::RobustZScore>,
        _ => return None,
    };
    Some(load(model))
}

/// A graph in tract by itself, optimised for each number of rows that it gets: what the plugin `onnx` is measured against.
pub(crate) struct Graph {
    file: Vec<u8>,
    states: RefCell<HashMap<usize, TypedSimpleState>>,
}

impl Graph {
    pub(crate) fn new(file: &[u8]) -> Self {
        Self { file: file.to_vec(), states: RefCell::default() }
    }

    fn state(&self, shape: [usize; 2]) -> TractResult<TypedSimpleState> {
        let graph = tract_onnx::onnx().model_for_read(&mut self.file.as_slice())?;
        let first = graph.output_outlets()?[0];
        let graph = graph.with_output_outlets(&[first])?.with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), shape))?;
        graph.into_optimized()?.into_runnable()?.spawn()
    }

    fn run(&self, width: usize, values: &[f64]) -> TractResult<Vec<f64>> {
        let shape = [values.len() / width, width];
        let mut states = self.states.borrow_mut();
        let state = match states.entry(shape[0]) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(self.state(shape)?),
        };
        let single: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        let answer = state.run(tvec!(Tensor::from_shape(&shape, &single)?.into_tvalue()))?;
        Ok(answer[0].try_as_plain_ram()?.as_slice::<f32>()?.iter().copied().map(f64::from).collect())
    }
}

impl Native for Graph {
    /// The graph's answers: a score would be made of them.
    fn score(&self, width: usize, values: &[f64]) -> Result<Vec<f64>, Error> {
        self.run(width, values).map_err(|error| Error::Artifact(format!("{error:#}")))
    }
}
