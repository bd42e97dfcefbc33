//! The rows that were judged, as a table: for those who want to look at the votes themselves.

use super::super::{CommandError, votes};
use crate::engine::{Engine, JudgedRow};
use std::path::Path;
use synod_store::{Cell, ColumnSpec, Kind, TableWriter};

/// Writes a line for each judged row: its number in the file, the truth, the verdict, and each detector's vote.
pub(super) fn write(path: &Path, engine: &Engine, numbers: &[u64], labels: &[bool], rows: &[JudgedRow]) -> Result<(), CommandError> {
    let mut writer = TableWriter::create(path, None, &columns(engine))?;
    for ((number, label), row) in numbers.iter().zip(labels).zip(rows) {
        let verdict = &row.verdict;
        let mut cells =
            vec![Cell::Integer(*number as i64), Cell::Boolean(*label), Cell::Boolean(verdict.anomalous), Cell::Number(verdict.score)];
        for ballot in &row.ballots {
            cells.extend(votes::cells(ballot.vote()));
        }
        writer.write(&cells)?;
    }
    Ok(writer.finish()?)
}

fn columns(engine: &Engine) -> Vec<ColumnSpec> {
    let column = |name: &str, kind| ColumnSpec { name: name.into(), kind };
    let mut columns = vec![
        column("row", Kind::Integer),
        column("label", Kind::Boolean),
        column("anomalous", Kind::Boolean),
        column("score", Kind::Number),
    ];
    columns.extend(engine.detectors().iter().flat_map(|detector| votes::columns(detector.name())));
    columns
}
