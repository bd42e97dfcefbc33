//! `synod export onnx`: a detector's live model as an ONNX file.

use super::super::CommandError;
use super::super::installation::Installation;
use crate::cli::ExportOnnx;
use crate::hexadecimal::hexadecimal;
use sha2::{Digest, Sha256};

pub(super) fn run(arguments: &ExportOnnx) -> Result<(), CommandError> {
    let mut at = Installation::open(&arguments.common)?;
    at.config = at.config.everything();
    at.config.detectors.retain(|detector| detector.name == arguments.detector);
    if at.config.detectors.is_empty() {
        return Err(CommandError::Usage(format!("--detector: there is no detector `{}`", arguments.detector)));
    }
    let engine = at.live_engine()?;
    let detector = &engine.detectors()[0];
    let pool = detector.pool().ok_or_else(|| CommandError::Failed(format!("detector {} does not start", detector.name())))?;
    let onnx = pool.export_onnx().map_err(|failure| CommandError::Failed(format!("detector {}: {failure}", detector.name())))?;
    synod_store::write_file(&arguments.output, &onnx).map_err(|error| CommandError::file(&arguments.output, error))?;
    println!("{}: {} bytes, SHA-256 {}", arguments.output.display(), onnx.len(), hexadecimal(&Sha256::digest(&onnx)));
    Ok(())
}
