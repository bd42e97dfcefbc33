//! Trains on the planted rows of the parity vectors and writes the model and its ONNX file there:
//! `cargo run -p autoencoder --example export -- tests/parity-networks`.

use autoencoder::{Activation, Autoencoder, FeatureError, Parameters};
use ndarray::Array2;
use std::{error::Error, fs, path::PathBuf};
use synod_sdk::{Detector, Training};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: export FOLDER")?);
    let vectors: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("planted.json"))?)?;
    let rows: Vec<Vec<f64>> = serde_json::from_value(vectors["training"].clone())?;
    let width = rows.first().ok_or("no rows")?.len();
    let rows = Array2::from_shape_vec((rows.len(), width), rows.concat())?;
    let error = FeatureError::Robust;
    let parameters = Parameters { hidden: vec![16, 8, 4, 8, 16], activation: Activation::Tanh, error, ..Parameters::default() };
    let model = Autoencoder::fit(&parameters, &Training::new(rows.view(), 1))?;
    fs::write(folder.join("autoencoder.model"), model.to_bytes())?;
    fs::write(folder.join("autoencoder.onnx"), model.export_onnx()?)?;
    Ok(())
}
