//! The thread that sends spans. They are sent in batches, each tried a few times; meanwhile the queue fills, and then spans are dropped.

use super::queue::Counts;
use super::settings::Settings;
use crate::otlp::{Failed, SendMistake, Sender};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Spans of a batch.
const BATCH: usize = 512;
/// How long a span waits for others.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait before a batch is tried again, each time.
const AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// The thread.
#[derive(Debug)]
pub(super) struct Exporter {
    /// Says until when what waits may still be sent.
    closing: watch::Sender<Option<Instant>>,
    ended: mpsc::Receiver<()>,
}

impl Exporter {
    /// Starts the thread.
    pub(super) fn start(
        settings: &Settings,
        resource: &Resource,
        spans: Receiver<SpanData>,
        counts: Arc<Counts>,
    ) -> Result<Self, SendMistake> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SendMistake::Thread)?;
        let sender = {
            // Connections belong to the runtime that they are made in.
            let _entered = runtime.enter();
            Sender::new(&settings.collector)?
        };
        let (closing, asked) = watch::channel(None);
        let (end, ended) = mpsc::channel();
        let work =
            Work { spans, sender, counts, closing: asked, resource: resource.into(), timeout: settings.collector.timeout, is_well: true };
        std::thread::Builder::new()
            .name("spans".into())
            .spawn(move || {
                runtime.block_on(work.run());
                let _ = end.send(());
            })
            .map_err(SendMistake::Thread)?;
        Ok(Self { closing, ended })
    }

    /// Sends what waits, for so long at most.
    pub(super) fn close(self, within: Duration) {
        let _ = self.closing.send(Some(Instant::now() + within));
        if self.ended.recv_timeout(within + Duration::from_millis(100)).is_err() {
            tracing::warn!("spans that waited are lost: the collector of traces did not take them in time");
        }
    }
}

struct Work {
    spans: Receiver<SpanData>,
    sender: Sender,
    counts: Arc<Counts>,
    closing: watch::Receiver<Option<Instant>>,
    resource: ResourceAttributesWithSchema,
    timeout: Duration,
    /// Whether the last attempt went well: the log says when that changes, and not how often it fails.
    is_well: bool,
}

impl Work {
    async fn run(mut self) {
        loop {
            let batch = self.batch().await;
            if batch.is_empty() {
                return;
            }
            let count = batch.len() as u64;
            self.counts.waiting.fetch_sub(count, Relaxed);
            let spans = group_spans_by_resource_and_scope(batch, &self.resource);
            let refused = self.deliver(&ExportTraceServiceRequest { resource_spans: spans }, count).await;
            self.counts.exported.fetch_add(count - refused, Relaxed);
            self.counts.failed.fetch_add(refused, Relaxed);
        }
    }

    /// The next spans; none when the service ends and all are sent.
    async fn batch(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        let mut until = None;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let closing = self.until().is_some();
            if closing {
                // What is there is sent, and nothing more is taken.
                self.spans.close();
            }
            let more = self.spans.recv_many(&mut batch, room);
            let taken = match (closing, until) {
                (true, _) => more.await,
                (false, Some(until)) => tokio::select! {
                    taken = timeout_at(until, more) => match taken { Ok(taken) => taken, Err(_) => return batch },
                    _ = self.closing.changed() => continue,
                },
                (false, None) => tokio::select! {
                    taken = more => taken,
                    _ = self.closing.changed() => continue,
                },
            };
            if taken == 0 {
                return batch;
            }
            until.get_or_insert_with(|| Instant::now() + PAUSE);
        }
        batch
    }

    /// Until when spans may be sent, if the service ends. Whoever has the other end being gone means the same.
    fn until(&self) -> Option<Instant> {
        let asked = *self.closing.borrow();
        asked.or_else(|| self.closing.has_changed().is_err().then(Instant::now))
    }

    /// Sends a batch, and says how many of its spans were not taken.
    async fn deliver(&mut self, spans: &ExportTraceServiceRequest, count: u64) -> u64 {
        let mut pauses = AGAIN.into_iter();
        loop {
            let failed = match self.send(spans).await {
                Ok(refused) => {
                    self.note_well();
                    return refused.min(count);
                }
                Err(failed) => failed,
            };
            self.counts.attempts_failed.fetch_add(1, Relaxed);
            self.note_failed(&failed);
            let Some(pause) = pauses.next().filter(|_| failed.is_temporary() && self.until().is_none()) else { return count };
            tokio::select! {
                () = sleep(pause) => {}
                // Once more, and no more waiting.
                _ = self.closing.changed() => {}
            }
        }
    }

    async fn send(&mut self, spans: &ExportTraceServiceRequest) -> Result<u64, Failed> {
        let left = self.until().map_or(self.timeout, |until| until.saturating_duration_since(Instant::now()).min(self.timeout));
        timeout(left, self.sender.spans(spans)).await.unwrap_or(Err(Failed::Late))
    }

    fn note_well(&mut self) {
        if !std::mem::replace(&mut self.is_well, true) {
            tracing::info!("the collector of traces takes spans again");
        }
    }

    fn note_failed(&mut self, failed: &Failed) {
        if std::mem::replace(&mut self.is_well, false) {
            tracing::warn!(reason = failed.reason(), error = %crate::listening::chain(failed), "the collector of traces does not take spans");
        }
    }
}
