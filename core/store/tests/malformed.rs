//! Tables as people and crashed programs leave them: a clear error that names the place, never a panic, and no row lost beside the bad one.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use synod_store::{Cell, Format, Row, Table, TableError};

#[derive(Debug)]
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(name: &str, bytes: impl AsRef<[u8]>) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    File { _folder: folder, path }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The line of each row and what it is: its cells, `!` and the problem, or `END` and an error that ends the table.
fn read(name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    let file = file(name, bytes);
    let mut table = match Table::open(&file.path, None) {
        Ok(table) => table,
        Err(error) => return vec![described(&file.path, &error)],
    };
    let rows: Vec<_> = table.by_ref().map(|row| row.map_or_else(|error| described(&file.path, &error), |row| shown(&row))).collect();
    assert!(table.next().is_none(), "an end is an end");
    rows
}

fn described(path: &Path, error: &TableError) -> String {
    let text = error.to_string();
    let rest = text.strip_prefix(&*path.to_string_lossy()).unwrap_or_else(|| {
        assert!(text.contains(&*path.to_string_lossy()), "{text} names the file");
        &text
    });
    match error {
        TableError::Row { .. } => format!("!{rest}"),
        _ => format!("END{}", if text.starts_with("cannot read") { source(error) } else { rest.to_owned() }),
    }
}

fn source(error: &TableError) -> String {
    std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default()
}

fn shown(row: &Row) -> String {
    let cells = row.cells.iter().map(|cell| match cell {
        Cell::Missing => "-".to_owned(),
        Cell::Raw(text) | Cell::Text(text) => text.clone(),
        other => format!("{other:?}"),
    });
    format!("{}: {}", row.line.map_or_else(|| "?".into(), |line| line.to_string()), cells.collect::<Vec<_>>().join("|"))
}

#[test]
fn csv_rows_of_another_width_do_not_stop_the_rest() {
    assert_eq!(
        read("t.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n"),
        ["2: 1|2", "!, line 3: it has 1 fields, and the header has 2", "!, line 4: it has 3 fields, and the header has 2", "5: 7|8"]
    );
}

#[test]
fn csv_lines_are_counted_through_quotes_carriage_returns_and_blanks() {
    assert_eq!(
        read("t.csv", "a,b\r\n1,\"x\r\ny\"\r\n\r\n\r\n3,4\r\n5\r\n"),
        ["2: 1|x\r\ny", "6: 3|4", "!, line 7: it has 1 fields, and the header has 2"]
    );
    assert_eq!(
        read("t.csv", "\n\na,b\n\n1,\"x\n\ny\"\n\n\n3,4\n5"),
        ["5: 1|x\n\ny", "10: 3|4", "!, line 11: it has 1 fields, and the header has 2"]
    );
}

/// A record's text, after some blank lines, and how many lines each takes.
fn any_record() -> impl Strategy<Value = (usize, Vec<&'static str>)> {
    let field = prop::sample::select(&["", "x", "\"a\nb\"", "\"\r\n\n\"", "\"\"\"\"", "\"\n\""][..]);
    (0..3_usize, prop::collection::vec(field, 2..4))
}

proptest! {
    #[test]
    fn csv_lines_are_those_of_the_file(records in prop::collection::vec(any_record(), 1..6), end in "\r?\n", ended: bool) {
        let (mut text, mut lines) = (format!("a,b{end}"), Vec::new());
        for (blanks, fields) in &records {
            text += &end.repeat(*blanks);
            lines.push(1 + text.matches('\n').count() as u64);
            text += &format!("{}{end}", fields.join(","));
        }
        let file = file("t.csv", if ended { text.as_str() } else { text.trim_end_matches(['\r', '\n']) });
        let line = |row| match row {
            Ok(Row { line, .. }) | Err(TableError::Row { line, .. }) => line.unwrap(),
            Err(error) => panic!("{error}"),
        };
        let found: Vec<u64> = Table::open(&file.path, None).unwrap().map(line).collect();
        prop_assert_eq!(found, lines, "{:?}", text);
    }
}

