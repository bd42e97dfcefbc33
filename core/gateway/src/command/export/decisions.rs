//! `synod export decisions`: the decisions of the log as tables, one row for each, with all that they record and the latest label.
//!
//! The log is read twice: first for the columns (what was decided by an older configuration has other fields, features and detectors), then
//! for the rows. Labels stand later in the log than what they label; only where they stand is kept, of a bounded number at a time
//! (`labels.rs`). So memory holds two unfinished files of one group of rows each, and never the decisions. What is appended after the first
//! reading has ended is left out: the same log and the same options make the same bytes.

mod cells;
mod columns;
mod files;
mod labels;
pub(in crate::command) mod recorded;

use super::super::audit::data_directory;
use super::super::dataset::moment;
use super::super::installation::configuration;
use super::super::replay::forms;
use super::super::{CommandError, chain, progress};
use crate::cli::ExportDecisions;
use crate::decision::Decision;
use crate::replaying::{Choice, Selection};
use cells::Told;
use columns::Columns;
use files::{Files, Target};
use labels::Labels;
use recorded::{Ended, Recorded};
use synod_store::{Archive, DataDirectory, Record, Secret};

/// What was found in the first reading.
#[derive(Debug, Default)]
struct Found {
    decisions: u64,
    unreadable: u64,
    /// Why the first of those cannot be read.
    why: Option<String>,
}

pub(in crate::command) fn run(arguments: &ExportDecisions) -> Result<(), CommandError> {
    let target = Target::of(arguments)?;
    let directory = data_directory(&arguments.common)?;
    let selection = selection(arguments, &directory)?;
    let recorded = Recorded::open(&directory)?;
    let (columns, found, ended) = look(&recorded, &selection, Archive::open(&directory)?)?;
    let labelled = write(&recorded, &selection, &columns, &ended, target)?;
    eprintln!("{} decisions, {labelled} of them labelled, in {} columns", found.decisions, columns.specs().len());
    finding(&found, &ended)
}

fn selection(arguments: &ExportDecisions, directory: &DataDirectory) -> Result<Selection, CommandError> {
    let entity = match &arguments.entity {
        None => Vec::new(),
        Some(entity) => {
            let secret = Secret::open(directory).map_err(|error| CommandError::Failed(chain(&error)))?;
            forms(entity, &configuration(&arguments.common)?, &secret)
        }
    };
    Ok(Selection {
        from: moment(arguments.from.as_deref(), "--from")?,
        until: moment(arguments.until.as_deref(), "--until")?,
        tenant: arguments.tenant.clone(),
        outcome: arguments.outcome,
        entity,
        ..Selection::default()
    })
}

/// The first reading: which columns there are, and how far the log can be read.
fn look(recorded: &Recorded, selection: &Selection, archive: Archive) -> Result<(Columns, Found, Ended), CommandError> {
    let (mut columns, mut found, mut choosing) = (Columns::new(archive), Found::default(), selection.choosing());
    let bar = progress::reading("looking for columns");
    let ended = recorded.read(&bar, |record| {
        match choosing.choose(&record) {
            Choice::PassedOver => {}
            Choice::Unreadable(why) => {
                found.unreadable += 1;
                found.why.get_or_insert_with(|| format!("record {}: {why}", record.position.sequence));
            }
            Choice::Chosen(decision) => {
                found.decisions += 1;
                columns.note(&decision);
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok((columns, found, ended))
}

/// The second reading: a row for each decision. Answers how many are labelled.
fn write(recorded: &Recorded, selection: &Selection, columns: &Columns, ended: &Ended, target: Target) -> Result<u64, CommandError> {
    let mut files = Files::begin(target, columns.specs())?;
    let (mut labels, mut choosing, mut labelled) = (Labels::new(recorded, ended.next), selection.choosing(), 0);
    let bar = progress::reading("writing");
    let mut row = |record: &Record, decision: &Decision| {
        let label = labels.of(decision.id)?;
        labelled += u64::from(label.is_some());
        let told = Told { sequence: record.position.sequence, decision, label: label.as_ref() };
        files.write(decision.decided, &columns.row(&told))
    };
    recorded.read_before(ended.next, &bar, |record| match choosing.choose(&record) {
        Choice::Chosen(decision) => row(&record, &decision),
        // Those that cannot be read were counted in the first reading.
        Choice::PassedOver | Choice::Unreadable(_) => Ok(()),
    })?;
    bar.finish_and_clear();
    files.finish()?;
    Ok(labelled)
}

/// What could not be written is no success, though all else was written.
fn finding(found: &Found, ended: &Ended) -> Result<(), CommandError> {
    let unreadable =
        found.why.as_ref().map(|why| format!("{} decisions cannot be read and are left out; the first is {why}", found.unreadable));
    let damage =
        ended.damage.as_ref().map(|damage| format!("the log could be read up to record {} alone: {damage}", ended.next.saturating_sub(1)));
    let findings: Vec<String> = [unreadable, damage].into_iter().flatten().collect();
    if findings.is_empty() { Ok(()) } else { Err(CommandError::Data(findings.join(". "))) }
}
