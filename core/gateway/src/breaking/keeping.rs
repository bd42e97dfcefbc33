//! The file of open breakers, changed without ever holding up the scoring for long: a command beside the server may hold its lock, and a disk
//! may hang.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use synod_store::{BreakerEntry, DataDirectory, KeptList, KeptListError};
use thiserror::Error;

/// How long a change is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// Why the file is not changed, or not yet.
#[derive(Debug, Error)]
pub enum KeepError {
    /// It cannot be.
    #[error(transparent)]
    List(#[from] KeptListError),
    /// A change is still under way.
    #[error("the file of open breakers is not written within {LONGEST:?}")]
    Late,
    /// There is no thread to change it.
    #[error("the system refuses a thread: {0}")]
    System(#[from] std::io::Error),
}

/// The file.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) list: KeptList<BreakerEntry>,
    /// A change is under way. One thread at a time, so that a disk that hangs does not gather them.
    writing: Arc<AtomicBool>,
}

impl Keeping {
    pub(super) fn of(directory: &DataDirectory) -> Self {
        Self { list: KeptList::of(directory), writing: Arc::default() }
    }

    /// Changes the file, and waits for that for a second at most. What is late may still be done.
    pub(super) fn change(&self, change: impl FnOnce(&mut Vec<BreakerEntry>) + Send + 'static) -> Result<(), KeepError> {
        if self.writing.swap(true, Ordering::AcqRel) {
            return Err(KeepError::Late);
        }
        let (list, writing, (sender, changed)) = (self.list.clone(), Arc::clone(&self.writing), channel());
        let work = move || {
            let result = list.change(|entries| {
                change(entries);
                Ok::<_, Infallible>(())
            });
            writing.store(false, Ordering::Release);
            // Nobody waits any more if it was late.
            let _ = sender.send(result);
        };
        if let Err(error) = std::thread::Builder::new().name("breakers".into()).spawn(work) {
            self.writing.store(false, Ordering::Release);
            return Err(error.into());
        }
        match changed.recv_timeout(LONGEST) {
            Ok(result) => result.map(|_| ()).map_err(KeepError::from),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(KeepError::Late),
        }
    }
}

/// Puts an entry into the list, in place of one of its id.
pub(super) fn put(entries: &mut Vec<BreakerEntry>, entry: BreakerEntry) {
    entries.retain(|known| known.id != entry.id);
    entries.push(entry);
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use std::sync::mpsc;
    use std::time::Instant;

    fn entry(id: &str) -> BreakerEntry {
        let opened = Timestamp::UNIX_EPOCH;
        BreakerEntry { id: id.into(), tenant: None, policy: "p".into(), opened, outcomes: 2, blocks: 1, recorded: false }
    }

    #[test]
    fn a_change_that_hangs_is_waited_for_once_and_briefly() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping::of(&DataDirectory::open(folder.path()).unwrap());
        let (go_on, wait) = mpsc::channel::<()>();
        let hangs = keeping.change(move |entries| {
            let _ = wait.recv();
            put(entries, entry("a"));
        });
        assert!(matches!(hangs, Err(KeepError::Late)));
        let begun = Instant::now();
        assert!((0..100).all(|_| matches!(keeping.change(|_| ()), Err(KeepError::Late))));
        assert!(begun.elapsed() < LONGEST, "nobody waits for what hangs already");
        go_on.send(()).unwrap();
        while keeping.change(|entries| put(entries, entry("b"))).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(keeping.list.read().unwrap(), [entry("a"), entry("b")]);
    }

    #[test]
    fn an_entry_takes_the_place_of_its_own() {
        let mut entries = vec![entry("a"), entry("b")];
        put(&mut entries, BreakerEntry { recorded: true, ..entry("a") });
        assert_eq!((entries.len(), entries[1].recorded), (2, true));
    }
}
