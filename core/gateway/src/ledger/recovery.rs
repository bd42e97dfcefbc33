//! Opening a ledger: the log is recovered, the index catches up, and the histories are folded again, from the latest snapshot on.

use super::followers::Followers;
use super::indexing::{self, IndexingError, Progress};
use super::reading::Readers;
use super::recent::Recent;
use super::{Counts, Ledger, State, Storage, StoredForm};
use crate::config::{Config, Durability};
use crate::decision::{RecordKind, Standing};
use crate::hexadecimal::hexadecimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;
use synod_detection::history::{Histories, Realm};
use synod_detection::{Schema, decode_rows};
use synod_store::{
    AppendError, DataDirectory, Index, IndexError, Log, LogError, LogReader, LogSettings, Record, Recovery, Secret, SecretError,
    SnapshotFileError, Snapshots,
};
use thiserror::Error;

/// Why a ledger cannot be opened.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record that cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The index, while it followed the log.
    #[error(transparent)]
    Indexing(#[from] IndexingError),
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The snapshots.
    #[error(transparent)]
    Snapshot(#[from] SnapshotFileError),
    /// A thread cannot be started, or the log's folder cannot be listed.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
}

/// A ledger with the thread that keeps its index up.
#[derive(Debug)]
pub struct Opened {
    /// The ledger.
    pub ledger: Arc<Ledger>,
    indexing: Option<std::thread::JoinHandle<()>>,
}

/// What the histories want to know of a decision.
#[derive(Deserialize)]
struct Remembered<'a> {
    #[serde(borrow, default)]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    row: &'a RawValue,
    past: Standing,
}

impl Ledger {
    /// Opens the ledger of a data directory, whose lock the caller holds. Says in the log what it found.
    ///
    /// # Errors
    /// When the log is damaged elsewhere than at its end, or a file cannot be read.
    pub fn open(config: &Config, directory: &DataDirectory) -> Result<Opened, RecoveryError> {
        let secret = Secret::open(directory)?;
        let mut histories = Histories::new(Arc::clone(&config.history), config.remembering.bounds, secret_of_histories(&secret));
        let (mut storage, mut thread) = (None, None);
        if config.decisions.durability != Durability::None {
            let settings = LogSettings {
                segment_bytes: config.decisions.segment,
                sync: config.decisions.durability == Durability::Synced,
                ..LogSettings::default()
            };
            let (log, recovery) = Log::open(directory, settings)?;
            tell_recovery(&recovery);
            let snapshots = Snapshots::open(directory)?;
            fold_histories(&mut histories, &secret, &config.schema, &log, &snapshots, &recovery)?;
            let progress = Arc::new(Progress::default());
            let (index, next) = open_index(directory, &log, &recovery)?;
            let readers = Readers::new(&index, log.reader())?;
            thread = Some(indexing::start(index, log.reader(), next, &progress)?);
            storage = Some(Storage {
                log,
                readers,
                indexing: progress,
                snapshots,
                since_snapshot: AtomicU64::new(0),
                snapshot_failure: Mutex::default(),
                followers: Followers::default(),
            });
        }
        let ledger = Ledger {
            schema: config.schema.clone(),
            form: StoredForm::new(config.schema.clone(), config.storing.clone(), secret.clone()),
            secret,
            ahead: config.remembering.ahead,
            state: Mutex::new(State { histories, recent: Recent::default(), in_flight: 0, paused: false }),
            changed: Condvar::new(),
            storage,
            directory: directory.clone(),
            space: Mutex::new(directory.space().ok()),
            counts: Counts::default(),
        };
        Ok(Opened { ledger: Arc::new(ledger), indexing: thread })
    }
}

impl Opened {
    /// Writes down what can be, and ends the threads. Nobody uses the ledger any more.
    pub fn close(self) {
        self.ledger.write_snapshot();
        if let Some(storage) = &self.ledger.storage {
            storage.indexing.stop();
        }
        if let Some(thread) = self.indexing
            && thread.join().is_err()
        {
            tracing::error!("the indexing thread panicked; the index is completed at the next start");
        }
    }
}

/// What the keys of histories are digested with.
pub(crate) fn secret_of_histories(secret: &Secret) -> [u8; 16] {
    secret.digest("history", &[]).first_chunk().copied().unwrap_or_default()
}

/// Whose past the rows of a tenant are part of.
pub(crate) fn realm_of(secret: &Secret, tenant: Option<&str>) -> Realm {
    let own = |tenant: &str| Realm::of(secret.digest("history", &[tenant.as_bytes()]).first_chunk().copied().unwrap_or_default());
    tenant.map_or(Realm::COMMON, own)
}

fn tell_recovery(recovery: &Recovery) {
    if let Some(cut) = &recovery.cut {
        tracing::warn!(
            segment = %cut.segment.display(),
            offset = cut.offset,
            bytes = cut.bytes,
            saved_as = %cut.saved_as.display(),
            why = %cut.why,
            "the end of the log was damaged and was cut off"
        );
    }
    tracing::info!(records = recovery.records, next = recovery.next, "log recovered");
}

/// Snapshots are of these features, bounds and rows, and under this secret.
pub(super) fn identity(histories: &Histories, schema: &Schema) -> String {
    let names: Vec<_> = schema.fields().iter().map(|field| (&field.name, field.kind)).collect();
    format!("1; {}; {names:?}", histories.plan().identity(histories.bounds()))
}

