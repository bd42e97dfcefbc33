//! `synod backup` and `synod restore`: a data directory in one file, and back.

use super::audit::{data_directory, print_json};
use super::installation::configuration;
use super::publishing::user;
use super::{CommandError, chain, progress};
use crate::auditing::Action;
use crate::cli::{Backup, BackupCommand, Common, Format, OneBackup, Restore};
use crate::replaying::{ContentsReport, check_contents};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use synod_store::{
    Acts, Archive, Backup as Written, BackupError, BackupStatement, CommandAct, DataDirectory, LogError, Registry, Restored, latest_backup,
    prune_backups, show_backup, verify_backup, write_backup,
};

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        let text = chain(&error);
        match error {
            BackupError::Refused(_) | BackupError::Damaged { .. } | BackupError::Log(LogError::Damaged { .. }) => Self::Data(text),
            BackupError::Occupied(_) => Self::Usage(text),
            _ => Self::Failed(text),
        }
    }
}

pub(super) fn run(arguments: &Backup) -> Result<(), CommandError> {
    match &arguments.command {
        None => take(arguments),
        Some(BackupCommand::Verify(arguments)) => verify(arguments),
        Some(BackupCommand::Show(arguments)) => show(arguments),
    }
}

fn take(arguments: &Backup) -> Result<(), CommandError> {
    let output = arguments.output.as_deref().unwrap_or(Path::new("-"));
    if output == Path::new("-") && std::io::stdout().is_terminal() {
        return Err(CommandError::Usage("--output -: the standard output is a terminal. Send it into a file or a program".into()));
    }
    if arguments.keep.is_some() && !output.is_dir() {
        return Err(CommandError::Usage(format!("--keep: {} is no folder, and only there are older backups found", output.display())));
    }
    let directory = data_directory(&arguments.common)?;
    let bar = progress::reading("copying");
    let (path, written) = write_backup(&directory, output, env!("CARGO_PKG_VERSION"), Timestamp::now(), &mut |done, all| {
        progress::update(&bar, (done, all));
    })?;
    bar.finish_and_clear();
    let removed = arguments.keep.map(|keep| prune_backups(output, keep.get())).transpose()?.unwrap_or_default();
    note(&directory, Action::DATA_BACKED_UP, &written);
    let named = path.display().to_string();
    let text = match arguments.format {
        Format::Table => {
            let removed: String = removed.iter().map(|path| format!("removed {}\n", path.display())).collect();
            format!("{}{removed}", table(&named, &written))
        }
        Format::Json => {
            let mut report = report(&named, &written);
            report["removed"] = json!(removed);
            format!("{report:#}\n")
        }
    };
    // The backup itself may be what the standard output holds.
    if output == Path::new("-") {
        eprint!("{text}")
    } else {
        print!("{text}")
    }
    Ok(())
}

fn verify(arguments: &OneBackup) -> Result<(), CommandError> {
    let input = found(&arguments.input)?;
    let bar = progress::reading("verifying");
    let written = verify_backup(&input, &mut |done, all| progress::update(&bar, (done, all)))?;
    bar.finish_and_clear();
    let named = input.display().to_string();
    match arguments.format {
        Format::Table => println!("{}it is what was written", table(&named, &written)),
        Format::Json => print_json(&report(&named, &written))?,
    }
    Ok(())
}

fn show(arguments: &OneBackup) -> Result<(), CommandError> {
    let input = found(&arguments.input)?;
    let statement = show_backup(&input)?;
    match arguments.format {
        Format::Table => {
            print!("{}: taken {} by Synod {}\n{}", input.display(), statement.taken, statement.synod, of_statement(&statement))
        }
        Format::Json => print_json(&statement)?,
    }
    Ok(())
}

