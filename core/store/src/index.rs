//! The index: a fold of the log into one SQLite file, so that decisions and their labels can be found.
//!
//! ```text
//! index.sqlite              the tables and indexes of `index/schema.rs`
//! index.sqlite-wal, -shm    what SQLite has not moved into it yet
//! ```
//!
//! The log is the truth. The index holds no record, only where each one stands (segment and offset) and what it is searched by, and it
//! states in the same transaction up to which sequence it has folded. So it can be deleted at any time: whoever opens it folds what is
//! missing, from the first sequence if need be.
//!
//! SQLite runs with a write-ahead log and `synchronous = NORMAL`: a process that dies loses nothing that was committed; a power failure may
//! lose the last transactions, which are in the log and are folded again, and leaves a whole file. `OFF` would be quicker by the few syncs
//! of a checkpoint, but then a power failure can leave pages of different ages, which no cheap check finds.

mod cursor;
mod error;
mod filter;
mod fold;
mod open;
mod pages;
#[cfg(test)]
mod plans;
mod quality;
mod reader;
mod schema;
mod whose;

pub use cursor::{Cursor, CursorError};
pub use error::IndexError;
pub use filter::{Filter, VoteFilter};
pub use pages::{Found, Page};
pub use quality::{Confusion, Labelled, Quality};
pub use reader::{IndexReader, Known, Label};
pub use whose::Whose;

use crate::data_directory::DataDirectory;
use error::Fault;
use fold::Detectors;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use std::path::PathBuf;

/// How many decisions and how many labels one call of [`Index::forget_before`] removes at most: some tens of milliseconds of work.
const FORGOTTEN_AT_ONCE: i64 = 5_000;

/// Where a record stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The record's number in the log; decisions and labels count together.
    pub sequence: u64,
    /// The segment that holds it.
    pub segment: u64,
    /// Where in the segment it begins, in bytes.
    pub offset: u64,
}

/// What the index is told of one record of the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fact<'a> {
    /// A decision was made.
    Decision(DecisionFact<'a>),
    /// Somebody said what the truth about a decision is.
    Label(LabelFact<'a>),
}

/// What a decision is found by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecisionFact<'a> {
    /// Where its record stands.
    pub place: Place,
    /// Its own id.
    pub id: [u8; 16],
    /// Whose it is. Nobody else finds it.
    pub tenant: Option<&'a str>,
    /// The client's id of the event that was judged. Two tenants may have the same.
    pub event: Option<&'a str>,
    /// Digest of an `Idempotency-Key` and its owner; the decisions of one request share it.
    pub key: Option<[u8; 32]>,
    /// Digest of what was asked. It is kept only where an event id or a key leads to it.
    pub content: [u8; 32],
    /// Whom the row is about.
    pub entity: Option<&'a str>,
    /// The event's own time, in microseconds since 1970. Nothing is searched by it, so it is not kept.
    pub at: Option<i64>,
    /// When the decision was made, in microseconds since 1970.
    pub decided: i64,
    /// The step of the outcome ladder. 0 is the one that most decisions have; any other is found without walking past those.
    pub outcome: u8,
    /// The policy's yes.
    pub anomalous: bool,
    /// The policy's score. One that is not a number lies within no bounds.
    pub score: f64,
    /// Each detector that was asked, and its vote; none if it abstained.
    pub votes: &'a [(&'a str, Option<bool>)],
}

/// What a label is found by, and the label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelFact<'a> {
    /// Where its record stands.
    pub place: Place,
    /// The id of the decision that it is about.
    pub decision: [u8; 16],
    /// 0 = fraud, 1 = legitimate, 2 = unsure.
    pub label: u8,
    /// Who said so.
    pub by: &'a str,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Why, in the words of who said so.
    pub note: Option<&'a str>,
}

/// What [`Index::open`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The first sequence that is not folded yet. If the log ends before it, the two do not belong together: see [`Index::remove`].
    pub next: u64,
    /// Why the index was started afresh; none if it was there and whole, or never was.
    pub rebuilt: Option<String>,
}

