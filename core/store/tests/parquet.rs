//! Parquet files that another program wrote; `tests/data/make.py` makes them.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use synod_store::{Cell, Row, Table, TableError};

fn open(name: &str) -> Result<Table, TableError> {
    Table::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name), None)
}

fn rows(name: &str) -> (Vec<String>, Vec<Row>) {
    let mut table = open(name).unwrap();
    let rows = table.by_ref().map(Result::unwrap).collect();
    (table.columns().to_vec(), rows)
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// The two values of each column. A third row is missing everywhere, but in `required`.
fn kinds() -> Vec<(&'static str, Cell, Cell)> {
    let when = 1_769_862_615_123_456;
    vec![
        ("boolean", Cell::Boolean(true), Cell::Boolean(false)),
        ("int8", Cell::Integer(1), Cell::Integer(-128)),
        ("int32", Cell::Integer(1), Cell::Integer(i32::MIN.into())),
        ("int64", Cell::Integer(1), Cell::Integer(i64::MIN)),
        ("uint32", Cell::Integer(1), Cell::Integer(u32::MAX.into())),
        ("uint64", Cell::Integer(1), Cell::Integer(i64::MAX)),
        ("float", Cell::Number(0.5), Cell::Missing),
        ("double", Cell::Number(0.1), Cell::Number(f64::INFINITY)),
        ("text", text("plain"), text("Zürich, \"q\"\n東京 🦀")),
        ("large_text", text("plain"), text("")),
        ("category", text("a"), text("b")),
        ("date", Cell::Time(when - when % 86_400_000_000), Cell::Time(-86_400_000_000)),
        ("millis", Cell::Time(when - 456), Cell::Time(-1000)),
        ("micros", Cell::Time(when), Cell::Time(-1000)),
        ("nanos", Cell::Time(when), Cell::Time(-1)),
        ("decimal_9", Cell::Number(12.34), Cell::Number(-0.01)),
        ("decimal_18", Cell::Number(150.75), Cell::Number(-9_999_999_999_999.999)),
        ("decimal_38", Cell::Number(1e20), Cell::Number(-123_456_789_012_345_678_901_234_567_890.123_456_78)),
        ("required", Cell::Integer(1), Cell::Integer(2)),
    ]
}

#[test]
fn every_kind_is_read() {
    for name in ["kinds.parquet", "kinds_v2.parquet"] {
        let (columns, rows) = rows(name);
        let expected = kinds();
        assert_eq!(columns, expected.iter().map(|(column, ..)| *column).collect::<Vec<_>>());
        assert_eq!(rows.iter().map(|row| (row.number, row.line)).collect::<Vec<_>>(), [(1, None), (2, None), (3, None)]);
        for (index, (column, first, second)) in expected.into_iter().enumerate() {
            let third = if column == "required" { Cell::Integer(3) } else { Cell::Missing };
            let found: Vec<_> = rows.iter().map(|row| row.cells[index].clone()).collect();
            assert_eq!(found, [first, second, third], "{name}, {column}");
        }
    }
}

#[test]
fn batches_pages_and_groups_join() {
    let (_, rows) = rows("many.parquet");
    assert_eq!(rows.len(), 3000);
    for (row, number) in rows.iter().zip(0_i64..) {
        let sparse = if number % 7 == 0 { Cell::Integer(number) } else { Cell::Missing };
        assert_eq!(row.cells, [Cell::Integer(number), sparse]);
    }
}

#[test]
fn old_files_have_times_of_96_bits_and_text_without_a_name() {
    let rows: Vec<_> = open("legacy.parquet").unwrap().collect();
    assert_eq!(rows[0].as_ref().unwrap().cells, [Cell::Time(1_769_862_615_123_456), text("plain")]);
    let error = rows[1].as_ref().unwrap_err();
    assert!(error.is_of_one_row() && error.to_string().ends_with("row 2: the value of `bytes` is not UTF-8"), "{error}");
    assert_eq!(rows[2].as_ref().unwrap().cells, [Cell::Missing, Cell::Missing]);
}

#[test]
fn an_integer_that_does_not_fit_is_an_error_of_its_row() {
    let rows: Vec<_> = open("too_large.parquet").unwrap().collect();
    assert!(rows[1].as_ref().unwrap_err().to_string().contains("18446744073709551615"));
    assert_eq!((rows.len(), &rows[2].as_ref().unwrap().cells[0]), (3, &Cell::Integer(3)));
}

#[test]
fn columns_that_no_cell_can_hold_are_named() {
    for (name, refused) in [("nested.parquet", "items"), ("time_of_day.parquet", "clock")] {
        let error = open(name).unwrap_err();
        assert!(matches!(&error, TableError::Column { column, .. } if column == refused), "{error}");
    }
}
