//! The ledger: what makes a verdict a decision. It sees to it that an event is judged once, in the light of what came before it, and that
//! its decision is on disk before anybody hears of it.
//!
//! A row goes through it in three steps. [`Ledger::admit`] claims the row's id, takes the values of its past, and remembers the row at once,
//! so that a burst of rows of one account sees itself. The engine judges. [`Ledger::commit`] writes the decisions; when they are durable
//! they are settled, and acknowledged. If anything fails in between, or the client goes away, the admission is dropped: the claim ends and
//! the histories forget the row again.
//!
//! A tenant has a past of its own and ids of its own: the same row of two tenants is two events, which do not see each other.
//!
//! The log is the truth. Histories and the index are folds of it: see `ledger/recovery.rs` and `ledger/indexing.rs`. Whoever else is told what
//! is in it follows it from a position of its own: see `ledger/followers.rs`.

mod audits;
mod followers;
mod indexing;
mod reading;
mod recent;
mod recovery;
mod snapshots;
mod stored;

pub use audits::{AuditRecords, audit_alone};
pub(crate) use followers::{Begin, Followed, Followers, Place, Tally};
pub use followers::{FollowError, FollowerFacts};
pub use reading::{Labelled, ReadError};
pub use recent::Known;
pub use recovery::{Opened, RecoveryError, newest, rebuild_index, spelled_head};
pub(crate) use recovery::{realm_of, secret_of_histories, segments};
pub use stored::StoredForm;

use crate::decision::{Decision, RecordKind, RequestKey, Standing};
use crate::hexadecimal::hexadecimal;
use recent::{Entry as RecentEntry, KeyEntry, Recent};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use synod_detection::history::{Histories, HistoryFacts, PastValues, Realm};
use synod_detection::{Batch, Schema};
use synod_store::{Acts, AppendError, DataDirectory, Entry, LogFacts, Position, Secret, Space};
use thiserror::Error;
use tokio::sync::oneshot;

/// Longest wait for a snapshot of the histories that is being taken.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why a request cannot be taken in.
#[derive(Debug, Error)]
pub enum AdmitError {
    /// The decisions cannot be looked up.
    #[error("the decisions cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The index is too far behind.
    #[error("too many decisions wait to be indexed")]
    Behind,
    /// The histories are being written down.
    #[error("the histories are being written down")]
    Paused,
}

/// What is asked for with some rows.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Whose the decisions will be; none for the installation's own.
    pub tenant: Option<String>,
    /// Who asks; none without a credential.
    pub principal: Option<String>,
    /// The request's `Idempotency-Key`.
    pub key: Option<RequestKey>,
    /// The clock, in microseconds since 1970.
    pub now: i64,
}

/// What is to be done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admittance {
    /// Judge it: its place among the fresh rows.
    Fresh(usize),
    /// It was judged before: tell that again.
    Known(Known),
    /// It is the same as this earlier row of the request.
    Same(usize),
    /// Its id was used for another row.
    Conflict,
    /// Another request with it is under way.
    InProgress,
}

/// Everything that is kept of decisions, and of the past.
#[derive(Debug)]
pub struct Ledger {
    schema: Schema,
    form: StoredForm,
    secret: Secret,
    ahead: i64,
    state: Mutex<State>,
    changed: Condvar,
    storage: Option<Storage>,
    directory: DataDirectory,
    /// Its file system, when it was last looked at.
    space: Mutex<Option<Space>>,
    counts: Counts,
}

#[derive(Debug)]
struct State {
    histories: Histories,
    recent: Recent,
    /// Admissions that are neither settled nor dropped.
    in_flight: usize,
    /// A snapshot is being taken; nobody is admitted.
    paused: bool,
}

/// What is on disk.
#[derive(Debug)]
struct Storage {
    log: synod_store::Log,
    readers: reading::Readers,
    indexing: Arc<indexing::Progress>,
    snapshots: synod_store::Snapshots,
    since_snapshot: AtomicU64,
    /// Why the last snapshot could not be written, if so.
    snapshot_failure: Mutex<Option<String>>,
    followers: followers::Followers,
}

#[derive(Debug, Default)]
struct Counts {
    repeated: AtomicU64,
    conflicts: AtomicU64,
    late: AtomicU64,
    full: AtomicU64,
    ahead: AtomicU64,
    refused: AtomicU64,
}

