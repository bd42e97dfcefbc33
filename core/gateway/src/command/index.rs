//! `synod index rebuild`: the index anew from the log.

use super::audit::{data_directory, print_json};
use super::{CommandError, progress};
use crate::cli::{Format, Index, Rebuild};
use crate::ledger::{newest, rebuild_index};
use serde_json::json;
use std::time::Instant;
use synod_store::LogReader;

pub(super) fn run(arguments: &Index) -> Result<(), CommandError> {
    let Index::Rebuild(arguments) = arguments;
    rebuild(arguments)
}

fn rebuild(arguments: &Rebuild) -> Result<(), CommandError> {
    let directory = data_directory(&arguments.common)?;
    let _lock = directory.lock_exclusive()?;
    let (started, (last, _)) = (Instant::now(), newest(&directory)?);
    let first = LogReader::open(&directory)?.first().unwrap_or(1);
    let bar = progress::reading("indexing");
    let records = rebuild_index(&directory, |next| progress::update(&bar, (next.saturating_sub(first), (last + 1).saturating_sub(first))))?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let rate = records as f64 / seconds.max(1e-9);
    match arguments.format {
        Format::Table => println!("{records} records indexed in {seconds:.1} s, {rate:.0} a second"),
        Format::Json => print_json(&json!({ "records": records, "seconds": seconds, "records_per_second": rate }))?,
    }
    Ok(())
}
