//! Apache Parquet, with flat columns.

mod cells;
mod reader;
mod writer;

pub(super) use reader::Reader;
pub(super) use writer::Writer;
