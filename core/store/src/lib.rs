//! What is on disk. This is the only crate that writes files: the data directory and its lock, the log of decisions, its index and how far
//! others have read it, snapshots of histories, the archive, the model registry, API keys, the cache of compiled plugins, folders for keys,
//! backups of all that, and tables that come in and go out.
//!
//! It knows nothing of HTTP, of the configuration's text, of WebAssembly or of metrics. It returns facts and errors; every error names the
//! file that it is about.

mod acts;
mod archive;
mod backup;
mod breakers;
mod code_cache;
mod data_directory;
mod digest;
mod draft;
mod folder;
mod index;
mod kept_list;
mod keys;
mod line_file;
mod log;
mod output;
mod position;
mod private_folder;
mod registry;
mod rollouts;
mod secret;
mod snapshot;
mod table;

pub use acts::{Acts, CommandAct};
pub use archive::{Archive, ArchiveError};
pub use backup::{Backup, BackupError, BackupStatement, Restored, latest_backup, prune_backups, show_backup, verify_backup, write_backup};
pub use breakers::BreakerEntry;
pub use code_cache::{CodeCache, CodeCacheError, Lookup};
pub use data_directory::{DataDirectory, DataDirectoryError, ServerLock, Space};
pub use digest::{FileDigest, digest};
pub use folder::{FolderError, write_new_folder};
pub use index::{
    AuditFact, AuditFilter, AuditPage, Confusion, Cursor, CursorError, DecisionFact, Fact, Filter, Found, Index, IndexError, IndexReader,
    Known, Label, LabelFact, Labelled, Opened, Page, Place, Quality, VoteFilter, Whose,
};
pub use kept_list::{FileStamp, Kept, KeptList, KeptListError};
pub use keys::{KeyEntry, SigningKeyEntry};
pub use line_file::{LineFile, Rotation};
pub use log::{
    Anchor, AppendError, Cut, Dropped, Entry, Fault, FaultKind, Head, LONGEST_PAYLOAD, Log, LogError, LogFacts, LogReader, LogSettings,
    Position, Record, Records, Recovery, Retention, Verification, verify,
};
pub use output::{write_file, write_private_file};
pub use position::{LogPosition, POSITIONS_OF_EVENTS, PositionError, Progress};
pub use private_folder::PrivateFolder;
pub use registry::{Arrival, Collected, LARGEST_SIGNATURES, LabelAct, Labels, Published, Registry, RegistryError, Stored};
pub use rollouts::{RolloutAct, RolloutEnd, RolloutEntry, RolloutError, RolloutStepEntry, Rollouts};
pub use secret::{Secret, SecretError};
pub use snapshot::{Snapshot, SnapshotFileError, Snapshots};
pub use table::{Cell, ColumnSpec, Format, Kind, Row, Table, TableError, TableWriter};
