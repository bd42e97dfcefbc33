//! `synod-componentize CORE.wasm COMPONENT.wasm`: wraps a core module that the SDK exported as a component.

use std::{env, fs, process::ExitCode};
use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: synod-componentize CORE.wasm COMPONENT.wasm");
        return ExitCode::from(2);
    };
    match componentize(from, to) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{from}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn componentize(from: &str, to: &str) -> Result<(), String> {
    let module = fs::read(from).map_err(|error| error.to_string())?;
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder.validate(true).module(&module).and_then(|encoder| encoder.encode());
    let component = encoded.map_err(|error| format!("{error:#}"))?;
    fs::write(to, component).map_err(|error| format!("{to}: {error}"))
}
