//! What is on disk. This is the only crate that writes files: the data directory and its lock, the model registry, the cache of compiled
//! plugins, and tables that come in and go out.
//!
//! It knows nothing of HTTP, of the configuration's text, of WebAssembly or of metrics. It returns facts and errors; every error names the
//! file that it is about.

mod code_cache;
mod data_directory;
mod digest;
mod draft;
mod output;
mod registry;
mod table;

pub use code_cache::{CodeCache, CodeCacheError, Lookup};
pub use data_directory::{DataDirectory, DataDirectoryError, ServerLock};
pub use digest::{FileDigest, digest};
pub use output::write_file;
pub use registry::{Published, Registry, RegistryError, Stored};
pub use table::{Cell, ColumnSpec, Format, Kind, Row, Table, TableError, TableWriter};
