//! The values of a table as they are written, and the text files that take them.

use super::{Cell, Kind};
use crate::output::Output;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A value that is of its column's kind. Numbers are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Missing,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(&'a str),
    Time(i64),
}

impl<'a> Value<'a> {
    /// The cell as a value of this kind.
    ///
    /// # Errors
    /// When it is none; the text continues "the column cannot hold".
    pub(super) fn fit(kind: Kind, cell: &'a Cell) -> Result<Self, String> {
        match (kind, cell) {
            (_, Cell::Missing) => Ok(Self::Missing),
            (Kind::Boolean, Cell::Boolean(value)) => Ok(Self::Boolean(*value)),
            (Kind::Integer, Cell::Integer(value)) => Ok(Self::Integer(*value)),
            (Kind::Number, Cell::Number(value)) if value.is_nan() => Ok(Self::Missing),
            (Kind::Number, Cell::Number(value)) if value.is_finite() => Ok(Self::Number(*value)),
            (Kind::Number, Cell::Integer(value)) if value.unsigned_abs() <= LARGEST_EXACT => Ok(Self::Number(*value as f64)),
            (Kind::Text, Cell::Text(text) | Cell::Raw(text)) => Ok(Self::Text(text)),
            (Kind::Time, Cell::Time(value)) if Timestamp::from_microsecond(*value).is_ok() => Ok(Self::Time(*value)),
            (kind, cell) => Err(format!("{}: it holds {}", described(cell), kind_name(kind))),
        }
    }
}

/// Up to here every integer is a double, 2^53.
const LARGEST_EXACT: u64 = 1 << 53;

fn described(cell: &Cell) -> String {
    match cell {
        Cell::Missing => "a missing value".to_owned(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Integer(value) => format!("the integer {value}"),
        Cell::Number(value) => format!("the number {value:?}"),
        Cell::Text(text) | Cell::Raw(text) => format!("the text `{}`", super::shown(text)),
        Cell::Time(value) => format!("the time {value} µs since 1970"),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "booleans",
        Kind::Integer => "integers",
        Kind::Number => "finite numbers that are doubles",
        Kind::Text => "text",
        Kind::Time => "times from the years -9999 to 9999",
    }
}

/// A number so that it reads back bit for bit, and as a number and not as an integer: valid both in CSV and in JSON.
pub(super) fn number_text(value: f64) -> impl std::fmt::Display {
    // The debug format is the shortest that reads back, and keeps the point and the sign of zero.
    struct Shortest(f64);
    impl std::fmt::Display for Shortest {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{:?}", self.0)
        }
    }
    Shortest(value)
}

/// A time as RFC 3339 text in UTC, with as many digits behind the second as it needs.
pub(super) fn time_text(microseconds: i64) -> String {
    // `Value::fit` lets only times through that this can show.
    Timestamp::from_microsecond(microseconds).map_or_else(|_| microseconds.to_string(), |time| time.to_string())
}

/// A text file, compressed by gzip if its name says so.
#[derive(Debug)]
pub(super) enum TextOutput {
    Plain(BufWriter<Output>),
    Gzip(GzEncoder<BufWriter<Output>>),
}

impl TextOutput {
    pub(super) fn new(path: &Path, output: Output) -> Self {
        let buffered = BufWriter::with_capacity(1 << 16, output);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz")) {
            Self::Gzip(GzEncoder::new(buffered, Compression::fast()))
        } else {
            Self::Plain(buffered)
        }
    }

    pub(super) fn finish(self) -> io::Result<Output> {
        let buffered = match self {
            Self::Plain(buffered) => buffered,
            Self::Gzip(encoder) => encoder.finish()?,
        };
        buffered.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for TextOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(file) => file.flush(),
        }
    }
}
