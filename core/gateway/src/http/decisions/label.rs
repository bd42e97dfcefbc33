//! `POST /v1/decisions/{id}/label`: what somebody says that the truth about a decision is.

use super::refused;
use crate::decision::{Label, LabelRecord};
use crate::http::problem::Wrong;
use crate::http::score::json;
use crate::http::{Problem, Service, body};
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::Arc;
use synod_store::AppendError;
use tokio::sync::oneshot;
use uuid::Uuid;

/// Bytes of a body.
const LONGEST_BODY: usize = 16 << 10;
/// Characters of a name.
const LONGEST_NAME: usize = 100;
/// Characters of a note.
const LONGEST_NOTE: usize = 1000;
/// Characters of what is said about a mistake.
const LONGEST_DETAIL: usize = 300;
/// Labels of one decision: whoever asks for it is told all of them.
const MOST_LABELS: usize = 100;

/// What is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    label: Label,
    by: String,
    #[serde(default)]
    note: Option<String>,
}

pub(in crate::http) async fn label(
    State(service): State<Arc<Service>>,
    id: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Response, Problem> {
    let id = super::id(id)?;
    let said = said(&read(&service, body).await?)?;
    // A moment has the precision that the index has.
    let at = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or_default();
    let record = LabelRecord { decision: id, label: said.label, by: said.by, at, note: said.note };
    let (record, stored) = service.reading(move |service| append(service, record)).await?;
    match stored.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(not_stored(&error)),
        Err(_) => return Err(Problem::internal()),
    }
    let mut response = json(&record)?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

type Stored = oneshot::Receiver<Result<(), AppendError>>;

fn append(service: &Service, record: LabelRecord) -> Result<(LabelRecord, Stored), Problem> {
    let known = labels(service, record.decision)?;
    if known >= MOST_LABELS {
        return Err(Problem::too_many_labels(MOST_LABELS));
    }
    let (sender, stored) = oneshot::channel();
    // Nobody may be waiting any more; the label stands all the same.
    let told = |result| drop(sender.send(result));
    service.ledger.label(&record, told).map_err(|error| refused(&error))?;
    Ok((record, stored))
}

/// How many labels a decision has.
fn labels(service: &Service, id: Uuid) -> Result<usize, Problem> {
    let labels = service.ledger.labels_of(id).map_err(|error| refused(&error))?;
    labels.ok_or_else(Problem::no_decision)
}

fn not_stored(error: &AppendError) -> Problem {
    tracing::error!(%error, "a label cannot be stored, and is not acknowledged");
    Problem::not_stored("the label could not be stored, and does not count")
}

async fn read(service: &Service, body: Body) -> Result<Bytes, Problem> {
    let limit = LONGEST_BODY.min(service.config.limits.body);
    body::read_at_most(service, body, limit, Problem::label_too_large).await
}

fn said(body: &[u8]) -> Result<Said, Problem> {
    if !body.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        // Derived types take a list for an object.
        return Err(Problem::invalid_label(vec![wrong("", "must be an object, as in {\"label\": \"fraud\", \"by\": \"somebody\"}")]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let said: Said = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let escaped = |step: &serde_path_to_error::Segment| step.to_string().replace('~', "~0").replace('/', "~1");
        let pointer = error.path().iter().map(|step| format!("/{}", escaped(step))).collect::<String>();
        match error.inner().is_data() {
            true => Problem::invalid_label(vec![wrong(&pointer, &error.inner().to_string())]),
            false => Problem::not_json(error.inner()),
        }
    })?;
    deserializer.end().map_err(|error| Problem::not_json(&error))?;
    let wrong = mistakes(&said);
    if wrong.is_empty() { Ok(said) } else { Err(Problem::invalid_label(wrong)) }
}

fn mistakes(said: &Said) -> Vec<Wrong> {
    let length = |text: &str| text.chars().count();
    let mut found = Vec::new();
    if !(1..=LONGEST_NAME).contains(&length(&said.by)) || said.by.trim().is_empty() || said.by.chars().any(char::is_control) {
        found.push(wrong("/by", &format!("must say who says so, in 1 to {LONGEST_NAME} characters")));
    }
    if let Some(note) = &said.note
        && length(note) > LONGEST_NOTE
    {
        found.push(wrong("/note", &format!("must have at most {LONGEST_NOTE} characters, not {}", length(note))));
    }
    found
}

/// Both may repeat what the client wrote.
fn wrong(pointer: &str, detail: &str) -> Wrong {
    let [pointer, detail] = [pointer, detail].map(|text| text.chars().take(LONGEST_DETAIL).collect());
    Wrong { pointer, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> serde_json::Value {
        serde_json::to_value(said(body.as_bytes()).unwrap_err()).unwrap()
    }

    #[test]
    fn a_label_is_read() {
        let said = said(br#" {"label": "legitimate", "by": "ana", "note": null}"#).unwrap();
        assert_eq!((said.label, said.by.as_str(), said.note), (Label::Legitimate, "ana", None));
        let longest = format!(r#"{{"by": "{}", "note": "{}", "label": "unsure"}}"#, "ä".repeat(100), "ö".repeat(1000));
        assert_eq!(super::said(longest.as_bytes()).unwrap().label, Label::Unsure);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            (r#"{"label": "Fraud", "by": "ana"}"#, "/label", "unknown variant `Fraud`, expected one of `fraud`, `legitimate`, `unsure`"),
            (r#"{"by": "ana"}"#, "", "missing field `label`"),
            (r#"{"label": "fraud"}"#, "", "missing field `by`"),
            (r#"{"label": "fraud", "by": 3}"#, "/by", "expected a string"),
            (r#"{"label": "fraud", "by": "ana", "why": "x"}"#, "/why", "unknown field `why`, expected one of `label`, `by`, `note`"),
            (r#"{"label": "fraud", "by": "ana", "by": "bob"}"#, "", "duplicate field `by`"),
            (r#"{"label": "fraud", "by": "ana", "a/~b": 1}"#, "/a~1~0b", "unknown field `a/~b`"),
            (r#"{"label": "fraud", "by": ""}"#, "/by", "in 1 to 100 characters"),
            (r#"{"label": "fraud", "by": " "}"#, "/by", "in 1 to 100 characters"),
            (r#"{"label": "fraud", "by": "a\nb"}"#, "/by", "in 1 to 100 characters"),
            (r#"["fraud", "ana"]"#, "", "must be an object"),
            ("null", "", "must be an object"),
        ];
        for (body, pointer, detail) in table {
            let problem = refusal(body);
            assert_eq!((&problem["code"], problem["errors"][0]["pointer"].as_str()), (&"invalid_label".into(), Some(pointer)), "{problem}");
            assert!(problem["errors"][0]["detail"].as_str().unwrap().contains(detail), "{problem}");
        }
        let both = refusal(&format!(r#"{{"label": "fraud", "by": "{}", "note": "{}"}}"#, "x".repeat(101), "y".repeat(1001)));
        assert_eq!(both["errors"].as_array().map(Vec::len), Some(2), "{both}");
        for body in ["", "{", r#"{"label": "fraud", "by": "ana"} x"#] {
            assert_eq!(refusal(body)["code"], "invalid_json", "{body}");
        }
    }
}
