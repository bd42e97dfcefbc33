//! Dead letters: documents that a receiver will never take as they are, with all that is needed to send them again once its mind has changed.

use super::origin::Origin;
use super::{Document, EventFields, Stream};
use serde::Serialize;

/// The most of a reason.
const LONGEST_REASON: usize = 2000;

/// Why a document was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal<'a> {
    /// The status; 0 if nobody was asked.
    pub(crate) status: u16,
    /// The kind of error, in the receiver's words.
    pub(crate) kind: &'a str,
    /// The error.
    pub(crate) reason: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    message: String,
    event: EventFields<'a>,
    synod: Synod<'a>,
}

#[derive(Serialize)]
struct Synod<'a> {
    dead_letter: OfDeadLetter<'a>,
}

#[derive(Serialize)]
struct OfDeadLetter<'a> {
    stream: String,
    id: &'a str,
    sequence: u64,
    status: u16,
    #[serde(rename = "type")]
    kind: &'a str,
    reason: &'a str,
    truncated: bool,
}

/// The dead letter of a document, with at most so many bytes of it. It has the document's id and time, so that it is the same however often it is
/// made.
pub(crate) fn dead_letter(origin: &Origin, refused: &Document, refusal: &Refusal<'_>, most: usize) -> Document {
    let text = String::from_utf8_lossy(&refused.json);
    let (original, reason) = (beginning(&text, most), beginning(refusal.reason, LONGEST_REASON));
    let stream = origin.data_stream(refused.stream);
    let body = Body {
        message: format!("{stream} refused a document: {}", refusal.kind),
        event: EventFields {
            id: &refused.id,
            dataset: Stream::DeadLetter.dataset(),
            kind: "pipeline_error",
            original: Some(original),
            ..EventFields::default()
        },
        synod: Synod {
            dead_letter: OfDeadLetter {
                stream,
                id: &refused.id,
                sequence: refused.sequence,
                status: refusal.status,
                kind: refusal.kind,
                reason,
                truncated: original.len() < text.len(),
            },
        },
    };
    // Texts and numbers alone: there is nothing in it that cannot be written.
    let json = origin.line(Stream::DeadLetter, refused.at, &body).unwrap_or_default();
    Document { stream: Stream::DeadLetter, json, ..refused.clone() }
}

/// A text's beginning of at most so many bytes.
fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
