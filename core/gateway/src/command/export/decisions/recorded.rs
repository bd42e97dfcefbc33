//! The log of a data directory, read from its first record on, as often as it has to be. A server may be running, and the log may be damaged.

use super::super::super::{CommandError, chain, progress};
use crate::ledger::{newest, segments};
use indicatif::ProgressBar;
use synod_store::{DataDirectory, LogError, LogReader, Position, Record};

/// The log.
#[derive(Debug)]
pub(in crate::command) struct Recorded {
    reader: LogReader,
    /// Its first record; none in a log without segments.
    first: Option<u64>,
    /// About where it ends, for the progress that is shown.
    last: u64,
}

/// How far the log could be read.
#[derive(Debug)]
pub(in crate::command) struct Ended {
    /// The record after the last one that was read.
    pub(in crate::command) next: u64,
    /// What stands there, if it is not the end.
    pub(in crate::command) damage: Option<String>,
}

impl Recorded {
    /// Looks at the log.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub(in crate::command) fn open(directory: &DataDirectory) -> Result<Self, CommandError> {
        let segments = segments(directory).map_err(|error| CommandError::file(&directory.path().join("log"), error))?;
        let reader = LogReader::open(directory)?;
        // A damaged log has no end that could be found; nothing but the bar is the worse for it.
        let last = newest(directory).map_or(0, |(sequence, _)| sequence);
        Ok(Self { reader, first: segments.first().copied(), last })
    }

    /// Reads all records, up to the end of the log or to damage.
    ///
    /// # Errors
    /// When files cannot be read, or what is done with a record fails.
    pub(in crate::command) fn read(
        &self,
        bar: &ProgressBar,
        mut take: impl FnMut(Record) -> Result<(), CommandError>,
    ) -> Result<Ended, CommandError> {
        let Some(first) = self.first else { return Ok(Ended { next: 1, damage: None }) };
        let mut next = first;
        let records = match self.reader.from(first) {
            Ok(records) => records,
            Err(error) => return ended(next, error),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => return ended(next, error),
            };
            next = record.position.sequence + 1;
            self.show(bar, next);
            take(record)?;
        }
        Ok(Ended { next, damage: None })
    }

    /// Reads again what [`Recorded::read`] has read: the records before `end`.
    ///
    /// # Errors
    /// As [`Recorded::read`]; and when a record is not there any more.
    pub(super) fn read_before(
        &self,
        end: u64,
        bar: &ProgressBar,
        mut take: impl FnMut(Record) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let Some(first) = self.first.filter(|first| *first < end) else { return Ok(()) };
        // The first record is looked at only if there is one, so that nothing behind damage is.
        for (_, record) in (first..end).zip(self.reader.from(first).map_err(gone)?) {
            let record = record.map_err(gone)?;
            self.show(bar, record.position.sequence + 1);
            take(record)?;
        }
        Ok(())
    }

    /// A record that was read before.
    ///
    /// # Errors
    /// When it cannot be read again.
    pub(super) fn at(&self, position: Position) -> Result<Record, CommandError> {
        self.reader.read(position).map_err(gone)
    }

    fn show(&self, bar: &ProgressBar, next: u64) {
        let first = self.first.unwrap_or_default();
        if next.is_multiple_of(1024) {
            progress::update(bar, (next - first, (self.last + 1).saturating_sub(first)));
        }
    }
}

/// Bytes that are not what was written end what can be exported, and so does a segment that is missing.
fn ended(next: u64, error: LogError) -> Result<Ended, CommandError> {
    match error {
        LogError::Damaged { .. } | LogError::NotThere { .. } => Ok(Ended { next, damage: Some(chain(&error)) }),
        _ => Err(error.into()),
    }
}

/// What was there in the first reading and is not in the second.
fn gone(error: LogError) -> CommandError {
    match error {
        LogError::NotThere { .. } => CommandError::Failed(format!(
            "{}: the server has dropped it meanwhile (`decisions.keep_for`, `decisions.keep_bytes`); export again, with a later --from",
            chain(&error)
        )),
        _ => error.into(),
    }
}
