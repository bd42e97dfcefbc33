//! The histories of all keys.

use super::PastValues;
use super::events::Events;
use super::plan::{HistoryPlan, KeyPlan, Realm, Secret};
use crate::Batch;
use hashbrown::HashTable;
use serde::Serialize;
use std::sync::Arc;

/// Bytes that a key takes beside its events: its slot, its place in the table (at most 7/8 full, doubled when it grows) and what the
/// allocator keeps for a block.
pub(super) const BYTES_OF_KEY: usize = size_of::<Slot>() + 2 * (size_of::<u32>() + 1) + 16;

/// How far histories may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How much later than a newer event of its key an event may come and still find everything that it asks for, in microseconds.
    pub lateness: i64,
    /// Most events that are kept for a key.
    pub events: usize,
    /// Most keys of a kind.
    pub entities: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { lateness: 3_600_000_000, events: 512, entities: 1_000_000 }
    }
}

/// How a row stood to the histories of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Seen {
    /// It came later than the lateness: what it asked for may have been forgotten in part.
    pub late: bool,
    /// A key of it has as many events as are kept, so that windows may be cut short.
    pub full: bool,
}

/// What became of a row that was to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remembered {
    /// Keys that had to be forgotten to make room.
    pub evicted: usize,
}

/// What there is of one kind of key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryFacts {
    /// The fields of the key.
    pub per: Vec<String>,
    /// How many keys.
    pub entities: usize,
    /// Events of all of them.
    pub events: usize,
    /// Bytes that they take.
    pub bytes: usize,
    /// Keys that were forgotten to make room for others.
    pub evicted: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) key: [u64; 2],
    pub(super) events: Events,
    /// Used since the hand last passed.
    pub(super) used: bool,
}

/// The histories of one kind of key: a table of places into a list of slots, so that a key is stored once. When all slots are taken, a
/// hand goes round and takes the first that was not used since it last passed (Corbató 1968, "A paging experiment with the Multics
/// system", the clock).
#[derive(Debug, Clone, Default)]
pub(super) struct Keyed {
    pub(super) table: HashTable<u32>,
    pub(super) slots: Vec<Slot>,
    pub(super) hand: u32,
    pub(super) evicted: u64,
    /// Events of all slots, and the bytes that they take on the heap.
    pub(super) size: Size,
}

/// Counted as it changes: a million keys cannot be walked through each time that somebody asks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    events: usize,
    bytes: usize,
}

impl Size {
    fn of(events: &Events) -> Self {
        Self { events: events.len(), bytes: events.bytes() }
    }
}

fn split(key: u128) -> [u64; 2] {
    [key as u64, (key >> 64) as u64]
}

impl Keyed {
    fn find(&self, key: u128) -> Option<usize> {
        let key = split(key);
        self.table.find(key[0], |slot| self.slots[*slot as usize].key == key).map(|slot| *slot as usize)
    }

    /// The events of a key, for reading.
    fn events(&self, key: u128) -> Option<&Events> {
        self.find(key).map(|slot| &self.slots[slot].events)
    }

    /// The slot of a key, which is made if there is none.
    fn slot(&mut self, key: u128, most: usize) -> usize {
        let slot = self.find(key).unwrap_or_else(|| self.place(Slot { key: split(key), events: Events::default(), used: true }, most));
        self.slots[slot].used = true;
        slot
    }

    /// Changes the events of a slot, and counts what that makes of their size.
    fn change<T>(&mut self, slot: usize, change: impl FnOnce(&mut Events) -> T) -> T {
        let events = &mut self.slots[slot].events;
        let before = Size::of(events);
        let result = change(events);
        let after = Size::of(events);
        self.size.events = self.size.events + after.events - before.events;
        self.size.bytes = self.size.bytes + after.bytes - before.bytes;
        result
    }

    pub(super) fn place(&mut self, slot: Slot, most: usize) -> usize {
        let key = slot.key;
        let size = Size::of(&slot.events);
        self.size.events += size.events;
        self.size.bytes += size.bytes;
        let place = if self.slots.len() < most.max(1) {
            self.slots.push(slot);
            self.slots.len() - 1
        } else {
            let place = self.make_room();
            self.slots[place] = slot;
            place
        };
        let slots = &self.slots;
        self.table.insert_unique(key[0], place as u32, |slot| slots[*slot as usize].key[0]);
        place
    }

    fn make_room(&mut self) -> usize {
        loop {
            let place = self.hand as usize % self.slots.len();
            self.hand = (place as u32 + 1) % self.slots.len() as u32;
            if std::mem::take(&mut self.slots[place].used) {
                continue;
            }
            self.evicted += 1;
            self.change(place, |events| *events = Events::default());
            self.unlink(place);
            return place;
        }
    }

    fn unlink(&mut self, place: usize) {
        let hash = self.slots[place].key[0];
        if let Ok(entry) = self.table.find_entry(hash, |slot| *slot as usize == place) {
            entry.remove();
        }
    }
}

/// Everything that is remembered. One writer at a time; it knows no lock.
#[derive(Debug, Clone)]
pub struct Histories {
    plan: Arc<HistoryPlan>,
    bounds: Bounds,
    secret: Secret,
    pub(super) keyed: Vec<Keyed>,
    scratch: Scratch,
}

/// Memory that is used again for each row.
#[derive(Debug, Clone, Default)]
struct Scratch {
    event: Vec<u64>,
    marks: Vec<u64>,
}

