//! Finding decisions page by page, newest first.

use super::Place;
use super::cursor::Cursor;
use super::error::Fault;
use super::filter::{Filter, VoteFilter};
use super::fold::{abstained_slot, yes_slot};
use super::reader::{detector_bit, place, sequences_of_times};
use super::schema::hash;
use super::whose::Scope;
use rusqlite::{Connection, Row, params_from_iter};

/// How many decisions one page looks at, at most. Where no index fits and next to nothing matches, a search would otherwise read the whole
/// table in one go.
const EXAMINED_AT_ONCE: usize = 50_000;

/// A decision that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Where its record stands.
    pub place: Place,
    /// Its id.
    pub id: [u8; 16],
}

/// Some of the decisions that a filter admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first. There may be fewer than were asked for, even none, and still more to come: one page looks at a bounded number of
    /// decisions.
    pub found: Vec<Found>,
    /// Where the search goes on; none when there is no more.
    pub next: Option<Cursor>,
}

/// Where the columns are that each of the statements below selects.
pub(super) mod column {
    pub(in super::super) const DECIDED: usize = 3;
    pub(in super::super) const OUTCOME: usize = 4;
    pub(in super::super) const ANOMALOUS: usize = 5;
    pub(in super::super) const SCORE: usize = 6;
    pub(in super::super) const SAID_YES: usize = 7;
    pub(in super::super) const SAID_NO: usize = 8;
    pub(in super::super) const ABSTAINED: usize = 9;
    pub(in super::super) const LABEL: usize = 10;
    pub(in super::super) const ID: usize = 11;
    pub(in super::super) const ENTITY: usize = 12;
    pub(in super::super) const TENANT: usize = 13;
}

/// Decisions within the sequences ?1 (closed) to ?2 (open). The index is named, so that no statistics can change the way.
macro_rules! decisions {
    ($from:literal, $where:literal, $order:literal) => {
        concat!(
            "SELECT d.sequence, d.segment, d.place, d.decided, d.outcome, d.anomalous, d.score, d.said_yes, d.said_no, d.abstained, d.label,
                    d.id, d.entity, d.tenant FROM ",
            $from,
            " WHERE ",
            $where,
            " ORDER BY ",
            $order,
            " DESC"
        )
    };
}

pub(super) const BY_ENTITY: &str =
    decisions!("decisions d INDEXED BY decisions_entity", "d.entity_hash = ?3 AND d.sequence >= ?1 AND d.sequence < ?2", "d.sequence");
pub(super) const BY_LABEL: &str =
    decisions!("decisions d INDEXED BY decisions_label", "d.label = ?3 AND d.sequence >= ?1 AND d.sequence < ?2", "d.sequence");
// The second comparison is what tells SQLite that the partial index holds them all.
pub(super) const BY_OUTCOME: &str = decisions!(
    "decisions d INDEXED BY decisions_outcome",
    "d.outcome = ?3 AND d.outcome > 0 AND d.sequence >= ?1 AND d.sequence < ?2",
    "d.sequence"
);
pub(super) const BY_ANOMALOUS: &str =
    decisions!("decisions d INDEXED BY decisions_anomalous", "d.anomalous = 1 AND d.sequence >= ?1 AND d.sequence < ?2", "d.sequence");
// SQLite never swaps the sides of a CROSS JOIN.
pub(super) const BY_VOTE: &str = decisions!(
    "votes v CROSS JOIN decisions d ON d.sequence = v.sequence",
    "v.slot = ?3 AND v.sequence >= ?1 AND v.sequence < ?2",
    "v.sequence"
);
// Of one tenant: the others' decisions are not even passed over.
pub(super) const OF_TENANT: &str =
    decisions!("decisions d INDEXED BY decisions_tenant", "d.tenant = ?3 AND d.sequence >= ?1 AND d.sequence < ?2", "d.sequence");
