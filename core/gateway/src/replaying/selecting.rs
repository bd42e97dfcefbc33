//! Which decisions of the log are meant.

use super::is_decision;
use crate::decision::Decision;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashSet;
use synod_detection::Outcome;
use synod_store::Record;
use uuid::Uuid;

/// Which decisions are meant; everything by default.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these.
    pub decisions: HashSet<Uuid>,
    /// Decided at this moment or later, in microseconds since 1970.
    pub from: Option<i64>,
    /// Decided before this moment.
    pub until: Option<i64>,
    /// About this entity, in one of the forms in which it may be stored.
    pub entity: Vec<String>,
    /// Of this tenant; with an empty text those of none.
    pub tenant: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// The first ones, so many.
    pub limit: Option<u64>,
}

/// What becomes of a record.
#[derive(Debug)]
pub enum Choice {
    /// It is no decision, or none that is meant.
    PassedOver,
    /// It should be a decision, and cannot be read: why.
    Unreadable(String),
    /// It is meant.
    Chosen(Box<Decision>),
}

/// A selection that is being made, record by record.
#[derive(Debug)]
pub struct Choosing<'a> {
    selection: &'a Selection,
    chosen: u64,
}

/// What is looked at first.
#[derive(Deserialize)]
struct Looked<'a> {
    id: Uuid,
    #[serde(borrow, default)]
    entity: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tenant: Option<Cow<'a, str>>,
    verdict: LookedVerdict,
}

#[derive(Deserialize)]
struct LookedVerdict {
    outcome: Outcome,
}

impl Selection {
    /// Begins with the first record.
    pub fn choosing(&self) -> Choosing<'_> {
        Choosing { selection: self, chosen: 0 }
    }

    /// Whether a record has to be looked into to know whether it is meant.
    fn looks_inside(&self) -> bool {
        !self.decisions.is_empty() || !self.entity.is_empty() || self.tenant.is_some() || self.outcome.is_some()
    }

    fn is_of_time(&self, at: i64) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }

    fn takes(&self, looked: &Looked<'_>) -> bool {
        let one_of = |entity: &Option<Cow<'_, str>>| entity.as_ref().is_some_and(|entity| self.entity.iter().any(|one| one == entity));
        (self.decisions.is_empty() || self.decisions.contains(&looked.id))
            && (self.entity.is_empty() || one_of(&looked.entity))
            && self.tenant.as_ref().is_none_or(|tenant| *tenant == looked.tenant.as_deref().unwrap_or_default())
            && self.outcome.is_none_or(|outcome| outcome == looked.verdict.outcome)
    }
}

impl Choosing<'_> {
    /// Whether a record is meant.
    pub fn choose(&mut self, record: &Record) -> Choice {
        let selection = self.selection;
        if self.is_done() || !is_decision(record) || !selection.is_of_time(record.at) {
            return Choice::PassedOver;
        }
        let read = match selection.looks_inside().then(|| serde_json::from_slice::<Looked<'_>>(&record.payload)) {
            Some(Ok(looked)) if !selection.takes(&looked) => return Choice::PassedOver,
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => serde_json::from_slice(&record.payload),
        };
        match read {
            Ok(decision) => {
                self.chosen += 1;
                Choice::Chosen(Box::new(decision))
            }
            Err(error) => Choice::Unreadable(format!("the record is no decision that this version can read: {error}")),
        }
    }

    /// Whether nothing more can be meant.
    pub fn is_done(&self) -> bool {
        let all = self.selection.decisions.len() as u64;
        self.selection.limit.is_some_and(|limit| self.chosen >= limit) || (all > 0 && self.chosen >= all)
    }

    /// How many have been chosen.
    pub fn chosen(&self) -> u64 {
        self.chosen
    }
}