impl Histories {
    /// Nothing is remembered yet. `secret` keeps clients from making keys that collide; histories that are to be compared share it.
    pub fn new(plan: Arc<HistoryPlan>, bounds: Bounds, secret: [u8; 16]) -> Self {
        let keyed = vec![Keyed::default(); plan.keys.len()];
        Self { plan, bounds, secret: Secret(secret), keyed, scratch: Scratch::default() }
    }

    /// What is asked of them.
    pub fn plan(&self) -> &Arc<HistoryPlan> {
        &self.plan
    }

    /// How far they may grow.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Appends the values of a row, from what is remembered in its realm of the time before it.
    pub fn look(&mut self, realm: Realm, batch: &Batch, row: usize, values: &mut PastValues) {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.look_with(realm, batch, row, values, &mut scratch);
        self.scratch = scratch;
    }

    /// As [`Histories::look`], for several readers at a time.
    pub fn peek(&self, realm: Realm, batch: &Batch, row: usize, values: &mut PastValues) {
        self.look_with(realm, batch, row, values, &mut Scratch::default());
    }

    fn look_with(&self, realm: Realm, batch: &Batch, row: usize, values: &mut PastValues, scratch: &mut Scratch) {
        let of_keys = realm.secret(self.secret);
        values.push(|values| {
            let start = values.len();
            values.resize(start + self.plan.width(), f64::NAN);
            let mut seen = Seen::default();
            let Some(time) = self.plan.moment(batch, row) else { return seen };
            for (plan, keyed) in self.plan.keys.iter().zip(&self.keyed) {
                let events = plan.key(batch, row, of_keys).and_then(|key| keyed.events(key));
                plan.event(time, batch, row, &self.secret, &mut scratch.event);
                plan.values(events, time, &scratch.event, &mut scratch.marks, &mut values[start..]);
                if let Some(events) = events {
                    let of_key = plan.seen(events, time, self.bounds.lateness, self.bounds.events);
                    seen = Seen { late: seen.late || of_key.late, full: seen.full || of_key.full };
                }
            }
            seen
        });
    }

    /// Remembers a row, for those of its realm that come after it.
    pub fn remember(&mut self, realm: Realm, batch: &Batch, row: usize) -> Remembered {
        let (mut remembered, of_keys) = (Remembered::default(), realm.secret(self.secret));
        let Some(time) = self.plan.moment(batch, row) else { return remembered };
        let Bounds { lateness, events: most, entities } = self.bounds;
        for (plan, keyed) in self.plan.keys.iter().zip(&mut self.keyed) {
            let Some(key) = plan.key(batch, row, of_keys) else { continue };
            let before = keyed.evicted;
            plan.event(time, batch, row, &self.secret, &mut self.scratch.event);
            let slot = keyed.slot(key, entities);
            keyed.change(slot, |events| events.insert(&self.scratch.event, &plan.kept, lateness, most));
            remembered.evicted += (keyed.evicted - before) as usize;
        }
        remembered
    }

    /// Takes a row out again that was remembered, but whose decision came to nothing.
    pub fn take_back(&mut self, realm: Realm, batch: &Batch, row: usize) {
        let of_keys = realm.secret(self.secret);
        let Some(time) = self.plan.moment(batch, row) else { return };
        for (plan, keyed) in self.plan.keys.iter().zip(&mut self.keyed) {
            let Some(slot) = plan.key(batch, row, of_keys).and_then(|key| keyed.find(key)) else { continue };
            plan.event(time, batch, row, &self.secret, &mut self.scratch.event);
            keyed.change(slot, |events| events.remove(&self.scratch.event));
        }
    }

    /// Looks and remembers in the common realm, row by row in this order, so that each row sees those before it.
    pub fn observe(&mut self, batch: &Batch, order: impl IntoIterator<Item = usize>) -> PastValues {
        let mut values = PastValues::new(self.plan.width());
        for row in order {
            self.look(Realm::COMMON, batch, row, &mut values);
            self.remember(Realm::COMMON, batch, row);
        }
        values
    }

    /// How many events of this row's keys are remembered, and from when to when (microseconds since 1970), for each kind of key. None where
    /// the key is not known.
    pub fn extent(&self, realm: Realm, batch: &Batch, row: usize) -> Vec<Option<(usize, i64, i64)>> {
        let of_keys = realm.secret(self.secret);
        let extent = |(plan, keyed): (&KeyPlan, &Keyed)| {
            let events = keyed.events(plan.key(batch, row, of_keys)?)?;
            let newest = events.newest(plan.stride())?;
            Some((events.len(), events.time(0, plan.stride()), newest))
        };
        self.plan.keys.iter().zip(&self.keyed).map(extent).collect()
    }

    /// What there is of each kind of key.
    pub fn facts(&self) -> Vec<HistoryFacts> {
        let facts = |(per, keyed): (&[String], &Keyed)| HistoryFacts {
            per: per.to_vec(),
            entities: keyed.slots.len(),
            events: keyed.size.events,
            // The allocator keeps about sixteen bytes for each block.
            bytes: keyed.size.bytes + 16 * keyed.slots.len() + keyed.slots.capacity() * size_of::<Slot>() + keyed.table.allocation_size(),
            evicted: keyed.evicted,
        };
        self.plan.keys().zip(&self.keyed).map(facts).collect()
    }
}
