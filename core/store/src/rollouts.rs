//! What is kept of rollouts, in `rollouts.json`: which versions are tried on how many rows, and how those ended that were tried before. What a
//! rollout does is not known here.

use crate::kept_list::{Kept, KeptList, KeptListError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rollouts that are kept; of more the oldest make room.
const MOST: usize = 100;

/// A rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutEntry {
    /// What it is found by.
    pub id: String,
    /// The version of each detector that is tried.
    pub versions: BTreeMap<String, u64>,
    /// The versions that judged when it began, of the same detectors.
    pub before: BTreeMap<String, u64>,
    /// The policy that is tried, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How many rows are judged by them, for how long at least.
    pub steps: Vec<RolloutStepEntry>,
    /// Whether they are promoted after the last step, or wait for somebody.
    pub promote: bool,
    /// Who began it.
    pub by: String,
    /// When it began.
    pub began: Timestamp,
    /// The step that it is at, from 0.
    pub step: usize,
    /// Since when.
    pub since: Timestamp,
    /// How it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<RolloutEnd>,
    /// What was seen of it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<serde_json::Value>,
    /// What was done and is not audited yet, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<RolloutAct>,
}

/// A step of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutStepEntry {
    /// The share of the entities whose rows are judged by what is tried, 0 to 1.
    pub share: f64,
    /// How long it takes at least, in seconds.
    pub hold: u64,
}

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutEnd {
    /// When.
    pub at: Timestamp,
    /// In one word: `promoted`, `rolled_back`, `stopped`, `superseded`.
    pub how: String,
    /// Why, in words.
    pub why: String,
    /// Who ended it.
    pub by: String,
}

/// That something was done about a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutAct {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What, in one word.
    pub act: String,
    /// In words.
    pub why: String,
}

impl Kept for RolloutEntry {
    const FILE: &'static str = "rollouts.json";
    const LOCK: &'static str = "rollouts.lock";
    const FORMAT: u64 = 1;
    const MOST: usize = 2 * MOST;
}

impl RolloutEntry {
    /// Notes what was done, to be audited.
    pub fn note(&mut self, by: &str, act: &str, why: &str) {
        self.acts.push(RolloutAct { at: Timestamp::now(), by: by.to_owned(), act: act.to_owned(), why: why.to_owned() });
    }
}

/// All rollouts, in the order in which they began. At most the last one has not ended.
#[derive(Debug, Clone)]
pub struct Rollouts(KeptList<RolloutEntry>);

/// Why a rollout is not changed.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// The file cannot be read or written.
    #[error(transparent)]
    List(#[from] KeptListError),
    /// One at a time.
    #[error("a rollout is under way already ({0}): end it first, by `synod rollout stop` or `synod rollout promote`")]
    UnderWay(String),
    /// There is nothing to change.
    #[error("no rollout is under way")]
    None,
}

impl Rollouts {
    /// Those of a data directory.
    pub fn of(directory: &crate::DataDirectory) -> Self {
        Self(KeptList::of(directory))
    }

    /// What the file is known by; see [`KeptList::stamp`].
    pub fn stamp(&self) -> crate::FileStamp {
        self.0.stamp()
    }

