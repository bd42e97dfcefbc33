//! The events that are being judged, and those whose decisions the index may not know yet. What is older is asked of the index.

use std::collections::{HashMap, VecDeque};
use synod_store::Position;
use uuid::Uuid;

/// Decisions that stay known here although the index has them: looking here costs nothing.
const USUAL: usize = 65_536;
/// Beyond it the index is too far behind, and new rows have to wait.
const MOST: usize = 2_000_000;

/// A decision that an id or a key leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Where its record stands.
    pub position: Position,
    /// Its id.
    pub id: Uuid,
    /// What was asked.
    pub content: [u8; 32],
}

/// What is known of an event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// Somebody is judging it.
    InFlight,
    /// It was judged.
    Decided(Known),
}

/// What is known of an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyEntry {
    /// Its request is being judged.
    InFlight,
    /// Its decisions, and the digest of the body that it came with.
    Decided { content: String, known: Vec<Known> },
}

/// By keyed digests of ids and keys.
#[derive(Debug, Default)]
pub(super) struct Recent {
    entries: HashMap<u128, Entry>,
    decided: VecDeque<(u64, u128)>,
    keys: HashMap<String, KeyEntry>,
    decided_keys: VecDeque<(u64, String)>,
}

impl Recent {
    pub(super) fn get(&self, id: u128) -> Option<Entry> {
        self.entries.get(&id).copied()
    }

    /// From here on nobody else judges it.
    pub(super) fn claim(&mut self, id: u128) {
        self.entries.insert(id, Entry::InFlight);
    }

    /// It was not judged after all.
    pub(super) fn release(&mut self, id: u128) {
        if self.entries.get(&id) == Some(&Entry::InFlight) {
            self.entries.remove(&id);
        }
    }

    pub(super) fn decide(&mut self, id: u128, known: Known) {
        self.entries.insert(id, Entry::Decided(known));
        self.decided.push_back((known.position.sequence, id));
    }

    pub(super) fn key(&self, key: &str) -> Option<KeyEntry> {
        self.keys.get(key).cloned()
    }

    pub(super) fn claim_key(&mut self, key: &str) {
        self.keys.insert(key.to_owned(), KeyEntry::InFlight);
    }

    pub(super) fn release_key(&mut self, key: &str) {
        if self.keys.get(key) == Some(&KeyEntry::InFlight) {
            self.keys.remove(key);
        }
    }

    pub(super) fn decide_key(&mut self, key: &str, content: String, known: Vec<Known>) {
        let Some(last) = known.last() else { return self.release_key(key) };
        self.decided_keys.push_back((last.position.sequence, key.to_owned()));
        self.keys.insert(key.to_owned(), KeyEntry::Decided { content, known });
    }

    /// Forgets what the index knows, up to this sequence.
    pub(super) fn forget(&mut self, indexed: u64) {
        while self.decided_keys.len() > USUAL && self.decided_keys.front().is_some_and(|(sequence, _)| *sequence < indexed) {
            let Some((_, key)) = self.decided_keys.pop_front() else { return };
            self.keys.remove(&key);
        }
        while self.decided.len() > USUAL && self.decided.front().is_some_and(|(sequence, _)| *sequence < indexed) {
            let Some((sequence, id)) = self.decided.pop_front() else { return };
            if matches!(self.entries.get(&id), Some(Entry::Decided(known)) if known.position.sequence == sequence) {
                self.entries.remove(&id);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() > MOST || self.keys.len() > MOST
    }
}
