//! The rows that were judged, as a table: for those who want to look at the votes themselves.

use super::super::CommandError;
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
            cells.extend(match ballot.vote() {
                Some(vote) => [Cell::Boolean(vote.anomalous), Cell::Number(vote.score), Cell::Number(vote.raw_score)],
                None => [Cell::Missing, Cell::Missing, Cell::Missing],
            });
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
    for detector in engine.detectors() {
        let own = |what: &str, kind| column(&format!("{}.{what}", detector.name()), kind);
        columns.extend([own("anomalous", Kind::Boolean), own("score", Kind::Number), own("raw_score", Kind::Number)]);
    }
    columns
}
