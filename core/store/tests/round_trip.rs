//! What is written reads back, in every format and with every kind of cell.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use std::path::{Path, PathBuf};
use synod_store::{Cell, ColumnSpec, Kind, Table, TableError, TableWriter};

const NAMES: [&str; 7] = ["t.csv", "t.tsv", "t.csv.gz", "t.jsonl", "t.ndjson", "t.jsonl.gz", "t.parquet"];
const KINDS: [Kind; 5] = [Kind::Boolean, Kind::Integer, Kind::Number, Kind::Text, Kind::Time];

fn columns(kinds: &[Kind]) -> Vec<ColumnSpec> {
    kinds.iter().enumerate().map(|(index, kind)| ColumnSpec { name: format!("Spalte, \"{index}\""), kind: *kind }).collect()
}

fn write(path: &Path, columns: &[ColumnSpec], rows: &[Vec<Cell>]) -> Result<(), TableError> {
    let mut writer = TableWriter::create(path, None, columns)?;
    for row in rows {
        writer.write(row)?;
    }
    writer.finish()
}

fn read(path: &Path) -> (Vec<String>, Vec<Vec<Cell>>) {
    let mut table = Table::open(path, None).unwrap();
    let rows: Vec<_> = table.by_ref().map(|row| row.unwrap()).collect();
    assert!(rows.iter().map(|row| row.number).eq(1..=rows.len() as u64));
    (table.columns().to_vec(), rows.into_iter().map(|row| row.cells).collect())
}

/// What a cell is after a round trip: the formats do not all know of every kind.
fn expected(path: &Path, kind: Kind, cell: &Cell) -> Cell {
    let name = path.to_string_lossy();
    let text = |text: String| if text.is_empty() { Cell::Missing } else { Cell::Raw(text) };
    match cell {
        Cell::Number(number) if number.is_nan() => Cell::Missing,
        Cell::Integer(number) if kind == Kind::Number => expected(path, kind, &Cell::Number(*number as f64)),
        Cell::Missing => Cell::Missing,
        cell if name.ends_with("parquet") => cell.clone(),
        Cell::Time(time) if name.contains(".csv") || name.contains(".tsv") => text(time_text(*time)),
        Cell::Time(time) => Cell::Text(time_text(*time)),
        cell if !(name.contains(".csv") || name.contains(".tsv")) => cell.clone(),
        Cell::Boolean(value) => text(value.to_string()),
        Cell::Integer(value) => text(value.to_string()),
        Cell::Number(value) => text(format!("{value:?}")),
        Cell::Text(value) | Cell::Raw(value) => text(value.clone()),
    }
}

fn time_text(time: i64) -> String {
    jiff::Timestamp::from_microsecond(time).unwrap().to_string()
}

fn same(left: &Cell, right: &Cell) -> bool {
    match (left, right) {
        (Cell::Number(left), Cell::Number(right)) => left.to_bits() == right.to_bits(),
        _ => left == right,
    }
}

fn check(path: &Path, kinds: &[Kind], rows: &[Vec<Cell>]) -> TestCaseResult {
    let columns = columns(kinds);
    write(path, &columns, rows).unwrap();
    let (names, found) = read(path);
    // JSON lines without a row have no keys.
    if !(rows.is_empty() && (path.to_string_lossy().contains("json"))) {
        prop_assert!(names.iter().eq(columns.iter().map(|column| &column.name)), "{names:?}");
    }
    prop_assert_eq!(found.len(), rows.len());
    for (found, row) in found.iter().zip(rows) {
        prop_assert_eq!(found.len(), row.len());
        for ((found, cell), kind) in found.iter().zip(row).zip(kinds) {
            let expected = expected(path, *kind, cell);
            prop_assert!(same(found, &expected), "{:?}: {:?} became {:?}", path.file_name(), cell, found);
        }
    }
    Ok(())
}

fn any_cell(kind: Kind) -> BoxedStrategy<Cell> {
    let value = match kind {
        Kind::Boolean => any::<bool>().prop_map(Cell::Boolean).boxed(),
        Kind::Integer => any::<i64>().prop_map(Cell::Integer).boxed(),
        Kind::Number => any_number(),
        Kind::Text => prop_oneof![any::<String>(), "[\",;\t\r\n \\\\a']{0,8}"].prop_map(Cell::Text).boxed(),
        Kind::Time => (-377_705_023_201_000_000..253_402_207_200_000_000_i64).prop_map(Cell::Time).boxed(),
    };
    prop_oneof![1 => Just(Cell::Missing), 5 => value].boxed()
}

fn any_number() -> BoxedStrategy<Cell> {
    let finite = any::<u64>().prop_map(f64::from_bits).prop_filter("finite or NaN", |number| !number.is_infinite());
    let small = (-(1_i64 << 53)..=1 << 53).prop_map(Cell::Integer);
    prop_oneof![3 => finite.prop_map(Cell::Number), 1 => (-1e6..1e6).prop_map(Cell::Number), 1 => small].boxed()
}

fn any_table() -> impl Strategy<Value = (Vec<Kind>, Vec<Vec<Cell>>)> {
    prop::collection::vec(prop::sample::select(&KINDS[..]), 1..6).prop_flat_map(|kinds| {
        let row: Vec<_> = kinds.iter().map(|kind| any_cell(*kind)).collect();
        (Just(kinds), prop::collection::vec(row, 0..12))
    })
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_table_reads_back((kinds, rows) in any_table()) {
        let folder = tempfile::tempdir().unwrap();
        for name in NAMES {
            check(&folder.path().join(name), &kinds, &rows)?;
        }
    }
}

