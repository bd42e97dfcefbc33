//! The commands: each reads its arguments, calls the parts, and says what it did.

mod audit;
mod backtest;
mod backup;
mod bench;
mod breaker;
mod check;
mod compile;
mod dataset;
mod doctor;
mod elk;
mod evaluate;
mod export;
mod fit;
mod generate;
mod health;
mod index;
mod init;
mod installation;
mod keys;
mod models;
mod notify;
mod picture;
mod place;
mod plugin;
mod progress;
mod publishing;
mod recalibrate;
mod replay;
mod rollout;
mod score;
mod serve;
mod size;
mod votes;

use crate::cli::{Cli, Command};
use crate::config::ConfigError;
use crate::engine::EngineError;
use crate::fitting::FitError;
use crate::identity::IdentityError;
use crate::identity::server::ServerError;
use crate::ledger::{ReadError, RecoveryError};
use crate::notify::NotifyError;
use crate::replaying::ReplayError;
use crate::rows::RowsError;
use crate::signing::TrustError;
use crate::sinks::SinkError;
use std::fmt::Display;
use std::io;
use std::path::Path;
use synod_host::{Failure, HostError, Refusal};
use synod_store::{ArchiveError, DataDirectoryError, LogError, RegistryError, TableError};
use thiserror::Error;

/// Why a command failed. Each kind has an exit code of its own.
#[derive(Debug, Error)]
pub enum CommandError {
    /// Something failed that is neither the user's configuration nor the user's data.
    #[error("{0}")]
    Failed(String),
    /// The command line or the configuration has mistakes.
    #[error("{0}")]
    Usage(String),
    /// The data have mistakes.
    #[error("{0}")]
    Data(String),
}

impl CommandError {
    /// The process's exit code, as documented in `--help`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Data(_) => 3,
        }
    }

    fn file(path: &Path, error: impl Display) -> Self {
        Self::Failed(format!("{}: {error}", path.display()))
    }
}

/// The error with all that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause in their own text.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

macro_rules! errors {
    ($($kind:ident: $($error:ty),+;)*) => {$($(
        impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::$kind(chain(&error))
            }
        }
    )+)*};
}

errors! {
    Usage: ConfigError, EngineError, TrustError;
    Failed: HostError, DataDirectoryError, RegistryError, ArchiveError, RecoveryError, ReadError, LogError, IdentityError, ServerError, SinkError, NotifyError;
}

impl From<TableError> for CommandError {
    fn from(error: TableError) -> Self {
        let text = chain(&error);
        match error {
            TableError::UnknownFormat { .. } => Self::Usage(text),
            TableError::Read { source, .. } if !is_of_contents(&source) => Self::Failed(text),
            TableError::Write { .. } | TableError::WriteParquet { .. } => Self::Failed(text),
            _ => Self::Data(text),
        }
    }
}

/// Whether a file was there, but not what it should be: cut short, say.
fn is_of_contents(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

impl From<RowsError> for CommandError {
    fn from(error: RowsError) -> Self {
        match error {
            RowsError::Table(error) => error.into(),
            RowsError::NoColumn { .. } => Self::Data(error.to_string()),
        }
    }
}

impl From<ReplayError> for CommandError {
    fn from(error: ReplayError) -> Self {
        let text = chain(&error);
        match error {
            ReplayError::Candidate(_) => Self::Usage(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<FitError> for CommandError {
    fn from(error: FitError) -> Self {
        let text = chain(&error);
        match error {
            FitError::Engine(_) | FitError::Parameters { .. } | FitError::Artifact { .. } => Self::Usage(text),
            FitError::Rows(_) | FitError::Feature { .. } => Self::Data(text),
            FitError::Plugin { source: Failure::Refused { kind: Refusal::Parameters | Refusal::Artifact, .. }, .. } => Self::Usage(text),
            FitError::Plugin { source: Failure::Refused { kind: Refusal::Data, .. }, .. } => Self::Data(text),
            FitError::Plugin { .. } => Self::Failed(text),
        }
    }
}

/// Runs a command.
///
/// # Errors
/// When it fails; the message is for people.
pub fn run(cli: Cli) -> Result<(), CommandError> {
    match cli.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Score(arguments) => score::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Backtest(arguments) => backtest::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Recalibrate(arguments) => recalibrate::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Notify(arguments) => notify::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Index(arguments) => index::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Breaker(arguments) => breaker::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Plugin(arguments) => plugin::run(&arguments),
        Command::Rollout(arguments) => rollout::run(&arguments),
        Command::Elk(arguments) => elk::run(&arguments),
        Command::Size(arguments) => size::run(&arguments),
    }
}
