//! Tables: files that rows come from and go to, in three formats, read and written row by row, so that memory does not grow with the file.
//!
//! | format | name ends in | read | written |
//! | --- | --- | --- | --- |
//! | CSV (RFC 4180) | `.csv`, `.tsv`, also with `.gz` | header required; cells are untyped text, an empty one is missing | as read |
//! | JSON lines | `.jsonl`, `.ndjson`, also with `.gz` | one object a line, scalars only | every column in every line |
//! | Parquet | `.parquet` | flat columns | row groups of 65,536 rows or 64 MiB, Zstandard |
//!
//! A row that is malformed is an error of its own, and the rows after it can be read. Numbers are written so that the same bits are read
//! back. A file appears under its name when it is complete, or not at all.

mod csv;
mod error;
mod json_lines;
mod parquet;
mod source;
mod target;

pub use error::TableError;

use crate::output::Output;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use target::Value;

/// How a table is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values; also with semicolons or tabs.
    Csv,
    /// A JSON object on each line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format that a file's name tells. `.gz` behind `.csv`, `.tsv`, `.jsonl` and `.ndjson` does not matter.
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (stem, compressed) = name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
        match stem.rsplit_once('.')?.1 {
            "csv" | "tsv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "parquet" if !compressed => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The given format, or the one that the name tells.
    fn settle(given: Option<Self>, path: &Path) -> Result<Self, TableError> {
        given.or_else(|| Self::of_path(path)).ok_or_else(|| TableError::UnknownFormat { path: path.to_owned() })
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// An empty CSV cell, a JSON null or a key that is not there, a Parquet null or NaN.
    Missing,
    /// True or false.
    Boolean(bool),
    /// A whole number of 64 bits. JSON and Parquet integers that do not fit are an error of their row: rounding would make different
    /// account numbers the same.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// Text that is known to be text.
    Text(String),
    /// The text of a CSV cell, which may stand for anything.
    Raw(String),
    /// Microseconds since 1970-01-01T00:00:00Z, from Parquet timestamps and dates. A local timestamp is taken as UTC.
    Time(i64),
}

/// One row, aligned with [`Table::columns`] as they are after it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Counts the rows from 1, malformed ones included.
    pub number: u64,
    /// The line of the file where the row starts, from 1; none in a Parquet file.
    pub line: Option<u64>,
    /// As many as there are columns.
    pub cells: Vec<Cell>,
}

/// A table that is read row by row, as an iterator. After an error of one row ([`TableError::is_of_one_row`]) the next row follows; any
/// other error is the last item.
pub struct Table {
    rows: Box<dyn Rows + Send>,
    ended: bool,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("columns", &self.columns()).field("progress", &self.progress()).finish_non_exhaustive()
    }
}

impl Table {
    /// Opens a file, in the given format or in the one that its name tells. CSV and JSON lines may be compressed by gzip, whatever the
    /// name, and `-` is the standard input.
    ///
    /// # Errors
    /// When the file cannot be opened, the format is not known, or its head (CSV header, Parquet metadata) cannot be used.
    pub fn open(path: &Path, format: Option<Format>) -> Result<Self, TableError> {
        let rows: Box<dyn Rows + Send> = match Format::settle(format, path)? {
            Format::Csv => Box::new(csv::Reader::open(path)?),
            Format::JsonLines => Box::new(json_lines::Reader::open(path)?),
            Format::Parquet => Box::new(parquet::Reader::open(path)?),
        };
        Ok(Self { rows, ended: false })
    }

    /// The names of the columns: the header, or the keys of the first line in their order. JSON lines may add columns at the end with
    /// any row.
    pub fn columns(&self) -> &[String] {
        self.rows.columns()
    }

    /// How much was read, of how much: bytes of the file, or rows of a Parquet file. The second is 0 where it is not known.
    pub fn progress(&self) -> (u64, u64) {
        self.rows.progress()
    }
}

impl Iterator for Table {
    type Item = Result<Row, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.rows.next();
        self.ended = match &row {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => !error.is_of_one_row(),
        };
        row
    }
}

