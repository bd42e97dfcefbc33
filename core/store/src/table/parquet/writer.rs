//! Writes a Parquet file by groups of rows, which are kept in memory until they are complete.

use crate::output::Output;
use crate::table::target::Value;
use crate::table::{ColumnSpec, Kind, Sink, TableError};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a group; fewer if they are wide, or their text is long.
const GROUP_ROWS: usize = 1 << 16;
/// What a group may take in memory until it is complete.
const GROUP_BYTES: usize = 64 << 20;
/// What a text takes beside its own bytes: how it is referred to, and how it is allocated.
const TEXT_OVERHEAD: usize = size_of::<ByteArray>() + 32;

pub(in crate::table) struct Writer {
    path: PathBuf,
    file: SerializedFileWriter<Output>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl Writer {
    pub(in crate::table) fn new(path: &Path, output: Output, columns: &[ColumnSpec]) -> std::result::Result<Self, TableError> {
        if output.is_standard() {
            let source = io::Error::new(io::ErrorKind::Unsupported, "Parquet needs a file; the standard output takes CSV and JSON lines");
            return Err(TableError::Write { path: path.to_owned(), source });
        }
        let file = schema(columns)
            .and_then(|schema| SerializedFileWriter::new(output, schema, Arc::new(properties())))
            .map_err(|source| TableError::WriteParquet { path: path.to_owned(), source })?;
        let columns = columns.iter().map(|column| Column::new(column.kind)).collect();
        Ok(Self { path: path.to_owned(), file, columns, rows: 0, bytes: 0 })
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let writer = group.next_column()?.ok_or_else(|| ParquetError::General("a column is not in the schema".to_owned()))?;
            column.write(writer)?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Sink for Writer {
    fn write(&mut self, row: &[Value<'_>]) -> std::result::Result<(), TableError> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            self.bytes += column.push(*value);
        }
        self.rows += 1;
        if self.rows < GROUP_ROWS && self.bytes < GROUP_BYTES {
            return Ok(());
        }
        self.write_group().map_err(|source| TableError::WriteParquet { path: self.path.clone(), source })
    }

    fn finish(mut self: Box<Self>) -> std::result::Result<Output, TableError> {
        let group = if self.rows > 0 { self.write_group() } else { Ok(()) };
        let Self { path, file, .. } = *self;
        group.and_then(|()| file.into_inner()).map_err(|source| TableError::WriteParquet { path, source })
    }
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("synod version ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

fn schema(columns: &[ColumnSpec]) -> Result<TypePtr> {
    let fields: Result<Vec<TypePtr>> = columns.iter().map(|column| field(column).map(Arc::new)).collect();
    Type::group_type_builder("schema").with_fields(fields?).build().map(Arc::new)
}

fn field(column: &ColumnSpec) -> Result<Type> {
    let (physical, logical) = match column.kind {
        Kind::Boolean => (PhysicalType::BOOLEAN, None),
        Kind::Integer => (PhysicalType::INT64, None),
        Kind::Number => (PhysicalType::DOUBLE, None),
        Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Time => (PhysicalType::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build()
}

/// What a group holds of a column.
struct Column {
    /// 1 where there is a value, 0 where it is missing.
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Text(Vec<ByteArray>),
}

impl Column {
    fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::Integer | Kind::Time => Values::Integer(Vec::new()),
            Kind::Number => Values::Number(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
        };
        Self { levels: Vec::new(), values }
    }

    /// Adds a value, and returns how many bytes it takes.
    fn push(&mut self, value: Value<'_>) -> usize {
        match (&mut self.values, value) {
            (Values::Boolean(values), Value::Boolean(value)) => values.push(value),
            (Values::Integer(values), Value::Integer(value) | Value::Time(value)) => values.push(value),
            (Values::Number(values), Value::Number(value)) => values.push(value),
            (Values::Text(values), Value::Text(text)) => values.push(ByteArray::from(text)),
            (_, missing) => {
                debug_assert_eq!(missing, Value::Missing, "a value is of its column's kind");
                self.levels.push(0);
                return size_of::<i16>();
            }
        }
        self.levels.push(1);
        size_of::<i16>()
            + match value {
                Value::Missing => 0,
                Value::Boolean(_) => 1,
                Value::Integer(_) | Value::Time(_) | Value::Number(_) => 8,
                Value::Text(text) => TEXT_OVERHEAD + text.len(),
            }
    }

    fn write(&mut self, mut writer: SerializedColumnWriter<'_>) -> Result<()> {
        let levels = Some(self.levels.as_slice());
        match &mut self.values {
            Values::Boolean(values) => {
                writer.typed::<BoolType>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Integer(values) => {
                writer.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Number(values) => {
                writer.typed::<DoubleType>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Text(values) => {
                writer.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                values.clear();
            }
        }
        self.levels.clear();
        writer.close()
    }
}
