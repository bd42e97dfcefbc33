//! Requests that were answered as documents.

use super::decision::Share;
use super::{Document, EventFields, Head, Id, Named, Stream, is_drawn};
use crate::events::AccessEvent;
use serde::Serialize;

/// From this status on a request did not succeed.
const FAILURE: u16 = 400;

#[derive(Serialize)]
struct Body<'a> {
    message: String,
    event: EventFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Id<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Id<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<Id<'a>>,
    http: Http<'a>,
    synod: Synod<'a>,
}

#[derive(Serialize)]
struct Http<'a> {
    request: Request<'a>,
    response: Response,
}

#[derive(Serialize)]
struct Request<'a> {
    id: &'a str,
    method: &'a str,
}

#[derive(Serialize)]
struct Response {
    status_code: u16,
}

#[derive(Serialize)]
struct Synod<'a> {
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<Share>,
}

/// The document of a request; none if it succeeded and is not drawn.
pub(super) fn document(head: Head<'_>, share: f64) -> Result<Option<Document>, serde_json::Error> {
    let event: AccessEvent<'_> = serde_json::from_slice(&head.record.payload)?;
    let has_failed = event.status >= FAILURE;
    let sample = (!has_failed && share < 1.0).then_some(Share { share });
    let drawn_by = head.record.chain.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    if sample.is_some() && !is_drawn(drawn_by, share) {
        return Ok(None);
    }
    let id = head.id();
    let body = Body {
        message: format!("{} {} {} in {:.1} ms", event.method, event.route, event.status, event.duration_ns as f64 / 1e6),
        event: EventFields {
            id: &id,
            dataset: Stream::Access.dataset(),
            kind: "event",
            action: Some("request"),
            category: &["web"],
            kinds: &["access"],
            outcome: Some(if has_failed { "failure" } else { "success" }),
            duration: Some(event.duration_ns),
            sequence: Some(head.sequence()),
            ..EventFields::default()
        },
        organization: Id::of(event.tenant.as_deref()),
        user: Named::of(event.caller.as_deref()),
        trace: Id::of(event.trace_id.as_deref()),
        span: Id::of(event.span_id.as_deref()),
        http: Http { request: Request { id: &event.request_id, method: &event.method }, response: Response { status_code: event.status } },
        synod: Synod { route: &event.route, sample },
    };
    head.document(Stream::Access, id.clone(), &body).map(Some)
}
