//! OTLP logs as a sink: documents as log records, for whoever runs a collector of OpenTelemetry. A field of a document is an attribute of its name.
//!
//! A collector promises nothing about what it was sent twice, so that after a crash, or a time-out, records may arrive again, each with the same
//! `log.record.uid`. What a collector refuses for good is kept in the data directory (`sinks/refused-otlp.jsonl`), and counted as dead.

mod record;

use super::{DocumentSource, Failure, Sink};
use crate::documents::{Document, Documents, Sample, Stream};
use crate::ledger::{Begin, Place, Tally};
use crate::otlp::{Collector, Failed, SendMistake, Sender};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use synod_store::{DataDirectory, LineFile, Record, Rotation};
use thiserror::Error;
use tokio::time::timeout;
use tonic::Code;

/// Records in one request.
const AT_A_TIME: usize = 500;
/// What is kept of refused documents: files of this size, so many.
const REFUSED: Rotation = Rotation { size: 16 << 20, age: Duration::MAX, keep: 16, compress: true };

/// Where log records go.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// Who takes them.
    pub collector: Collector,
    /// What is sent.
    pub streams: Vec<Stream>,
    /// Which share is sent of what there is too much of.
    pub sample: Sample,
    /// Where it begins the first time.
    pub(crate) begin: Begin,
}

/// Why log records cannot be sent.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// The collector cannot be called.
    #[error("sinks.otlp")]
    Collector(#[from] SendMistake),
    /// There is no place for what it refuses.
    #[error("sinks.otlp: cannot open {}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A collector as a sink of one of the logs.
#[derive(Debug)]
pub(crate) struct Otlp {
    source: DocumentSource,
    documents: Documents,
    collector: Collector,
    /// Made in the runtime that sends.
    sender: Option<Sender>,
    refused: LineFile,
    place: Place,
}

/// Documents that wait, and how many are sent together.
#[derive(Debug)]
pub(crate) struct Waiting {
    documents: VecDeque<Document>,
    together: usize,
}

impl Otlp {
    /// A sink of one of the logs.
    ///
    /// # Errors
    /// When a file that it needs cannot be read or opened.
    pub(super) fn new(
        config: &OtlpConfig,
        source: DocumentSource,
        documents: Documents,
        directory: &DataDirectory,
    ) -> Result<Self, OtlpError> {
        // What is wrong with its files is said at the start.
        config.collector.check()?;
        let path = directory.path().join("sinks").join(format!("{}.jsonl", source.called("refused-otlp")));
        let refused = LineFile::open(&path, REFUSED).map_err(|source| OtlpError::Refused { path, source })?;
        let place = Place {
            file: super::position_of("otlp", &[config.collector.endpoint.as_str()], source),
            name: source.called("otlp"),
            patience: Duration::MAX,
            begin: config.begin,
        };
        Ok(Self { source, documents, collector: config.collector.clone(), sender: None, refused, place })
    }

    /// Sends records, and says how many of them were refused.
    async fn send(&mut self, documents: &[Document]) -> Result<u64, Failed> {
        let export = ExportLogsServiceRequest { resource_logs: record::resources(documents) };
        let sender = match &mut self.sender {
            Some(sender) => sender,
            none => none.insert(Sender::new(&self.collector).map_err(|mistake| Failed::Headers(mistake.into()))?),
        };
        timeout(self.collector.timeout, sender.logs(&export)).await.unwrap_or(Err(Failed::Late))
    }

    /// Keeps documents that the collector will never take.
    fn bury(&mut self, documents: &[Document]) -> Result<(), Failure> {
        let mut lines = Vec::new();
        for document in documents {
            lines.extend_from_slice(&document.json);
            lines.push(b'\n');
        }
        self.refused.append(&lines).map_err(|error| Failure::of("disk", &error))
    }
}

impl Sink for Otlp {
    type Parcel = Waiting;

    fn place(&self) -> Place {
        self.place.clone()
    }

    fn pack(&mut self, records: Vec<Record>, _: u64) -> Waiting {
        let documents = records.iter().filter_map(|record| self.source.document(&self.documents, record)).collect();
        Waiting { documents, together: AT_A_TIME }
    }

    async fn deliver(&mut self, waiting: &mut Waiting, tally: &mut Tally) -> Result<(), Failure> {
        while !waiting.documents.is_empty() {
            let documents: Vec<Document> = waiting.documents.iter().take(waiting.together).cloned().collect();
            let count = documents.len() as u64;
            tally.requests += 1;
            tally.bytes += documents.iter().map(|document| document.json.len() as u64).sum::<u64>();
            match self.send(&documents).await {
                Ok(0) => tally.delivered += count,
                Ok(refused) => {
                    // It does not say which: all of them are kept.
                    let refused = refused.min(count);
                    tracing::error!(sink = self.place.name, refused, "the collector refused records; they are kept in the data directory");
                    self.bury(&documents)?;
                    tally.dead += refused;
                    tally.delivered += count - refused;
                }
                Err(failed) if is_about_content(&failed) && count > 1 => {
                    waiting.together = documents.len().div_ceil(2);
                    continue;
                }
                Err(failed) if is_about_content(&failed) => {
                    let (sink, error) = (&self.place.name, failed.to_string());
                    tracing::error!(sink, error, "the collector refuses a record for good; it is kept in the data directory");
                    self.bury(&documents)?;
                    tally.dead += 1;
                    waiting.together = AT_A_TIME;
                }
                Err(failed) => {
                    tally.retried += count;
                    return Err(failure(&failed));
                }
            }
            waiting.documents.drain(..documents.len());
        }
        Ok(())
    }
}

/// Whether the records themselves are what is refused (OTLP 1.x, "Failures": bad data must not be sent again).
fn is_about_content(failed: &Failed) -> bool {
    match failed {
        Failed::Status(status) => matches!(status, 400 | 413 | 422),
        Failed::Grpc(code) => matches!(code, Code::InvalidArgument),
        _ => false,
    }
}

fn failure(failed: &Failed) -> Failure {
    let code = match failed {
        Failed::Status(401 | 403) | Failed::Grpc(Code::Unauthenticated | Code::PermissionDenied) => "credential",
        Failed::Status(429) | Failed::Grpc(Code::ResourceExhausted) => "throttled",
        other => other.reason(),
    };
    Failure::of(code, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_of_the_content_or_pass() {
        assert!(is_about_content(&Failed::Status(400)) && is_about_content(&Failed::Grpc(Code::InvalidArgument)));
        for (failed, code) in [
            (Failed::Status(401), "credential"),
            (Failed::Grpc(Code::Unauthenticated), "credential"),
            (Failed::Status(429), "throttled"),
            (Failed::Grpc(Code::ResourceExhausted), "throttled"),
            (Failed::Status(503), "status"),
            (Failed::Grpc(Code::Unavailable), "status"),
            (Failed::Late, "late"),
            (Failed::Answer, "answer"),
        ] {
            assert!(!is_about_content(&failed));
            assert_eq!(failure(&failed).code, code);
        }
    }
}
