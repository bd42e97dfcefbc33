//! `synod audit verify` and `synod audit head`: whether the log is what was written, and where it ends. `synod audit list` tells who did what.

mod list;

use super::{CommandError, progress};
use crate::cli::{Audit, Common, Format, Head, Verify, anchor};
use crate::command::installation::configuration;
use crate::ledger::{newest, spelled_head};
use crate::replaying::{ContentsReport, check_contents};
use serde_json::{Value, json};
use std::path::Path;
use synod_store::{Anchor, Archive, DataDirectory, Registry, Verification, verify};

pub(super) fn run(arguments: &Audit) -> Result<(), CommandError> {
    match arguments {
        Audit::Verify(arguments) => run_verify(arguments),
        Audit::Head(arguments) => run_head(arguments),
        Audit::List(arguments) => list::run(arguments),
    }
}

/// The data directory that the arguments name. It must be there: one that was made just now has nothing to verify, and a mistyped name would
/// be no fault. A configuration is only read if it is needed to find the directory.
pub(super) fn data_directory(common: &Common) -> Result<DataDirectory, CommandError> {
    let path = match &common.data_directory {
        Some(path) => path.clone(),
        None => configuration(common)?.data_directory,
    };
    if !path.join("FORMAT").is_file() {
        return Err(CommandError::Usage(format!("{} is no data directory", path.display())));
    }
    Ok(DataDirectory::open(path)?)
}

/// A report as JSON.
pub(super) fn print_json(report: &impl serde::Serialize) -> Result<(), CommandError> {
    println!("{}", serde_json::to_string_pretty(report).map_err(|error| CommandError::Failed(error.to_string()))?);
    Ok(())
}

fn run_head(arguments: &Head) -> Result<(), CommandError> {
    let (sequence, chain) = newest(&data_directory(&arguments.common)?)?;
    let head = spelled_head(sequence, &chain);
    match arguments.format {
        Format::Table => println!("{head}"),
        Format::Json => print_json(&json!({ "sequence": sequence, "head": head }))?,
    }
    Ok(())
}

fn run_verify(arguments: &Verify) -> Result<(), CommandError> {
    let directory = data_directory(&arguments.common)?;
    let mut anchors = arguments.expect.clone();
    if let Some(path) = &arguments.anchors {
        anchors.extend(read_anchors(path)?);
    }
    let bar = progress::reading("verifying");
    let verified = verify(&directory, &anchors, &mut |done, all| progress::update(&bar, (done, all)))?;
    bar.finish_and_clear();
    let bar = progress::reading("reading the decisions");
    let (archive, registry) = (Archive::open(&directory)?, Registry::open(&directory)?);
    let contents = check_contents(&directory, &archive, &registry, &mut |done, all| progress::update(&bar, (done, all)))?;
    bar.finish_and_clear();
    match arguments.format {
        Format::Table => print!("{}", table(&verified, &contents)),
        Format::Json => print_json(&report(&verified, &contents))?,
    }
    let faults = verified.faults.len() as u64 + verified.more_faults;
    match faults == 0 && contents.is_clean() {
        true => Ok(()),
        false => Err(CommandError::Data(format!(
            "the log is not what was written: {faults} faults, {} unreadable records, {} things missing",
            contents.unreadable.len() as u64 + contents.more_unreadable,
            contents.missing.len()
        ))),
    }
}

/// The heads in a file, one on a line.
fn read_anchors(path: &Path) -> Result<Vec<Anchor>, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|error| CommandError::file(path, error))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).enumerate();
    let read = |(index, line): (usize, &str)| {
        anchor(line).map_err(|why| CommandError::Usage(format!("{}, line {}: {why}", path.display(), index + 1)))
    };
    lines.filter(|(_, line)| !line.is_empty()).map(read).collect()
}

fn head_of(verified: &Verification) -> String {
    spelled_head(verified.last.unwrap_or(0), &verified.head.unwrap_or_default())
}

fn report(verified: &Verification, contents: &ContentsReport) -> Value {
    let fault = |fault: &synod_store::Fault| json!({ "file": fault.file, "offset": fault.offset, "sequence": fault.sequence, "what": fault.what.to_string() });
    json!({
        "records": verified.records,
        "first": verified.first,
        "last": verified.last,
        "head": head_of(verified),
        "anchors": verified.anchors,
        "anchors_before": verified.anchors_before,
        "faults": verified.faults.iter().map(fault).collect::<Vec<_>>(),
        "more_faults": verified.more_faults,
        "contents": contents,
    })
}

fn table(verified: &Verification, contents: &ContentsReport) -> String {
    let mut text = String::new();
    verified.faults.iter().for_each(|fault| text += &format!("fault: {fault}\n"));
    if verified.more_faults > 0 {
        text += &format!("fault: … and {} more\n", verified.more_faults);
    }
    contents.unread.iter().for_each(|unread| {
        text += &format!("not looked into: segment {} from record {} on, which is damaged there\n", unread.segment, unread.from);
    });
    contents.unreadable.iter().for_each(|record| text += &format!("fault: record {}: {}\n", record.sequence, record.why));
    if contents.more_unreadable > 0 {
        text += &format!("fault: … and {} more unreadable records\n", contents.more_unreadable);
    }
    contents.missing.iter().for_each(|missing| {
        let (decisions, first) = (missing.decisions, missing.first);
        text += &format!("missing: {}: {}; {decisions} decisions rest on it, the first is record {first}\n", missing.what, missing.why);
    });
    text += &format!(
        "{} records from {} to {}: {} decisions, {} labels, {} audit events\n",
        verified.records,
        verified.first.unwrap_or(0),
        verified.last.unwrap_or(0),
        contents.decisions,
        contents.labels,
        contents.audits
    );
    if verified.anchors > 0 {
        text += &format!("{} anchors compared\n", verified.anchors);
    }
    if verified.anchors_before > 0 {
        text += &format!("{} anchors are of records that were dropped, and cannot be compared\n", verified.anchors_before);
    }
    text += &format!("head {}\n", head_of(verified));
    if verified.faults.is_empty() {
        // The head of a log that was touched is not worth noting.
        text += "Note the head in another place, and give it to --expect the next time.\n";
    }
    text
}
