//! `synod plugin build`

use super::CommandError;
use crate::cli::BuildPlugin;
use crate::plugin::building::{build, wrap};
use std::path::{Path, PathBuf};

pub(super) fn run(arguments: &BuildPlugin) -> Result<(), CommandError> {
    if arguments.plugin.is_dir() || !is_module(&arguments.plugin) {
        let (path, component) = project(&arguments.plugin, arguments.output.as_deref(), &arguments.profile)?;
        println!("{}: {} bytes", path.display(), component.len());
        return Ok(());
    }
    let Some(output) = &arguments.output else {
        return Err(CommandError::Usage("--output: say where the component of a core module is to be written".into()));
    };
    let component = wrap(&arguments.plugin)?;
    write(output, &component)?;
    println!("{}: {} bytes", output.display(), component.len());
    Ok(())
}

/// Whether it is a file of WebAssembly by its name.
pub(super) fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

/// Builds a project, and writes its component.
pub(super) fn project(folder: &Path, output: Option<&Path>, profile: &str) -> Result<(PathBuf, Vec<u8>), CommandError> {
    let built = build(folder, profile)?;
    let path = output.map_or_else(|| folder.join(format!("{}.wasm", built.name)), Path::to_owned);
    write(&path, &built.component)?;
    Ok((path, built.component))
}

fn write(path: &Path, component: &[u8]) -> Result<(), CommandError> {
    synod_store::write_file(path, component).map_err(|error| CommandError::file(path, error))
}
