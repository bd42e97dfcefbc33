//! Elasticsearch as a sink: documents go into data streams, each once.
//!
//! - **Nothing is lost.** A document is acknowledged once it is in its data stream, or, if that will never take it, in the stream of dead letters.
//!   Everything else is sent again: documents that are throttled alone, not their neighbours.
//! - **Nothing is there twice.** An id follows from its record, and `create` refuses an id that is there already. That holds for the index that a
//!   data stream writes to, and not for those that it wrote to before. So what may have been taken without anybody hearing of it, because a request
//!   got no answer or the process ended, is looked up before it is sent again.
//! - **Who refuses the credential is not asked again** until the file of the credential changes, or some minutes are over.

mod answer;
mod body;
mod lookup;
mod nodes;
mod pace;
mod parcel;

use super::{DocumentSource, Failure, Sink, position_of};
use crate::calling::SecretMistake;
use crate::config::Compression;
use crate::documents::{Documents, Refusal, Sample, Stream, dead_letter};
use crate::ledger::{Begin, Place, Tally};
use answer::{Outcome, Sent};
use futures_util::future::join_all;
use nodes::Nodes;
use pace::Pace;
use parcel::{Item, Parcel};
use std::path::PathBuf;
use std::time::Duration;
use synod_store::Record;
use thiserror::Error;
use url::Url;

/// What a dead letter holds of a document that is too large even for it.
const LEAST_OF_ORIGINAL: usize = 32 << 10;

/// Where Elasticsearch is, and how much is sent there.
#[derive(Debug, Clone)]
pub struct ElasticsearchConfig {
    /// Its nodes.
    pub nodes: Vec<Url>,
    /// What is shipped.
    pub streams: Vec<Stream>,
    /// How it knows Synod.
    pub credential: Option<Credential>,
    /// What its certificates are verified with, beside the public roots.
    pub root: Option<PathBuf>,
    /// How long a request may take.
    pub timeout: Duration,
    /// How bodies are compressed.
    pub compression: Compression,
    /// The most documents of a request …
    pub documents: usize,
    /// … and the most bytes before compression …
    pub bytes: usize,
    /// … and the most requests at a time.
    pub requests: usize,
    /// Which share is shipped of what there is too much of.
    pub sample: Sample,
    /// Where it begins the first time.
    pub(crate) begin: Begin,
}

/// How Elasticsearch knows Synod.
#[derive(Debug, Clone)]
pub enum Credential {
    /// By the file of an API key.
    ApiKey(PathBuf),
    /// By a user and the file of a password.
    Basic(String, PathBuf),
}

/// Why Elasticsearch cannot be called at all.
#[derive(Debug, Error)]
pub enum ElasticsearchError {
    /// The credential.
    #[error("sinks.elasticsearch.{key}: {text}")]
    Secret {
        /// Its key.
        key: &'static str,
        /// What is wrong.
        text: String,
    },
    /// The certificates.
    #[error("sinks.elasticsearch.root: {0}")]
    Root(String),
    /// The client.
    #[error("sinks.elasticsearch: {0}")]
    Client(String),
}

impl ElasticsearchError {
    fn secret(key: &'static str, error: &SecretMistake) -> Self {
        Self::Secret { key, text: crate::listening::chain(error) }
    }
}

/// Elasticsearch as a sink of one of the logs.
#[derive(Debug)]
pub(crate) struct Elasticsearch {
    source: DocumentSource,
    documents: Documents,
    nodes: Nodes,
    pace: Pace,
    compression: Compression,
    place: Place,
}

impl Elasticsearch {
    /// A sink of one of the logs.
    ///
    /// # Errors
    /// When a file that it needs cannot be read.
    pub(super) fn new(config: &ElasticsearchConfig, source: DocumentSource, documents: Documents) -> Result<Self, ElasticsearchError> {
        let nodes: Vec<&str> = config.nodes.iter().map(Url::as_str).collect();
        Ok(Self {
            source,
            place: Place {
                file: position_of("elasticsearch", &nodes, source),
                name: source.called("elasticsearch"),
                // However long it is away.
                patience: Duration::MAX,
                begin: config.begin,
            },
            documents,
            nodes: Nodes::open(config)?,
            pace: Pace::new(config.documents, config.bytes, config.requests),
            compression: config.compression,
        })
    }

    /// Sends some documents in one request; what became of each of them.
    async fn send(&self, items: &[Item]) -> Sent {
        let (body, encoding) = body::of(items, self.documents.origin(), self.compression);
        self.nodes.bulk(body, encoding, items.len()).await
    }

    /// Sends as much of a parcel as may be sent at a time, and takes out of it what is settled.
    async fn send_some(&mut self, parcel: &mut Parcel, tally: &mut Tally) -> Result<(), Failure> {
        let chunks = parcel.chunks(&self.pace);
        for chunk in &chunks {
            tally.requests += 1;
            tally.bytes += chunk.iter().map(|item| item.document.json.len() as u64).sum::<u64>();
            tally.retried += chunk.iter().filter(|item| item.attempts > 0).count() as u64;
        }
        let answers = join_all(chunks.iter().map(|chunk| self.send(chunk))).await;
        let mut failed = None;
        for (chunk, sent) in chunks.into_iter().zip(answers) {
            self.pace.note(&sent);
            if let Err(failure) = self.settle(chunk, sent, parcel, tally) {
                failed.get_or_insert(failure);
            }
        }
        parcel.in_order();
        failed.map_or(Ok(()), Err)
    }

