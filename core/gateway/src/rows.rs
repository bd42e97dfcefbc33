//! Rows from files, checked by the schema.

use std::path::{Path, PathBuf};
use synod_detection::{Batch, Schema, Value};
use synod_store::{Cell, Row, Table, TableError};
use thiserror::Error;

/// Why a file cannot be read as rows.
#[derive(Debug, Error)]
pub enum RowsError {
    /// The file itself.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The file lacks a column that every row must have.
    #[error("{} has no column `{column}`, which the schema requires; it has {}", path.display(), found.join(", "))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What is missing.
        column: String,
        /// What is there.
        found: Vec<String>,
    },
}

/// A row of a file.
#[derive(Debug)]
pub struct Read {
    /// Counts the rows of the file from 1.
    pub number: u64,
    /// Its place in the batch, or what is wrong with it.
    pub place: Result<usize, String>,
    /// Its cells, if they could be read; aligned with [`RowReader::columns`].
    pub cells: Vec<Cell>,
}

/// Reads a file row by row.
#[derive(Debug)]
pub struct RowReader {
    path: PathBuf,
    table: Table,
    /// For each column of the file its field.
    fields: Vec<Option<usize>>,
    read: u64,
}

impl RowReader {
    /// Opens a file whose format its name tells.
    ///
    /// # Errors
    /// When it cannot be read, or lacks a required column.
    pub fn open(path: &Path, schema: &Schema) -> Result<Self, RowsError> {
        let table = Table::open(path, None)?;
        let columns = table.columns();
        if let Some(field) = schema.fields().iter().find(|field| field.required && !columns.contains(&field.name)) {
            return Err(RowsError::NoColumn { path: path.into(), column: field.name.clone(), found: columns.to_vec() });
        }
        let mut reader = Self { path: path.into(), table, fields: Vec::new(), read: 0 };
        reader.bind(schema);
        Ok(reader)
    }

    /// JSON lines may bring new columns at any time.
    fn bind(&mut self, schema: &Schema) {
        let columns = self.table.columns();
        self.fields.extend(columns[self.fields.len()..].iter().map(|name| schema.index(name)));
    }

    /// The file's columns.
    pub fn columns(&self) -> &[String] {
        self.table.columns()
    }

    /// The columns that the schema does not know, and that are therefore not looked at.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.table.columns().iter().zip(&self.fields).filter(|(_, field)| field.is_none()).map(|(name, _)| name.as_str())
    }

    /// How much of how much was read.
    pub fn progress(&self) -> (u64, u64) {
        self.table.progress()
    }

    /// Reads the next row into the batch.
    ///
    /// # Errors
    /// When the file cannot be read on. A bad row is no such error.
    pub fn next(&mut self, schema: &Schema, batch: &mut Batch) -> Result<Option<Read>, RowsError> {
        let row = match self.table.next() {
            None => return Ok(None),
            Some(Err(error)) if !error.is_of_one_row() => return Err(error.into()),
            Some(row) => row,
        };
        self.read += 1;
        self.bind(schema);
        let read = match row {
            Ok(row) => {
                let place = self.accept(schema, batch, &row);
                Read { number: row.number, place, cells: row.cells }
            }
            Err(error) => Read { number: self.read, place: Err(error.to_string()), cells: Vec::new() },
        };
        Ok(Some(read))
    }

    fn accept(&self, schema: &Schema, batch: &mut Batch, row: &Row) -> Result<usize, String> {
        let mut writer = batch.row(schema);
        for (field, cell) in self.fields.iter().zip(&row.cells) {
            if let Some(field) = field {
                writer.set(*field, value(cell));
            }
        }
        writer.finish().map_err(|problems| {
            let place = row.line.map_or(format!("row {}", row.number), |line| format!("line {line}"));
            let problems: Vec<String> = problems.iter().map(|problem| format!("{} {}", problem.field, problem.message)).collect();
            format!("{}, {place}: {}", self.path.display(), problems.join("; "))
        })
    }
}

fn value(cell: &Cell) -> Value<'_> {
    match cell {
        Cell::Missing => Value::Missing,
        Cell::Boolean(truth) => Value::Boolean(*truth),
        Cell::Integer(integer) => Value::Integer(*integer),
        Cell::Number(number) => Value::Number(*number),
        Cell::Text(text) => Value::Text(text),
        Cell::Raw(text) => Value::Raw(text),
        Cell::Time(microseconds) => Value::Time(*microseconds),
    }
}

/// Whether a cell of a label column says "anomalous".
///
/// # Errors
/// When it says neither yes nor no.
pub fn label(cell: &Cell) -> Result<bool, String> {
    match cell {
        Cell::Missing => Ok(false),
        Cell::Boolean(truth) => Ok(*truth),
        Cell::Integer(0) => Ok(false),
        Cell::Integer(1) => Ok(true),
        Cell::Number(number) if *number == 0.0 || *number == 1.0 => Ok(*number == 1.0),
        Cell::Raw(text) | Cell::Text(text) => match text.trim() {
            "" | "0" | "0.0" | "false" | "False" | "no" => Ok(false),
            "1" | "1.0" | "true" | "True" | "yes" => Ok(true),
            other => Err(format!("`{other}` is no label: write 1 or 0")),
        },
        other => Err(format!("{other:?} is no label: write 1 or 0")),
    }
}
