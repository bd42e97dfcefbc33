//! Where the state of a quota is kept for each caller, in bounded memory.

use super::key::Key;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;
/// Callers beyond the cap share so many states.
const SHARED: usize = 256;

/// The state of each caller: when its quota will be whole again.
///
/// There is a cap on the callers that have a state of their own. Who comes when it is reached shares one with others, picked by its key: so a
/// flood from ever new addresses costs no memory, is held to as many quotas as there are shared ones, and reaches a caller without a state
/// of its own only if it shares with it. A caller whose quota is whole again needs no state; see [`Table::retain_recent`].
#[derive(Debug, Clone)]
pub(super) struct Table(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: [Mutex<HashMap<Key, Nanos>>; SHARDS],
    /// Most callers of a shard.
    most: usize,
    shared: Vec<Mutex<Option<Nanos>>>,
    full: AtomicBool,
}

impl Table {
    /// A table of so many callers at most.
    pub(super) fn new(keys: usize) -> Self {
        let shared = std::iter::repeat_with(Mutex::default).take(SHARED).collect();
        Self(Arc::new(Inner { own: Default::default(), most: keys / SHARDS, shared, full: AtomicBool::new(false) }))
    }

    /// Whether a caller found no room since this was last asked.
    pub(super) fn was_full(&self) -> bool {
        // Read first: to write what all threads read, for each request, would cost them more.
        self.0.full.load(Ordering::Relaxed) && self.0.full.swap(false, Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.0.own.iter().map(|shard| locked(shard).capacity()).sum()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StateStore for Table {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // The keys are digests: their last bits are as good as any.
        let mut own = locked(&self.0.own[*key as usize % SHARDS]);
        if let Some(state) = own.get_mut(key) {
            let (answer, next) = measure(Some(*state))?;
            *state = next;
            return Ok(answer);
        }
        if own.len() < self.0.most {
            let (answer, next) = measure(None)?;
            own.insert(*key, next);
            return Ok(answer);
        }
        drop(own);
        self.0.full.store(true, Ordering::Relaxed);
        let mut state = locked(&self.0.shared[(*key >> 64) as usize % SHARED]);
        let (answer, next) = measure(*state)?;
        *state = Some(next);
        Ok(answer)
    }
}

impl ShrinkableKeyedStateStore<Key> for Table {
    /// Forgets callers whose quota is whole again.
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.0.own {
            let mut own = locked(shard);
            own.retain(|_, state| u64::from(*state) > u64::from(drop_below));
            // What a flood took is given back once it is over.
            if own.len() < own.capacity() / 4 {
                own.shrink_to_fit();
            }
        }
    }

    fn len(&self) -> usize {
        self.0.own.iter().map(|shard| locked(shard).len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