/// What an operator wants to know of the ledger.
#[derive(Debug, Clone, Default)]
pub struct LedgerFacts {
    /// Rows whose recorded decision was told again.
    pub repeated: u64,
    /// Rows whose id was used for another row.
    pub conflicts: u64,
    /// Rows that came later than `history.lateness`.
    pub late: u64,
    /// Rows with a key that had as many events as are kept.
    pub full: u64,
    /// Rows whose time was too far ahead of the clock to be remembered.
    pub ahead: u64,
    /// Decisions that could not be stored, and were not acknowledged.
    pub refused: u64,
    /// What there is of each kind of key.
    pub histories: Vec<HistoryFacts>,
    /// The log, if decisions are stored.
    pub log: Option<LogFacts>,
    /// Records of the log that the index does not know yet.
    pub index_behind: u64,
    /// The file system of the data directory, if the system says how large it is.
    pub disk: Option<Space>,
}

/// Rows that were taken in. Dropped before it is committed, it undoes what was done for them.
#[derive(Debug)]
pub struct Admission {
    /// What is to be done with each row.
    pub rows: Vec<Admittance>,
    /// The fresh rows, by their places in the batch.
    pub fresh: Vec<usize>,
    /// The values of the past of the fresh rows.
    pub past: PastValues,
    standings: Vec<Standing>,
    hold: Hold,
}

/// What an admission holds until it is settled or dropped.
#[derive(Debug)]
struct Hold {
    ledger: Arc<Ledger>,
    stored: Arc<Batch>,
    /// Whose past the rows are part of.
    realm: Realm,
    /// The digests of the fresh rows' ids.
    claims: Vec<Option<u128>>,
    /// The request's key, if it is new.
    key: Option<RequestKey>,
    contents: Vec<[u8; 32]>,
    /// The fresh rows that are in the histories.
    remembered: Vec<usize>,
    settled: bool,
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in the middle of a row leaves that row remembered or not; both are states that can be gone on from.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether decisions are stored.
    pub fn is_stored(&self) -> bool {
        self.storage.is_some()
    }

    /// How rows are stored.
    pub fn form(&self) -> &StoredForm {
        &self.form
    }

    /// The digests of an `Idempotency-Key` and of the body that came with it. A key is its sender's own: that of somebody else, or of
    /// the same one in another tenant, is another key.
    pub fn request_key(&self, asked: &Asked, key: &str, body: &[u8]) -> RequestKey {
        let principal = asked.principal.as_deref().unwrap_or_default();
        RequestKey {
            key: hexadecimal(&self.digest_of("key", asked.tenant.as_deref(), &[principal, key])),
            content: hexadecimal(&self.secret.digest("body", &[body])),
        }
    }

    /// A digest of texts that a tenant uses; those of two tenants have nothing in common.
    fn digest_of(&self, purpose: &str, tenant: Option<&str>, texts: &[&str]) -> [u8; 32] {
        let parts: Vec<&[u8]> = tenant.into_iter().chain(texts.iter().copied()).map(str::as_bytes).collect();
        // Without a tenant there is one part less, and the digest is what it was before there were tenants.
        self.secret.digest(purpose, &parts)
    }

    fn mark(&self, tenant: Option<&str>, event: &str) -> u128 {
        let digest = self.digest_of("event", tenant, &[event]);
        u128::from_le_bytes(digest.first_chunk().copied().unwrap_or_default())
    }

    /// The values of the past of a tenant's rows that are only looked at.
    pub fn peek(&self, tenant: Option<&str>, batch: &Batch) -> PastValues {
        let (stored, realm) = (self.form.of(batch), realm_of(&self.secret, tenant));
        let state = self.state();
        let mut past = PastValues::new(state.histories.plan().width());
        (0..stored.rows()).for_each(|row| state.histories.peek(realm, &stored, row, &mut past));
        past
    }

