//! `synod generate`: labelled transactions that the project makes itself.

use super::CommandError;
use crate::cli::Generate;
use crate::generate::{self, ColumnKind, Settings};
use synod_store::{Cell, ColumnSpec, Kind, TableWriter};

pub(super) fn run(arguments: &Generate) -> Result<(), CommandError> {
    if !(0.0..0.5).contains(&arguments.fraud) {
        return Err(CommandError::Usage(format!("--fraud: {} is not a share from 0 to below 0.5", arguments.fraud)));
    }
    let kind = arguments.kind.into();
    let column = |column: &generate::Column| ColumnSpec { name: column.name.into(), kind: column_kind(column.kind) };
    let columns: Vec<ColumnSpec> = generate::columns(kind).iter().map(column).collect();
    let mut writer = TableWriter::create(&arguments.output, None, &columns)?;
    let settings = Settings { kind, rows: arguments.rows, seed: arguments.seed, fraud_share: arguments.fraud };
    for row in generate::rows(&settings) {
        writer.write(&row.into_iter().map(cell).collect::<Vec<_>>())?;
    }
    writer.finish()?;
    eprintln!("{}: {} rows", arguments.output.display(), arguments.rows);
    Ok(())
}

fn column_kind(kind: ColumnKind) -> Kind {
    match kind {
        ColumnKind::Text => Kind::Text,
        ColumnKind::Number => Kind::Number,
        ColumnKind::Integer => Kind::Integer,
    }
}

fn cell(cell: generate::Cell) -> Cell {
    match cell {
        generate::Cell::Text(text) if text.is_empty() => Cell::Missing,
        generate::Cell::Text(text) => Cell::Text(text),
        generate::Cell::Number(number) => Cell::Number(number),
        generate::Cell::Integer(integer) => Cell::Integer(integer),
    }
}
