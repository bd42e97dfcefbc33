//! Files of rows, whatever their format, as plain values that can be compared.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use synod_store::{Cell, ColumnSpec, Kind, Table, TableWriter};

/// A cell such that the same value is equal from any format. A number is its bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    /// Nothing.
    Missing,
    /// The bits of a double.
    Number(u64),
    /// Text; true and false as well.
    Text(String),
}

impl Plain {
    /// The plain form of a number.
    #[must_use]
    pub fn number(number: f64) -> Self {
        Self::Number(number.to_bits())
    }

    /// The plain form of a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    fn new(cell: &Cell) -> Self {
        match cell {
            Cell::Missing => Self::Missing,
            Cell::Boolean(truth) => Self::Text(truth.to_string()),
            Cell::Integer(integer) => Self::number(*integer as f64),
            Cell::Number(number) => Self::number(*number),
            Cell::Time(moment) => Self::number(*moment as f64),
            Cell::Text(text) => Self::text(text),
            Cell::Raw(text) => text.parse().map_or_else(|_| Self::text(text), Self::number),
        }
    }
}

/// A row by the names of its columns.
pub type PlainRow = BTreeMap<String, Plain>;

/// The rows of a file.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read(path: &Path) -> Vec<PlainRow> {
    let mut table = Table::open(path, None).unwrap_or_else(|error| panic!("{error}"));
    let mut rows = Vec::new();
    while let Some(row) = table.next() {
        let cells = row.unwrap_or_else(|error| panic!("{error}")).cells;
        rows.push(table.columns().iter().cloned().zip(cells.iter().map(Plain::new)).collect());
    }
    rows
}

/// Writes JSON objects, all with the keys of the first one and of the same types, in the format that the file's name tells.
///
/// # Panics
/// When they are not like that, or the disk fails.
pub fn write(path: &Path, rows: &[Value]) {
    let widest = |name: &String| rows.iter().map(|row| width(&row[name])).max().expect("there are rows");
    let columns: Vec<ColumnSpec> =
        object(&rows[0]).keys().map(|name| ColumnSpec { name: name.clone(), kind: widest(name).into() }).collect();
    let mut writer = TableWriter::create(path, None, &columns).unwrap_or_else(|error| panic!("{error}"));
    for row in rows {
        let cells: Vec<Cell> = columns.iter().map(|column| cell(&row[&column.name], column.kind)).collect();
        writer.write(&cells).unwrap_or_else(|error| panic!("{error}"));
    }
    writer.finish().unwrap_or_else(|error| panic!("{error}"));
}

/// A JSON object's entries.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn object(row: &Value) -> &Map<String, Value> {
    row.as_object().unwrap_or_else(|| panic!("no object: {row}"))
}

/// A column's kind as its widest cell asks for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Integer,
    Number,
    Text,
}

impl From<Width> for Kind {
    fn from(width: Width) -> Self {
        match width {
            Width::Integer => Self::Integer,
            Width::Number => Self::Number,
            Width::Text => Self::Text,
        }
    }
}

fn width(value: &Value) -> Width {
    match value {
        Value::Null => Width::Integer,
        Value::Number(number) if number.is_i64() => Width::Integer,
        Value::Number(_) => Width::Number,
        _ => Width::Text,
    }
}

fn cell(value: &Value, kind: Kind) -> Cell {
    match value {
        Value::Null => Cell::Missing,
        Value::String(text) => Cell::Text(text.clone()),
        Value::Number(number) if kind == Kind::Integer => Cell::Integer(number.as_i64().expect("an integer")),
        Value::Number(number) => Cell::Number(number.as_f64().expect("a number")),
        other => panic!("{other} is no cell"),
    }
}