#[test]
fn awkward_cells_read_back() {
    let text = |text: &str| Cell::Text(text.to_owned());
    let mut rows: Vec<Vec<Cell>> =
        ["", " ", "\"", "a,b;c\td", "line\nbreak\r\nand more\r", "Zürich 東京 🦀", "\u{feff}", "null", "\\N", "\u{0}"]
            .map(|value| vec![Cell::Boolean(true), Cell::Integer(0), Cell::Number(0.5), text(value), Cell::Time(0)])
            .to_vec();
    for number in [0.1, -0.0, 5e-324, f64::MAX, f64::MIN_POSITIVE, 1e21, 123_456_789.0, 0.1 + 0.2, f64::NAN] {
        rows.push(vec![Cell::Missing, Cell::Integer(i64::MIN), Cell::Number(number), Cell::Missing, Cell::Time(-1)]);
    }
    rows.push(vec![Cell::Missing; 5]);
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        check(&folder.path().join(name), &KINDS, &rows).unwrap();
    }
}

#[test]
fn a_single_column_of_missing_values_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    for name in NAMES {
        for kind in KINDS {
            check(&folder.path().join(name), &[kind], &vec![vec![Cell::Missing]; 3]).unwrap();
        }
    }
}

#[test]
fn more_rows_than_a_group_read_back() {
    let rows: Vec<Vec<Cell>> = (0..70_000).map(|n| vec![if n % 3 == 0 { Cell::Missing } else { Cell::Integer(n) }]).collect();
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.parquet", "t.csv.gz", "t.jsonl"] {
        check(&folder.path().join(name), &[Kind::Integer], &rows).unwrap();
    }
}

#[test]
fn progress_ends_at_the_total() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Vec<Cell>> = (0..5000).map(|n| vec![Cell::Integer(n)]).collect();
    for name in NAMES {
        let path = folder.path().join(name);
        write(&path, &columns(&[Kind::Integer]), &rows).unwrap();
        let mut table = Table::open(&path, None).unwrap();
        let total = if name.ends_with("parquet") { 5000 } else { std::fs::metadata(&path).unwrap().len() };
        let mut last = 0;
        while table.next().is_some() {
            let (read, of) = table.progress();
            assert!(last <= read && read <= of && of == total, "{name}: {read} of {of}");
            last = read;
        }
        assert_eq!(table.progress(), (total, total), "{name}");
    }
}

fn folder_with(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

#[test]
fn a_table_that_is_not_finished_leaves_what_was_there() {
    for name in NAMES {
        let (folder, path) = folder_with(name);
        std::fs::write(&path, "old").unwrap();
        let mut writer = TableWriter::create(&path, None, &columns(&[Kind::Integer])).unwrap();
        writer.write(&[Cell::Integer(1)]).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{name}: no draft is left");
    }
}

#[test]
fn cells_of_another_kind_are_refused_and_nothing_of_the_row_is_written() {
    let wrong = [
        (Kind::Boolean, Cell::Integer(1)),
        (Kind::Integer, Cell::Number(1.0)),
        (Kind::Integer, Cell::Raw("1".into())),
        (Kind::Number, Cell::Text("1".into())),
        (Kind::Number, Cell::Number(f64::INFINITY)),
        (Kind::Number, Cell::Integer((1 << 53) + 1)),
        (Kind::Text, Cell::Integer(1)),
        (Kind::Time, Cell::Time(i64::MAX)),
    ];
    for name in NAMES {
        for (kind, cell) in &wrong {
            let (_folder, path) = folder_with(name);
            let mut writer = TableWriter::create(&path, None, &columns(&[Kind::Integer, *kind])).unwrap();
            let error = writer.write(&[Cell::Integer(1), cell.clone()]).unwrap_err();
            assert!(matches!(&error, TableError::Cell { column, .. } if column.contains('1')), "{error}");
            assert!(matches!(writer.write(&[Cell::Integer(1)]), Err(TableError::Width { expected: 2, found: 1, .. })));
            writer.write(&[Cell::Integer(2), Cell::Missing]).unwrap();
            writer.finish().unwrap();
            let (_, rows) = read(&path);
            assert_eq!(rows.len(), 1, "{name}");
        }
    }
}

#[test]
fn impossible_tables_are_refused() {
    let (_folder, path) = folder_with("t.csv");
    let twice = [columns(&[Kind::Text]), columns(&[Kind::Text])].concat();
    assert!(matches!(TableWriter::create(&path, None, &twice), Err(TableError::Head { .. })));
    assert!(matches!(TableWriter::create(&path, None, &[]), Err(TableError::Head { .. })));
    assert!(matches!(TableWriter::create(Path::new("-"), None, &twice), Err(TableError::UnknownFormat { .. })));
    let one = columns(&[Kind::Text]);
    let missing = path.join("no/such/folder.csv");
    assert!(TableWriter::create(&missing, None, &one).unwrap_err().to_string().contains("folder.csv"));
    let folder = path.parent().unwrap().join("folder.csv");
    std::fs::create_dir(&folder).unwrap();
    assert!(matches!(TableWriter::create(&folder, None, &one), Err(TableError::Write { .. })));
}

#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    write(Path::new("/dev/null"), &columns(&[Kind::Text]), &[]).unwrap_err();
    let mut writer = TableWriter::create(Path::new("/dev/null"), Some(synod_store::Format::Csv), &columns(&[Kind::Text])).unwrap();
    writer.write(&[Cell::Missing]).unwrap();
    writer.finish().unwrap();
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}
