//! What is remembered for a while under a secret that only a browser has. A table keeps the secrets' digests, so that whoever reads its memory
//! cannot use them; and it is bounded, so that nobody fills it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a secret: 256 bits.
const BYTES: usize = 32;
/// Characters of a secret as text.
const CHARACTERS: usize = 43;

/// A new secret, as text.
///
/// # Errors
/// When the system has no randomness.
pub(super) fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The digest of a text.
pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// How long entries live, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// From the beginning.
    pub(super) longest: Duration,
    /// From the last use.
    pub(super) idle: Duration,
    /// Beyond it the one that was not used for longest is forgotten.
    pub(super) most: usize,
}

/// Values by the digests of secrets.
#[derive(Debug)]
pub(super) struct Table<V> {
    bounds: Bounds,
    entries: Mutex<HashMap<[u8; 32], Entry<V>>>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    begun: Instant,
    used: Instant,
}

impl<V: Clone> Table<V> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, entries: Mutex::new(HashMap::new()) }
    }

    /// Remembers a value.
    pub(super) fn insert(&self, secret: &str, value: V, now: Instant) {
        let mut entries = self.entries();
        if entries.len() >= self.bounds.most {
            self.make_room(&mut entries, now);
        }
        entries.insert(digest(secret), Entry { value, begun: now, used: now });
    }

    /// What is remembered under a secret; it counts as used.
    pub(super) fn get(&self, secret: &str, now: Instant) -> Option<V> {
        // What cannot be a secret is not worth a digest.
        if secret.len() != CHARACTERS {
            return None;
        }
        let mut entries = self.entries();
        let entry = entries.get_mut(&digest(secret)).filter(|entry| self.lives(entry, now))?;
        entry.used = now;
        Some(entry.value.clone())
    }

    /// What is remembered under a secret, and not any more.
    pub(super) fn take(&self, secret: &str, now: Instant) -> Option<V> {
        self.entries().remove(&digest(secret)).filter(|entry| self.lives(entry, now)).map(|entry| entry.value)
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }

    fn lives(&self, entry: &Entry<V>, now: Instant) -> bool {
        let since = |then| now.saturating_duration_since(then);
        since(entry.begun) < self.bounds.longest && since(entry.used) < self.bounds.idle
    }

    fn make_room(&self, entries: &mut HashMap<[u8; 32], Entry<V>>, now: Instant) {
        entries.retain(|_, entry| self.lives(entry, now));
        if entries.len() >= self.bounds.most
            && let Some(oldest) = entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
        {
            entries.remove(&oldest);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<[u8; 32], Entry<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { longest: Duration::from_mins(60), idle: Duration::from_mins(10), most: 3 };
    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn entries_end_when_idle_when_old_and_when_taken() {
        let table = Table::new(BOUNDS);
        let (start, secret) = (Instant::now(), secret().unwrap());
        table.insert(&secret, 7, start);
        for minute in [9, 18, 27, 36, 45, 54] {
            assert_eq!(table.get(&secret, start + minute * MINUTE), Some(7), "{minute}");
        }
        assert_eq!(table.get(&secret, start + 60 * MINUTE), None, "used, and yet too old");
        table.insert(&secret, 8, start);
        assert_eq!(table.get(&secret, start + 10 * MINUTE), None, "idle");
        table.insert(&secret, 9, start);
        assert_eq!((table.take(&secret, start), table.take(&secret, start)), (Some(9), None));
        assert_eq!(table.get("x", start), None);
    }

    #[test]
    fn a_full_table_forgets_what_was_not_used_for_longest() {
        let table = Table::new(BOUNDS);
        let start = Instant::now();
        let secrets: Vec<String> = (0..4).map(|_| secret().unwrap()).collect();
        for (place, secret) in secrets[..3].iter().enumerate() {
            table.insert(secret, place, start + place as u32 * MINUTE);
        }
        assert_eq!(table.get(&secrets[0], start + 4 * MINUTE), Some(0));
        table.insert(&secrets[3], 3, start + 5 * MINUTE);
        let left: Vec<_> = secrets.iter().filter_map(|secret| table.get(secret, start + 5 * MINUTE)).collect();
        assert_eq!((left, table.len()), (vec![0, 2, 3], 3));
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert!(one.len() == CHARACTERS && one != other);
    }
}