#[test]
fn csv_headers_are_checked() {
    assert_eq!(read("t.csv", ""), ["END: it is empty; its first line should name the columns"]);
    assert_eq!(read("t.csv", "a,b,a\n1,2,3\n"), ["END: its header names the column `a` twice"]);
    assert_eq!(read("t.csv", b"a,\xff\n1,2\n"), ["END: its header is not UTF-8"]);
    assert_eq!(read("t.csv", "a,b"), [""; 0]);
}

#[test]
fn csv_dialects_are_told_by_the_header() {
    for (name, text) in
        [("t.csv", "\u{feff}a;\"b,c\"\n1;2,5\n"), ("t.csv", "a\tb\n1\t2,5\n"), ("t.tsv", "a,\tb\n1\t2,5\n"), ("t.csv", "a,b;\n1,\"2,5\"\n")]
    {
        let file = file(name, text);
        let mut table = Table::open(&file.path, None).unwrap();
        let row = table.next().unwrap().unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!((table.columns().len(), shown(&row)), (2, "2: 1|2,5".into()), "{text:?}");
        assert!(table.columns()[0].starts_with('a'), "the byte order mark is no part of the name");
    }
}

#[test]
fn csv_that_is_not_utf_8_names_the_field() {
    assert_eq!(read("t.csv", b"a,b\n1,\xff\n3,4\n"), ["!, line 2: the value of `b` is not UTF-8", "3: 3|4"]);
}

#[test]
fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
    let mut text = b"a,b\n1,\"2\n".to_vec();
    text.resize(40 << 20, b'x');
    assert_eq!(read("t.csv", text), ["END: a record is longer than 16 MiB; perhaps a quote is not closed"]);
}

