//! How many bytes the bodies of all requests may take together.

use super::key::Key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the bytes of bodies that are held. What has arrived counts, and not what is announced: to announce much and send nothing takes
/// nothing from others. One lane may have three quarters, so that whoever fills them leaves something to everybody else.
#[derive(Debug)]
pub struct Memory {
    most: usize,
    of_a_lane: usize,
    held: Mutex<HeldBytes>,
}

/// Only lanes that hold something are in here.
#[derive(Debug, Default)]
struct HeldBytes {
    in_all: usize,
    by_lane: HashMap<Key, usize>,
}

impl Memory {
    /// So many bytes at most.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, of_a_lane: most - most / 4, held: Mutex::default() })
    }

    /// Whether so many bytes would find room now.
    pub fn has_room(&self, lane: Key, bytes: usize) -> bool {
        self.fits(&self.locked(), lane, bytes)
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.locked().in_all
    }

    fn fits(&self, held: &HeldBytes, lane: Key, bytes: usize) -> bool {
        let of_lane = held.by_lane.get(&lane).copied().unwrap_or_default();
        // Who is alone may fill it with one body.
        let of_a_lane = if of_lane == 0 { self.most } else { self.of_a_lane };
        held.in_all.saturating_add(bytes) <= self.most && of_lane.saturating_add(bytes) <= of_a_lane
    }

    fn locked(&self) -> MutexGuard<'_, HeldBytes> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of one request's body, which are given back when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    memory: Arc<Memory>,
    lane: Key,
    bytes: usize,
}

impl Held {
    /// Nothing yet.
    pub(super) fn nothing(memory: &Arc<Memory>, lane: Key) -> Self {
        Self { memory: memory.clone(), lane, bytes: 0 }
    }

    /// Takes more bytes, if there is room for them.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let mut held = self.memory.locked();
        let fits = self.memory.fits(&held, self.lane, bytes);
        if fits && bytes > 0 {
            held.in_all += bytes;
            *held.by_lane.entry(self.lane).or_default() += bytes;
            self.bytes += bytes;
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.memory.locked();
        held.in_all -= self.bytes;
        if let Some(of_lane) = held.by_lane.get_mut(&self.lane) {
            *of_lane -= self.bytes;
            if *of_lane == 0 {
                held.by_lane.remove(&self.lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_given_back() {
        let memory = Memory::new(100);
        let [mut one, mut other] = [1, 2].map(|lane| Held::nothing(&memory, lane));
        assert!(one.take(60) && !other.take(41) && other.take(40) && !one.take(1) && one.take(0));
        assert!(!memory.has_room(1, 1) && memory.has_room(1, 0) && !memory.has_room(3, usize::MAX));
        drop(one);
        assert_eq!(memory.held(), 40);
        assert!(other.take(35) && !other.take(usize::MAX));
        drop(other);
        assert!(memory.held() == 0 && memory.locked().by_lane.is_empty());
    }

    #[test]
    fn one_lane_leaves_something_to_the_others() {
        let memory = Memory::new(100);
        let mut flood: Vec<Held> = (0..9).map(|_| Held::nothing(&memory, 1)).collect();
        let taken = flood.iter_mut().filter_map(|held| held.take(10).then_some(())).count();
        assert_eq!(taken, 7);
        assert!(!memory.has_room(1, 10) && memory.has_room(1, 5) && memory.has_room(2, 30));
        assert!(Held::nothing(&memory, 2).take(30));
        drop(flood);
        assert!(Held::nothing(&memory, 1).take(100), "one body may be as large as all of it");
    }
}
