//! Audit records as documents.

use super::{Document, EventFields, Head, Id, Named, Stream};
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    message: String,
    event: EventFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Id<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Http<'a>>,
    synod: Synod<'a>,
}

#[derive(Serialize)]
struct Source<'a> {
    address: &'a str,
}

#[derive(Serialize)]
struct Http<'a> {
    request: Id<'a>,
}

#[derive(Serialize)]
struct Synod<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    audit: OfAudit<'a>,
}

#[derive(Serialize)]
struct OfAudit<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    count: u64,
}

/// The document of an audit record.
pub(super) fn document(head: Head<'_>) -> Result<Option<Document>, serde_json::Error> {
    let record: AuditRecord = serde_json::from_slice(&head.record.payload)?;
    let (id, (category, kinds)) = (record.id().to_string(), category(record.action()));
    let body = Body {
        message: message(&record),
        event: EventFields {
            id: &id,
            dataset: Stream::Audit.dataset(),
            kind: "event",
            action: Some(record.action().name()),
            category,
            kinds,
            outcome: Some(if record.outcome() == AuditOutcome::Allowed { "success" } else { "failure" }),
            sequence: Some(head.sequence()),
            ..EventFields::default()
        },
        organization: Id::of(record.tenant()),
        user: Named::of(record.actor()),
        source: record.address().map(|address| Source { address }),
        http: record.request_id().map(|id| Http { request: Id { id } }),
        synod: Synod { route: record.route(), audit: OfAudit { target: record.target(), reason: record.reason(), count: record.count() } },
    };
    head.document(Stream::Audit, id.clone(), &body).map(Some)
}

fn message(record: &AuditRecord) -> String {
    let mut message = format!("{} {}", record.action().name(), record.outcome().name());
    for (word, said) in [("by", record.actor()), ("of", record.target()), ("because", record.reason())] {
        message.extend(said.map(|said| format!(" {word} {said}")));
    }
    message
}

/// ECS's category and types of an action.
fn category(action: &Action) -> (&'static [&'static str], &'static [&'static str]) {
    match action.name().split('.').next().unwrap_or_default() {
        "credential" | "console" => (&["authentication"], &["start"]),
        "permission" => (&["iam"], &["denied"]),
        "key" | "signing_key" => (&["iam"], &["change"]),
        "configuration" | "certificate" | "breaker" => (&["configuration"], &["change"]),
        "service" | "log" => (&["process"], &["info"]),
        _ => (&[], &["info"]),
    }
}
