//! The queue between requests and the exporter. The library's own processor has one as well, and does not say how many spans it dropped.

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What has become of spans; see [`super::Facts`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) exported: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) waiting: AtomicU64,
    pub(super) attempts_failed: AtomicU64,
}

/// Takes spans that have ended, and never waits: what does not fit is dropped.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Sender<SpanData>,
    counts: Arc<Counts>,
}

impl Queue {
    /// A queue for so many spans, and its other end.
    pub(super) fn new(length: usize, counts: Arc<Counts>) -> (Self, Receiver<SpanData>) {
        let (sender, receiver) = channel(length.max(1));
        (Self { sender, counts }, receiver)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.counts.waiting.fetch_add(1, Relaxed);
        if self.sender.try_send(span).is_err() {
            self.counts.waiting.fetch_sub(1, Relaxed);
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// The exporter is told, and not the queue.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