#[test]
fn json_lines_that_are_malformed_do_not_stop_the_rest() {
    let text = r#"{"a": 1, "b": "x"}
{"a": 2, "b":
[1, 2]
{"a": {"deep": 1}, "b": "x"}
{"a": [1]}
{"a": 1, "a": 2}
{"new": 1, "new": 2}
{"a": 1} {"a": 2}

{"a": 9223372036854775808}
{"a": NaN}
{"a": 1e999}
{"b": "\ud800"}
not json
{"b": "y", "a": 2.0}
{"#;
    assert_eq!(
        read("t.jsonl", text),
        [
            "1: Integer(1)|x",
            "!, line 2: it is not a JSON object: EOF while parsing a value, at column 13",
            "!, line 3: it is not a JSON object: invalid type: sequence, expected an object",
            "!, line 4: the value of `a` is an object; only text, numbers, true, false and null can be read",
            "!, line 5: the value of `a` is a list; only text, numbers, true, false and null can be read",
            "!, line 6: the key `a` is there twice",
            "!, line 7: the key `new` is there twice",
            "!, line 8: it is not a JSON object: trailing characters, at column 10",
            "!, line 10: the value of `a` is 9223372036854775808, an integer of more than 64 bits: write it as text, or with a point if it is a quantity",
            "!, line 11: it is not a JSON object: expected value, at column 7",
            "!, line 12: the value of `a` is 1e999, which is out of the range of a double",
            "!, line 13: the value of `b` is no text: unexpected end of hex escape",
            "!, line 14: it is not a JSON object: expected ident, at column 2",
            "15: Number(2.0)|y",
            "!, line 16: it is not a JSON object: EOF while parsing an object, at column 1",
        ]
    );
}

#[test]
fn json_lines_may_add_and_leave_out_columns() {
    let file =
        file("t.jsonl", "\u{feff}{\"b\": 1, \"a\": null}\r\n{\"c\": true}\r\n{\"bad\": [], \"d\": 1}\n{\"a\": \"x\", \"b\\u0062\": 2}");
    let mut table = Table::open(&file.path, None).unwrap();
    assert_eq!(table.columns(), ["b", "a"]);
    let rows: Vec<_> = table.by_ref().filter_map(Result::ok).map(|row| shown(&row)).collect();
    assert_eq!(rows, ["1: Integer(1)|-", "2: -|-|Boolean(true)", "4: -|x|-|Integer(2)"]);
    assert_eq!(table.columns(), ["b", "a", "c", "bb"], "a line that is refused adds no column");
}

#[test]
fn a_first_json_line_that_is_malformed_is_an_error_of_its_row() {
    assert_eq!(read("t.jsonl", "{\n{\"a\": 1}\n").len(), 2);
    assert_eq!(read("t.jsonl", "\n \n"), [""; 0]);
    assert_eq!(read("t.jsonl", ""), [""; 0]);
}

#[test]
fn json_depth_length_and_columns_are_bounded() {
    let deep = format!("{{\"a\": {}\n{{\"a\": 1}}", "[".repeat(1_000_000));
    assert_eq!(read("t.jsonl", deep).last().unwrap(), "2: Integer(1)");
    let mut long = b"{\"a\": 1}\n{\"a\": \"".to_vec();
    long.resize(20 << 20, b'x');
    long.extend_from_slice(b"\"}\n{\"a\": 2}\n");
    assert_eq!(read("t.jsonl", long), ["1: Integer(1)", "!, line 2: it is longer than 16 MiB", "3: Integer(2)"]);
    let wide: Vec<String> = (0..20_000).map(|key| format!("\"k{key}\": 1")).collect();
    let wide = read("t.jsonl", format!("{{\"a\": 1}}\n{{{}}}\n{{\"a\": 2}}", wide.join(",")));
    assert_eq!(wide[1], "!, line 2: with its keys the table would have more than 16384 columns");
    assert_eq!(wide[2], "3: Integer(2)");
}

#[test]
fn gzip_is_read_whatever_the_name_and_in_several_members() {
    let two = [gzip(b"a,b\n1,2\n"), gzip(b"3,4\n")].concat();
    for name in ["t.csv.gz", "t.csv"] {
        assert_eq!(read(name, &two), ["2: 1|2", "3: 3|4"]);
    }
}

#[test]
fn gzip_that_is_cut_ends_the_table_with_an_error() {
    let lines: String = (0..20_000).map(|n| format!("{{\"a\": {n}}}\n")).collect();
    let whole = gzip(lines.as_bytes());
    for length in [1, 5, 11, whole.len() / 2, whole.len() - 1] {
        for name in ["t.jsonl.gz", "t.csv.gz"] {
            let rows = read(name, &whole[..length]);
            assert!(rows.last().unwrap().starts_with("END"), "{name} cut at {length}: {:?}", rows.last());
        }
    }
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0x10;
    assert!(read("t.jsonl.gz", damaged).last().unwrap().starts_with("END"));
    assert!(read("t.csv.gz", "a,b\n1,2\n")[0].starts_with("END"), "a plain file under the name of a compressed one");
}

#[test]
fn parquet_that_is_none_is_an_error() {
    let good = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kinds.parquet")).unwrap();
    let garbage: Vec<u8> = (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let framed = [b"PAR1", &garbage[..], &4000_u32.to_le_bytes(), b"PAR1"].concat();
    for bytes in [&b""[..], b"PAR1", b"a,b\n1,2\n", &garbage, &framed, &good[..good.len() - 1], &good[..good.len() / 2], &good[10..]] {
        let rows = read("t.parquet", bytes);
        assert!(rows.len() == 1 && rows[0].starts_with("END"), "{rows:?}");
    }
}

/// Every byte of real files, changed in two ways: an answer or an error, never a panic that reaches the caller.
#[test]
fn parquet_that_is_damaged_anywhere_is_no_panic() {
    for name in ["kinds.parquet", "kinds_v2.parquet", "legacy.parquet"] {
        let good = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap();
        let file = file("t.parquet", &good);
        let mut writer = std::fs::File::options().write(true).open(&file.path).unwrap();
        let mut set = |at: usize, byte: u8| {
            writer.seek(SeekFrom::Start(at as u64)).unwrap();
            writer.write_all(&[byte]).unwrap();
        };
        let mut refused = 0;
        for (at, byte) in good.iter().enumerate() {
            for flip in [0xff, 1 << (at % 8)] {
                set(at, byte ^ flip);
                let fails = Table::open(&file.path, None).map_or(true, |table| table.take(10).any(|row| row.is_err()));
                refused += usize::from(fails);
            }
            set(at, *byte);
        }
        assert!(refused > 0, "{name}");
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["missing.csv", "missing.jsonl", "missing.parquet", "what.txt", "what"] {
        let error = Table::open(&folder.path().join(name), None).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    for format in [Format::Csv, Format::JsonLines, Format::Parquet] {
        assert!(Table::open(folder.path(), Some(format)).is_err(), "a folder is no table");
    }
}
