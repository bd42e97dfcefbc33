//! `synod export shadows`: what others said of rows that were decided, as JSON lines in the order of the log.

use super::super::CommandError;
use super::super::audit::data_directory;
use super::super::dataset::moment;
use crate::cli::ExportShadows;
use crate::decision::{RecordKind, ShadowRecord};
use std::io::{BufWriter, Write};
use synod_store::LogReader;

pub(super) fn run(arguments: &ExportShadows) -> Result<(), CommandError> {
    let (from, until) = (moment(arguments.from.as_deref(), "--from")?, moment(arguments.until.as_deref(), "--until")?);
    let reader = LogReader::open(&data_directory(&arguments.common)?)?;
    let Some(first) = reader.first() else { return Ok(()) };
    let mut output = BufWriter::new(std::io::stdout().lock());
    for record in reader.from(first)? {
        let record = record?;
        let is_of_time = from.is_none_or(|from| record.at >= from) && until.is_none_or(|until| record.at < until);
        if record.kind != RecordKind::Shadow as u8 || !is_of_time {
            continue;
        }
        let read: ShadowRecord = serde_json::from_slice(&record.payload).map_err(|error| {
            CommandError::Data(format!("record {} is no record of shadows that this version can read: {error}", record.position.sequence))
        })?;
        if arguments.rollout.as_ref().is_some_and(|rollout| read.rollout.as_ref() != Some(rollout)) {
            continue;
        }
        let line = serde_json::to_string(&read).map_err(|error| CommandError::Failed(error.to_string()))?;
        if writeln!(output, "{line}").is_err() {
            // Nobody reads any more: `| head`.
            return Ok(());
        }
    }
    drop(output.flush());
    Ok(())
}
