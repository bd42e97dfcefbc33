//! `synod backup` and `synod restore`.

use super::{Common, Format};
use clap::{Args, Subcommand};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// `synod backup`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Backup {
    /// What is done with a backup that is there.
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Where the backup goes: a file, a folder (which gives it a name of its time), or - for the standard output.
    #[arg(long, short, value_name = "FILE", required = true)]
    pub output: Option<PathBuf>,
    /// In a folder: how many of the backups there stay. Older ones are removed once the new one is complete.
    #[arg(long, value_name = "COUNT")]
    pub keep: Option<NonZeroUsize>,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// What is done with a backup.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Check every byte of a backup, and every record of its log, without unpacking it.
    #[command(after_help = "Examples:\n  synod backup verify /var/backups/synod            # the newest in the folder\n  \
        age -d -i key.txt synod.tar.zst.age | synod backup verify -\n\n\
        The exit code is 3 if it is not what was written.")]
    Verify(OneBackup),
    /// Say what a backup is a backup of. Only its beginning is read, and nothing is checked.
    #[command(after_help = "Example:\n  synod backup show synod.tar.zst --format json")]
    Show(OneBackup),
}

/// `synod backup verify`
#[derive(Debug, Args)]
pub struct OneBackup {
    /// The backup; a folder for the newest in it; - for the standard input.
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// What most commands take. The data directory must not be there yet, or be empty.
    #[command(flatten)]
    pub common: Common,
    /// The backup; a folder for the newest in it; - for the standard input.
    #[arg(long, short, value_name = "FILE")]
    pub input: PathBuf,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}
