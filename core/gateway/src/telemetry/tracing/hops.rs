//! A hop under way.

use super::TARGET;
use super::current;
use super::names::Hop;
use opentelemetry::Value;
use opentelemetry::trace::Status;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A hop of the request that this thread works on. It ends when this is dropped, or with the work that it is given to.
#[derive(Debug)]
pub struct Passing {
    span: Span,
}

impl Passing {
    /// Begins a hop: nothing, where the request is not recorded.
    pub(super) fn begin(hop: Hop) -> Self {
        let span = match current::is_recorded() {
            true => tracing::info_span!(target: TARGET, "hop", otel.name = hop.name()),
            false => Span::none(),
        };
        Self { span }
    }

    /// Whether anything that is noted is kept.
    pub fn is_recorded(&self) -> bool {
        !self.span.is_none()
    }

    /// Notes an attribute: a number, or a word of the code or the configuration.
    pub fn note(&self, key: &'static str, value: impl Into<Value>) {
        if self.is_recorded() {
            self.span.set_attribute(key, value.into());
        }
    }

    /// Notes a count.
    pub fn count(&self, key: &'static str, count: usize) {
        self.note(key, i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Notes that it failed, and by which stable word.
    pub fn failed(&self, reason: &'static str) {
        if self.is_recorded() {
            self.span.set_attribute(super::key::ERROR, reason);
            self.span.set_status(Status::error(reason));
        }
    }

    /// Does work as a part of the hop.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    /// Waits for work that is a part of the hop, and of which the hop is told more.
    pub async fn of<T>(&self, work: impl Future<Output = T>) -> T {
        work.instrument(self.span.clone()).await
    }
}
