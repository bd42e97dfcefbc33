//! JSON lines: an object on each line, its values scalars. Keys name columns; a key that is new adds one.

use super::source::{LONGEST_LINE, Line, Progress, Source, read_line};
use super::target::{TextOutput, Value, number_text, time_text};
use super::{Cell, ColumnSpec, Row, Rows, Sink, TableError, shown};
use crate::output::Output;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

/// The columns of a table, which an outsider could otherwise grow with every line.
const MOST_COLUMNS: usize = 16_384;

pub(super) struct Reader {
    path: PathBuf,
    text: Box<dyn BufRead + Send>,
    progress: Progress,
    columns: Columns,
    buffer: Vec<u8>,
    line: u64,
    number: u64,
    /// The first row, which was read for its keys.
    first: Option<Option<Result<Row, TableError>>>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, TableError> {
        let Source { text, progress } = Source::open(path).map_err(|source| TableError::Read { path: path.to_owned(), source })?;
        let columns = Columns::default();
        let mut reader = Self { path: path.to_owned(), text, progress, columns, buffer: Vec::new(), line: 0, number: 0, first: None };
        match reader.read() {
            Some(Err(error)) if !error.is_of_one_row() => Err(error),
            first => {
                reader.first = Some(first);
                Ok(reader)
            }
        }
    }

    fn read(&mut self) -> Option<Result<Row, TableError>> {
        loop {
            self.line += 1;
            let read = read_line(&mut *self.text, LONGEST_LINE, &mut self.buffer);
            let parsed = match read {
                Err(source) => return Some(Err(TableError::Read { path: self.path.clone(), source })),
                Ok(Line::End) => return None,
                Ok(Line::Whole) if self.buffer.trim_ascii().is_empty() => continue,
                Ok(Line::Whole) => self.columns.parse(self.buffer.trim_ascii_end()),
                Ok(Line::TooLong) => Err("it is longer than 16 MiB".to_owned()),
            };
            self.number += 1;
            return Some(self.row(parsed));
        }
    }

    fn row(&self, parsed: Result<Vec<Cell>, String>) -> Result<Row, TableError> {
        let (number, line) = (self.number, Some(self.line));
        match parsed {
            Ok(cells) => Ok(Row { number, line, cells }),
            Err(problem) => Err(TableError::Row { path: self.path.clone(), number, line, problem }),
        }
    }
}

impl Rows for Reader {
    fn columns(&self) -> &[String] {
        &self.columns.names
    }

    fn next(&mut self) -> Option<Result<Row, TableError>> {
        self.first.take().unwrap_or_else(|| self.read())
    }

    fn progress(&self) -> (u64, u64) {
        self.progress.get()
    }
}

/// The columns that were seen so far.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// The cells of a line, aligned with the columns; it may add some. A line that is refused adds none.
    fn parse(&mut self, line: &[u8]) -> Result<Vec<Cell>, String> {
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let mut fields = Fields { columns: self, cells: vec![None; self.names.len()], added: Vec::new(), problem: None };
        let parsed = deserializer.deserialize_map(&mut fields).and_then(|()| deserializer.end());
        let Fields { mut cells, added, problem, .. } = fields;
        if let Some(problem) = problem {
            return Err(problem);
        }
        parsed.map_err(|error| malformed(&error))?;
        if self.names.len() + added.len() > MOST_COLUMNS {
            return Err(format!("with its keys the table would have more than {MOST_COLUMNS} columns"));
        }
        for (name, cell) in added {
            self.places.insert(name.clone(), self.names.len());
            self.names.push(name);
            cells.push(Some(cell));
        }
        Ok(cells.into_iter().map(|cell| cell.unwrap_or(Cell::Missing)).collect())
    }
}

fn malformed(error: &serde_json::Error) -> String {
    let place = if error.column() > 0 { format!(", at column {}", error.column()) } else { String::new() };
    format!("it is not a JSON object: {}{place}", words(error))
}

/// The parser's words without its own line number, which is always 1.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

/// Takes a line apart. A problem that is not one of JSON itself is kept in `problem`, free of the parser's additions.
struct Fields<'a> {
    columns: &'a Columns,
    cells: Vec<Option<Cell>>,
    added: Vec<(String, Cell)>,
    problem: Option<String>,
}

impl Fields<'_> {
    fn set(&mut self, key: Key, value: &str) -> Result<(), String> {
        let name = match &key {
            Key::Known(place) => &self.columns.names[*place],
            Key::New(name) => name,
        };
        let cell = cell(value).map_err(|problem| format!("the value of `{}` is {problem}", shown(name)))?;
        let repeated = match &key {
            Key::Known(place) => self.cells[*place].is_some(),
            Key::New(name) => self.added.iter().any(|(added, _)| added == name),
        };
        if repeated {
            return Err(format!("the key `{}` is there twice", shown(name)));
        }
        match key {
            Key::Known(place) => self.cells[place] = Some(cell),
            Key::New(name) => self.added.push((name, cell)),
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeyOf(self.columns))? {
            let value: &RawValue = map.next_value()?;
            if self.problem.is_none() {
                self.problem = self.set(key, value.get()).err();
            }
        }
        Ok(())
    }
}

