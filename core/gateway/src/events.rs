//! Access and application events on their way to those who ship them: a log of their own, beside that of decisions, which is kept only until it is
//! told. Unlike decisions they may be dropped: when too much waits in memory, when the log has its quota, when the disk refuses. Each that is
//! dropped is counted, and once there is room again an event says how many were.
//!
//! A request never waits for it: events are put into a bounded list, which a thread writes down.

mod layer;
mod queue;

pub use layer::AppLayer;
pub use queue::{DropReason, EventQueue};

use crate::ledger::{Followed, FollowerFacts, Followers, Place};
use crate::listening::chain;
use jiff::Timestamp;
use queue::Waiting;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use synod_store::{DataDirectory, Entry, Log, LogError, LogSettings, PositionError, Retention};
use tokio::sync::watch;

/// How long events wait for others, so that they are written together.
const ROUND: Duration = Duration::from_millis(50);
/// How often segments are dropped that everybody has read, and the quota is looked at.
const RETENTION: Duration = Duration::from_millis(500);
/// The largest segment, and how many of them a quota has at least.
const LARGEST_SEGMENT: u64 = 8 << 20;
const SEGMENTS: u64 = 8;

/// The kinds of records in the log of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// An [`AccessEvent`].
    Access = 16,
    /// An [`AppEvent`].
    App = 17,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Access, Self::App];

    /// The word of its stream.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::App => "app",
        }
    }
}

/// A request that was answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessEvent<'a> {
    /// Its id.
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    /// GET, POST …
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// By its pattern.
    #[serde(borrow)]
    pub route: Cow<'a, str>,
    /// The answer's status.
    pub status: u16,
    /// What it took.
    pub duration_ns: u64,
    /// Who asked.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Cow<'a, str>>,
    /// Whose matter it is.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Cow<'a, str>>,
    /// Its trace.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
    /// Its span, if it is recorded.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<Cow<'a, str>>,
}

/// What the service says about itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct AppEvent<'a> {
    /// trace, debug, info, warn or error.
    #[serde(borrow)]
    pub level: Cow<'a, str>,
    /// The part of the code.
    #[serde(borrow)]
    pub target: Cow<'a, str>,
    /// The words.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// The fields, an object.
    #[serde(borrow)]
    pub fields: &'a RawValue,
    /// The trace of the request that it is about.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
    /// The span.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<Cow<'a, str>>,
    /// What was dropped, if that is what it says.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped<'a>>,
}

/// What was dropped.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dropped<'a> {
    /// Of which stream.
    #[serde(borrow)]
    pub stream: Cow<'a, str>,
    /// How many.
    pub count: u64,
}

/// The log of events, and those who follow it.
#[derive(Debug)]
pub struct Events {
    queue: Arc<EventQueue>,
    log: Log,
    followers: Followers,
    maximum: u64,
}

/// What an operator wants to know of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventsFacts {
    /// What their log takes on disk.
    pub bytes_on_disk: u64,
    /// What it may take.
    pub maximum: u64,
}

impl Events {
    /// Opens the log of events, which takes at most so many bytes. One that is damaged is set aside. The caller holds the server's lock.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(queue: Arc<EventQueue>, directory: &DataDirectory, maximum: u64) -> Result<Arc<Self>, LogError> {
        let settings = LogSettings {
            segment_bytes: LARGEST_SEGMENT.min(maximum / SEGMENTS),
            queue_bytes: 2 * queue::MOST_BYTES,
            // What a power failure may cost here is not worth a wait.
            sync: false,
            ..LogSettings::default()
        };
        let (log, _) = match Log::open_events(directory, settings) {
            Err(error @ LogError::Damaged { .. }) => {
                let aside = directory.set_events_aside(Timestamp::now().as_microsecond());
                let aside = aside.map_err(|source| LogError::Write { path: directory.path().to_owned(), source })?;
                tracing::error!(error = chain(&error), aside = %aside.display(), "the log of events is damaged, and is set aside");
                Log::open_events(directory, settings)?
            }
            opened => opened?,
        };
        Ok(Arc::new(Self { queue, log, followers: Followers::default(), maximum }))
    }

    /// Where events are put.
    pub fn queue(&self) -> &EventQueue {
        &self.queue
    }

    /// Lets somebody follow the log from where they were.
    ///
    /// # Errors
    /// When the position cannot be read or kept.
    pub(crate) fn follow(&self, directory: &DataDirectory, place: &Place) -> Result<Followed, PositionError> {
        self.followers.follow(&self.log, directory, place)
    }

    /// How those do who follow it.
    pub fn followers(&self) -> Vec<FollowerFacts> {
        self.followers.facts(&self.log)
    }

    /// What an operator wants to know.
    pub fn facts(&self) -> EventsFacts {
        EventsFacts { bytes_on_disk: self.log.facts().bytes_on_disk, maximum: self.maximum }
    }

    /// Starts the thread that writes events down, until `stopped` changes.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(self: &Arc<Self>, stopped: watch::Receiver<()>) -> std::io::Result<JoinHandle<()>> {
        let events = Arc::clone(self);
        std::thread::Builder::new().name("events".into()).spawn(move || events.run(&stopped))
    }

    fn run(&self, stopped: &watch::Receiver<()>) {
        let mut looked = Instant::now();
        while !stopped.has_changed().unwrap_or(true) {
            std::thread::sleep(ROUND);
            self.write_down();
            if looked.elapsed() >= RETENTION {
                self.look_at_quota();
                looked = Instant::now();
            }
        }
        self.write_down();
    }

    /// Writes down what waits.
    fn write_down(&self) {
        let waiting = self.queue.take();
        if waiting.is_empty() {
            return;
        }
        let counts = queue::counts(&waiting);
        let entries: Vec<Entry> = waiting.into_iter().filter_map(entry).collect();
        let (sender, receiver) = mpsc::channel();
        self.log.append(entries, move |result| drop(sender.send(result)));
        match receiver.recv() {
            Ok(Ok(_)) => self.queue.written(counts),
            // Once, when it begins: the log line of it is dropped as well.
            Ok(Err(error)) => {
                self.queue.refused(counts, || tracing::error!(error = chain(&error), "events are dropped: they cannot be written"))
            }
            Err(_) => self.queue.refused(counts, || ()),
        }
    }

    /// Drops what everybody has read, and sees whether there is room.
    fn look_at_quota(&self) {
        let now = Timestamp::now();
        let keep = Retention { age: Some(Duration::ZERO), bytes: None, now: now.as_microsecond() };
        if let Err(error) = self.log.retain(keep, self.followers.needed_from(now)) {
            tracing::error!(error = chain(&error), "events that were told cannot be dropped");
        }
        self.queue.set_full(self.log.facts().bytes_on_disk >= self.maximum);
    }
}

fn entry(waiting: Waiting) -> Option<Entry> {
    // What is in it is bounded far below what the log takes.
    Entry::new(waiting.kind as u8, waiting.at, waiting.payload).ok()
}

#[cfg(test)]
mod tests;
