//! Sinks: others who are told what is in the log. Each has a thread of its own that reads the log from an acknowledged position and makes of some
//! records a parcel that its receiver takes. No request waits for it. What a receiver does not take is kept and tried again, and nothing that
//! comes later overtakes it; after a crash a sink goes on where the last acknowledgement was kept, so that a receiver may be told something
//! twice and must not mind.
//!
//! A new kind of sink is a file in this folder that implements [`Sink`], and a line in [`Sinks::open`].

pub mod alertmanager;
mod following;

pub(crate) use following::{Failure, Sink};

use crate::config::Config;
use crate::ledger::{FollowError, Ledger};
use alertmanager::Alertmanager;
use std::sync::Arc;
use std::thread::JoinHandle;
use synod_store::DataDirectory;
use thiserror::Error;
use tokio::sync::watch;

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

impl Sinks {
    /// Opens the sinks that are configured, and starts them.
    ///
    /// # Errors
    /// When a file that one needs cannot be read, or its position cannot.
    pub fn open(
        config: &Config,
        ledger: &Arc<Ledger>,
        directory: &DataDirectory,
        stopped: &watch::Receiver<()>,
    ) -> Result<Self, SinkError> {
        let mut threads = Vec::new();
        for sink in Alertmanager::all(config.alerts.as_ref(), ledger)? {
            let (file, name, patience) = (sink.file(), sink.name().to_owned(), sink.patience());
            let followed = ledger.follow(directory, &file, &name, patience).map_err(|source| SinkError::Follow { sink: name, source })?;
            threads.push(following::start(sink, followed, stopped.clone())?);
        }
        Ok(Self { threads })
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
