//! The files of `--output`.

use super::super::{CommandError, votes};
use super::report::Report;
use super::rows::JudgedRows;
use super::thresholds::Point;
use super::{Past, drawing};
use crate::cli::Backtest;
use crate::config::Config;
use std::path::Path;
use synod_store::{Cell, ColumnSpec, Kind, TableWriter, write_file};

pub(super) fn write(
    folder: &Path,
    config: &Config,
    arguments: &Backtest,
    past: &Past,
    rows: &JudgedRows,
    report: &Report,
) -> Result<(), CommandError> {
    let text = |name: &str, text: &str| {
        let path = folder.join(name);
        write_file(&path, text.as_bytes()).map_err(|error| CommandError::file(&path, error))
    };
    text("report.json", &(report.json()? + "\n"))?;
    text("backtest.svg", &drawing::picture(report))?;
    sweep(&folder.join("sweep.csv"), report)?;
    RowsFile { config, arguments, past, rows }.write(&folder.join("rows.csv"))?;
    eprintln!("{}: report.json, rows.csv, sweep.csv, backtest.svg", folder.display());
    Ok(())
}

fn column(name: &str, kind: Kind) -> ColumnSpec {
    ColumnSpec { name: name.into(), kind }
}

fn sweep(path: &Path, report: &Report) -> Result<(), CommandError> {
    let numbers = ["threshold", "flag_rate", "alarms_a_day", "precision", "recall", "cost"];
    let mut columns: Vec<ColumnSpec> = numbers.iter().map(|name| column(name, Kind::Number)).collect();
    columns.insert(1, column("flagged", Kind::Integer));
    let mut writer = TableWriter::create(path, None, &columns)?;
    for point in &report.thresholds.points {
        let Point { threshold, flagged, flag_rate, alarms_a_day, precision, recall, cost } = *point;
        let mut cells = vec![threshold.map_or(Cell::Missing, Cell::Number), Cell::Integer(flagged as i64)];
        cells.extend([flag_rate, alarms_a_day, precision, recall, cost].map(Cell::Number));
        writer.write(&cells)?;
    }
    Ok(writer.finish()?)
}

/// Every judged row.
struct RowsFile<'a> {
    config: &'a Config,
    arguments: &'a Backtest,
    past: &'a Past,
    rows: &'a JudgedRows,
}

impl RowsFile<'_> {
    fn write(&self, path: &Path) -> Result<(), CommandError> {
        let mut writer = TableWriter::create(path, None, &self.columns())?;
        for index in 0..self.rows.count() {
            writer.write(&self.cells(index))?;
        }
        Ok(writer.finish()?)
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        let schema = &self.config.schema;
        let mut columns = vec![column("row", Kind::Integer)];
        columns.extend(schema.id().map(|id| column(&schema.fields()[id].name, Kind::Text)));
        columns.extend([column("time", Kind::Time), column("period", Kind::Integer), column("label", Kind::Boolean)]);
        columns.extend(self.arguments.by.as_ref().map(|_| column("group", Kind::Text)));
        columns.push(column("cost_if_missed", Kind::Number));
        columns.extend([column("outcome", Kind::Text), column("anomalous", Kind::Boolean), column("score", Kind::Number)]);
        columns.extend(self.config.detectors.iter().flat_map(|detector| votes::columns(&detector.name)));
        columns
    }

    fn cells(&self, index: usize) -> Vec<Cell> {
        let (rows, place) = (self.rows, self.rows.places[index]);
        let batch = &self.past.loaded.dataset.batch;
        let verdict = &rows.verdicts[index];
        let mut cells = vec![Cell::Integer(self.past.numbers[place] as i64)];
        cells.extend(self.config.schema.id().map(|id| batch.label(id, place).map_or(Cell::Missing, Cell::Text)));
        cells.extend([Cell::Time(self.past.times[place]), Cell::Integer(rows.periods[index] as i64), Cell::Boolean(rows.labels[index])]);
        cells.extend(self.arguments.by.as_ref().map(|_| Cell::Text(self.past.loaded.groups[place].clone())));
        cells.push(if rows.labels[index] { Cell::Number(rows.missed[index]) } else { Cell::Missing });
        cells.extend([Cell::Text(verdict.outcome.name().into()), Cell::Boolean(verdict.anomalous), Cell::Number(verdict.score)]);
        cells.extend(rows.votes.iter().flat_map(|of_detector| votes::cells(of_detector[index].as_ref())));
        cells
    }
}