fn fold_histories(
    histories: &mut Histories,
    secret: &Secret,
    schema: &Schema,
    log: &Log,
    snapshots: &Snapshots,
    recovery: &Recovery,
) -> Result<(), RecoveryError> {
    if histories.plan().width() == 0 {
        return Ok(());
    }
    let started = Instant::now();
    let (snapshot, passed_over) = snapshots.newest(&identity(histories, schema), recovery.next)?;
    passed_over.iter().for_each(|why| tracing::warn!(%why, "a snapshot of the histories is passed over"));
    let mut from = recovery.first.unwrap_or(recovery.next);
    if let Some(snapshot) = snapshot {
        match histories.read(&snapshot.bytes) {
            Ok(()) => from = snapshot.next.max(from),
            Err(error) => tracing::warn!(%error, "a snapshot of the histories is passed over"),
        }
    }
    let stored = schema.as_stored();
    let mut folded = 0_u64;
    for record in log.reader().from(from)? {
        remember(histories, secret, &stored, &record?);
        folded += 1;
    }
    tracing::info!(folded, from, took_ms = started.elapsed().as_millis() as u64, "histories recovered");
    Ok(())
}

/// Folds a record into the histories.
fn remember(histories: &mut Histories, secret: &Secret, stored: &Schema, record: &Record) {
    if record.kind != RecordKind::Decision as u8 {
        return;
    }
    let sequence = record.position.sequence;
    let decision = match serde_json::from_slice::<Remembered<'_>>(&record.payload) {
        Ok(decision) if decision.past.remembered => decision,
        Ok(_) => return,
        Err(error) => return tracing::error!(sequence, %error, "a record of the log cannot be read, and is not remembered"),
    };
    match decode_rows(stored, decision.row.get().as_bytes(), 1) {
        Ok(decoded) if decoded.batch.rows() == 1 => {
            histories.remember(realm_of(secret, decision.tenant.as_deref()), &decoded.batch, 0);
        }
        // A field that the schema no longer has, say.
        _ => tracing::warn!(sequence, "the row of a decision does not fit the schema any more, and is not remembered"),
    }
}

fn open_index(directory: &DataDirectory, log: &Log, recovery: &Recovery) -> Result<(Index, u64), RecoveryError> {
    let (mut index, mut opened) = Index::open(directory)?;
    if let Some(why) = &opened.rebuilt {
        tracing::warn!(%why, "the index was unusable and is built anew from the log");
    }
    if opened.next > recovery.next {
        tracing::warn!(index = opened.next, log = recovery.next, "the index knows more than the log and is built anew");
        drop(index);
        Index::remove(directory)?;
        (index, opened) = Index::open(directory)?;
    }
    let first = recovery.first.unwrap_or(recovery.next);
    let next = opened.next.max(first);
    match indexing::catch_up(&mut index, &mut log.reader().from(next)?, next, |_| ()) {
        Ok(next) => Ok((index, next)),
        Err(IndexingError::Index(error)) if error.is_damage() => {
            tracing::warn!(%error, "the index is damaged and is built anew from the log");
            drop(index);
            Index::remove(directory)?;
            (index, _) = Index::open(directory)?;
            let next = indexing::catch_up(&mut index, &mut log.reader().from(first)?, first, |_| ())?;
            Ok((index, next))
        }
        Err(error) => Err(error.into()),
    }
}

/// Builds the index anew from the log, and answers how many records were folded. Nobody serves from the directory meanwhile: the caller
/// holds its lock. `progress` is told the sequence that comes next. Interrupted, it leaves an index that the next start completes.
///
/// # Errors
/// When the log or the index cannot be read or written.
pub fn rebuild_index(directory: &DataDirectory, mut progress: impl FnMut(u64)) -> Result<u64, RecoveryError> {
    Index::remove(directory)?;
    let (mut index, _) = Index::open(directory)?;
    let reader = LogReader::open(directory)?;
    let first = reader.first().unwrap_or(1);
    Ok(indexing::catch_up(&mut index, &mut reader.from(first)?, first, &mut progress)? - first)
}

/// The newest record of a log: its sequence, and the chain's hash with it; 0 and zeros if there is none. Only the end of the log is read,
/// also beside a running server.
///
/// # Errors
/// When the files cannot be read, or their end is damaged.
pub fn newest(directory: &DataDirectory) -> Result<(u64, [u8; 32]), RecoveryError> {
    let reader = LogReader::open(directory)?;
    for first in segments(directory)?.into_iter().rev() {
        let mut newest = None;
        for record in reader.from(first)? {
            newest = Some(record?);
        }
        if let Some(Record { position, chain, .. }) = newest {
            return Ok((position.sequence, chain));
        }
    }
    Ok((0, [0; 32]))
}

/// The segments of a log by their first sequences, in order.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn segments(directory: &DataDirectory) -> std::io::Result<Vec<u64>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory.path().join("log"))? {
        let name = entry?.file_name();
        segments.extend(name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<u64>().ok()));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// The head of the log, for people: sequence and chain.
pub fn spelled_head(sequence: u64, chain: &[u8; 32]) -> String {
    format!("{sequence}:{}", hexadecimal(chain))
}