    /// Puts back into the parcel what has to be sent again of a chunk.
    fn settle(&mut self, chunk: Vec<Item>, sent: Sent, parcel: &mut Parcel, tally: &mut Tally) -> Result<(), Failure> {
        match sent {
            Sent::Items(outcomes) => self.settle_each(chunk, outcomes, parcel, tally),
            Sent::TooLarge => {
                parcel.halve(chunk, |item| {
                    let refusal = Refusal { status: 413, kind: "too_large", reason: "the document alone is more than Elasticsearch takes" };
                    self.buried(item, &refusal)
                });
                Ok(())
            }
            Sent::Malformed { status, reason } => {
                parcel.halve(chunk, |item| self.buried(item, &Refusal { status, kind: "refused_request", reason: &reason }));
                Ok(())
            }
            Sent::Doubtful(mut failure) => {
                failure.after = failure.after.or_else(|| Some(self.pace.pause()));
                parcel.back(chunk.into_iter().map(|item| Item { is_doubtful: true, attempts: item.attempts + 1, ..item }));
                Err(failure)
            }
            Sent::NotTaken(mut failure) => {
                parcel.back(chunk.into_iter().map(|item| Item { attempts: item.attempts + 1, ..item }));
                failure.after = failure.after.or_else(|| Some(self.pace.pause()));
                Err(failure)
            }
            Sent::Refused(failure) => {
                parcel.back(chunk);
                self.nodes.refused();
                Err(failure)
            }
        }
    }

    fn settle_each(&mut self, chunk: Vec<Item>, outcomes: Vec<Outcome>, parcel: &mut Parcel, tally: &mut Tally) -> Result<(), Failure> {
        let mut failed: Option<Failure> = None;
        let mut dead = 0;
        for (item, outcome) in chunk.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Taken if item.is_dead() => tally.dead += 1,
                Outcome::Taken => tally.delivered += 1,
                Outcome::Repeated => {
                    tally.repeated += 1;
                    if item.is_dead() { tally.dead += 1 } else { tally.delivered += 1 }
                }
                // It is there, and can be looked at, but not where it belongs.
                Outcome::InFailureStore => tally.dead += 1,
                Outcome::Again { code, reason } => {
                    parcel.back([Item { attempts: item.attempts + 1, ..item }]);
                    failed.get_or_insert_with(|| Failure { code, reason, after: Some(self.pace.pause()) });
                }
                // A dead letter that is refused: nothing is known to be wrong with it but that the stream is not as it should be.
                Outcome::Dead(refused) if item.is_dead() && item.is_short() => {
                    parcel.back([Item { attempts: item.attempts + 1, ..item }]);
                    let reason = format!("dead letters are refused with status {}: {}", refused.status, refused.reason);
                    failed.get_or_insert_with(|| Failure::new("dead_letter", reason));
                }
                Outcome::Dead(refused) => {
                    dead += 1;
                    let refusal = Refusal { status: refused.status, kind: &refused.kind, reason: &refused.reason };
                    if dead == 1 {
                        let (sink, status, kind, reason) = (&self.place.name, refused.status, &refused.kind, &refused.reason);
                        tracing::error!(sink, status, kind, reason, "a document is refused for good, and becomes a dead letter");
                    }
                    parcel.back([self.buried(item, &refusal)]);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The dead letter of a document; of a dead letter that is too large, one with less in it.
    fn buried(&self, item: Item, refusal: &Refusal<'_>) -> Item {
        let (most, refused) = match item.refused {
            None => (usize::MAX, item.document),
            Some(refused) => (LEAST_OF_ORIGINAL, *refused),
        };
        let document = dead_letter(self.documents.origin(), &refused, refusal, most);
        Item { document, refused: Some(Box::new(refused)), is_short: most < usize::MAX, is_doubtful: false, attempts: 0, limit: usize::MAX }
    }
}

impl Sink for Elasticsearch {
    type Parcel = Parcel;

    const MOST_RECORDS: usize = 4000;
    const MOST_BYTES: usize = 4 << 20;
    const AHEAD: u64 = 20_000;

    fn place(&self) -> Place {
        self.place.clone()
    }

    fn pack(&mut self, records: Vec<Record>, untold: u64) -> Parcel {
        let item = |record: Record| {
            let is_doubtful = record.position.sequence < untold;
            self.source.document(&self.documents, &record).map(|document| Item::new(document, is_doubtful))
        };
        Parcel::new(records.into_iter().filter_map(item).collect())
    }

    async fn deliver(&mut self, parcel: &mut Parcel, tally: &mut Tally) -> Result<(), Failure> {
        self.nodes.renew()?;
        self.nodes.until_welcome().await;
        while !parcel.is_empty() {
            if let Err(failure) = lookup::settle_doubts(&self.nodes, self.documents.origin(), parcel, tally).await {
                self.pace.failed();
                return Err(Failure { after: failure.after.or_else(|| Some(self.pace.pause())), ..failure });
            }
            self.send_some(parcel, tally).await?;
        }
        Ok(())
    }
}