pub(super) fn restore(arguments: &Restore) -> Result<(), CommandError> {
    let (input, target) = (found(&arguments.input)?, target(&arguments.common)?);
    let bar = progress::reading("unpacking");
    let restored = Restored::unpack(&input, &target, &mut |done, all| progress::update(&bar, (done, all)))?;
    bar.finish_and_clear();
    let directory = restored.directory()?;
    let contents = contents(&directory)?;
    let written = restored.backup().clone();
    note(&directory, Action::DATA_RESTORED, &written);
    restored.place()?;
    let named = target.display().to_string();
    match arguments.format {
        Format::Table => print!("{}{}", table(&named, &written), told(&contents, &written)),
        Format::Json => {
            let mut report = report(&named, &written);
            report["contents"] = json!(contents);
            print_json(&report)?;
        }
    }
    Ok(())
}

/// Where to restore to. Nothing is made there before the backup was checked.
fn target(common: &Common) -> Result<PathBuf, CommandError> {
    match &common.data_directory {
        Some(path) => Ok(path.clone()),
        None => Ok(configuration(common)?.data_directory),
    }
}

/// The backup that is meant: of a folder the newest.
fn found(input: &Path) -> Result<PathBuf, CommandError> {
    match input.is_dir() {
        true => latest_backup(input)?.ok_or_else(|| CommandError::Usage(format!("{} holds no backup", input.display()))),
        false => Ok(input.to_owned()),
    }
}

/// What the log of a directory holds, and whether all is there that its decisions rest on. What is missing was missing where the backup was taken.
fn contents(directory: &DataDirectory) -> Result<ContentsReport, CommandError> {
    let bar = progress::reading("reading the decisions");
    let (archive, registry) = (Archive::open(directory)?, Registry::open(directory)?);
    let contents = check_contents(directory, &archive, &registry, &mut |done, all| progress::update(&bar, (done, all)));
    bar.finish_and_clear();
    Ok(contents?)
}

/// Has the log say so, once a server runs. That it cannot is no reason to be without a backup.
fn note(directory: &DataDirectory, action: Action, written: &Written) {
    let act = CommandAct {
        at: Timestamp::now(),
        by: user(),
        act: action.name().to_owned(),
        target: head(&written.statement),
        why: format!("backup of {:.0}, SHA-256 {}", written.statement.taken, written.sha256),
    };
    if let Err(error) = Acts::of(directory).note(act) {
        eprintln!("the audit log will not say so: {}", chain(&error));
    }
}

fn head(statement: &BackupStatement) -> String {
    format!("{}:{}", statement.sequence, statement.chain)
}

fn report(path: &str, written: &Written) -> Value {
    let statement = &written.statement;
    json!({
        "path": path,
        "taken": statement.taken,
        "synod": statement.synod,
        "head": head(statement),
        "first": written.first,
        "last": statement.sequence,
        "live": statement.live,
        "files": written.files,
        "bytes": written.bytes,
        "archive_bytes": written.archive_bytes,
        "sha256": written.sha256,
    })
}

fn table(path: &str, written: &Written) -> String {
    let (statement, first) = (&written.statement, written.first);
    let records = first.map_or_else(|| "no records".to_owned(), |first| format!("records {first} to {}", statement.sequence));
    format!(
        "{path}: {records}, {} files of {} bytes in {}, taken {:.0} by Synod {}\n{}sha256 {}\n",
        written.files,
        written.bytes,
        written.archive_bytes,
        statement.taken,
        statement.synod,
        of_statement(statement),
        written.sha256
    )
}

fn of_statement(statement: &BackupStatement) -> String {
    let live: Vec<String> = statement.live.iter().map(|(detector, version)| format!("{detector}={version}")).collect();
    let live = if live.is_empty() { "none".to_owned() } else { live.join(", ") };
    format!("live {live}\nhead {}\n", head(statement))
}

/// What somebody has to know who restores.
fn told(contents: &ContentsReport, written: &Written) -> String {
    let mut text = String::new();
    for missing in &contents.missing {
        text += &format!(
            "missing, as it was when the backup was taken: {}: {}; {} decisions rest on it\n",
            missing.what, missing.why, missing.decisions
        );
    }
    text += &format!("restored: {} decisions, {} labels, {} audit events\n", contents.decisions, contents.labels, contents.audits);
    text + &format!(
        "What came after record {} is not in it: keys that were revoked since hold again, and so on. The directory that the backup was taken from\n\
         must never serve again: there would be two logs that say different things under the same numbers.\n",
        written.statement.sequence
    )
}
