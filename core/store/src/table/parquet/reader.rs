//! Reads a Parquet file by a batch of rows at a time from each column.

use super::cells::{Meaning, number, time_of_int96};
use crate::table::{Cell, Row, Rows, TableError, repeated, shown};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

/// Rows of a batch, fewer if there are many columns: a batch is kept in memory.
const BATCH_ROWS: usize = 1024;
const BATCH_CELLS: usize = 1 << 18;

/// A cell, or why there is none.
type Decoded = std::result::Result<Cell, String>;

pub(in crate::table) struct Reader {
    path: PathBuf,
    file: SerializedFileReader<File>,
    columns: Vec<String>,
    meanings: Vec<Meaning>,
    next_group: usize,
    /// The columns of the group that is being read, with how many of its rows are not decoded yet.
    group: Vec<ColumnReader>,
    rows_left: usize,
    /// What is decoded, a list for each column, all of the same length.
    batch: Vec<IntoIter<Decoded>>,
    number: u64,
    total: u64,
}

impl Reader {
    pub(in crate::table) fn open(path: &Path) -> std::result::Result<Self, TableError> {
        let file = File::open(path).map_err(|source| TableError::Read { path: path.to_owned(), source })?;
        let file = guarded(path, || SerializedFileReader::new(file))?;
        let metadata = file.metadata().file_metadata();
        let total = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let mut columns = Vec::new();
        let mut meanings = Vec::new();
        for column in metadata.schema_descr().columns() {
            meanings.push(meaning(path, column)?);
            columns.push(column.name().to_owned());
        }
        if let Some(name) = repeated(columns.iter().map(String::as_str)) {
            return Err(TableError::Head { path: path.to_owned(), problem: format!("the column `{}` is there twice", shown(name)) });
        }
        let (group, batch) = (Vec::new(), Vec::new());
        Ok(Self { path: path.to_owned(), file, columns, meanings, next_group: 0, group, rows_left: 0, batch, number: 0, total })
    }

    /// Decodes the next batch.
    ///
    /// # Errors
    /// When the file is damaged, of which `Ok(false)`, the regular end, is not a case.
    fn fill(&mut self) -> Result<bool> {
        while self.rows_left == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            self.open_group()?;
        }
        let rows = self.rows_left.min(BATCH_ROWS).min((BATCH_CELLS / self.columns.len().max(1)).max(1));
        self.batch.clear();
        for (reader, meaning) in self.group.iter_mut().zip(&self.meanings) {
            self.batch.push(decode(reader, *meaning, rows)?.into_iter());
        }
        self.rows_left -= rows;
        Ok(true)
    }

    fn open_group(&mut self) -> Result<()> {
        let group = self.file.get_row_group(self.next_group)?;
        self.next_group += 1;
        self.group.clear();
        for column in 0..self.columns.len() {
            self.group.push(group.get_column_reader(column)?);
        }
        self.rows_left = usize::try_from(group.metadata().num_rows())?;
        Ok(())
    }

    fn take_row(&mut self) -> Option<std::result::Result<Row, TableError>> {
        let decoded: Vec<Decoded> = self.batch.iter_mut().map_while(Iterator::next).collect();
        if decoded.len() < self.columns.len() || decoded.is_empty() {
            return None;
        }
        self.number += 1;
        let named = decoded
            .into_iter()
            .zip(&self.columns)
            .map(|(cell, column)| cell.map_err(|problem| format!("the value of `{}` is {problem}", shown(column))));
        let (number, line) = (self.number, None);
        Some(match named.collect() {
            Ok(cells) => Ok(Row { number, line, cells }),
            Err(problem) => Err(TableError::Row { path: self.path.clone(), number, line, problem }),
        })
    }
}

impl Rows for Reader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next(&mut self) -> Option<std::result::Result<Row, TableError>> {
        if let Some(row) = self.take_row() {
            return Some(row);
        }
        let path = self.path.clone();
        match guarded(&path, || self.fill()) {
            Ok(true) => self.take_row(),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    fn progress(&self) -> (u64, u64) {
        (self.number, self.total)
    }
}

/// Runs the decoder on bytes that may be damaged. It checks most of them and panics on some; nothing of it is used after that.
fn guarded<T>(path: &Path, decode: impl FnOnce() -> Result<T>) -> std::result::Result<T, TableError> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|source| TableError::Parquet { path: path.to_owned(), source }),
        Err(_) => Err(TableError::Decoder { path: path.to_owned() }),
    }
}

fn meaning(path: &Path, column: &ColumnDescriptor) -> std::result::Result<Meaning, TableError> {
    let parts = column.path().parts();
    let refuse = |what: String| {
        Err(TableError::Column { path: path.to_owned(), column: parts.first().map(|name| shown(name)).unwrap_or_default(), what })
    };
    if parts.len() > 1 || column.max_rep_level() > 0 {
        return refuse("nested (a list, a map or a struct)".to_owned());
    }
    let what = || match column.logical_type_ref() {
        Some(logical) => format!("of the type {logical:?}"),
        None => format!("of the type {} {}", column.physical_type(), column.converted_type()),
    };
    Meaning::of(column).map_or_else(|| refuse(what()), Ok)
}

fn decode(reader: &mut ColumnReader, meaning: Meaning, rows: usize) -> Result<Vec<Decoded>> {
    match reader {
        ColumnReader::BoolColumnReader(reader) => cells(reader, rows, |value| Ok(Cell::Boolean(value))),
        ColumnReader::Int32ColumnReader(reader) => cells(reader, rows, |value| meaning.integer(value.into(), i32::BITS)),
        ColumnReader::Int64ColumnReader(reader) => cells(reader, rows, |value| meaning.integer(value, i64::BITS)),
        ColumnReader::Int96ColumnReader(reader) => cells(reader, rows, |value| Ok(time_of_int96(&value))),
        ColumnReader::FloatColumnReader(reader) => cells(reader, rows, |value| Ok(number(value.into()))),
        ColumnReader::DoubleColumnReader(reader) => cells(reader, rows, |value| Ok(number(value))),
        ColumnReader::ByteArrayColumnReader(reader) => cells(reader, rows, |value| meaning.bytes(value.data())),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => cells(reader, rows, |value| meaning.bytes(value.data())),
    }
}

/// Reads as many rows of a column. A value is stored where the definition level is the highest; elsewhere it is missing. A column that
/// must be there has no levels.
fn cells<T: DataType>(reader: &mut ColumnReaderImpl<T>, rows: usize, cell: impl Fn(T::T) -> Decoded) -> Result<Vec<Decoded>> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    while levels.len().max(values.len()) < rows {
        let left = rows - levels.len().max(values.len());
        let (records, ..) = reader.read_records(left, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::General("a column has fewer rows than its group".to_owned()));
        }
    }
    if levels.is_empty() {
        return Ok(values.into_iter().map(cell).collect());
    }
    let mut values = values.into_iter();
    let of_level = |level: i16| match level {
        0 => Ok(Ok(Cell::Missing)),
        _ => values.next().map(&cell).ok_or_else(|| ParquetError::General("a column has fewer values than it says".to_owned())),
    };
    levels.into_iter().map(of_level).collect()
}
