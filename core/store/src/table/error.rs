//! What can go wrong with a table.

use std::io;
use std::path::PathBuf;

/// What can go wrong with a table. The text names the file, and the line or row where one is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The name does not tell the format.
    #[error(
        "the name {path} does not tell its format: let it end in .csv, .tsv, .jsonl, .ndjson (each also with .gz) or .parquet, or state the format"
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The columns cannot be used.
    #[error("{path}: {problem}")]
    Head {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        problem: String,
    },
    /// One row is malformed. The rows after it can be read.
    #[error("{path}, {}: {problem}", place(*number, *line))]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        number: u64,
        /// The line where it starts, from 1; none in a Parquet file.
        line: Option<u64>,
        /// What is wrong with it.
        problem: String,
    },
    /// The file cannot be read, or not further.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The Parquet file is damaged, or uses what is not supported.
    #[error("cannot read {path} as Parquet")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    /// The Parquet file is damaged so badly that its decoder gave up.
    #[error("{path} is damaged: its Parquet decoder failed")]
    Decoder {
        /// The file.
        path: PathBuf,
    },
    /// A column of a Parquet file holds what a row cannot.
    #[error("{path}: the column `{column}` is {what}, which cannot be read: leave it out of the file, or convert it to a plain type")]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        what: String,
    },
    /// A row to be written has another number of cells than the table has columns.
    #[error("{path}: a row has {found} cells, and the table has {expected} columns")]
    Width {
        /// The file.
        path: PathBuf,
        /// The columns.
        expected: usize,
        /// The cells.
        found: usize,
    },
    /// A cell to be written is not of its column's kind.
    #[error("{path}: the column `{column}` cannot hold {problem}")]
    Cell {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The cell, and why.
        problem: String,
    },
    /// The file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The Parquet file cannot be written.
    #[error("cannot write {path} as Parquet")]
    WriteParquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: parquet::errors::ParquetError,
    },
}

impl TableError {
    /// Whether reading can go on with the next row.
    pub fn is_of_one_row(&self) -> bool {
        matches!(self, Self::Row { .. })
    }
}

fn place(number: u64, line: Option<u64>) -> String {
    line.map_or_else(|| format!("row {number}"), |line| format!("line {line}"))
}