    /// Takes rows in.
    ///
    /// # Errors
    /// When it cannot be found out whether they were judged before.
    pub fn admit(self: &Arc<Self>, batch: &Batch, asked: &Asked) -> Result<Admission, AdmitError> {
        let stored = Arc::new(self.form.of(batch).into_owned());
        let rows = batch.rows();
        let hold = Hold {
            ledger: Arc::clone(self),
            contents: (0..rows).map(|row| self.form.content(batch, row)).collect(),
            stored,
            realm: realm_of(&self.secret, asked.tenant.as_deref()),
            claims: Vec::with_capacity(rows),
            key: None,
            remembered: Vec::with_capacity(rows),
            settled: false,
        };
        self.enter()?;
        let past = PastValues::new(self.state().histories.plan().width());
        let mut admission = Admission { rows: Vec::with_capacity(rows), fresh: Vec::new(), past, standings: Vec::new(), hold };
        admission.stand(asked)?;
        admission.remember(asked.now);
        Ok(admission)
    }

    /// Waits while a snapshot is taken.
    fn enter(&self) -> Result<(), AdmitError> {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, LONGEST_PAUSE, |state| state.paused);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match () {
            () if state.paused => Err(AdmitError::Paused),
            () if state.recent.is_full() => Err(AdmitError::Behind),
            () => {
                state.in_flight += 1;
                Ok(())
            }
        }
    }

    /// Stores the decisions of an admission, one for each fresh row. The answer comes when they are as durable as configured.
    pub fn commit(self: &Arc<Self>, admission: Admission, decisions: &[Decision]) -> oneshot::Receiver<Result<(), AppendError>> {
        let (sender, receiver) = oneshot::channel();
        let Some(storage) = self.storage.as_ref().filter(|_| !decisions.is_empty()) else {
            admission.hold.settle_without_storing();
            let _ = sender.send(Ok(()));
            return receiver;
        };
        let entries = match decisions.iter().map(entry).collect::<Result<Vec<_>, _>>() {
            Ok(entries) => entries,
            Err(error) => {
                let _ = sender.send(Err(error));
                return receiver;
            }
        };
        let ids: Vec<uuid::Uuid> = decisions.iter().map(|decision| decision.id).collect();
        let (hold, fresh, ledger) = (admission.hold, admission.fresh, Arc::clone(self));
        storage.log.append(entries, move |result| {
            let told = match result {
                Ok(positions) => {
                    hold.settle(&fresh, &ids, &positions);
                    Ok(())
                }
                Err(error) => {
                    // Before anybody hears of it: whoever tries again at once must not find the claims of this attempt.
                    drop(hold);
                    ledger.counts.refused.fetch_add(ids.len() as u64, Ordering::Relaxed);
                    Err(error)
                }
            };
            // Nobody may be waiting any more; the decision stands all the same.
            let _ = sender.send(told);
        });
        receiver
    }

    /// What an operator wants to know.
    pub fn facts(&self) -> LedgerFacts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        LedgerFacts {
            repeated: read(&counts.repeated),
            conflicts: read(&counts.conflicts),
            late: read(&counts.late),
            full: read(&counts.full),
            ahead: read(&counts.ahead),
            refused: read(&counts.refused),
            histories: self.state().histories.facts(),
            log: self.storage.as_ref().map(|storage| storage.log.facts()),
            index_behind: self.index_behind(),
            disk: *self.last_space(),
        }
    }

    /// What commands did that the log does not tell of yet.
    pub(crate) fn acts(&self) -> Acts {
        Acts::of(&self.directory)
    }

    /// Looks how large the file system of the data directory is. May wait for the disk, unlike [`Self::facts`], which have what was seen last.
    ///
    /// # Errors
    /// When the system does not say so.
    pub fn space(&self) -> std::io::Result<Space> {
        let space = self.directory.space();
        *self.last_space() = space.as_ref().ok().copied();
        space
    }

    fn last_space(&self) -> MutexGuard<'_, Option<Space>> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an operator wants to know of the log, if decisions are stored.
    pub fn log_facts(&self) -> Option<LogFacts> {
        self.storage.as_ref().map(|storage| storage.log.facts())
    }

    /// Records of the log that the index does not know yet.
    pub fn index_behind(&self) -> u64 {
        self.storage.as_ref().map_or(0, |storage| storage.log.head().next.saturating_sub(storage.indexing.next()))
    }

    /// Why the histories could not be written down the last time, if so.
    pub fn snapshot_failure(&self) -> Option<String> {
        let failure = self.storage.as_ref().map(|storage| storage.snapshot_failure.lock().unwrap_or_else(PoisonError::into_inner));
        failure.and_then(|failure| failure.clone())
    }
}

