//! The plugins' detectors as ordinary Rust: what the sandbox is measured against.

use ndarray::ArrayView2;
use synod_sdk::{Detector, Error};

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
