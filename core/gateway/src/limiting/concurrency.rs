//! How many requests of one caller are worked on at a time.

use super::key::Key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Gives out places to callers. Only those with a request under way are in here, so that it is bounded by the requests that there can be.
#[derive(Debug)]
pub(super) struct Concurrency {
    most: u32,
    taken: Mutex<HashMap<Key, u32>>,
}

/// A request's place, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    of: Arc<Concurrency>,
    key: Key,
}

impl Concurrency {
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// A place, if the caller has one left.
    pub(super) fn enter(self: &Arc<Self>, key: Key) -> Option<Place> {
        let mut taken = self.taken();
        let count = taken.entry(key).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { of: self.clone(), key })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Key, u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_places_and_gives_them_back() {
        let concurrency = Concurrency::new(2);
        let mut places: Vec<Place> = (0..2).map(|_| concurrency.enter(1).unwrap()).collect();
        assert!(concurrency.enter(1).is_none());
        let other = concurrency.enter(2);
        assert!(other.is_some(), "another caller has its own");
        places.pop();
        places.push(concurrency.enter(1).unwrap());
        drop((places, other));
        assert!(concurrency.taken().is_empty(), "who has none is not kept");
    }
}
