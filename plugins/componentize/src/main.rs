//! `synod-componentize` makes components of core modules.
//!
//! ```text
//! synod-componentize CORE.wasm COMPONENT.wasm               a module of the SDK, which carries the contract's types
//! synod-componentize --wit FOLDER CORE.wasm COMPONENT.wasm  a module of any compiler, which keeps the world `plugin` of that folder
//! ```
//!
//! A module that imports WASI of the first generation (`wasi_snapshot_preview1`), as Go's compiler makes them, gets one with nothing behind
//! it (`preview1.wat`), and imports nothing of the host but the log.

use std::path::Path;
use std::{env, fs, process::ExitCode};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const USAGE: &str = "usage: synod-componentize [--wit FOLDER] CORE.wasm COMPONENT.wasm";
/// The contract's world.
const WORLD: &str = "plugin";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["--wit", wit, from, to] => componentize(Some(Path::new(wit)), from, to),
        [from, to] if !from.starts_with("--") => componentize(None, from, to),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synod-componentize: {error}");
            ExitCode::FAILURE
        }
    }
}

fn componentize(wit: Option<&Path>, from: &str, to: &str) -> Result<(), String> {
    let mut module = fs::read(from).map_err(|error| format!("{from}: {error}"))?;
    if let Some(wit) = wit {
        embed(wit, &mut module).map_err(|error| format!("{}: {error}", wit.display()))?;
    }
    let component = wrap(&module).map_err(|error| format!("{from}: {error}"))?;
    fs::write(to, component).map_err(|error| format!("{to}: {error}"))
}

/// Writes the world's types into a custom section of the module, where the encoder looks for them.
fn embed(wit: &Path, module: &mut Vec<u8>) -> Result<(), String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).map_err(|error| format!("{error:#}"))?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(|error| format!("{error:#}"))?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false).map_err(|error| format!("{error:#}"))
}

fn wrap(module: &[u8]) -> Result<Vec<u8>, String> {
    let preview1 = wat::parse_str(include_str!("preview1.wat")).map_err(|error| error.to_string())?;
    let mut encoder = ComponentEncoder::default();
    // The adapter stays away from modules that do not import what it adapts.
    let encoded = encoder
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", &preview1))
        .and_then(|encoder| encoder.encode());
    encoded.map_err(|error| format!("{error:#}"))
}