pub(super) const OF_TENANT_BY_ENTITY: &str = decisions!(
    "decisions d INDEXED BY decisions_tenant_entity",
    "d.tenant = ?3 AND d.entity_hash = ?4 AND d.sequence >= ?1 AND d.sequence < ?2",
    "d.sequence"
);
pub(super) const OF_TENANT_BY_LABEL: &str = decisions!(
    "decisions d INDEXED BY decisions_tenant_label",
    "d.tenant = ?3 AND d.label = ?4 AND d.sequence >= ?1 AND d.sequence < ?2",
    "d.sequence"
);
pub(super) const OF_TENANT_BY_OUTCOME: &str = decisions!(
    "decisions d INDEXED BY decisions_tenant_outcome",
    "d.tenant = ?3 AND d.outcome = ?4 AND d.outcome > 0 AND d.sequence >= ?1 AND d.sequence < ?2",
    "d.sequence"
);
pub(super) const OF_TENANT_BY_ANOMALOUS: &str = decisions!(
    "decisions d INDEXED BY decisions_tenant_anomalous",
    "d.tenant = ?3 AND d.anomalous = 1 AND d.sequence >= ?1 AND d.sequence < ?2",
    "d.sequence"
);
pub(super) const BY_SEQUENCE: &str = decisions!("decisions d NOT INDEXED", "d.sequence >= ?1 AND d.sequence < ?2", "d.sequence");

/// One page; see `IndexReader::decisions`. The caller has begun a transaction, so that every statement sees one state.
pub(super) fn page(connection: &Connection, filter: &Filter, after: Option<&Cursor>, limit: usize) -> Result<Page, Fault> {
    let before = after.map(|cursor| cursor.position(filter)).transpose()?.unwrap_or(i64::MAX);
    let nothing = Page { found: Vec::new(), next: None };
    let Some(scope) = filter.whose.scope(connection)? else { return Ok(nothing) };
    let Some((low, high)) = sequences_of_times(connection, filter.from, filter.until)? else { return Ok(nothing) };
    let bit = match &filter.vote {
        None => None,
        Some((detector, _)) => match detector_bit(connection, detector)? {
            None => return Ok(nothing),
            bit => bit,
        },
    };
    let (statement, keys) = way(filter, scope, bit);
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params_from_iter([low, high.min(before)].into_iter().chain(keys)))?;
    collect(&mut rows, |row| filter.admits(row, scope, bit), |last| Cursor::new(last, filter), limit.max(1))
}

/// The statement that gives the fewest decisions to look at, as far as can be said without counting, and its parameters from the third on.
fn way(filter: &Filter, scope: Scope, bit: Option<u32>) -> (&'static str, Vec<i64>) {
    let vote = filter.vote.as_ref().map(|(_, vote)| *vote);
    let tenant = scope.number();
    let either = |of_all, of_tenant, key: Option<i64>| match scope {
        Scope::Tenant(tenant) => (of_tenant, std::iter::once(tenant).chain(key).collect()),
        Scope::All | Scope::WithoutTenant => (of_all, Vec::from_iter(key)),
    };
    match (filter, vote, bit) {
        (Filter { entity: Some(entity), .. }, ..) => either(BY_ENTITY, OF_TENANT_BY_ENTITY, Some(hash(entity))),
        (Filter { label: Some(label), .. }, ..) => either(BY_LABEL, OF_TENANT_BY_LABEL, Some(i64::from(*label))),
        (_, Some(VoteFilter::Yes), Some(bit)) => (BY_VOTE, vec![yes_slot(tenant, bit)]),
        (_, Some(VoteFilter::Abstained), Some(bit)) => (BY_VOTE, vec![abstained_slot(tenant, bit)]),
        (Filter { outcome: Some(outcome @ 1..), .. }, ..) => either(BY_OUTCOME, OF_TENANT_BY_OUTCOME, Some(i64::from(*outcome))),
        (Filter { anomalous: Some(true), .. }, ..) => either(BY_ANOMALOUS, OF_TENANT_BY_ANOMALOUS, None),
        _ => either(BY_SEQUENCE, OF_TENANT, None),
    }
}

fn collect(
    rows: &mut rusqlite::Rows<'_>,
    admits: impl Fn(&Row<'_>) -> rusqlite::Result<bool>,
    cursor: impl Fn(i64) -> Cursor,
    limit: usize,
) -> Result<Page, Fault> {
    let mut found = Vec::new();
    let mut examined = 0;
    // The sequence of the row before.
    let mut last = i64::MAX;
    while let Some(row) = rows.next()? {
        let admitted = admits(row)?;
        // One more than fits says that there is a next page. One row at least is passed, so that the next page is another one.
        if examined == EXAMINED_AT_ONCE || admitted && found.len() == limit {
            return Ok(Page { found, next: Some(cursor(last)) });
        }
        if admitted {
            found.push(read(row)?);
        }
        examined += 1;
        last = row.get(0)?;
    }
    Ok(Page { found, next: None })
}

fn read(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found { place: place(row)?, id: row.get(column::ID)? })
}
