//! Histories as bytes, so that a restart need not fold the whole log again. Little-endian words: the number of kinds of keys; for each its
//! words in an event, its hand, its evictions, its keys; for each key the two words of its name, whether it was used, its number of events
//! and their words.

use super::events::Events;
use super::memory::{Histories, Keyed, Slot};
use thiserror::Error;

/// Why a snapshot cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the snapshot of the histories cannot be used: {0}")]
pub struct SnapshotError(&'static str);

/// Most words that one step writes.
const WORDS_AT_A_TIME: usize = 8192;

impl Histories {
    /// Writes everything that is remembered, in pieces, to `sink`.
    ///
    /// # Errors
    /// What `sink` answers.
    pub fn write<E>(&self, mut sink: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut bytes = Vec::with_capacity(2 * WORDS_AT_A_TIME * size_of::<u64>());
        let mut put = |words: &[u64], bytes: &mut Vec<u8>| {
            words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
            if bytes.len() < WORDS_AT_A_TIME * size_of::<u64>() {
                return Ok(());
            }
            let result = sink(bytes);
            bytes.clear();
            result
        };
        put(&[self.keyed.len() as u64], &mut bytes)?;
        for (plan, keyed) in self.plan().keys.iter().zip(&self.keyed) {
            put(&[plan.stride() as u64, u64::from(keyed.hand), keyed.evicted, keyed.slots.len() as u64], &mut bytes)?;
            for slot in &keyed.slots {
                put(&[slot.key[0], slot.key[1], u64::from(slot.used), slot.events.len() as u64], &mut bytes)?;
                put(slot.events.words(plan.stride()), &mut bytes)?;
            }
        }
        sink(&bytes)
    }

    /// Reads what [`Histories::write`] wrote, into histories of the same plan and bounds.
    ///
    /// # Errors
    /// When the bytes are of other histories, or damaged; nothing is remembered then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let mut words = Words(bytes);
        let mut read = Vec::with_capacity(self.keyed.len());
        if words.next()? != self.keyed.len() as u64 {
            return Err(SnapshotError("it has other keys"));
        }
        for plan in &self.plan().keys {
            if words.next()? != plan.stride() as u64 {
                return Err(SnapshotError("it keeps other values of an event"));
            }
            read.push(keyed(&mut words, plan.stride(), self.bounds().entities)?);
        }
        if !words.0.is_empty() {
            return Err(SnapshotError("it has more bytes than it says"));
        }
        self.keyed = read;
        Ok(())
    }
}

fn keyed(words: &mut Words<'_>, stride: usize, most: usize) -> Result<Keyed, SnapshotError> {
    let (hand, evicted, count) = (words.next()?, words.next()?, words.next()?);
    let mut keyed = Keyed { hand: u32::try_from(hand).map_err(|_| DAMAGED)?, evicted, ..Keyed::default() };
    if count > most as u64 {
        return Err(SnapshotError("it has more keys than `history.entities` allows"));
    }
    for _ in 0..count {
        let (key, used, events) = ([words.next()?, words.next()?], words.next()? == 1, words.next()?);
        let events = usize::try_from(events).ok().and_then(|events| events.checked_mul(stride)).ok_or(DAMAGED)?;
        keyed.place(Slot { key, events: Events::from_words(&words.take(events)?, stride), used }, most);
    }
    Ok(keyed)
}

const DAMAGED: SnapshotError = SnapshotError("it is damaged");

struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn next(&mut self) -> Result<u64, SnapshotError> {
        let (word, rest) = self.0.split_first_chunk().ok_or(SnapshotError("it is cut short"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*word))
    }

    fn take(&mut self, count: usize) -> Result<Vec<u64>, SnapshotError> {
        if count > self.0.len() / size_of::<u64>() {
            return Err(SnapshotError("it is cut short"));
        }
        (0..count).map(|_| self.next()).collect()
    }
}
