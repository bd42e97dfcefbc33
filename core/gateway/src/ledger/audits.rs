//! Audit records in the log: how they get there, and how they are found.

use super::reading::{ReadError, position};
use super::{Ledger, RecoveryError};
use crate::auditing::AuditRecord;
use crate::config::{Config, Durability};
use crate::decision::{RecordKind, ShadowRecord};
use synod_store::{AppendError, AuditFilter, Cursor, DataDirectory, Entry, Log, LogError, LogSettings, Place};

/// Bytes of a record that tries whether the log can be written: as many as some decisions have.
const PROBE: usize = 16 << 10;

/// A page of audit records, newest first.
#[derive(Debug)]
pub struct AuditRecords {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Ledger {
    /// Appends an audit record, and calls `done` once it is as durable as configured: at once where nothing is stored. It never waits.
    pub fn audit(&self, record: &AuditRecord, done: impl FnOnce(Result<(), AppendError>) + Send + 'static) {
        self.append_audit(record, 0, done);
    }

    /// As [`Ledger::audit`], with so many blanks behind the record that there is room for decisions where there was room for it.
    pub fn audit_with_room(&self, record: &AuditRecord, done: impl FnOnce(Result<(), AppendError>) + Send + 'static) {
        self.append_audit(record, PROBE, done);
    }

    fn append_audit(&self, record: &AuditRecord, least: usize, done: impl FnOnce(Result<(), AppendError>) + Send + 'static) {
        let Some(storage) = &self.storage else { return done(Ok(())) };
        let mut bytes = serde_json::to_vec(record).unwrap_or_default();
        bytes.resize(bytes.len().max(least), b' ');
        match Entry::new(RecordKind::Audit as u8, record.at().as_microsecond(), bytes) {
            Err(error) => done(Err(error)),
            Ok(entry) => storage.log.append(vec![entry], move |result| done(result.map(|_| ()))),
        }
    }

    /// Keeps what others say of rows that were decided, and waits until that is as durable as configured. What cannot be kept is lost: nothing
    /// rests on it.
    pub fn note_shadows(&self, records: &[ShadowRecord]) {
        let Some(storage) = &self.storage else { return };
        let entry = |record: &ShadowRecord| {
            let bytes = serde_json::to_vec(record).unwrap_or_default();
            Entry::new(RecordKind::Shadow as u8, record.at.as_microsecond(), bytes)
        };
        let Ok(entries) = records.iter().map(entry).collect::<Result<Vec<_>, _>>() else { return };
        if entries.is_empty() {
            return;
        }
        let (sender, stored) = std::sync::mpsc::channel();
        storage.log.append(entries, move |result| {
            let _ = sender.send(result.is_ok());
        });
        if stored.recv() != Ok(true) {
            tracing::warn!(rows = records.len(), "what was asked beside the policy could not be kept");
        }
    }

    /// A page of audit records.
    ///
    /// # Errors
    /// When the cursor belongs to another filter, or they cannot be read.
    pub fn audits(&self, filter: &AuditFilter, after: Option<&Cursor>, limit: usize) -> Result<AuditRecords, ReadError> {
        self.catch_up();
        let page = self.readers()?.with(|reader| reader.audits(filter, after, limit))?;
        let records = page.found.iter().filter_map(|place| self.audit_at(*place).transpose()).collect::<Result<_, _>>()?;
        Ok(AuditRecords { records, next: page.next })
    }

    /// The record at a place; none if retention has dropped it since the index was asked.
    fn audit_at(&self, place: Place) -> Result<Option<AuditRecord>, ReadError> {
        match self.readers()?.log().read(position(place)) {
            Err(LogError::NotThere { .. }) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(record) => {
                let read = serde_json::from_slice(&record.payload);
                read.map(Some).map_err(|source| ReadError::Record { sequence: place.sequence, source })
            }
        }
    }
}

/// Audits something where no server runs: the caller holds the server's lock. Whoever serves next finds it in the log. Where nothing is stored
/// there is nothing to do.
///
/// # Errors
/// When the log cannot be opened or written.
pub fn audit_alone(config: &Config, directory: &DataDirectory, record: &AuditRecord) -> Result<(), RecoveryError> {
    if config.decisions.durability == Durability::None {
        return Ok(());
    }
    let (log, _) = Log::open(directory, LogSettings { segment_bytes: config.decisions.segment, ..LogSettings::default() })?;
    let bytes = serde_json::to_vec(record).unwrap_or_default();
    let entry = Entry::new(RecordKind::Audit as u8, record.at().as_microsecond(), bytes)?;
    let (sender, stored) = std::sync::mpsc::channel();
    log.append(vec![entry], move |result| drop(sender.send(result)));
    // It is told before the log is closed.
    log.close()?;
    stored.recv().map_or(Ok(()), |result| result.map(|_| ()).map_err(RecoveryError::from))
}
