//! What a check answers: that something holds, that it does not and how to mend it, or that it was not asked.

use serde::{Serialize, Serializer, ser::SerializeMap};
use synod_host::{Failure, Refusal};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It holds: what was seen.
    Held(String),
    /// It does not.
    Broken {
        /// What was seen.
        found: String,
        /// What to do about it.
        mend: String,
    },
    /// It was not asked: why not.
    Skipped(String),
}

/// An answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It was not asked.
    Skipped,
}

/// A check with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's name: words that stay the same.
    pub check: &'static str,
    /// What it found.
    pub answer: Answer,
}

impl Answer {
    pub(super) fn broken(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Broken { found: found.into(), mend: mend.into() }
    }

    /// A failure of the plugin while it was `doing` something, under the time limit of this key.
    pub(super) fn of(failure: &Failure, doing: &str, limit: &str) -> Self {
        let found = match failure {
            Failure::Trap { what } => format!("{doing}: the plugin trapped: {what}"),
            failure => format!("{doing}: {failure}"),
        };
        let memory = if limit == "fit_timeout" { "fit_memory" } else { "memory" };
        let mend = match failure {
            Failure::Timeout { .. } => {
                format!("answer in less time, or raise `limits.{limit}` in plugin.yaml, and in the configuration of the detector")
            }
            Failure::Memory { .. } => {
                format!("take less memory, or raise `limits.{memory}` in plugin.yaml, and in the configuration of the detector")
            }
            Failure::Trap { .. } => {
                "answer what is wrong with an error of the contract: a panic, an abort or an exception ends the instance".to_owned()
            }
            Failure::Output { .. } => {
                "answer with one finite number for every row, and with a model that has bytes: cap what can overflow".to_owned()
            }
            Failure::Refused { kind: Refusal::Data, .. } => {
                "take every row that the description allows, or give rows that the detector takes".to_owned()
            }
            Failure::Refused { kind: Refusal::Parameters, .. } => "mend `parameters` in plugin.yaml".to_owned(),
            Failure::Refused { kind: Refusal::Artifact, .. } => "mend `artifact` in plugin.yaml: the file of the foreign model".to_owned(),
            Failure::Refused { .. } => "do what the description promises, or promise less".to_owned(),
            Failure::Busy { .. } | Failure::Instantiation { .. } => "try again while the machine has less to do".to_owned(),
        };
        Self::Broken { found, mend }
    }

    /// The answer in one word.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Held(_) => Outcome::Passed,
            Self::Broken { .. } => Outcome::Failed,
            Self::Skipped(_) => Outcome::Skipped,
        }
    }

    /// What was seen, or why nothing was.
    pub fn found(&self) -> &str {
        match self {
            Self::Held(found) | Self::Broken { found, .. } | Self::Skipped(found) => found,
        }
    }

    /// What to do about it, if there is something to do.
    pub fn mend(&self) -> Option<&str> {
        match self {
            Self::Broken { mend, .. } => Some(mend),
            Self::Held(_) | Self::Skipped(_) => None,
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("check", self.check)?;
        map.serialize_entry("outcome", &self.answer.outcome())?;
        map.serialize_entry("found", self.answer.found())?;
        if let Some(mend) = self.answer.mend() {
            map.serialize_entry("mend", mend)?;
        }
        map.end()
    }
}
