//! Sinks: others who are told what is in the logs. Each has a thread of its own that reads a log from an acknowledged position and makes of some
//! records a parcel that its receiver takes. No request waits for it. What a receiver does not take is kept and tried again, and nothing that
//! comes later overtakes it; after a crash a sink goes on where the last acknowledgement was kept, so that a receiver may be told something
//! twice and must not mind, or the sink finds out what the receiver has.
//!
//! Decisions and audit records are in the ledger's log, access and application events in one of their own (`events.rs`): who ships both is a sink of
//! each.
//!
//! A new kind of sink is a file in this folder that implements [`Sink`], and a line in [`Sinks::open`].

pub mod alertmanager;
pub mod elasticsearch;
pub mod file;
mod following;
pub mod otlp;
pub mod standard_output;

pub(crate) use following::{Failure, Sink};

use crate::config::{Config, WhenFull};
use crate::documents::{Document, Documents, Origin, Sample, Stream};
use crate::events::Events;
use crate::hexadecimal::hexadecimal;
use crate::ledger::{FollowError, Ledger};
use alertmanager::Alertmanager;
use elasticsearch::{Elasticsearch, ElasticsearchConfig};
use file::{FileConfig, LinesSink};
use otlp::{Otlp, OtlpConfig};
use sha2::{Digest as _, Sha256};
use standard_output::{OutputConfig, StandardOutput};
use std::sync::Arc;
use std::thread::JoinHandle;
use synod_store::{DataDirectory, Record};
use thiserror::Error;
use tokio::sync::watch;

/// Who is shipped what.
#[derive(Debug, Clone)]
pub struct SinksConfig {
    /// What documents say of where they come from.
    pub origin: OriginConfig,
    /// What may wait.
    pub spool: SpoolConfig,
    /// Elasticsearch, if it is shipped to.
    pub elasticsearch: Option<ElasticsearchConfig>,
    /// Files, if they are written.
    pub file: Option<FileConfig>,
    /// Standard output, if it is written to.
    pub standard_output: Option<OutputConfig>,
    /// A collector of OpenTelemetry, if it is sent to.
    pub otlp: Option<OtlpConfig>,
}

/// What documents say of where they come from.
#[derive(Debug, Clone)]
pub struct OriginConfig {
    /// The end of the data streams' names.
    pub namespace: String,
    /// `service.name`
    pub service: String,
    /// `service.node.name`; the host's name if there is none.
    pub node: Option<String>,
}

/// What may wait for sinks, on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Bytes of the log of decisions.
    pub decisions: u64,
    /// What happens to rows beyond that.
    pub when_full: WhenFull,
    /// Bytes of the log of events.
    pub events: u64,
}

impl SinksConfig {
    /// The streams that each sink ships.
    fn shipped(&self) -> impl Iterator<Item = &[Stream]> {
        let elasticsearch = self.elasticsearch.iter().map(|config| &*config.streams);
        let file = self.file.iter().map(|config| &*config.streams);
        let output = self.standard_output.iter().map(|config| &*config.streams);
        elasticsearch.chain(file).chain(output).chain(self.otlp.iter().map(|config| &*config.streams))
    }

    /// Whether somebody ships decisions or audit records.
    pub fn follows_decisions(&self) -> bool {
        self.shipped().flatten().any(|stream| stream.is_durable())
    }

    /// Whether somebody ships this.
    pub fn ships(&self, stream: Stream) -> bool {
        self.shipped().flatten().any(|shipped| *shipped == stream)
    }

    /// Whether somebody ships what is in the log of events.
    pub fn follows_events(&self) -> bool {
        self.shipped().flatten().any(|stream| !stream.is_durable())
    }
}

/// Which log a sink ships from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentSource {
    /// That of decisions.
    Log,
    /// That of events.
    Events,
}

impl DocumentSource {
    /// What facts call a sink of this log.
    fn called(self, name: &str) -> String {
        match self {
            Self::Log => name.to_owned(),
            Self::Events => format!("{name}{}", synod_store::POSITIONS_OF_EVENTS),
        }
    }

    /// The document of a record.
    fn document(self, documents: &Documents, record: &Record) -> Option<Document> {
        match self {
            Self::Log => documents.of_log(record),
            Self::Events => documents.of_events(record),
        }
    }

