//! `synod init`: looks at a file and writes a configuration to start from, with what it saw as comments.

mod column;
mod writing;

use super::{CommandError, installation};
use crate::cli::Init;
use crate::redaction::redacted;
use column::{Column, Role};
use std::path::{Path, PathBuf};
use synod_host::{Description, Host, HostSettings};
use synod_store::{DataDirectory, Table};

/// Rows that are looked at.
const MOST_ROWS: usize = 50_000;
/// Beside the configuration.
const DATA_DIRECTORY: &str = "synod-data";

/// A plugin that can be a detector without a foreign model.
struct Found {
    file: String,
    description: Description,
}

pub(super) fn run(arguments: &Init) -> Result<(), CommandError> {
    if arguments.output.exists() && !arguments.force {
        let text = format!("{} exists already; --force overwrites it", arguments.output.display());
        return Err(CommandError::Usage(text));
    }
    let (columns, rows) = look(&arguments.data)?;
    if let Some(label) = &arguments.label
        && !columns.iter().any(|column| column.name == *label)
    {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        return Err(CommandError::Usage(format!("--label: there is no column `{label}`; there are {}", names.join(", "))));
    }
    let roles = column::roles(&columns, rows, arguments.label.as_deref());
    if !roles.contains(&Role::Feature) {
        return Err(CommandError::Data(format!(
            "{}: no column can be a feature: all are constant or identify rows",
            arguments.data.display()
        )));
    }
    // The data directory that the configuration will name: what is compiled now need not be compiled by `synod fit`.
    let directory = arguments.output.parent().unwrap_or(Path::new("")).join(DATA_DIRECTORY);
    let host = installation::host_for(&HostSettings::default(), &DataDirectory::open(directory)?)?;
    let plugins = plugins(&arguments.plugins, &host)?;
    let folder = relative(&arguments.plugins, &arguments.output);
    let text = writing::configuration(&arguments.data, rows, &columns, &roles, &plugins, &folder);
    synod_store::write_file(&arguments.output, text.as_bytes()).map_err(|error| CommandError::file(&arguments.output, error))?;
    let features = roles.iter().filter(|role| **role == Role::Feature).count();
    let alone = plugins.iter().filter(|plugin| plugin.description.univariate).count();
    let detectors = if alone < plugins.len() { plugins.len() - alone } else { alone };
    println!("{}: {features} features of {} columns, {detectors} detectors", arguments.output.display(), columns.len());
    println!("Read it, then:\n  synod fit --config {} --data {}", arguments.output.display(), arguments.data.display());
    Ok(())
}

fn look(path: &Path) -> Result<(Vec<Column>, usize), CommandError> {
    let mut table = Table::open(path, None)?;
    let mut columns: Vec<Column> = Vec::new();
    let mut rows = 0;
    while rows < MOST_ROWS {
        let row = match table.next() {
            None => break,
            Some(Err(error)) if !error.is_of_one_row() => return Err(error.into()),
            Some(Err(error)) => {
                eprintln!("{}", redacted(&error.to_string()));
                continue;
            }
            Some(Ok(row)) => row,
        };
        // JSON lines may bring columns that earlier rows did not have.
        for name in &table.columns()[columns.len()..] {
            columns.push(Column::new(name, rows));
        }
        columns.iter_mut().zip(&row.cells).for_each(|(column, cell)| column.see(cell));
        rows += 1;
    }
    if rows == 0 {
        return Err(CommandError::Data(format!("{} has no rows", path.display())));
    }
    Ok((columns, rows))
}

/// All plugins of a folder that need no foreign model, by name.
fn plugins(folder: &Path, host: &Host) -> Result<Vec<Found>, CommandError> {
    let entries = std::fs::read_dir(folder).map_err(|error| CommandError::file(folder, error))?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let component = std::fs::read(&path).map_err(|error| CommandError::file(&path, error))?;
        match host.load(&component) {
            Ok(plugin) if plugin.description().artifact => {}
            Ok(plugin) => {
                let file = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                found.push(Found { file, description: plugin.description().clone() });
            }
            Err(error) => eprintln!("{}: left out: {}", path.display(), super::chain(&error)),
        }
    }
    if found.is_empty() {
        return Err(CommandError::Usage(format!("--plugins: {} has no plugin; build them with scripts/plugins.sh", folder.display())));
    }
    Ok(found)
}

/// The plugins' folder as the configuration must name it: relative to its own folder if both are relative, else absolute.
fn relative(folder: &Path, output: &Path) -> String {
    let own = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let path = match (folder.is_relative(), own) {
        (true, None) => folder.to_owned(),
        _ => std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
    };
    path.display().to_string()
}
