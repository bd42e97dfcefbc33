//! From a project to a component: cargo compiles, and what it makes is wrapped. Cargo's own words go to standard error as it says them.

use super::sources::CONTRACT;
use super::toolchain::{Missing, Toolchain};
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use synod_componentize as componentize;
use thiserror::Error;

/// A component that was just built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The package's name, which the component's file has as well.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
}

/// Why there is no component.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The folder holds no project.
    #[error("{} has no Cargo.toml: name the folder of a plugin, or a file that ends in .wasm; `synod plugin new` makes a project", .0.display())]
    NoProject(PathBuf),
    /// A part of the toolchain is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// Cargo has said what is wrong.
    #[error("cargo {0} failed: what is wrong stands above")]
    Cargo(&'static str),
    /// A command cannot be run.
    #[error("cargo cannot be run")]
    Run(#[source] std::io::Error),
    /// The package compiles, and to no module.
    #[error("the package makes no WebAssembly module: write `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` in its Cargo.toml")]
    NoModule,
    /// The module cannot be read.
    #[error("{} cannot be read", path.display())]
    Module {
        /// The module.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The module does not keep the contract.
    #[error("{} cannot be made a component: {source}. A plugin in Rust calls `synod_sdk::export!` once, at the crate's root", path.display())]
    Wrap {
        /// The module.
        path: PathBuf,
        /// Why not.
        source: componentize::Error,
    },
}

/// What cargo says in JSON, as far as it is of use.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Compiles the package of a folder with this profile, and wraps it.
///
/// # Errors
/// When there is no package or no toolchain, the package does not compile, or it does not keep the contract.
pub fn build(folder: &Path, profile: &str) -> Result<Built, BuildError> {
    must_be_a_project(folder)?;
    let toolchain = Toolchain::find(folder)?;
    eprintln!("compiling with {}", toolchain.compiler);
    let mut command = toolchain.build(folder);
    command.args(["--profile", profile, "--message-format=json-render-diagnostics"]);
    let module = module(command, folder)?;
    let name = module.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
    Ok(Built { name, component: wrap(&module)? })
}

/// Runs the package's own tests on this machine. What they say goes to standard error.
///
/// # Errors
/// When there is no package or no toolchain, or a test fails.
pub fn unit_tests(folder: &Path) -> Result<(), BuildError> {
    must_be_a_project(folder)?;
    Toolchain::find(folder)?;
    let mut command = Command::new("cargo");
    let status =
        command.current_dir(folder).arg("test").stdin(Stdio::null()).stdout(std::io::stderr()).status().map_err(BuildError::Run)?;
    if status.success() { Ok(()) } else { Err(BuildError::Cargo("test")) }
}

/// Makes a component of a core module, whatever compiler made it.
///
/// # Errors
/// When it cannot be read, or does not keep the contract.
pub fn wrap(path: &Path) -> Result<Vec<u8>, BuildError> {
    let mut module = std::fs::read(path).map_err(|source| BuildError::Module { path: path.into(), source })?;
    let failed = |source| BuildError::Wrap { path: path.into(), source };
    if !componentize::has_types(&module).map_err(failed)? {
        let contract = CONTRACT.iter().map(|(_, text)| *text).collect::<String>();
        componentize::embed(&contract, &mut module).map_err(failed)?;
    }
    componentize::component(&module).map_err(failed)
}

fn must_be_a_project(folder: &Path) -> Result<(), BuildError> {
    if folder.join("Cargo.toml").is_file() { Ok(()) } else { Err(BuildError::NoProject(folder.to_owned())) }
}

/// Runs the build, and answers the module that this package has become.
fn module(mut command: Command, folder: &Path) -> Result<PathBuf, BuildError> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(BuildError::Run)?;
    let own = folder.join("Cargo.toml").canonicalize().map_err(BuildError::Run)?;
    let mut found = None;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(BuildError::Run)?;
            // Lines of another kind, and other crates' artifacts, are passed over.
            let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
            if message.manifest_path.canonicalize().is_ok_and(|path| path == own) {
                let module = message.filenames.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "wasm"));
                found = module.or(found);
            }
        }
    }
    match child.wait().map_err(BuildError::Run)?.success() {
        true => found.ok_or(BuildError::NoModule),
        false => Err(BuildError::Cargo("build")),
    }
}
