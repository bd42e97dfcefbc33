//! Which columns the tables have: those of every decision, and those that the configurations of the decisions brought with them.

use super::cells::{OF_ABSTENTIONS, OF_DECISIONS, OF_VOTES, Told, abstention, value, vote};
use crate::command::chain;
use crate::config::{self, Storing};
use crate::decision::Decision;
use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use synod_detection::Kind as Declared;
use synod_store::{Archive, Cell, ColumnSpec, Kind};

/// Up to here every integer is a double, 2^53; a schema knows no others.
const LARGEST_EXACT: u64 = 1 << 53;

/// The columns, as they become known. They stand in the order in which the log first has them.
#[derive(Debug)]
pub(super) struct Columns {
    archive: Archive,
    /// How each configuration declares the fields of its rows.
    declared: HashMap<String, IndexMap<String, Kind>>,
    /// The fields of rows; none as long as nothing is known of what one holds.
    fields: IndexMap<String, Option<Kind>>,
    features: IndexSet<String>,
    detectors: IndexSet<String>,
}

impl Columns {
    /// The columns of no decision yet.
    pub(super) fn new(archive: Archive) -> Self {
        Self { archive, declared: HashMap::new(), fields: IndexMap::new(), features: IndexSet::new(), detectors: IndexSet::new() }
    }

    /// Takes in what a decision has.
    pub(super) fn note(&mut self, decision: &Decision) {
        if !self.declared.contains_key(&decision.configuration) {
            self.declare(&decision.configuration);
        }
        let declared = &self.declared[&decision.configuration];
        for (name, value) in &decision.row {
            let kind = kind_of(value, declared.get(name).copied());
            widen(&mut self.fields, name, kind);
        }
        for name in decision.features.keys() {
            insert(&mut self.features, name);
        }
        let (votes, abstentions) = (decision.votes.iter(), decision.abstentions.iter());
        for name in votes.map(|vote| &vote.detector).chain(abstentions.map(|abstention| &abstention.detector)) {
            insert(&mut self.detectors, name);
        }
    }

    /// The fields of a configuration. Of one that is not in the archive, or that this version cannot read, the values alone say what they are.
    fn declare(&mut self, digest: &str) {
        let declared = declared(&self.archive, digest).unwrap_or_else(|why| {
            eprintln!("{why}; times of its rows are written as text");
            IndexMap::new()
        });
        for (name, kind) in &declared {
            widen(&mut self.fields, name, Some(*kind));
        }
        self.declared.insert(digest.to_owned(), declared);
    }

    /// The columns as they are written.
    pub(super) fn specs(&self) -> Vec<ColumnSpec> {
        let column = |name: String, kind: Kind| ColumnSpec { name, kind };
        let always = OF_DECISIONS.iter().map(|(name, kind, _)| column((*name).to_owned(), *kind));
        let fields = self.fields.iter().map(|(name, kind)| column(format!("row.{name}"), kind.unwrap_or(Kind::Text)));
        let features = self.features.iter().map(|name| column(format!("feature.{name}"), Kind::Number));
        let detectors = self.detectors.iter().flat_map(|detector| {
            let votes = OF_VOTES.iter().map(move |(name, kind, _)| column(format!("vote.{detector}.{name}"), *kind));
            votes.chain(OF_ABSTENTIONS.iter().map(move |(name, kind, _)| column(format!("abstention.{detector}.{name}"), *kind)))
        });
        always.chain(fields).chain(features).chain(detectors).collect()
    }

    /// A decision's cells, in the order of the columns.
    pub(super) fn row(&self, told: &Told<'_>) -> Vec<Cell> {
        let decision = told.decision;
        let always = OF_DECISIONS.iter().map(|(_, _, cell)| cell(told));
        let fields = self.fields.iter().map(|(name, kind)| value(decision.row.get(name), kind.unwrap_or(Kind::Text)));
        let features = self.features.iter().map(|name| match decision.features.get(name) {
            Some(Some(number)) => Cell::Number(*number),
            Some(None) | None => Cell::Missing,
        });
        let detectors = self.detectors.iter().flat_map(|detector| vote(decision, detector).chain(abstention(decision, detector)));
        always.chain(fields).chain(features).chain(detectors).collect()
    }
}