/// A key, looked up without a copy if it is known.
enum Key {
    Known(usize),
    New(String),
}

struct KeyOf<'a>(&'a Columns);

impl<'de> DeserializeSeed<'de> for KeyOf<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        Ok(self.0.places.get(key).map_or_else(|| Key::New(key.to_owned()), |place| Key::Known(*place)))
    }
}

/// A JSON value as a cell. The text is known to be valid JSON.
///
/// # Errors
/// When a cell cannot hold it; the text continues "the value is".
fn cell(value: &str) -> Result<Cell, String> {
    match value.as_bytes().first() {
        Some(b'n') => Ok(Cell::Missing),
        Some(b't') => Ok(Cell::Boolean(true)),
        Some(b'f') => Ok(Cell::Boolean(false)),
        Some(b'"') => serde_json::from_str(value).map(Cell::Text).map_err(|error| format!("no text: {}", words(&error))),
        Some(b'{') => Err("an object; only text, numbers, true, false and null can be read".to_owned()),
        Some(b'[') => Err("a list; only text, numbers, true, false and null can be read".to_owned()),
        _ => number(value),
    }
}

/// A number without point and exponent is an integer, as other programs have it; `-0` is not, for an integer has no sign there.
fn number(text: &str) -> Result<Cell, String> {
    if text == "-0" || text.contains(['.', 'e', 'E']) {
        return match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Cell::Number(number)),
            _ => Err(format!("{}, which is out of the range of a double", shown(text))),
        };
    }
    let too_large = || format!("{}, an integer of more than 64 bits: write it as text, or with a point if it is a quantity", shown(text));
    text.parse().map(Cell::Integer).map_err(|_| too_large())
}

pub(super) struct Writer {
    path: PathBuf,
    output: TextOutput,
    /// `"name":` for each column.
    keys: Vec<Vec<u8>>,
    line: Vec<u8>,
}

impl Writer {
    pub(super) fn new(path: &Path, output: Output, columns: &[ColumnSpec]) -> Self {
        let keys = columns.iter().map(|column| key(&column.name)).collect();
        Self { path: path.to_owned(), output: TextOutput::new(path, output), keys, line: Vec::new() }
    }

    fn write_line(&mut self, row: &[Value<'_>]) -> io::Result<()> {
        self.line.clear();
        for (index, (key, value)) in self.keys.iter().zip(row).enumerate() {
            self.line.push(if index == 0 { b'{' } else { b',' });
            self.line.extend_from_slice(key);
            write_value(&mut self.line, *value)?;
        }
        self.line.extend_from_slice(b"}\n");
        self.output.write_all(&self.line)
    }
}

impl Sink for Writer {
    fn write(&mut self, row: &[Value<'_>]) -> Result<(), TableError> {
        self.write_line(row).map_err(|source| TableError::Write { path: self.path.clone(), source })
    }

    fn finish(self: Box<Self>) -> Result<Output, TableError> {
        let Self { path, output, .. } = *self;
        output.finish().map_err(|source| TableError::Write { path, source })
    }
}

fn key(name: &str) -> Vec<u8> {
    format!("{}:", serde_json::Value::from(name)).into_bytes()
}

fn write_value(line: &mut Vec<u8>, value: Value<'_>) -> io::Result<()> {
    match value {
        Value::Missing => line.write_all(b"null"),
        Value::Boolean(value) => write!(line, "{value}"),
        Value::Integer(value) => write!(line, "{value}"),
        Value::Number(value) => write!(line, "{}", number_text(value)),
        Value::Text(text) => Ok(serde_json::to_writer(line, text)?),
        Value::Time(value) => write!(line, "\"{}\"", time_text(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_refused() {
        for (text, cell) in [
            ("9223372036854775807", Cell::Integer(i64::MAX)),
            ("-9223372036854775808", Cell::Integer(i64::MIN)),
            ("9007199254740993", Cell::Integer(9_007_199_254_740_993)),
            ("0.1", Cell::Number(0.1)),
            ("1e3", Cell::Number(1000.0)),
            ("5e-324", Cell::Number(f64::from_bits(1))),
            ("1.7976931348623157E308", Cell::Number(f64::MAX)),
            ("123456789012345678901234567890.0", Cell::Number(1.234_567_890_123_456_8e29)),
        ] {
            assert_eq!(number(text).unwrap(), cell, "{text}");
        }
        assert!(matches!(number("-0").unwrap(), Cell::Number(zero) if zero == 0.0 && zero.is_sign_negative()));
        for text in ["9223372036854775808", "-9223372036854775809", "1e400", "-1e400"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