/// A decision as a record of the log.
fn entry(decision: &Decision) -> Result<Entry, AppendError> {
    let bytes = serde_json::to_vec(decision).unwrap_or_default();
    Entry::new(RecordKind::Decision as u8, decision.decided.as_microsecond(), bytes)
}

impl Admission {
    /// How a fresh row stands to the histories.
    pub fn standing(&self, fresh: usize) -> Standing {
        self.standings[fresh]
    }

    /// The digest of a fresh row.
    pub fn content(&self, fresh: usize) -> String {
        hexadecimal(&self.hold.contents[self.fresh[fresh]])
    }

    /// The rows in their stored form.
    pub fn stored(&self) -> &Batch {
        &self.hold.stored
    }

    /// Finds out which rows are fresh, and claims them.
    fn stand(&mut self, asked: &Asked) -> Result<(), AdmitError> {
        let ledger = Arc::clone(&self.hold.ledger);
        let mut of_key = ledger.of_key(asked)?;
        if let (OfKey::New, Some(key)) = (&of_key, &asked.key) {
            self.hold.key = Some(key.clone());
        }
        let id = ledger.schema.id();
        for row in 0..self.hold.stored.rows() {
            let event = id.and_then(|id| self.hold.stored.label(id, row));
            let admittance = match (&event, &mut of_key) {
                // With a key that was used for another request, or is in use, nothing is done, whatever the rows are.
                (_, OfKey::Conflict) => Admittance::Conflict,
                (_, OfKey::InProgress) => Admittance::InProgress,
                (Some(event), _) => self.stand_by_event(row, asked.tenant.as_deref(), event)?,
                (None, OfKey::Known(decisions)) => decisions.next().map_or(Admittance::Conflict, Admittance::Known),
                (None, OfKey::New) => self.fresh(row, None),
            };
            ledger.counts.note(admittance);
            self.rows.push(admittance);
        }
        Ok(())
    }

    fn fresh(&mut self, row: usize, claim: Option<u128>) -> Admittance {
        self.fresh.push(row);
        self.hold.claims.push(claim);
        Admittance::Fresh(self.fresh.len() - 1)
    }

    fn stand_by_event(&mut self, row: usize, tenant: Option<&str>, event: &str) -> Result<Admittance, AdmitError> {
        let mark = self.hold.ledger.mark(tenant, event);
        let ledger = Arc::clone(&self.hold.ledger);
        let found = {
            let mut state = ledger.state();
            let found = state.recent.get(mark);
            if found.is_none() {
                state.recent.claim(mark);
            }
            found
        };
        let known = match found {
            Some(RecentEntry::InFlight) => return Ok(self.own_or_foreign(row, mark)),
            Some(RecentEntry::Decided(known)) => Some(known),
            None => {
                // Claimed before it is looked up, so that nobody else looks it up and judges it meanwhile.
                let admittance = self.fresh(row, Some(mark));
                let Some(known) = ledger.find_event(tenant, event)? else { return Ok(admittance) };
                self.fresh.pop();
                self.hold.claims.pop();
                ledger.state().recent.release(mark);
                Some(known)
            }
        };
        let same = known.filter(|known| known.content == self.hold.contents[row]);
        Ok(same.map_or(Admittance::Conflict, Admittance::Known))
    }

    /// An id that is being judged: by this very request, or by another.
    fn own_or_foreign(&self, row: usize, mark: u128) -> Admittance {
        let own = self.hold.claims.iter().position(|claim| *claim == Some(mark)).map(|fresh| self.fresh[fresh]);
        match own {
            Some(first) if self.hold.contents[first] == self.hold.contents[row] => Admittance::Same(first),
            Some(_) => Admittance::Conflict,
            None => Admittance::InProgress,
        }
    }

