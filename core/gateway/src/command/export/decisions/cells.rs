//! What stands in a decision's cells. What every decision has, every vote and every abstention, is in tables, in the order of the columns.

use super::columns::moment;
use crate::decision::{AbstentionOf, Decision, DegradedBy, LabelRecord, VoteOf};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use synod_store::{Cell, Kind};

/// A decision with all that is told of it.
#[derive(Debug)]
pub(super) struct Told<'a> {
    /// Its record in the log.
    pub(super) sequence: u64,
    /// What was recorded.
    pub(super) decision: &'a Decision,
    /// The latest word about it.
    pub(super) label: Option<&'a LabelRecord>,
}

/// A column: its name, what it holds, and the cell.
type Column<T> = (&'static str, Kind, fn(&T) -> Cell);

/// What a column has of a decision.
pub(super) type ToCell = fn(&Told<'_>) -> Cell;

/// The columns of every decision.
pub(super) const OF_DECISIONS: &[(&str, Kind, ToCell)] = &[
    ("sequence", Kind::Integer, |told| integer(told.sequence)),
    ("id", Kind::Text, |told| Cell::Text(told.decision.id.to_string())),
    ("event", Kind::Text, |told| text(told.decision.event.as_deref())),
    ("entity", Kind::Text, |told| text(told.decision.entity.as_deref())),
    ("tenant", Kind::Text, |told| text(told.decision.tenant.as_deref())),
    ("principal", Kind::Text, |told| text(told.decision.principal.as_deref())),
    ("request.key", Kind::Text, |told| text(told.decision.request.as_ref().map(|request| request.key.as_str()))),
    ("request.content", Kind::Text, |told| text(told.decision.request.as_ref().map(|request| request.content.as_str()))),
    ("content", Kind::Text, |told| text(Some(&told.decision.content))),
    ("at", Kind::Time, |told| time(told.decision.at)),
    ("decided", Kind::Time, |told| time(Some(told.decision.decided))),
    ("past.remembered", Kind::Boolean, |told| Cell::Boolean(told.decision.past.remembered)),
    ("past.late", Kind::Boolean, |told| Cell::Boolean(told.decision.past.late)),
    ("past.full", Kind::Boolean, |told| Cell::Boolean(told.decision.past.full)),
    ("configuration", Kind::Text, |told| text(Some(&told.decision.configuration))),
    ("verdict.anomalous", Kind::Boolean, |told| Cell::Boolean(told.decision.verdict.anomalous)),
    ("verdict.outcome", Kind::Text, |told| text(Some(told.decision.verdict.outcome.name()))),
    ("verdict.score", Kind::Number, |told| Cell::Number(told.decision.verdict.score)),
    ("verdict.threshold", Kind::Number, |told| number(told.decision.verdict.threshold)),
    ("verdict.policy", Kind::Text, |told| word(&told.decision.verdict.policy)),
    ("verdict.combined", Kind::Number, |told| Cell::Number(told.decision.verdict.combined)),
    ("verdict.votes", Kind::Integer, |told| integer(told.decision.verdict.votes as u64)),
    ("verdict.too_few_votes", Kind::Boolean, |told| Cell::Boolean(told.decision.verdict.too_few_votes)),
    ("verdict.degraded.from", Kind::Text, |told| text(told.decision.verdict.degraded.map(|degraded| degraded.from.name()))),
    ("verdict.degraded.by", Kind::Text, |told| {
        told.decision.verdict.degraded.map_or(Cell::Missing, |degraded| word::<DegradedBy>(&degraded.by))
    }),
    ("reasons", Kind::Text, |told| reasons(&told.decision.reasons)),
    ("label", Kind::Text, |told| text(told.label.map(|label| label.label.name()))),
    ("label.by", Kind::Text, |told| text(told.label.map(|label| label.by.as_str()))),
    ("label.at", Kind::Time, |told| time(told.label.map(|label| label.at))),
    ("label.note", Kind::Text, |told| text(told.label.and_then(|label| label.note.as_deref()))),
];

/// The columns of a detector's vote, behind `vote.DETECTOR.`.
pub(super) const OF_VOTES: &[Column<VoteOf>] = &[
    ("score", Kind::Number, |vote| Cell::Number(vote.vote.score)),
    ("raw_score", Kind::Number, |vote| Cell::Number(vote.vote.raw_score)),
    ("extrapolated", Kind::Boolean, |vote| Cell::Boolean(vote.vote.extrapolated)),
    ("threshold", Kind::Number, |vote| Cell::Number(vote.vote.threshold)),
    ("anomalous", Kind::Boolean, |vote| Cell::Boolean(vote.vote.anomalous)),
    ("model_version", Kind::Integer, |vote| integer(vote.model_version)),
    ("model_digest", Kind::Text, |vote| text(Some(&vote.model_digest))),
    ("plugin_digest", Kind::Text, |vote| text(Some(&vote.plugin_digest))),
    ("duration_us", Kind::Number, |vote| Cell::Number(vote.duration_us)),
];

/// The columns of a detector's abstention, behind `abstention.DETECTOR.`.
pub(super) const OF_ABSTENTIONS: &[Column<AbstentionOf>] = &[
    ("reason", Kind::Text, |abstention| text(Some(&abstention.reason))),
    ("detail", Kind::Text, |abstention| text(Some(&abstention.detail))),
    ("model_version", Kind::Integer, |abstention| integer(abstention.model_version)),
];

/// The cells of a detector's vote; all are missing if it has none.
pub(super) fn vote(decision: &Decision, detector: &str) -> impl Iterator<Item = Cell> {
    cells(OF_VOTES, decision.votes.iter().find(|vote| vote.detector == detector))
}

/// The cells of a detector's abstention; all are missing if it has none.
pub(super) fn abstention(decision: &Decision, detector: &str) -> impl Iterator<Item = Cell> {
    cells(OF_ABSTENTIONS, decision.abstentions.iter().find(|abstention| abstention.detector == detector))
}

fn cells<T>(columns: &[Column<T>], of: Option<&T>) -> impl Iterator<Item = Cell> {
    columns.iter().map(move |(_, _, cell)| of.map_or(Cell::Missing, cell))
}

/// A value of the row in a column of this kind, which takes it: the first reading has seen to that.
pub(super) fn value(value: Option<&Value>, kind: Kind) -> Cell {
    match (kind, value) {
        (_, None | Some(Value::Null)) => Cell::Missing,
        (Kind::Boolean, Some(Value::Bool(truth))) => Cell::Boolean(*truth),
        (Kind::Integer, Some(Value::Number(number))) => number.as_i64().map_or(Cell::Missing, Cell::Integer),
        (Kind::Number, Some(Value::Number(number))) => number.as_f64().map_or(Cell::Missing, Cell::Number),
        (Kind::Time, Some(Value::String(text))) => moment(text).map_or(Cell::Missing, Cell::Time),
        (_, Some(Value::String(text))) => Cell::Text(text.clone()),
        (_, Some(other)) => Cell::Text(other.to_string()),
    }
}

fn text(text: Option<&str>) -> Cell {
    text.map_or(Cell::Missing, |text| Cell::Text(text.to_owned()))
}

fn number(number: Option<f64>) -> Cell {
    number.map_or(Cell::Missing, Cell::Number)
}

fn integer(integer: u64) -> Cell {
    Cell::Integer(i64::try_from(integer).unwrap_or(i64::MAX))
}

fn time(moment: Option<Timestamp>) -> Cell {
    moment.map_or(Cell::Missing, |moment| Cell::Time(moment.as_microsecond()))
}

/// Something that is written as a word, or else as JSON: `weighted_mean`, `{"at_least":2}`.
fn word<T: Serialize>(written: &T) -> Cell {
    match serde_json::to_value(written) {
        Ok(Value::String(word)) => Cell::Text(word),
        Ok(other) => Cell::Text(other.to_string()),
        Err(_) => Cell::Missing,
    }
}

/// The reasons as a JSON list; missing where there are none.
fn reasons(reasons: &[String]) -> Cell {
    if reasons.is_empty() { Cell::Missing } else { word(&reasons) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use synod_detection::Rule;

    #[test]
    fn rules_and_reasons_are_words_or_json() {
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!((word(&Rule::All), word(&Rule::AtLeast(2))), (text("all"), text("{\"at_least\":2}")));
        assert_eq!((reasons(&[]), reasons(&["a, \"b\"".to_owned()])), (Cell::Missing, text("[\"a, \\\"b\\\"\"]")));
    }

    #[test]
    fn a_value_stands_in_any_column_that_takes_it() {
        let table = [
            (json!(true), Kind::Boolean, Cell::Boolean(true)),
            (json!(7), Kind::Integer, Cell::Integer(7)),
            (json!(7), Kind::Number, Cell::Number(7.0)),
            (json!(7.5), Kind::Text, Cell::Text("7.5".to_owned())),
            (json!("2026-01-31T12:00:00.000001Z"), Kind::Time, Cell::Time(1_769_860_800_000_001)),
            (json!("2026-01-31T12:00:00Z"), Kind::Text, Cell::Text("2026-01-31T12:00:00Z".to_owned())),
            (json!(null), Kind::Number, Cell::Missing),
        ];
        for (of, kind, cell) in table {
            assert_eq!(value(Some(&of), kind), cell, "{of} as {kind:?}");
        }
        assert_eq!(value(None, Kind::Text), Cell::Missing);
    }
}
