//! Labels as documents, in the stream of the decisions that they are about.

use super::{Document, EventFields, Head, Id, Named, Stream};
use crate::decision::{Label, StoredLabel};
use crate::redaction::redacted;
use serde::Serialize;
use std::borrow::Cow;
use synod_detection::Outcome;

#[derive(Serialize)]
struct Body<'a> {
    message: String,
    event: EventFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Id<'a>>,
    user: Named<'a>,
    synod: Synod<'a>,
}

#[derive(Serialize)]
struct Synod<'a> {
    decision: OfDecision,
    label: OfLabel<'a>,
}

#[derive(Serialize)]
struct OfDecision {
    id: String,
}

#[derive(Serialize)]
struct OfLabel<'a> {
    value: Label,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Cow<'a, str>>,
}

/// The document of a label.
pub(super) fn document(head: Head<'_>) -> Result<Option<Document>, serde_json::Error> {
    let StoredLabel { said: record, outcome, tenant } = serde_json::from_slice(&head.record.payload)?;
    let (id, by) = (head.id(), redacted(&record.by));
    let body = Body {
        message: format!("{} is {}", record.decision, record.label.name()),
        event: EventFields {
            id: &id,
            dataset: Stream::Decision.dataset(),
            kind: "event",
            action: Some("label"),
            sequence: Some(head.sequence()),
            ..EventFields::default()
        },
        organization: Id::of(tenant.as_deref()),
        user: Named { name: &by },
        synod: Synod {
            decision: OfDecision { id: record.decision.to_string() },
            label: OfLabel { value: record.label, outcome, note: record.note.as_deref().map(redacted) },
        },
    };
    head.document(Stream::Decision, id.clone(), &body).map(Some)
}
