//! Comma-separated values (RFC 4180): a header, then records. Cells are untyped; what they stand for is the schema's business.

use super::source::{LONGEST_LINE, Line, Progress, Source, read_line};
use super::target::{TextOutput, Value, number_text, time_text};
use super::{Cell, ColumnSpec, Row, Rows, Sink, TableError, repeated, shown};
use crate::output::Output;
use csv::{ByteRecord, ErrorKind, ReaderBuilder, WriterBuilder};
use std::io::{self, BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

pub(super) struct Reader {
    path: PathBuf,
    records: csv::Reader<Limited>,
    columns: Vec<String>,
    record: ByteRecord,
    ends: LineEnds,
    number: u64,
    progress: Progress,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, TableError> {
        let unreadable = |source| TableError::Read { path: path.to_owned(), source };
        let Source { mut text, progress } = Source::open(path).map_err(unreadable)?;
        let mut first = Vec::new();
        if read_line(&mut *text, LONGEST_LINE, &mut first).map_err(unreadable)? == Line::TooLong {
            return Err(head(path, "its header is longer than 16 MiB"));
        }
        let delimiter = delimiter(path, &first);
        let ends = if first.ends_with(b"\r\n") { LineEnds::CarriageReturn } else { LineEnds::LineFeed };
        let limited = Limited { text: Box::new(Cursor::new(first).chain(text)), left: LONGEST_LINE, given: 0, last: b'\n' };
        let mut records = ReaderBuilder::new().has_headers(false).delimiter(delimiter).buffer_capacity(1 << 16).from_reader(limited);
        let columns = header(path, &mut records)?;
        Ok(Self { path: path.to_owned(), records, columns, record: ByteRecord::new(), ends, number: 0, progress })
    }

    fn row(&self, read: csv::Result<bool>) -> Result<Row, TableError> {
        let (number, line) = (self.number, Some(self.ends.first_line(&self.records, &self.record)));
        let cells = match read.map_err(csv::Error::into_kind) {
            Ok(_) => self.cells(),
            Err(ErrorKind::Io(source)) => return Err(TableError::Read { path: self.path.clone(), source }),
            Err(ErrorKind::UnequalLengths { expected_len, len, .. }) => {
                Err(format!("it has {len} fields, and the header has {expected_len}"))
            }
            Err(other) => Err(format!("{other:?}")),
        };
        match cells {
            Ok(cells) => Ok(Row { number, line, cells }),
            Err(problem) => Err(TableError::Row { path: self.path.clone(), number, line, problem }),
        }
    }

    fn cells(&self) -> Result<Vec<Cell>, String> {
        let cell = |(bytes, column): (&[u8], &String)| match std::str::from_utf8(bytes) {
            Ok("") => Ok(Cell::Missing),
            Ok(text) => Ok(Cell::Raw(text.to_owned())),
            Err(_) => Err(format!("the value of `{}` is not UTF-8", shown(column))),
        };
        self.record.iter().zip(&self.columns).map(cell).collect()
    }
}

impl Rows for Reader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn next(&mut self) -> Option<Result<Row, TableError>> {
        self.records.get_mut().left = LONGEST_LINE;
        let read = self.records.read_byte_record(&mut self.record);
        self.number += 1;
        match read {
            Ok(false) => None,
            read => Some(self.row(read)),
        }
    }

    fn progress(&self) -> (u64, u64) {
        self.progress.get()
    }
}

/// What ends a record. The parser stops at the first byte of the end of a record and skips blank lines only when it reads the next one,
/// so that it knows the line where it stands, but not the one where a record began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnds {
    LineFeed,
    /// Followed by a line feed, which the parser has not counted yet.
    CarriageReturn,
}

impl LineEnds {
    /// The line where the record began that was just read, from 1.
    fn first_line(self, records: &csv::Reader<Limited>, record: &ByteRecord) -> u64 {
        let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let (position, text) = (records.position(), records.get_ref());
        let end_of_text = position.byte() == text.given && text.last != b'\n';
        let end = u64::from(self == Self::LineFeed && !end_of_text);
        position.line().saturating_sub(within + end)
    }
}

