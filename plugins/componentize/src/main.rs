//! `synod-componentize` makes components of core modules, for scripts that have no `synod` yet: it is built in seconds.
//!
//! ```text
//! synod-componentize CORE.wasm COMPONENT.wasm               a module of the SDK, which carries the contract's types
//! synod-componentize --wit FOLDER CORE.wasm COMPONENT.wasm  a module of any compiler, which keeps the contract of that folder
//! ```

use std::path::Path;
use std::{env, fs, process::ExitCode};
use synod_componentize::{component, embed};

const USAGE: &str = "usage: synod-componentize [--wit FOLDER] CORE.wasm COMPONENT.wasm";
/// The contract in its folder.
const CONTRACT: &str = "detector.wit";

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
        let path = wit.join(CONTRACT);
        let contract = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        embed(&contract, &mut module).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let component = component(&module).map_err(|error| format!("{from}: {error}"))?;
    fs::write(to, component).map_err(|error| format!("{to}: {error}"))
}
