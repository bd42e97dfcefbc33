//! `POST /v1/decisions/{id}/label`: what somebody says that the truth about a decision is.

use super::refused;
use crate::access::Caller;
use crate::auditing::{Action, AuditOutcome};
use crate::decision::{Decision, Label, LabelRecord, StoredLabel};
use crate::http::acts::Origin;
use crate::http::problem::Wrong;
use crate::http::score::json;
use crate::http::shown::Shown;
use crate::http::{Problem, Service, body};
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::Arc;
use synod_store::AppendError;
use tokio::sync::oneshot;
use utoipa::ToSchema;
use uuid::Uuid;

/// Bytes of a body.
const LONGEST_BODY: usize = 16 << 10;
/// Characters of a name.
pub(in crate::http) const LONGEST_NAME: usize = 100;
/// Characters of a note.
pub(in crate::http) const LONGEST_NOTE: usize = 1000;
/// Labels of one decision: whoever asks for it is told all of them.
const MOST_LABELS: usize = 100;

/// What is said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Saying)]
pub(in crate::http) struct Said {
    label: Label,
    /// Who says so: the caller's own name, or left out. Somebody without a credential has to give one.
    #[serde(default)]
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    by: Option<String>,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 1000)]
    note: Option<String>,
}

pub(in crate::http) async fn label(
    State(service): State<Arc<Service>>,
    shown: Shown,
    origin: Origin,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = super::id(id)?;
    body::expect_json(&headers)?;
    let said = said(&read(&service, body).await?, shown.caller())?;
    // Whoever proved who they are says it in their own name; anybody else gives one.
    let by = said.by.unwrap_or_else(|| shown.caller().name().to_owned());
    // A moment has the precision that the index has.
    let at = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap_or_default();
    let record = LabelRecord { decision: id, label: said.label, by, at, note: said.note };
    let act = origin.record(Action::LABEL_SET, AuditOutcome::Allowed).by(shown.caller()).to(&id.to_string());
    let (record, stored) = service.reading(move |service| append(service, &shown, record)).await?;
    match stored.await {
        Ok(Ok(())) => service.metrics.labels.set(record.label),
        Ok(Err(error)) => return Err(not_stored(&error)),
        Err(_) => return Err(Problem::internal()),
    }
    service.audited(&act).await?;
    let mut response = json(&record)?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

type Stored = oneshot::Receiver<Result<(), AppendError>>;

fn append(service: &Service, shown: &Shown, record: LabelRecord) -> Result<(LabelRecord, Stored), Problem> {
    let (known, decision) = labels(service, shown, record.decision)?;
    if known >= MOST_LABELS {
        return Err(Problem::too_many_labels(MOST_LABELS));
    }
    let (sender, stored) = oneshot::channel();
    // Nobody may be waiting any more; the label stands all the same.
    let told = |result| drop(sender.send(result));
    let (outcome, tenant) = decision.map_or((None, None), |decision| (Some(decision.verdict.outcome), decision.tenant));
    let record = StoredLabel { said: record, outcome, tenant };
    service.ledger.label(&record, told).map_err(|error| refused(&error))?;
    Ok((record.said, stored))
}

/// How many labels a decision has, if it is there for the caller, and the decision, if the log still has it.
fn labels(service: &Service, shown: &Shown, id: Uuid) -> Result<(usize, Option<Decision>), Problem> {
    let labels = service.ledger.labels_of(&shown.whose(), id).map_err(|error| refused(&error))?;
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

fn said(bytes: &[u8], caller: &Caller) -> Result<Said, Problem> {
    let said: Said = body::object(bytes, r#"{"label": "fraud", "by": "somebody"}"#, Problem::invalid_label)?;
    let wrong = mistakes(&said, caller);
    if wrong.is_empty() { Ok(said) } else { Err(Problem::invalid_label(wrong)) }
}

fn mistakes(said: &Said, caller: &Caller) -> Vec<Wrong> {
    let mut found = Vec::from_iter(mistake_in_name(said.by.as_deref(), caller));
    if let Some(length) = said.note.as_ref().map(|note| note.chars().count())
        && length > LONGEST_NOTE
    {
        found.push(Wrong::cut("/note", &format!("must have at most {LONGEST_NOTE} characters, not {length}")));
    }
    found
}

/// Nobody who is known speaks for somebody else.
fn mistake_in_name(by: Option<&str>, caller: &Caller) -> Option<Wrong> {
    let is_name = |by: &str| (1..=LONGEST_NAME).contains(&by.chars().count()) && !by.trim().is_empty() && !by.chars().any(char::is_control);
    match by {
        None if caller.is_known() => None,
        None => Some(Wrong::cut("", "missing field `by`")),
        Some(by) if caller.is_known() => (by != caller.name())
            .then(|| Wrong::cut("/by", &format!("must be left out, or be the caller's own name, which is {}", caller.name()))),
        Some(by) => (!is_name(by)).then(|| Wrong::cut("/by", &format!("must say who says so, in 1 to {LONGEST_NAME} characters"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Roles;
    use synod_identity::Principal;

    fn anonymous() -> Caller {
        Caller::anonymous(&[], &Roles::default())
    }

    fn refusal(body: &str) -> serde_json::Value {
        serde_json::to_value(said(body.as_bytes(), &anonymous()).unwrap_err()).unwrap()
    }

    #[test]
    fn nobody_who_is_known_speaks_for_somebody_else() {
        let [roles, scopes] = [const { std::collections::BTreeSet::new() }; 2];
        let principal = Principal { subject: "ana".into(), issuer: "bank".into(), tenant: None, roles, scopes, expires: 0 };
        let ana = Caller::known(principal, &Roles::default());
        let said = |body: &str| super::said(body.as_bytes(), &ana);
        assert_eq!(said(r#"{"label": "fraud"}"#).unwrap().by, None);
        assert_eq!(said(r#"{"label": "fraud", "by": "bank:ana"}"#).unwrap().by.as_deref(), Some("bank:ana"));
        for by in ["ana", "bank:bob", "", "anonymous"] {
            let problem = serde_json::to_value(said(&format!(r#"{{"label": "fraud", "by": "{by}"}}"#)).unwrap_err()).unwrap();
            assert_eq!((&problem["code"], &problem["errors"][0]["pointer"]), (&"invalid_label".into(), &"/by".into()), "{problem}");
            assert!(problem["detail"].as_str().unwrap().ends_with("which is bank:ana"), "{problem}");
        }
    }

    #[test]
    fn a_label_is_read() {
        let said = said(br#" {"label": "legitimate", "by": "ana", "note": null}"#, &anonymous()).unwrap();
        assert_eq!((said.label, said.by.as_deref(), said.note), (Label::Legitimate, Some("ana"), None));
        let longest = format!(r#"{{"by": "{}", "note": "{}", "label": "unsure"}}"#, "ä".repeat(100), "ö".repeat(1000));
        assert_eq!(super::said(longest.as_bytes(), &anonymous()).unwrap().label, Label::Unsure);
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
