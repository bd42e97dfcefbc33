//! Reading the index, beside its writer.

use super::Place;
use super::cursor::Cursor;
use super::error::{Fault, IndexError};
use super::filter::Filter;
use super::fold::bit;
use super::open;
use super::pages::{self, Page};
use super::quality::{self, Quality};
use super::schema::{self, hash, head};
use super::whose::{Whose, tenant_number};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::path::{Path, PathBuf};

pub(super) const BY_ID: &str =
    "SELECT sequence, segment, place, tenant FROM decisions INDEXED BY decisions_id WHERE id = ?1 ORDER BY sequence LIMIT 1";
pub(super) const BY_EVENT: &str = "SELECT sequence, segment, place, id, content FROM decisions INDEXED BY decisions_event
    WHERE event_hash = ?1 AND event = ?2 AND tenant IS ?3 ORDER BY sequence LIMIT 1";
pub(super) const BY_KEY: &str = "SELECT sequence, segment, place, id, content FROM decisions INDEXED BY decisions_key
    WHERE key_head = ?1 AND key_tail = ?2 ORDER BY sequence";
pub(super) const LABELS: &str = "SELECT sequence, segment, place, label, author, at, note FROM labels INDEXED BY labels_decision
    WHERE decision = ?1 ORDER BY sequence";

/// A read-only connection of its own. One thread at a time uses it; it can be sent to another. Each call sees one state of the index, the
/// newest that is committed, and neither waits for the writer nor stops it.
#[derive(Debug)]
pub struct IndexReader {
    connection: Connection,
    path: PathBuf,
}

/// A decision that was asked for before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Where its record stands.
    pub place: Place,
    /// Its id.
    pub id: [u8; 16],
    /// Digest of what was asked then.
    pub content: [u8; 32],
}

/// What somebody said that the truth about a decision is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where its record stands.
    pub place: Place,
    /// 0 = fraud, 1 = legitimate, 2 = unsure.
    pub label: u8,
    /// Who said so.
    pub by: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Why.
    pub note: Option<String>,
}

impl IndexReader {
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        let connection = open::reader(path).map_err(|source| IndexError::Open { path: path.to_owned(), source })?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The decisions that the filter admits, newest first by sequence, from the cursor on: at most `limit` of them, which counts as one if
    /// it is zero. Decisions that are folded between two pages are not seen; nothing is seen twice, and nothing is missed unless what the
    /// filter asks for changes: that is its label.
    ///
    /// What is looked at is bounded, too: a page may hold fewer, even none, while [`Page::next`] says that there is more.
    ///
    /// # Errors
    /// When the cursor belongs to another filter, or the file cannot be read.
    pub fn decisions(&self, filter: &Filter, after: Option<&Cursor>, limit: usize) -> Result<Page, IndexError> {
        self.read(|connection| {
            let _state = connection.unchecked_transaction()?;
            pages::page(connection, filter, after, limit)
        })
    }

    /// Where the decision with this id stands, if it is theirs.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn by_id(&self, whose: &Whose, id: [u8; 16]) -> Result<Option<Place>, IndexError> {
        self.read(|connection| {
            let Some(scope) = whose.scope(connection)? else { return Ok(None) };
            let theirs = |row: &Row<'_>| scope.admits(row, 3)?.then(|| place(row)).transpose();
            Ok(connection.prepare_cached(BY_ID)?.query_row([id], theirs).optional()?.flatten())
        })
    }

    /// The first decision of this tenant, or of none, about the event with this id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn by_event(&self, tenant: Option<&str>, event: &str) -> Result<Option<Known>, IndexError> {
        self.read(|connection| {
            let number = tenant.map(|tenant| tenant_number(connection, tenant)).transpose()?;
            if number == Some(None) {
                return Ok(None);
            }
            let parameters = params![hash(event), event, number.flatten()];
            Ok(connection.prepare_cached(BY_EVENT)?.query_row(parameters, known).optional()?)
        })
    }

    /// The decisions of the request with this key, in order of sequence. The key's digest is also of its owner.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn by_key(&self, key: [u8; 32]) -> Result<Vec<Known>, IndexError> {
        self.read(|connection| {
            Ok(connection.prepare_cached(BY_KEY)?.query_map(params![head(&key), &key[8..]], known)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// The labels of a decision, oldest first; the last one holds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn labels(&self, decision: [u8; 16]) -> Result<Vec<Label>, IndexError> {
        self.read(|connection| Ok(connection.prepare_cached(LABELS)?.query_map([decision], label)?.collect::<rusqlite::Result<_>>()?))
    }

    /// How well the policy and the detectors did on their labelled decisions that were made from `from` on and before `until`, in
    /// microseconds since 1970. It reads each of them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn quality(&self, whose: &Whose, from: Option<i64>, until: Option<i64>) -> Result<Quality, IndexError> {
        self.read(|connection| {
            let _state = connection.unchecked_transaction()?;
            quality::quality(connection, whose, from, until)
        })
    }

    /// The first sequence that is not folded yet, as of now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&self) -> Result<u64, IndexError> {
        self.read(|connection| Ok(connection.prepare_cached(schema::NEXT)?.query_row([], |row| number(row, 0))?))
    }

    /// Reads the whole file and returns the first thing that is wrong with it, if something is. It takes seconds for a million decisions.
    ///
    /// # Errors
    /// When the file cannot be read. What is damaged may say so here, too.
    pub fn check(&self) -> Result<Option<String>, IndexError> {
        self.read(|connection| {
            let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            Ok((said != "ok").then_some(said))
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, IndexError> {
        read(&self.connection).map_err(|fault| fault.at(&self.path))
    }
}

/// The bit of a detector in the masks; none if no decision names it.
pub(super) fn detector_bit(connection: &Connection, name: &str) -> Result<Option<u32>, Fault> {
    Ok(connection.prepare_cached(schema::DETECTOR)?.query_row([name], bit).optional()?)
}

/// Sequences, half-open, beyond which there is no decision of these times; none if there is no such decision at all. Within them there may
/// be others.
pub(super) fn sequences_of_times(connection: &Connection, from: Option<i64>, until: Option<i64>) -> Result<Option<(i64, i64)>, Fault> {
    if from.is_none() && until.is_none() {
        return Ok(Some((0, i64::MAX)));
    }
    let mut statement = connection.prepare_cached(schema::BLOCKS)?;
    let blocks = statement.query_row(params![from.unwrap_or(i64::MIN), until], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)) = blocks else { return Ok(None) };
    Ok(Some(schema::sequences(first, last)))
}

/// The place in the first three columns.
pub(super) fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place { sequence: number(row, 0)?, segment: number(row, 1)?, offset: number(row, 2)? })
}

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    Ok(Known { place: place(row)?, id: row.get(3)?, content: row.get(4)? })
}

fn label(row: &Row<'_>) -> rusqlite::Result<Label> {
    Ok(Label { place: place(row)?, label: row.get(3)?, by: row.get(4)?, at: row.get(5)?, note: row.get(6)? })
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
