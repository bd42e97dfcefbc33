//! What the service says about itself as documents.

use super::{Document, EventFields, Head, Id, Stream};
use crate::events::{AppEvent, Dropped};
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Body<'a> {
    message: &'a str,
    event: EventFields<'a>,
    log: Log<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Id<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<Id<'a>>,
    synod: Synod<'a>,
}

#[derive(Serialize)]
struct Log<'a> {
    level: &'a str,
    logger: &'a str,
}

#[derive(Serialize)]
struct Synod<'a> {
    fields: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<Dropped<'a>>,
}

/// The document of a line.
pub(super) fn document(head: Head<'_>) -> Result<Option<Document>, serde_json::Error> {
    let event: AppEvent<'_> = serde_json::from_slice(&head.record.payload)?;
    let id = head.id();
    let body = Body {
        message: &event.message,
        event: EventFields {
            id: &id,
            dataset: Stream::App.dataset(),
            kind: "event",
            action: Some("log"),
            sequence: Some(head.sequence()),
            ..EventFields::default()
        },
        log: Log { level: &event.level, logger: &event.target },
        trace: Id::of(event.trace_id.as_deref()),
        span: Id::of(event.span_id.as_deref()),
        synod: Synod { fields: event.fields, dropped: event.dropped },
    };
    head.document(Stream::App, id.clone(), &body).map(Some)
}