/// The parser keeps a record in memory, however long it is: a quote that is never closed would take in the whole file.
struct Limited {
    text: Box<dyn BufRead + Send>,
    left: usize,
    /// How many bytes the parser was given, and the last of them.
    given: u64,
    last: u8,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let problem = "a record is longer than 16 MiB; perhaps a quote is not closed";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let count = self.text.read(buffer)?;
        self.left = self.left.saturating_sub(count);
        self.given += count as u64;
        self.last = buffer[..count].last().copied().unwrap_or(self.last);
        Ok(count)
    }
}

fn header(path: &Path, records: &mut csv::Reader<Limited>) -> Result<Vec<String>, TableError> {
    let mut record = csv::StringRecord::new();
    match records.read_record(&mut record) {
        Ok(true) => {}
        Ok(false) => return Err(head(path, "it is empty; its first line should name the columns")),
        Err(error) => {
            return Err(match error.into_kind() {
                ErrorKind::Io(source) => TableError::Read { path: path.to_owned(), source },
                _ => head(path, "its header is not UTF-8"),
            });
        }
    }
    match repeated(record.iter()) {
        Some(name) => Err(head(path, format!("its header names the column `{}` twice", shown(name)))),
        None => Ok(record.iter().map(str::to_owned).collect()),
    }
}

fn head(path: &Path, problem: impl Into<String>) -> TableError {
    TableError::Head { path: path.to_owned(), problem: problem.into() }
}

/// A tab for `.tsv`. Else a comma, unless the header has none but semicolons or tabs, outside of quotes.
fn delimiter(path: &Path, first: &[u8]) -> u8 {
    if tabs(path) {
        return b'\t';
    }
    let outside: Vec<u8> = first.split(|byte| *byte == b'"').step_by(2).flatten().copied().collect();
    [b',', b';', b'\t'].into_iter().find(|delimiter| outside.contains(delimiter)).unwrap_or(b',')
}

/// Whether a file's name says that tabs stand between its cells.
fn tabs(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with(".tsv")
}

pub(super) struct Writer {
    path: PathBuf,
    records: csv::Writer<TextOutput>,
}

impl Writer {
    pub(super) fn new(path: &Path, output: Output, columns: &[ColumnSpec]) -> Result<Self, TableError> {
        let delimiter = if tabs(path) { b'\t' } else { b',' };
        let records = WriterBuilder::new().delimiter(delimiter).from_writer(TextOutput::new(path, output));
        let mut writer = Self { path: path.to_owned(), records };
        let written = writer.records.write_record(columns.iter().map(|column| &column.name));
        writer.check(written)?;
        Ok(writer)
    }

    fn check(&self, written: csv::Result<()>) -> Result<(), TableError> {
        written.map_err(|error| TableError::Write { path: self.path.clone(), source: error.into() })
    }

    fn field(&mut self, value: Value<'_>) -> csv::Result<()> {
        match value {
            Value::Missing => self.records.write_field(""),
            Value::Boolean(value) => self.records.write_field(if value { "true" } else { "false" }),
            Value::Integer(value) => self.records.write_field(value.to_string()),
            Value::Number(value) => self.records.write_field(number_text(value).to_string()),
            Value::Text(text) => self.records.write_field(text),
            Value::Time(value) => self.records.write_field(time_text(value)),
        }
    }
}

impl Sink for Writer {
    fn write(&mut self, row: &[Value<'_>]) -> Result<(), TableError> {
        for value in row {
            let written = self.field(*value);
            self.check(written)?;
        }
        let written = self.records.write_record(None::<&[u8]>);
        self.check(written)
    }

    fn finish(self: Box<Self>) -> Result<Output, TableError> {
        let Self { path, records } = *self;
        let finished = records.into_inner().map_err(csv::IntoInnerError::into_error).and_then(TextOutput::finish);
        finished.map_err(|source| TableError::Write { path, source })
    }
}
