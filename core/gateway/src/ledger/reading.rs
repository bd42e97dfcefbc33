//! Decisions that were made: by their ids, by who they are about, by what they came to.

use super::{Known, Ledger, realm_of};
use crate::decision::{Decision, LabelRecord, RecordKind, StoredLabel};
use crate::hexadecimal::digest_of;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use synod_detection::{Batch, Value};
use synod_store::{Cursor, Filter, Index, IndexError, IndexReader, LogError, LogReader, Place, Position, Quality, Whose};
use thiserror::Error;
use uuid::Uuid;

/// Readers of the index; a request takes one for a moment.
const READERS: usize = 8;
/// Pages that are looked through for the latest decisions of an entity: about a million decisions.
const MOST_PAGES: usize = 20;
/// How long a reader waits for the index to know what was just decided.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Why decisions cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record is not what it should be.
    #[error("the record {sequence} of the log is no decision that this version can read: {source}")]
    Record {
        /// Which one.
        sequence: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Decisions are not stored.
    #[error("decisions are not stored: `decisions.durability` is `none`")]
    NotStored,
    /// Entities cannot be looked up, or not by this name.
    #[error("{0}")]
    Entity(String),
}

/// A few readers that requests share.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Mutex<Vec<IndexReader>>,
    returned: Condvar,
    log: LogReader,
}

impl Readers {
    pub(super) fn new(index: &Index, log: LogReader) -> Result<Self, IndexError> {
        let idle = (0..READERS).map(|_| index.reader()).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new(), log })
    }

    pub(super) fn log(&self) -> &LogReader {
        &self.log
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&IndexReader) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle = self.returned.wait_while(idle, |idle| idle.is_empty()).unwrap_or_else(PoisonError::into_inner);
        let Some(reader) = idle.pop() else { unreachable!("it was waited for a reader") };
        drop(idle);
        let result = work(&reader);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        self.returned.notify_one();
        result
    }
}

/// A page of decisions, newest first.
#[derive(Debug)]
pub struct DecisionPage {
    /// The decisions.
    pub decisions: Vec<Decision>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// A decision with what was said about it.
#[derive(Debug)]
pub struct Labelled {
    /// The decision.
    pub decision: Decision,
    /// What was said, oldest first; the last one holds.
    pub labels: Vec<LabelRecord>,
}

/// An entity that is looked for: a row of now in which only the entity and the time are set.
#[derive(Debug)]
pub struct Probe {
    /// The row as a client would send it.
    pub row: Batch,
    /// The row as it is stored.
    pub stored: Batch,
    /// The entity as it is stored.
    pub name: String,
}

pub(super) fn position(place: Place) -> Position {
    Position { sequence: place.sequence, segment: place.segment, offset: place.offset }
}

fn known(found: &synod_store::Known) -> Known {
    Known { position: position(found.place), id: Uuid::from_bytes(found.id), content: found.content }
}

impl Ledger {
    pub(super) fn readers(&self) -> Result<&Readers, ReadError> {
        self.storage.as_ref().map(|storage| &storage.readers).ok_or(ReadError::NotStored)
    }

    /// The decision on a tenant's event, if the index knows one.
    pub(super) fn find_event(&self, tenant: Option<&str>, event: &str) -> Result<Option<Known>, ReadError> {
        let Some(storage) = &self.storage else { return Ok(None) };
        Ok(storage.readers.with(|reader| reader.by_event(tenant, event))?.as_ref().map(known))
    }

    /// The body's digest and the decisions of the request that carried a key, if the index knows them. Those of rows with ids are found by
    /// their ids.
    pub(super) fn find_key(&self, key: &str) -> Result<Option<(String, Vec<Known>)>, ReadError> {
        let (Some(storage), Some(digest)) = (&self.storage, digest_of(key)) else { return Ok(None) };
        let found = storage.readers.with(|reader| reader.by_key(digest))?;
        let mut decisions =
            found.iter().map(known).map(|known| Ok((known, self.read(known.position)?))).collect::<Result<Vec<_>, ReadError>>()?;
        let Some(content) = decisions.first().and_then(|(_, decision)| Some(decision.request.as_ref()?.content.clone())) else {
            return Ok(None);
        };
        decisions.retain(|(_, decision)| decision.event.is_none());
        Ok(Some((content, decisions.into_iter().map(|(known, _)| known).collect())))
    }

    /// Reads a decision where it stands.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, position: Position) -> Result<Decision, ReadError> {
        let record = self.readers()?.log.read(position)?;
        serde_json::from_slice(&record.payload).map_err(|source| ReadError::Record { sequence: position.sequence, source })
    }

    /// As [`Ledger::read`], of a record that retention may have dropped since the index was asked.
    fn read_if_there(&self, position: Position) -> Result<Option<Decision>, ReadError> {
        match self.read(position) {
            Err(ReadError::Log(LogError::NotThere { .. })) => Ok(None),
            read => read.map(Some),
        }
    }

    /// A page of decisions.
    ///
    /// # Errors
    /// When the cursor belongs to another filter, or decisions cannot be read.
    pub fn decisions(&self, filter: &Filter, after: Option<&Cursor>, limit: usize) -> Result<DecisionPage, ReadError> {
        self.catch_up();
        let page = self.readers()?.with(|reader| reader.decisions(filter, after, limit))?;
        let decisions = page.found.iter().filter_map(|found| self.read_if_there(position(found.place)).transpose());
        Ok(DecisionPage { decisions: decisions.collect::<Result<_, _>>()?, next: page.next })
    }

