//! `synod export`: what leaves an installation as files that others read.

pub(super) mod decisions;
mod onnx;
mod shadows;

use super::CommandError;
use crate::cli::Export;

pub(super) fn run(arguments: &Export) -> Result<(), CommandError> {
    match arguments {
        Export::Decisions(arguments) => decisions::run(arguments),
        Export::Onnx(arguments) => onnx::run(arguments),
        Export::Shadows(arguments) => shadows::run(arguments),
    }
}
