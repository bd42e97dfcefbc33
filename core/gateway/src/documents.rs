//! Documents: what others are told of a record, as one JSON object in the names of the Elastic Common Schema. `elk/fields.yaml` lists all their
//! fields. Whatever ships them, file, search engine or collector, ships the same document, and the same record is always the same document.
//!
//! - Its id follows from the record alone, so that one that is told twice can be recognised.
//! - What clients write becomes values and never names: the one exception is the row, whose fields the schema names.
//! - It is one line, whatever the record holds.

mod access;
mod app;
mod audit;
mod dead_letter;
mod decision;
mod label;
mod origin;
#[cfg(test)]
mod tests;

pub(crate) use dead_letter::{Refusal, dead_letter};
pub use origin::Origin;

use crate::decision::RecordKind;
use crate::events::EventKind;
use crate::hexadecimal::hexadecimal;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Serializer};
use synod_store::Record;

/// The kinds of documents, each with a data stream of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Decisions, and the labels that are set on them.
    Decision,
    /// Who did what.
    Audit,
    /// Requests that were answered.
    Access,
    /// What the service says about itself.
    App,
    /// Documents that were refused.
    DeadLetter,
}

impl Stream {
    /// Those that somebody can ask for.
    pub const ASKED: [Self; 4] = [Self::Decision, Self::Audit, Self::Access, Self::App];
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Decision, Self::Audit, Self::Access, Self::App, Self::DeadLetter];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Audit => "audit",
            Self::Access => "access",
            Self::App => "app",
            Self::DeadLetter => "dead_letter",
        }
    }

    /// The dataset, as in `logs-DATASET-namespace`.
    pub fn dataset(self) -> &'static str {
        match self {
            Self::Decision => "synod.decision",
            Self::Audit => "synod.audit",
            Self::Access => "synod.access",
            Self::App => "synod.app",
            Self::DeadLetter => "synod.dead_letter",
        }
    }

    /// Whether its records are in the log of decisions, and not in that of events.
    pub fn is_durable(self) -> bool {
        matches!(self, Self::Decision | Self::Audit)
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// Which kind it is.
    pub(crate) stream: Stream,
    /// Its id.
    pub(crate) id: String,
    /// When it happened: microseconds since 1970.
    pub(crate) at: i64,
    /// The number of its record.
    pub(crate) sequence: u64,
    /// The object, without a line's end.
    pub(crate) json: Vec<u8>,
}

/// Which documents are made, and how.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    origin: Origin,
    streams: Vec<Stream>,
    sample: Sample,
}

/// Which share is told of what there is too much of to be told all. What is told of it says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Of decisions that were approved by as many votes as the policy asks for.
    pub decisions: f64,
    /// Of requests that succeeded.
    pub access: f64,
}

impl Sample {
    /// All of them.
    pub const ALL: Self = Self { decisions: 1.0, access: 1.0 };
}

/// What a record says of itself before it is looked into.
#[derive(Debug, Clone, Copy)]
struct Head<'a> {
    origin: &'a Origin,
    record: &'a Record,
}

impl Documents {
    /// Of these streams.
    pub(crate) fn new(origin: Origin, streams: Vec<Stream>, sample: Sample) -> Self {
        Self { origin, streams, sample }
    }

    /// Where they come from.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The document of a record; none if it is not asked for, not drawn, or of a kind that this version does not know. A record that cannot be read
    /// becomes a dead letter.
    pub(crate) fn of_log(&self, record: &Record) -> Option<Document> {
        let head = Head { origin: &self.origin, record };
        match record.kind {
            kind if kind == RecordKind::Decision as u8 => {
                self.made(Stream::Decision, head, |head| decision::document(head, self.sample.decisions))
            }
            kind if kind == RecordKind::Label as u8 => self.made(Stream::Decision, head, label::document),
            kind if kind == RecordKind::Audit as u8 => self.made(Stream::Audit, head, audit::document),
            _ => None,
        }
    }

    /// The document of a record of the log of events.
    pub(crate) fn of_events(&self, record: &Record) -> Option<Document> {
        let head = Head { origin: &self.origin, record };
        match record.kind {
            kind if kind == EventKind::Access as u8 => self.made(Stream::Access, head, |head| access::document(head, self.sample.access)),
            kind if kind == EventKind::App as u8 => self.made(Stream::App, head, app::document),
            _ => None,
        }
    }

    fn made<'a>(
        &self,
        stream: Stream,
        head: Head<'a>,
        make: impl FnOnce(Head<'a>) -> Result<Option<Document>, serde_json::Error>,
    ) -> Option<Document> {
        if !self.streams.contains(&stream) {
            return None;
        }
        make(head).unwrap_or_else(|error| Some(unreadable(stream, head, &error)))
    }
}

/// A record that is not what its kind says.
fn unreadable(stream: Stream, head: Head<'_>, error: &serde_json::Error) -> Document {
    let text = String::from_utf8_lossy(&head.record.payload);
    let refused = Document {
        stream,
        id: head.id(),
        at: head.record.at,
        sequence: head.record.position.sequence,
        json: text.into_owned().into_bytes(),
    };
    let refusal = Refusal { status: 0, kind: "unreadable_record", reason: &error.to_string() };
    dead_letter(head.origin, &refused, &refusal, usize::MAX)
}

impl<'a> Head<'a> {
    /// An id for a record that has none of its own: its time, so that ids that come together stand together, and its place in the chain.
    fn id(self) -> String {
        format!("{:016x}{}", self.record.at, hexadecimal(&self.record.chain[..8]))
    }

    fn sequence(self) -> u64 {
        self.record.position.sequence
    }

    /// What is the same in all documents, and a body after it, as one line.
    fn document(self, stream: Stream, id: String, body: &impl Serialize) -> Result<Document, serde_json::Error> {
        let json = self.origin.line(stream, self.record.at, body)?;
        Ok(Document { stream, id, at: self.record.at, sequence: self.sequence(), json })
    }
}

/// Whether the bearer of this id is drawn for a share: always the same ones, whoever asks.
fn is_drawn(id: u64, share: f64) -> bool {
    // The upper 53 bits as a number from 0 to 1.
    share >= 1.0 || ((id >> 11) as f64) < share * (1_u64 << 53) as f64
}

/// A value as compact JSON behind what is there.
fn append(bytes: &mut Vec<u8>, value: &impl Serialize) -> Result<(), serde_json::Error> {
    value.serialize(&mut Serializer::with_formatter(bytes, CompactFormatter))
}

/// `event.*` of a document.
#[derive(Debug, Default, Serialize)]
struct EventFields<'a> {
    id: &'a str,
    dataset: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    category: &'a [&'a str],
    #[serde(rename = "type", skip_serializing_if = "<[&str]>::is_empty")]
    kinds: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<&'a str>,
}

/// `organization.*`, `host.*` and the like: an object of one id.
#[derive(Debug, Serialize)]
struct Id<'a> {
    id: &'a str,
}

/// `user.*`: an object of one name.
#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
}

impl<'a> Id<'a> {
    fn of(id: Option<&'a str>) -> Option<Self> {
        id.map(|id| Self { id })
    }
}

impl<'a> Named<'a> {
    fn of(name: Option<&'a str>) -> Option<Self> {
        name.map(|name| Self { name })
    }
}