/// The index of a data directory, held by the one who writes it.
#[derive(Debug)]
pub struct Index {
    connection: Connection,
    path: PathBuf,
    detectors: Detectors,
    next: u64,
}

impl Index {
    /// Opens the index of this directory. One that is missing, damaged or laid out by another version of the program is started afresh.
    ///
    /// Only what is cheap to look at is looked at: the header, the length, the layout, and that the newest decision was folded. Damage
    /// elsewhere is found when it is read; see [`IndexError::is_damage`]. The caller holds the directory's lock.
    ///
    /// # Errors
    /// When the file cannot be opened, removed or created, or another process uses it.
    pub fn open(directory: &DataDirectory) -> Result<(Self, Opened), IndexError> {
        let path = directory.index();
        let (connection, rebuilt) = open::writer(&path)?;
        let (detectors, next) = fold::state(&connection).map_err(|fault| fault.at(&path))?;
        Ok((Self { connection, path, detectors, next }, Opened { next, rebuilt }))
    }

    /// Deletes the index of this directory, so that the next [`Index::open`] starts afresh. Nothing else may have it open: a reader would
    /// go on reading what is deleted.
    ///
    /// # Errors
    /// When a file cannot be deleted. That there is none is no error.
    pub fn remove(directory: &DataDirectory) -> Result<(), IndexError> {
        open::remove(&directory.index())
    }

    /// Adds what these facts say, in the order of the log, and that everything before `next` is folded now, in one transaction. Facts that
    /// were folded before change nothing, so a caller may fold again from any earlier sequence.
    ///
    /// # Errors
    /// When a fact does not stand before `next`, more than 62 detectors have been named since the index was started, or SQLite fails. Then
    /// nothing is changed, and the same call may be tried again.
    pub fn fold(&mut self, facts: &[Fact<'_>], next: u64) -> Result<(), IndexError> {
        let next = next.max(self.next);
        match fold::fold(&mut self.connection, &mut self.detectors, self.next, facts, next) {
            Ok(()) => {
                self.next = next;
                Ok(())
            }
            Err(fault) => {
                // The transaction is undone; detectors that it would have added must not stay known.
                if let Ok((detectors, _)) = fold::state(&self.connection) {
                    self.detectors = detectors;
                }
                Err(fault.at(&self.path))
            }
        }
    }

    /// Removes decisions and labels that stand before `sequence`, oldest first, and returns how many. One call removes a bounded number of
    /// them in one transaction, so that folding can go on in between: call it until it returns 0.
    ///
    /// Afterwards every query answers as if only the remaining log had been folded. The names of detectors and tenants stay.
    ///
    /// # Errors
    /// When SQLite fails; then nothing was removed.
    #[must_use = "there is more to forget unless this is 0"]
    pub fn forget_before(&mut self, sequence: u64) -> Result<usize, IndexError> {
        self.forget_some(i64::try_from(sequence).unwrap_or(i64::MAX)).map_err(|fault| fault.at(&self.path))
    }

    fn forget_some(&mut self, sequence: i64) -> Result<usize, Fault> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let beyond = |statement| transaction.query_row(statement, [sequence, FORGOTTEN_AT_ONCE], |row| row.get::<_, i64>(0)).optional();
        let before = [beyond(schema::DECISION_BEYOND)?, beyond(schema::LABEL_BEYOND)?].into_iter().flatten().fold(sequence, i64::min);
        for tenant in fold::tenants_before(&transaction, before)? {
            for slot in self.detectors.slots(tenant) {
                transaction.prepare_cached(schema::FORGET_VOTES)?.execute([slot, before])?;
            }
        }
        transaction.execute(schema::FORGET_SPANS, [schema::block(before)])?;
        let forgotten = transaction.execute(schema::FORGET_LABELS, [before])? + transaction.execute(schema::FORGET_DECISIONS, [before])?;
        transaction.commit()?;
        Ok(forgotten)
    }

    /// A connection of its own for reading, beside this writer and other readers.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reader(&self) -> Result<IndexReader, IndexError> {
        IndexReader::open(&self.path)
    }
}
