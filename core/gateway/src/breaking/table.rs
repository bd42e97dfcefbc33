//! The breakers of a running service, by tenant and policy. Tenants are not bounded by the configuration, so that the table is: one that is
//! closed and was not used lately makes room. One that is open never does.

use crate::auditing::AuditRecord;
use crate::hexadecimal::hexadecimal;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use synod_detection::Breaker;
use synod_store::BreakerEntry;

/// Bytes of an id, of which there are twice as many digits.
const ID: usize = 8;

/// At most so many breakers as the table was made for.
#[derive(Debug)]
pub(super) struct Table {
    most: usize,
    breakers: HashMap<String, Standing>,
}

/// A breaker with whose it is.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) id: String,
    pub(super) tenant: Option<String>,
    pub(super) policy: String,
    pub(super) breaker: Breaker,
    /// Since it opened, what is kept of that.
    pub(super) open: Option<Open>,
    /// When it counted last.
    used: i64,
}

/// What is kept of an open breaker, and how far that is done.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) entry: BreakerEntry,
    /// Whether it stands in the file.
    pub(super) kept: bool,
    /// The audit record of its opening, until the log has it.
    pub(super) record: Option<AuditRecord>,
}

/// What a breaker is found by: a digest, for a tenant's name can hold anything.
pub(super) fn id_of(tenant: Option<&str>, policy: &str) -> String {
    hexadecimal(&Sha256::digest(key(tenant, policy))[..ID])
}

/// A policy's name holds no zero.
fn key(tenant: Option<&str>, policy: &str) -> String {
    tenant.map_or_else(|| policy.to_owned(), |tenant| format!("{policy}\0{tenant}"))
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        Self { most, breakers: HashMap::new() }
    }

    /// The breaker of a tenant and a policy, made if it is not there; none if all that there is room for are open.
    pub(super) fn of(&mut self, tenant: Option<&str>, policy: &str, now: i64) -> Option<&mut Standing> {
        let key = key(tenant, policy);
        if !self.breakers.contains_key(&key) && !self.make_room() {
            return None;
        }
        let standing = self.breakers.entry(key).or_insert_with(|| Standing {
            id: id_of(tenant, policy),
            tenant: tenant.map(str::to_owned),
            policy: policy.to_owned(),
            breaker: Breaker::default(),
            open: None,
            used: now,
        });
        standing.used = standing.used.max(now);
        Some(standing)
    }

    fn make_room(&mut self) -> bool {
        if self.breakers.len() < self.most {
            return true;
        }
        let closed = self.breakers.iter().filter(|(_, standing)| standing.open.is_none());
        let oldest = closed.min_by_key(|(_, standing)| standing.used).map(|(key, _)| key.clone());
        oldest.is_some_and(|key| self.breakers.remove(&key).is_some())
    }

    pub(super) fn find(&mut self, id: &str) -> Option<&mut Standing> {
        self.breakers.values_mut().find(|standing| standing.id == id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Standing> {
        self.breakers.values()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Standing> {
        self.breakers.values_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn open(table: &mut Table, tenant: &str) {
        let entry = BreakerEntry {
            id: id_of(Some(tenant), "p"),
            tenant: Some(tenant.into()),
            policy: "p".into(),
            opened: Timestamp::UNIX_EPOCH,
            outcomes: 1,
            blocks: 1,
            recorded: true,
        };
        table.of(Some(tenant), "p", 0).unwrap().open = Some(Open { entry, kept: true, record: None });
    }

    #[test]
    fn tenants_and_policies_are_told_apart() {
        let ids = [id_of(None, "p"), id_of(Some(""), "p"), id_of(Some("p"), "p"), id_of(None, "q"), id_of(Some("north"), "p")];
        assert!(ids.iter().enumerate().all(|(at, id)| id.len() == 16 && !ids[..at].contains(id)), "{ids:?}");
    }

    #[test]
    fn the_least_used_makes_room_and_an_open_one_never_does() {
        let mut table = Table::new(3);
        open(&mut table, "open");
        for (now, tenant) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            assert!(table.of(Some(tenant), "p", now).is_some());
        }
        let mut left: Vec<_> = table.all().filter_map(|standing| standing.tenant.clone()).collect();
        left.sort();
        assert_eq!(left, ["a", "c", "open"]);
        open(&mut table, "a");
        open(&mut table, "c");
        assert!(table.of(Some("d"), "p", 5).is_none() && table.of(Some("a"), "p", 5).is_some());
        (0..10_000).for_each(|tenant| assert!(table.of(Some(&tenant.to_string()), "p", 6).is_none()));
        assert_eq!(table.all().count(), 3);
    }
}