/// What a format must do to be read.
trait Rows {
    fn columns(&self) -> &[String];
    /// None at the end. Not called again after the end or an error that is not of one row.
    fn next(&mut self) -> Option<Result<Row, TableError>>;
    fn progress(&self) -> (u64, u64);
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Cell::Boolean`].
    Boolean,
    /// [`Cell::Integer`].
    Integer,
    /// [`Cell::Number`], and a [`Cell::Integer`] that is the same as a double.
    Number,
    /// [`Cell::Text`] and [`Cell::Raw`].
    Text,
    /// [`Cell::Time`]; text as in `2026-01-31T12:00:00Z`, but for Parquet, which has a type for it.
    Time,
}

/// A column to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Its name, different from those of the other columns.
    pub name: String,
    /// What it holds, besides missing values.
    pub kind: Kind,
}

/// A table that is written row by row. Unless [`TableWriter::finish`] succeeds, what was under its name before is still there.
pub struct TableWriter {
    path: PathBuf,
    columns: Vec<ColumnSpec>,
    sink: Box<dyn Sink + Send>,
}

impl std::fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableWriter").field("path", &self.path).field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl TableWriter {
    /// Starts a file, in the given format or in the one that its name tells; compressed by gzip if the name ends in `.gz`. `-` is the
    /// standard output, for CSV and JSON lines.
    ///
    /// # Errors
    /// When the file cannot be created, the format is not known, or the columns are none or have a name twice.
    pub fn create(path: &Path, format: Option<Format>, columns: &[ColumnSpec]) -> Result<Self, TableError> {
        let format = Format::settle(format, path)?;
        check_columns(path, columns)?;
        let output = Output::create(path).map_err(|source| TableError::Write { path: path.to_owned(), source })?;
        let sink: Box<dyn Sink + Send> = match format {
            Format::Csv => Box::new(csv::Writer::new(path, output, columns)?),
            Format::JsonLines => Box::new(json_lines::Writer::new(path, output, columns)),
            Format::Parquet => Box::new(parquet::Writer::new(path, output, columns)?),
        };
        Ok(Self { path: path.to_owned(), columns: columns.to_vec(), sink })
    }

    /// Writes a row. A NaN is written as a missing value. Text that is empty reads back from CSV as a missing value.
    ///
    /// # Errors
    /// When the cells are not as many as the columns or not of their kind (nothing of the row is written then), or the disk fails.
    pub fn write(&mut self, cells: &[Cell]) -> Result<(), TableError> {
        if cells.len() != self.columns.len() {
            return Err(TableError::Width { path: self.path.clone(), expected: self.columns.len(), found: cells.len() });
        }
        let fitted: Result<Vec<Value<'_>>, TableError> =
            self.columns.iter().zip(cells).map(|(column, cell)| self.fit(column, cell)).collect();
        self.sink.write(&fitted?)
    }

    /// Completes the file and puts it in its place.
    ///
    /// # Errors
    /// When the disk fails; what was under the name before is still there.
    pub fn finish(self) -> Result<(), TableError> {
        let output = self.sink.finish()?;
        output.place().map_err(|source| TableError::Write { path: self.path, source })
    }

    fn fit<'a>(&self, column: &ColumnSpec, cell: &'a Cell) -> Result<Value<'a>, TableError> {
        Value::fit(column.kind, cell).map_err(|problem| TableError::Cell { path: self.path.clone(), column: column.name.clone(), problem })
    }
}

/// What a format must do to be written.
trait Sink {
    /// As many values as there are columns, each of its column's kind.
    fn write(&mut self, row: &[Value<'_>]) -> Result<(), TableError>;
    /// Writes what is left, and gives back the file, which is not in its place yet.
    fn finish(self: Box<Self>) -> Result<Output, TableError>;
}

fn check_columns(path: &Path, columns: &[ColumnSpec]) -> Result<(), TableError> {
    let malformed = |problem| Err(TableError::Head { path: path.to_owned(), problem });
    if columns.is_empty() {
        return malformed("a table without columns cannot be written".to_owned());
    }
    match repeated(columns.iter().map(|column| column.name.as_str())) {
        Some(name) => malformed(format!("the column `{name}` is there twice")),
        None => Ok(()),
    }
}

/// The first name that is there twice.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// A text from a file as a message shows it: whole if short.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        for (name, format) in [
            ("a.csv", Some(Format::Csv)),
            ("dir.parquet/A.CSV.GZ", Some(Format::Csv)),
            ("a.tsv", Some(Format::Csv)),
            ("a.b.jsonl", Some(Format::JsonLines)),
            ("a.ndjson.gz", Some(Format::JsonLines)),
            ("a.parquet", Some(Format::Parquet)),
            ("a.parquet.gz", None),
            ("a.json", None),
            ("csv", None),
            ("-", None),
            ("..", None),
        ] {
            assert_eq!(Format::of_path(Path::new(name)), format, "{name}");
        }
    }
}
