//! Who has got a notification already. Alertmanager sends a notification again until all of it went; and what it did not hear the answer to.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How long a notification is remembered that not everybody has got.
const UNDONE: Duration = Duration::from_secs(3600);
/// How long one is remembered that everybody has got: as long as it may take until Alertmanager sends it again because it did not hear so. A
/// reminder comes later.
const DONE: Duration = Duration::from_secs(60);
/// The most notifications that are remembered; beyond it the oldest is forgotten, and its recipients may get it twice.
const MOST: usize = 10_000;

/// Who has got what.
#[derive(Debug, Default)]
pub(super) struct Memory {
    notifications: HashMap<[u8; 32], Known>,
}

#[derive(Debug)]
struct Known {
    told: HashSet<String>,
    is_done: bool,
    at: Instant,
}

impl Memory {
    /// Whether somebody has got a notification.
    pub(super) fn has(&mut self, identity: &[u8; 32], recipient: &str, now: Instant) -> bool {
        self.forget(now);
        self.notifications.get(identity).is_some_and(|known| known.told.contains(recipient))
    }

    /// Somebody has got it.
    pub(super) fn got(&mut self, identity: [u8; 32], recipient: &str, now: Instant) {
        self.make_room(&identity);
        let known = self.notifications.entry(identity).or_insert_with(|| Known { told: HashSet::new(), is_done: false, at: now });
        known.told.insert(recipient.to_owned());
        (known.is_done, known.at) = (false, now);
    }

    /// Everybody has.
    pub(super) fn done(&mut self, identity: &[u8; 32]) {
        if let Some(known) = self.notifications.get_mut(identity) {
            known.is_done = true;
        }
    }

    fn forget(&mut self, now: Instant) {
        self.notifications.retain(|_, known| now.duration_since(known.at) < if known.is_done { DONE } else { UNDONE });
    }

    fn make_room(&mut self, identity: &[u8; 32]) {
        if self.notifications.len() < MOST || self.notifications.contains_key(identity) {
            return;
        }
        if let Some(oldest) = self.notifications.iter().min_by_key(|(_, known)| known.at).map(|(identity, _)| *identity) {
            self.notifications.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_is_remembered_for_as_long_as_it_may_come_again() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        memory.got([1; 32], "a", at(0));
        assert!(memory.has(&[1; 32], "a", at(3599)) && !memory.has(&[1; 32], "b", at(0)) && !memory.has(&[2; 32], "a", at(0)));
        memory.done(&[1; 32]);
        assert!(!memory.has(&[1; 32], "a", at(60)));
        memory.got([1; 32], "a", at(100));
        memory.done(&[1; 32]);
        assert!(memory.has(&[1; 32], "a", at(159)) && !memory.has(&[1; 32], "a", at(160)));
        for number in 0..=MOST as u64 {
            let mut identity = [0; 32];
            identity[..8].copy_from_slice(&number.to_le_bytes());
            memory.got(identity, "a", at(200 + number));
        }
        assert_eq!(memory.notifications.len(), MOST);
        assert!(!memory.notifications.contains_key(&[0; 32]));
    }
}