    /// The logs that these streams are in.
    fn of(streams: &[Stream]) -> impl Iterator<Item = Self> {
        let has = |durable| streams.iter().any(|stream| stream.is_durable() == durable);
        [(Self::Log, has(true)), (Self::Events, has(false))].into_iter().filter_map(|(source, has)| has.then_some(source))
    }
}

/// What the position of a sink is kept under: its kind, whom it tells, and the log.
fn position_of(kind: &str, receiver: &[&str], source: DocumentSource) -> String {
    let digest = Sha256::digest(receiver.join("\n"));
    source.called(&format!("{kind}-{}", hexadecimal(&digest[..8])))
}

/// Why sinks cannot work.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The log cannot be followed.
    #[error("{sink}: {source}")]
    Follow {
        /// Which sink.
        sink: String,
        /// Why not.
        source: FollowError,
    },
    /// There is no log of events.
    #[error("the log of events is not open")]
    NoEvents,
    /// Elasticsearch cannot be called.
    #[error(transparent)]
    Elasticsearch(#[from] elasticsearch::ElasticsearchError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] file::FileError),
    /// Log records cannot be sent.
    #[error(transparent)]
    Otlp(#[from] otlp::OtlpError),
    /// The receivers of alerts cannot be called.
    #[error(transparent)]
    Alerts(#[from] alertmanager::AlertsError),
    /// A thread cannot be started.
    #[error("the system refuses a thread: {0}")]
    System(#[from] std::io::Error),
}

/// The sinks of an installation, at work until `stopped` changes.
#[derive(Debug)]
pub struct Sinks {
    threads: Vec<JoinHandle<()>>,
}

/// What is needed to start sinks.
struct Starting<'a> {
    ledger: &'a Arc<Ledger>,
    events: Option<&'a Arc<Events>>,
    directory: &'a DataDirectory,
    stopped: &'a watch::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Starting<'_> {
    /// Starts a sink of a log.
    fn start<S: Sink>(&mut self, source: DocumentSource, sink: S) -> Result<(), SinkError> {
        let place = sink.place();
        let follow = |source: FollowError| SinkError::Follow { sink: place.name.clone(), source };
        let followed = match source {
            DocumentSource::Log => self.ledger.follow(self.directory, &place).map_err(follow)?,
            DocumentSource::Events => {
                let events = self.events.ok_or(SinkError::NoEvents)?;
                events.follow(self.directory, &place).map_err(|error| follow(error.into()))?
            }
        };
        self.threads.push(following::start(sink, followed, self.stopped.clone())?);
        Ok(())
    }
}

impl Sinks {
    /// Opens the sinks that are configured, and starts them.
    ///
    /// # Errors
    /// When a file that one needs cannot be read, or its position cannot.
    pub fn open(
        config: &Config,
        ledger: &Arc<Ledger>,
        events: Option<&Arc<Events>>,
        directory: &DataDirectory,
        stopped: &watch::Receiver<()>,
    ) -> Result<Self, SinkError> {
        let mut starting = Starting { ledger, events, directory, stopped, threads: Vec::new() };
        for sink in Alertmanager::all(config.alerts.as_ref(), ledger)? {
            starting.start(DocumentSource::Log, sink)?;
        }
        let OriginConfig { namespace, service, node } = &config.sinks.origin;
        let origin = Origin::new(namespace, service, node.as_deref());
        let documents = |streams: &[Stream], sample: Sample| Documents::new(origin.clone(), streams.to_vec(), sample);
        if let Some(config) = &config.sinks.elasticsearch {
            for source in DocumentSource::of(&config.streams) {
                starting.start(source, Elasticsearch::new(config, source, documents(&config.streams, config.sample))?)?;
            }
        }
        if let Some(config) = &config.sinks.file {
            for source in DocumentSource::of(&config.streams) {
                starting.start(source, LinesSink::new(config, source, documents(&config.streams, config.sample))?)?;
            }
        }
        if let Some(config) = &config.sinks.standard_output {
            for source in DocumentSource::of(&config.streams) {
                starting.start(source, StandardOutput::new(source, documents(&config.streams, config.sample)))?;
            }
        }
        if let Some(config) = &config.sinks.otlp {
            for source in DocumentSource::of(&config.streams) {
                starting.start(source, Otlp::new(config, source, documents(&config.streams, config.sample), directory)?)?;
            }
        }
        Ok(Self { threads: starting.threads })
    }

    /// Waits until all have stopped. What was not acknowledged is told after the next start.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a sink panicked; what it did not deliver is delivered after the next start");
            }
        }
    }
}
