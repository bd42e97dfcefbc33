//! `synod plugin`: a detector of one's own, from nothing to the line of a configuration, and on to others.

mod build;
mod check;
mod distribution;
mod new;
mod test;
mod writing;

use super::CommandError;
use crate::cli::Plugin;
use crate::compiling::{CompileLimits, InProcess};
use crate::plugin::building::BuildError;
use crate::plugin::rows::RowsError;
use std::path::Path;
use std::sync::Arc;
use synod_host::{Host, HostSettings};
use synod_store::FolderError;

pub(super) fn run(arguments: &Plugin) -> Result<(), CommandError> {
    match arguments {
        Plugin::New(arguments) => new::run(arguments),
        Plugin::Build(arguments) => build::run(arguments),
        Plugin::Test(arguments) => test::run(arguments),
        Plugin::Check(arguments) => check::run(arguments),
        Plugin::Sign(arguments) => distribution::sign(arguments),
        Plugin::Push(arguments) => distribution::push(arguments),
        Plugin::Pull(arguments) => distribution::pull(arguments),
    }
}

impl From<BuildError> for CommandError {
    fn from(error: BuildError) -> Self {
        let text = super::chain(&error);
        match error {
            BuildError::NoProject(_) => Self::Usage(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<FolderError> for CommandError {
    fn from(error: FolderError) -> Self {
        let text = super::chain(&error);
        match error {
            FolderError::Exists(_) => Self::Usage(format!("{text}, and is left as it is: name another --directory")),
            FolderError::Outside(_) | FolderError::Write { .. } => Self::Failed(text),
        }
    }
}

impl From<RowsError> for CommandError {
    fn from(error: RowsError) -> Self {
        match error {
            RowsError::Table(error) => error.into(),
            error => Self::Data(error.to_string()),
        }
    }
}

/// A host that compiles in a process of its own, as a server's does, and keeps nothing: what is measured is what a new version costs.
fn host(settings: HostSettings, limits: CompileLimits) -> Result<Host, CommandError> {
    let compiler =
        InProcess::new(settings, limits).map_err(|error| CommandError::Failed(format!("this program does not find itself: {error}")))?;
    Ok(Host::new(&settings, None)?.compiled_by(Arc::new(compiler)))
}

fn read(component: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(component).map_err(|error| CommandError::file(component, error))
}

/// The end of a command that judged a plugin.
fn verdict(failures: usize, of: usize) -> Result<(), CommandError> {
    match failures {
        0 => Ok(()),
        1 => Err(CommandError::Failed(format!("one of {of} checks failed"))),
        many => Err(CommandError::Failed(format!("{many} of {of} checks failed"))),
    }
}