    /// The latest decisions of a tenant's entity, newest first, by the name under which it is stored.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn latest(&self, tenant: Option<&str>, entity: &str, limit: usize) -> Result<Vec<Decision>, ReadError> {
        let filter = Filter { entity: Some(entity.to_owned()), ..Filter::of(Whose::exactly(tenant)) };
        let (mut latest, mut next) = (Vec::new(), None);
        // A page may have less than there is, where tenants have decisions on an entity of this name.
        for _ in 0..MOST_PAGES {
            let page = self.decisions(&filter, next.as_ref(), limit - latest.len())?;
            latest.extend(page.decisions);
            next = page.next;
            if next.is_none() || latest.len() >= limit {
                break;
            }
        }
        Ok(latest)
    }

    /// A decision with its labels, if it is theirs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn decision(&self, whose: &Whose, id: Uuid) -> Result<Option<Labelled>, ReadError> {
        self.catch_up();
        let readers = self.readers()?;
        let (place, labels) = readers.with(|reader| Ok((reader.by_id(whose, *id.as_bytes())?, reader.labels(*id.as_bytes())?)))?;
        let Some(decision) = place.map(|place| self.read_if_there(position(place))).transpose()?.flatten() else { return Ok(None) };
        let labels = labels.iter().map(|label| self.label_at(position(label.place))).collect::<Result<_, _>>()?;
        Ok(Some(Labelled { decision, labels }))
    }

    /// How many labels a decision has, and the decision, if the log still has it; none if they have no such decision.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub fn labels_of(&self, whose: &Whose, id: Uuid) -> Result<Option<(usize, Option<Decision>)>, ReadError> {
        self.catch_up();
        let count = |reader: &IndexReader| match reader.by_id(whose, *id.as_bytes())? {
            None => Ok(None),
            Some(place) => Ok(Some((reader.labels(*id.as_bytes())?.len(), place))),
        };
        let Some((labels, place)) = self.readers()?.with(count)? else { return Ok(None) };
        Ok(Some((labels, self.read_if_there(position(place))?)))
    }

    /// Looks for an entity by the name that people know it by. That does not say whether there is one.
    ///
    /// # Errors
    /// [`ReadError::Entity`] when rows have no entity, when it is stored so that nobody can be found by it, or when this is no name for one.
    pub fn probe(&self, entity: &str, now: i64) -> Result<Probe, ReadError> {
        let missing = || ReadError::Entity("rows have no entity: declare `schema.entity`".into());
        let field = self.schema.entity().ok_or_else(missing)?;
        let schema = self.schema.as_stored();
        let mut row = Batch::new(&schema);
        let mut writer = row.row(&schema);
        writer.set(field, Value::Raw(entity));
        if let Some(time) = schema.time() {
            writer.set(time, Value::Time(now));
        }
        let field_name = &schema.fields()[field].name;
        writer.finish().map_err(|problems| {
            let messages = problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ");
            ReadError::Entity(format!("`{field_name}` {messages}"))
        })?;
        let name = row.label(field, 0).and_then(|name| self.form.text(field, &name)).ok_or_else(|| {
            ReadError::Entity(format!("nobody can be found by `{field_name}`, which is not stored whole: use `store: hmac` or `keep`"))
        })?;
        let stored = self.form.of(&row).into_owned();
        Ok(Probe { row, stored, name })
    }

    fn label_at(&self, position: Position) -> Result<LabelRecord, ReadError> {
        let record = self.readers()?.log.read(position)?;
        serde_json::from_slice(&record.payload).map_err(|source| ReadError::Record { sequence: position.sequence, source })
    }

    /// How their labelled decisions between these moments compare with their labels.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn quality(&self, whose: &Whose, from: Option<i64>, until: Option<i64>) -> Result<Quality, ReadError> {
        self.catch_up();
        Ok(self.readers()?.with(|reader| reader.quality(whose, from, until))?)
    }

    /// Waits until the index knows all that was acknowledged before now, for a bounded time: who has just been told of a decision will
    /// find it.
    pub(super) fn catch_up(&self) {
        let Some(storage) = &self.storage else { return };
        let (head, started) = (storage.log.head().next, Instant::now());
        while storage.indexing.next() < head && started.elapsed() < LONGEST_WAIT {
            storage.indexing.wake();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stores what somebody says about a decision, and calls `done` once that is durable.
    ///
    /// # Errors
    /// When decisions are not stored.
    pub fn label(
        &self,
        record: &StoredLabel,
        done: impl FnOnce(Result<(), synod_store::AppendError>) + Send + 'static,
    ) -> Result<(), ReadError> {
        let storage = self.storage.as_ref().ok_or(ReadError::NotStored)?;
        let bytes = serde_json::to_vec(record).unwrap_or_default();
        let indexing = std::sync::Arc::clone(&storage.indexing);
        match synod_store::Entry::new(RecordKind::Label as u8, record.said.at.as_microsecond(), bytes) {
            Err(error) => done(Err(error)),
            Ok(entry) => storage.log.append(vec![entry], move |result| {
                indexing.wake();
                done(result.map(|_| ()));
            }),
        }
        Ok(())
    }

    /// How many events of each kind of key are remembered for a tenant's entity, and from when to when.
    pub fn remembered(&self, tenant: Option<&str>, batch: &Batch, row: usize) -> Vec<Option<(usize, i64, i64)>> {
        self.state().histories.extent(realm_of(&self.secret, tenant), batch, row)
    }
}

/// The outcome's number in the index.
pub(super) fn outcome_number(outcome: synod_detection::Outcome) -> u8 {
    outcome as u8
}
