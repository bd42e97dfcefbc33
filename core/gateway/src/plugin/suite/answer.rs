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

/// What was asked of a plugin, and so which limits it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Check,
    Fit,
    Load,
    Score,
}

impl Answer {
    pub(super) fn broken(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Broken { found: found.into(), mend: mend.into() }
    }

    /// A failure of the plugin while it was `doing` something.
    pub(super) fn of(failure: &Failure, doing: &str, call: Call) -> Self {
        let found = match failure {
            Failure::Trap { what } => format!("{doing}: the plugin trapped: {what}"),
            failure => format!("{doing}: {failure}"),
        };
        Self::Broken { found, mend: mend(failure, call) }
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

/// What mends a failure of a call.
fn mend(failure: &Failure, call: Call) -> String {
    let raise = |key: &str| format!("or raise `limits.{key}` in plugin.yaml, and in the configuration of the detector");
    match (failure, call) {
        (Failure::Timeout { .. } | Failure::Memory { .. }, Call::Check) => "answer `check` at once: it looks at a page of text".into(),
        (Failure::Timeout { .. }, Call::Fit) => format!("learn in less time, {}", raise("fit_timeout")),
        (Failure::Timeout { .. }, Call::Load) => format!("load in less time, {}", raise("load_timeout")),
        (Failure::Timeout { .. }, Call::Score) => format!("answer in less time, {}", raise("timeout")),
        (Failure::Memory { .. }, Call::Fit) => format!("take less memory, {}", raise("fit_memory")),
        (Failure::Memory { .. }, _) => format!("take less memory, {}", raise("memory")),
        (Failure::Trap { .. }, _) => {
            "answer what is wrong with an error of the contract: a panic, an abort or an exception ends the instance".into()
        }
        (Failure::Output { .. }, Call::Fit) => "answer with a model that has bytes, and no more than 512 MiB".into(),
        (Failure::Output { .. }, _) => "answer with one finite number for every row: cap what can overflow".into(),
        (Failure::Refused { kind: Refusal::Data, .. }, _) => {
            "take every row that the description allows, or give rows that the detector takes".into()
        }
        (Failure::Refused { kind: Refusal::Parameters, .. }, _) => "mend `parameters` in plugin.yaml".into(),
        (Failure::Refused { kind: Refusal::Artifact, .. }, _) => {
            "name the file of the foreign model: `artifact` in plugin.yaml, or --artifact".into()
        }
        (Failure::Refused { .. }, _) => "do what the description promises, or promise less".into(),
        (Failure::Busy { .. } | Failure::Instantiation { .. }, _) => "try again while the machine has less to do".into(),
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
