//! Audit events: who did what, found by action, tenant and time. They have a table of their own, which nothing else reads.

use super::Place;
use super::cursor::Cursor;
use super::error::Fault;
use super::fold::integer;
use super::reader::place;
use rusqlite::{Connection, Row, Transaction, params};
use sha2::{Digest as _, Sha256};

/// How many events one page looks at, at most.
const EXAMINED_AT_ONCE: usize = 50_000;

pub(super) const SCHEMA: &str = "
CREATE TABLE audits (
    sequence INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    place INTEGER NOT NULL,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor TEXT,
    tenant TEXT
) STRICT;
-- The few events of an action among many refused credentials.
CREATE INDEX audits_action ON audits (action);
CREATE INDEX audits_tenant ON audits (tenant) WHERE tenant IS NOT NULL;
";

const ADD: &str = "INSERT OR IGNORE INTO audits VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// The first event before sequence ?1 that one step of forgetting, which takes ?2 of them, does not reach.
pub(super) const BEYOND: &str = "SELECT sequence FROM audits WHERE sequence < ?1 ORDER BY sequence LIMIT 1 OFFSET ?2";
pub(super) const FORGET: &str = "DELETE FROM audits WHERE sequence < ?1";

macro_rules! audits {
    ($from:literal, $where:literal) => {
        concat!(
            "SELECT sequence, segment, place, at, action, actor, tenant FROM audits ",
            $from,
            " WHERE ",
            $where,
            " sequence < ?1 ORDER BY sequence DESC"
        )
    };
}

pub(super) const BY_TENANT: &str = audits!("INDEXED BY audits_tenant", "tenant = ?2 AND");
pub(super) const BY_ACTION: &str = audits!("INDEXED BY audits_action", "action = ?2 AND");
pub(super) const BY_SEQUENCE: &str = audits!("NOT INDEXED", "");

/// What an audit event is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditFact<'a> {
    /// Where its record stands.
    pub place: Place,
    /// When it happened, in microseconds since 1970.
    pub at: i64,
    /// What was done.
    pub action: &'a str,
    /// Who did it.
    pub actor: Option<&'a str>,
    /// Whose it is.
    pub tenant: Option<&'a str>,
}

/// Which audit events are asked for: those that fit everything that is set. The default asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// What was done, exactly.
    pub action: Option<String>,
    /// Who did it, exactly.
    pub actor: Option<String>,
    /// Whose it is. An event that is nobody's fits none.
    pub tenant: Option<String>,
    /// Then or later, in microseconds since 1970.
    pub from: Option<i64>,
    /// Before, in microseconds since 1970.
    pub until: Option<i64>,
}

/// Some of the events that a filter admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first. There may be fewer than were asked for, even none, and still more to come, as in [`Page`](super::Page).
    pub found: Vec<Place>,
    /// Where the search goes on; none when there is no more.
    pub next: Option<Cursor>,
}

impl AuditFilter {
    /// As that of a [`Filter`](super::Filter), and never the same as one of those.
    fn digest(&self) -> u64 {
        let mut digest = Sha256::new_with_prefix("synod audits 1");
        let mut part = |tag: u8, bytes: Option<&[u8]>| {
            if let Some(bytes) = bytes {
                digest.update([tag]);
                digest.update((bytes.len() as u64).to_be_bytes());
                digest.update(bytes);
            }
        };
        part(b'a', self.action.as_deref().map(str::as_bytes));
        part(b'w', self.actor.as_deref().map(str::as_bytes));
        part(b't', self.tenant.as_deref().map(str::as_bytes));
        part(b'f', self.from.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        part(b'u', self.until.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(digest.finalize());
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether a row of one of the statements above fits.
    fn admits(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let at: i64 = row.get(3)?;
        let is = |column: usize, wanted: &Option<String>| -> rusqlite::Result<bool> {
            let Some(wanted) = wanted else { return Ok(true) };
            Ok(row.get_ref(column)?.as_bytes_or_null()? == Some(wanted.as_bytes()))
        };
        Ok(self.from.is_none_or(|from| from <= at)
            && self.until.is_none_or(|until| at < until)
            && is(4, &self.action)?
            && is(5, &self.actor)?
            && is(6, &self.tenant)?)
    }
}

pub(super) fn add(transaction: &Transaction<'_>, fact: &AuditFact<'_>) -> Result<(), Fault> {
    let (place, mut statement) = (fact.place, transaction.prepare_cached(ADD)?);
    let [sequence, segment, offset] = [integer(place.sequence)?, integer(place.segment)?, integer(place.offset)?];
    statement.execute(params![sequence, segment, offset, fact.at, fact.action, fact.actor, fact.tenant])?;
    Ok(())
}

/// One page; see `IndexReader::audits`.
pub(super) fn page(connection: &Connection, filter: &AuditFilter, after: Option<&Cursor>, limit: usize) -> Result<AuditPage, Fault> {
    let before = after.map(|cursor| cursor.position_under(filter.digest())).transpose()?.unwrap_or(i64::MAX);
    let (statement, key) = match filter {
        AuditFilter { tenant: Some(tenant), .. } => (BY_TENANT, Some(tenant)),
        AuditFilter { action: Some(action), .. } => (BY_ACTION, Some(action)),
        _ => (BY_SEQUENCE, None),
    };
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = match key {
        Some(key) => statement.query(params![before, key])?,
        None => statement.query([before])?,
    };
    let (mut found, mut examined, mut last) = (Vec::new(), 0, i64::MAX);
    while let Some(row) = rows.next()? {
        let admitted = filter.admits(row)?;
        if examined == EXAMINED_AT_ONCE || admitted && found.len() == limit.max(1) {
            return Ok(AuditPage { found, next: Some(Cursor::under(last, filter.digest())) });
        }
        if admitted {
            found.push(place(row)?);
        }
        examined += 1;
        last = row.get(0)?;
    }
    Ok(AuditPage { found, next: None })
}