/// How a configuration's rows are stored.
fn declared(archive: &Archive, digest: &str) -> Result<IndexMap<String, Kind>, String> {
    let bytes = archive.get(digest).map_err(|error| format!("the configuration {digest}: {}", chain(&error)))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the configuration {digest} is no text"))?;
    let config =
        config::archived(&text, digest).map_err(|error| format!("this version cannot read the configuration {digest}: {error}"))?;
    let stored = |(field, storing): (&synod_detection::Field, &Storing)| match storing {
        Storing::Keep => Some((field.name.clone(), kind(field.kind))),
        Storing::Mask | Storing::Hmac => Some((field.name.clone(), Kind::Text)),
        Storing::Drop => None,
    };
    Ok(config.schema.fields().iter().zip(&config.storing).filter_map(stored).collect())
}

fn kind(declared: Declared) -> Kind {
    match declared {
        Declared::Number => Kind::Number,
        Declared::Integer => Kind::Integer,
        Declared::Boolean => Kind::Boolean,
        Declared::Text => Kind::Text,
        Declared::Time => Kind::Time,
    }
}

/// The kind of column that takes a value; none if any does.
fn kind_of(value: &Value, declared: Option<Kind>) -> Option<Kind> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(Kind::Boolean),
        Value::Number(number) => Some(match number.as_i64() {
            Some(integer) if integer.unsigned_abs() <= LARGEST_EXACT => Kind::Integer,
            None if number.is_f64() => Kind::Number,
            _ => Kind::Text,
        }),
        Value::String(text) if declared == Some(Kind::Time) && moment(text).is_some() => Some(Kind::Time),
        Value::String(_) | Value::Array(_) | Value::Object(_) => Some(Kind::Text),
    }
}

/// A moment as rows are stored with it: to the microsecond.
pub(super) fn moment(text: &str) -> Option<i64> {
    let moment: Timestamp = text.parse().ok()?;
    let microseconds = moment.as_microsecond();
    (Timestamp::from_microsecond(microseconds).ok()? == moment).then_some(microseconds)
}

/// A field holds what all its configurations and values ask for: integers among numbers are numbers; whatever else differs is text.
fn widen(fields: &mut IndexMap<String, Option<Kind>>, name: &str, kind: Option<Kind>) {
    match fields.get_mut(name) {
        Some(known) => *known = wider(*known, kind),
        None => drop(fields.insert(name.to_owned(), kind)),
    }
}

fn wider(one: Option<Kind>, other: Option<Kind>) -> Option<Kind> {
    match (one, other) {
        (one, None) => one,
        (None, other) => other,
        (Some(one), Some(other)) if one == other => Some(one),
        (Some(Kind::Integer | Kind::Number), Some(Kind::Integer | Kind::Number)) => Some(Kind::Number),
        _ => Some(Kind::Text),
    }
}

fn insert(names: &mut IndexSet<String>, name: &str) {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_column_takes_all_that_it_must_hold() {
        let table = [
            (json!(null), None, None),
            (json!(true), None, Some(Kind::Boolean)),
            (json!(7), None, Some(Kind::Integer)),
            (json!(7.0), None, Some(Kind::Number)),
            (json!(9_007_199_254_740_993_i64), None, Some(Kind::Text)),
            (json!(u64::MAX), None, Some(Kind::Text)),
            (json!("2026-01-31T12:00:00Z"), None, Some(Kind::Text)),
            (json!("2026-01-31T12:00:00Z"), Some(Kind::Time), Some(Kind::Time)),
            (json!("2026-01-31T12:00:00.0000001Z"), Some(Kind::Time), Some(Kind::Text)),
            (json!("****1234"), Some(Kind::Time), Some(Kind::Text)),
        ];
        for (value, declared, expected) in table {
            assert_eq!(kind_of(&value, declared), expected, "{value}");
        }
        assert_eq!(wider(Some(Kind::Integer), Some(Kind::Number)), Some(Kind::Number));
        assert_eq!(wider(Some(Kind::Number), Some(Kind::Boolean)), Some(Kind::Text));
        assert_eq!(wider(None, Some(Kind::Time)), Some(Kind::Time));
        assert_eq!(wider(Some(Kind::Time), Some(Kind::Text)), Some(Kind::Text));
    }
}