    /// Looks into the past of the fresh rows and remembers them, row by row.
    fn remember(&mut self, now: i64) {
        let ledger = Arc::clone(&self.hold.ledger);
        let time = ledger.schema.time();
        let stored = Arc::clone(&self.hold.stored);
        for rows in self.fresh.chunks(64) {
            // Not all at once: a large request must not keep the small ones waiting.
            let mut state = ledger.state();
            for row in rows.iter().copied() {
                state.histories.look(self.hold.realm, &stored, row, &mut self.past);
                let at = time.and_then(|time| stored.moment(time, row));
                let remembered = at.is_none_or(|at| at <= now.saturating_add(ledger.ahead));
                if remembered {
                    state.histories.remember(self.hold.realm, &stored, row);
                    self.hold.remembered.push(row);
                }
                let seen = self.past.seen(self.past.rows() - 1);
                let standing = Standing { remembered, late: seen.late, full: seen.full };
                ledger.counts.note_standing(standing);
                self.standings.push(standing);
            }
        }
    }
}

/// What an `Idempotency-Key` leads to.
enum OfKey {
    /// Nothing yet; it is claimed now.
    New,
    /// The decisions of its request.
    Known(std::vec::IntoIter<Known>),
    /// It was used with another body.
    Conflict,
    /// Its request is under way.
    InProgress,
}

impl Ledger {
    fn of_key(&self, asked: &Asked) -> Result<OfKey, AdmitError> {
        let Some(key) = &asked.key else { return Ok(OfKey::New) };
        let recent = {
            let mut state = self.state();
            let recent = state.recent.key(&key.key);
            if recent.is_none() {
                state.recent.claim_key(&key.key);
            }
            recent
        };
        let (content, known) = match recent {
            Some(KeyEntry::InFlight) => return Ok(OfKey::InProgress),
            Some(KeyEntry::Decided { content, known }) => (content, known),
            None => match self.find_key(&key.key) {
                Ok(None) => return Ok(OfKey::New),
                found => {
                    self.state().recent.release_key(&key.key);
                    found?.unwrap_or_default()
                }
            },
        };
        Ok(if content == key.content { OfKey::Known(known.into_iter()) } else { OfKey::Conflict })
    }
}

impl Hold {
    fn settle(mut self, fresh: &[usize], ids: &[uuid::Uuid], positions: &[Position]) {
        self.settled = true;
        let Some(storage) = &self.ledger.storage else { return };
        let mut state = self.ledger.state();
        let mut without_id = Vec::new();
        for (index, (id, position)) in ids.iter().zip(positions).enumerate() {
            let known = Known { position: *position, id: *id, content: self.contents[fresh[index]] };
            match self.claims[index] {
                Some(mark) => state.recent.decide(mark, known),
                None => without_id.push(known),
            }
        }
        if let Some(RequestKey { key, content }) = self.key.take() {
            state.recent.decide_key(&key, content, without_id);
        }
        state.recent.forget(storage.indexing.next());
        state.in_flight -= 1;
        drop(state);
        self.ledger.changed.notify_all();
        storage.since_snapshot.fetch_add(ids.len() as u64, Ordering::Relaxed);
    }

    fn release(&self, state: &mut State) {
        self.claims.iter().flatten().for_each(|mark| state.recent.release(*mark));
        if let Some(key) = &self.key {
            state.recent.release_key(&key.key);
        }
    }

    fn settle_without_storing(mut self) {
        self.settled = true;
        let mut state = self.ledger.state();
        self.release(&mut state);
        state.in_flight -= 1;
        drop(state);
        self.ledger.changed.notify_all();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let mut state = self.ledger.state();
        self.remembered.iter().rev().for_each(|row| state.histories.take_back(self.realm, &self.stored, *row));
        self.release(&mut state);
        state.in_flight -= 1;
        drop(state);
        self.ledger.changed.notify_all();
    }
}

impl Counts {
    fn note(&self, admittance: Admittance) {
        match admittance {
            Admittance::Known(_) | Admittance::Same(_) => self.repeated.fetch_add(1, Ordering::Relaxed),
            Admittance::Conflict => self.conflicts.fetch_add(1, Ordering::Relaxed),
            Admittance::Fresh(_) | Admittance::InProgress => 0,
        };
    }

    fn note_standing(&self, standing: Standing) {
        let add = |count: &AtomicU64, truth: bool| count.fetch_add(u64::from(truth), Ordering::Relaxed);
        add(&self.late, standing.late);
        add(&self.full, standing.full);
        add(&self.ahead, !standing.remembered);
    }
}
