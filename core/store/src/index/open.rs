//! Opening the index's file, and starting afresh when it is not what it should be.

use super::audits;
use super::error::{IndexError, is_damage};
use super::schema::{self, APPLICATION, PAGE_BYTES, SCHEMA, VERSION};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a connection waits for a lock of another one. Only a checkpoint or the recovery after a crash holds one for long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Memory for pages, in KiB. The writer's holds the upper levels of every index and the leaves that are written again and again.
const WRITER_CACHE: i64 = 32 << 10;
const READER_CACHE: i64 = 4 << 10;

/// After how many pages the write-ahead log is moved into the file: 16 MiB, a few syncs a minute under load.
const CHECKPOINT_PAGES: i64 = (16 << 20) / PAGE_BYTES;

/// How many prepared statements a connection keeps: more than there are.
const STATEMENTS: usize = 32;

/// The writer's connection, and why the index was started afresh, if it was.
pub(super) fn writer(path: &Path) -> Result<(Connection, Option<String>), IndexError> {
    let rebuilt = match length(path)? {
        None => None,
        Some(0) => Some("the file was empty".to_owned()),
        Some(_) => match existing(path) {
            Ok(connection) => return Ok((connection, None)),
            Err(Trouble::Unusable(reason)) => Some(reason),
            Err(Trouble::Failed(source)) => return Err(IndexError::Open { path: path.to_owned(), source }),
        },
    };
    remove(path)?;
    let connection = afresh(path)?;
    Ok((connection, rebuilt))
}

/// A connection that cannot write.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE)?;
    Ok(connection)
}

/// Deletes the index. The file goes first: what SQLite finds of a write-ahead log beside a file that is not there, it deletes itself, so
/// that an interruption cannot leave a log that is replayed into another file.
pub(super) fn remove(path: &Path) -> Result<(), IndexError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let path = beside(path, suffix);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(IndexError::File { path, source }),
            _ => {}
        }
    }
    Ok(())
}

/// Why a file cannot be used: it is no index of this version, or it could not be found out.
enum Trouble {
    Unusable(String),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) || is_foreign(&error) { Self::Unusable(format!("it is damaged: {error}")) } else { Self::Failed(error) }
    }
}

/// While a file is looked at for the first time, it may also lack a table, or be of a format that SQLite does not know (a plain error), or
/// end within a page (a short read).
fn is_foreign(error: &rusqlite::Error) -> bool {
    let short_read = error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ);
    short_read || error.sqlite_error_code() == Some(ErrorCode::Unknown)
}

fn existing(path: &Path) -> Result<Connection, Trouble> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Before anything is written: the file of another version is deleted, but not changed.
    let stated = (pragma(&connection, "application_id")?, pragma(&connection, "user_version")?);
    if stated != (APPLICATION, VERSION) {
        return Err(Trouble::Unusable(format!("it states layout {} of program {:#x}, and this is layout {VERSION}", stated.1, stated.0)));
    }
    configure_writer(&connection)?;
    let next: i64 = connection.query_row(schema::NEXT, [], |row| row.get(0))?;
    let newest: Option<i64> = connection.query_row(schema::NEWEST, [], |row| row.get(0))?;
    if next < 0 || newest.is_some_and(|newest| newest >= next) {
        return Err(Trouble::Unusable(format!("it is damaged: it states that {next} is the next sequence, and holds {newest:?}")));
    }
    Ok(connection)
}

fn afresh(path: &Path) -> Result<Connection, IndexError> {
    create(path).map_err(|source| IndexError::File { path: path.to_owned(), source })?;
    build(path).map_err(|source| IndexError::Open { path: path.to_owned(), source })
}

/// Makes an empty file that only its owner can read; SQLite gives the files beside it the same mode.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn build(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    configure_writer(&connection)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(audits::SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(connection)
}

fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // A long reader makes the write-ahead log grow; it is cut to this once it is moved.
    connection.pragma_update(None, "journal_size_limit", 2 * CHECKPOINT_PAGES * PAGE_BYTES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE)
}

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // No mutex: a connection is `Send` and not `Sync`, so the compiler sees to it that one thread at a time uses it.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// The file's length; none if there is no file.
fn length(path: &Path) -> Result<Option<u64>, IndexError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IndexError::File { path: path.to_owned(), source }),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
