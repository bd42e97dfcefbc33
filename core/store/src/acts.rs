//! What commands did to a data directory that no list of its own notes, in `acts.json`: until the log has its audit record, which a server writes.

use crate::data_directory::DataDirectory;
use crate::kept_list::{Kept, KeptList, KeptListError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// Acts that wait; of more the oldest make room. Where no server runs for years, somebody may still take a backup every day.
const MOST: usize = 1000;

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandAct {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What, in one word.
    pub act: String,
    /// What it was done to.
    pub target: String,
    /// More about it, in words.
    pub why: String,
}

impl Kept for CommandAct {
    const FILE: &'static str = "acts.json";
    const LOCK: &'static str = "acts.lock";
    const FORMAT: u64 = 1;
    const MOST: usize = 2 * MOST;
}

/// The acts of a data directory that wait to be audited, in their order.
#[derive(Debug, Clone)]
pub struct Acts(KeptList<CommandAct>);

impl Acts {
    /// Those of this directory.
    pub fn of(directory: &DataDirectory) -> Self {
        Self(KeptList::of(directory))
    }

    /// All that wait.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn all(&self) -> Result<Vec<CommandAct>, KeptListError> {
        self.0.read()
    }

    /// Notes one, to be audited.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&self, act: CommandAct) -> Result<(), KeptListError> {
        let noted = self.0.change(|acts| {
            acts.push(act);
            acts.drain(..acts.len().saturating_sub(MOST));
            Ok::<(), Infallible>(())
        })?;
        let Ok(()) = noted;
        Ok(())
    }

    /// Forgets those that the log has.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget(&self, audited: &[CommandAct]) -> Result<(), KeptListError> {
        let forgotten = self.0.change(|acts| {
            acts.retain(|act| !audited.contains(act));
            Ok::<(), Infallible>(())
        })?;
        let Ok(()) = forgotten;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_wait_until_they_are_audited_and_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let acts = Acts::of(&DataDirectory::open(folder.path()).unwrap());
        assert_eq!(acts.all().unwrap(), []);
        let act = |number: usize| CommandAct {
            at: Timestamp::UNIX_EPOCH,
            by: "os:ana".into(),
            act: "backup.taken".into(),
            target: number.to_string(),
            why: String::new(),
        };
        (0..3).for_each(|number| acts.note(act(number)).unwrap());
        acts.forget(&[act(0), act(2), act(9)]).unwrap();
        assert_eq!(acts.all().unwrap(), [act(1)]);
        (0..MOST).for_each(|number| acts.note(act(number)).unwrap());
        let all = acts.all().unwrap();
        assert_eq!((all.len(), &all[0]), (MOST, &act(0)));
    }
}