    /// All of them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn all(&self) -> Result<Vec<RolloutEntry>, KeptListError> {
        self.0.read()
    }

    /// The one that is under way.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn under_way(&self) -> Result<Option<RolloutEntry>, KeptListError> {
        Ok(self.0.read()?.into_iter().next_back().filter(|entry| entry.ended.is_none()))
    }

    /// Begins one.
    ///
    /// # Errors
    /// When another one is under way, or it cannot be written.
    pub fn begin(&self, entry: RolloutEntry) -> Result<(), RolloutError> {
        self.0.change(|entries| {
            if let Some(other) = entries.last().filter(|entry| entry.ended.is_none()) {
                return Err(RolloutError::UnderWay(other.id.clone()));
            }
            entries.push(entry);
            let surplus = entries.len().saturating_sub(MOST);
            entries.drain(..surplus);
            Ok(())
        })?
    }

    /// Changes the one that is under way, if it is the one with this id, or any.
    ///
    /// # Errors
    /// When there is none, or it cannot be written.
    pub fn change<T>(&self, id: Option<&str>, change: impl FnOnce(&mut RolloutEntry) -> T) -> Result<T, RolloutError> {
        self.0.change(|entries| {
            let under_way = entries.last_mut().filter(|entry| entry.ended.is_none() && id.is_none_or(|id| entry.id == id));
            under_way.map(change).ok_or(RolloutError::None)
        })?
    }

    /// Ends the one that is under way.
    ///
    /// # Errors
    /// As [`Rollouts::change`].
    pub fn end(&self, id: Option<&str>, how: &str, by: &str, why: &str) -> Result<(), RolloutError> {
        self.change(id, |entry| {
            entry.note(by, how, why);
            entry.ended = Some(RolloutEnd { at: Timestamp::now(), how: how.to_owned(), why: why.to_owned(), by: by.to_owned() });
        })
    }

    /// What was done and is not audited yet, with the rollout's id.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn acts(&self) -> Result<Vec<(String, RolloutAct)>, KeptListError> {
        let entries = self.0.read()?;
        Ok(entries.into_iter().flat_map(|entry| entry.acts.into_iter().map(move |act| (entry.id.clone(), act))).collect())
    }

    /// Forgets acts that are audited.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn forget_acts(&self, audited: &[(String, RolloutAct)]) -> Result<(), KeptListError> {
        let changed = self.0.change(|entries| {
            for entry in entries {
                entry.acts.retain(|act| !audited.iter().any(|(id, audited)| *id == entry.id && audited == act));
            }
            Ok::<_, std::convert::Infallible>(())
        })?;
        let Ok(()) = changed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataDirectory;

    fn entry(id: &str) -> RolloutEntry {
        let began = Timestamp::now();
        RolloutEntry {
            id: id.into(),
            versions: BTreeMap::from([("forest".into(), 2)]),
            before: BTreeMap::from([("forest".into(), 1)]),
            policy: None,
            steps: vec![RolloutStepEntry { share: 0.05, hold: 60 }],
            promote: false,
            by: "ana".into(),
            began,
            step: 0,
            since: began,
            ended: None,
            report: None,
            acts: Vec::new(),
        }
    }

    #[test]
    fn there_is_one_at_a_time_and_acts_wait_until_they_are_audited() {
        let folder = tempfile::tempdir().unwrap();
        let rollouts = Rollouts::of(&DataDirectory::open(folder.path()).unwrap());
        assert!(matches!(rollouts.end(None, "stopped", "ana", "no"), Err(RolloutError::None)));
        rollouts.begin(entry("a")).unwrap();
        assert!(matches!(rollouts.begin(entry("b")), Err(RolloutError::UnderWay(id)) if id == "a"));
        assert!(matches!(rollouts.change(Some("b"), |_| ()), Err(RolloutError::None)), "another one is not changed");
        rollouts.change(Some("a"), |entry| entry.step = 1).unwrap();
        rollouts.end(Some("a"), "rolled_back", "synod", "too slow").unwrap();
        assert!(rollouts.under_way().unwrap().is_none());
        let acts = rollouts.acts().unwrap();
        assert_eq!((acts.len(), acts[0].0.as_str(), acts[0].1.act.as_str()), (1, "a", "rolled_back"));
        rollouts.forget_acts(&acts).unwrap();
        assert!(rollouts.acts().unwrap().is_empty());
        rollouts.begin(entry("b")).unwrap();
        let all = rollouts.all().unwrap();
        assert_eq!((all.len(), all[0].step, all[0].ended.as_ref().unwrap().why.as_str()), (2, 1, "too slow"));
    }

    #[test]
    fn old_ones_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let rollouts = Rollouts::of(&DataDirectory::open(folder.path()).unwrap());
        for number in 0..MOST + 3 {
            rollouts.begin(entry(&number.to_string())).unwrap();
            rollouts.end(None, "stopped", "ana", "").unwrap();
        }
        let all = rollouts.all().unwrap();
        assert_eq!((all.len(), all[0].id.as_str()), (MOST, "3"));
    }
}
