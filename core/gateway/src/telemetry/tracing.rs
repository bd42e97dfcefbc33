//! Traces: what one request cost, hop by hop and detector by detector, for whoever collects spans by OTLP. Off unless the configuration has a
//! section `tracing`; no variable of the environment changes that.
//!
//! Whether a request is recorded is decided once, at its beginning ([`sampling`]). A request that is not gets no span: a hop then costs one
//! look at a variable of its task. What is recorded goes through a bounded queue to a thread of its own ([`exporting`]), so that a collector
//! that is slow, away or hostile costs spans, and never a request.
//!
//! An attribute holds a number, or a word of the code or the configuration: never a value of a row, an entity, a caller, or anything else
//! that a client wrote ([`names`]). For the same reason there are no events: log lines carry the ids of trace and span instead.

mod context;
mod current;
mod exporting;
mod hops;
mod ids;
mod names;
mod queue;
mod request;
mod sampling;
mod settings;
#[cfg(test)]
mod tests;

pub use current::{LineIds, carried, line_ids, propagated, sampled_trace_id};
pub use hops::Passing;
pub use names::{Hop, key};
pub use request::{Requested, Trace};
pub use settings::{Sampling, Settings};

use crate::otlp::SendMistake;
use ids::Ids;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler as Always, SdkTracer, SdkTracerProvider, SpanData, SpanLimits};
use queue::{Counts, Queue};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

/// What the spans of hops are known by among all that is said by `tracing`.
const TARGET: &str = "synod::hop";
/// More than any hop has: no attribute is dropped.
const MOST_ATTRIBUTES: u32 = 64;

/// The process's traces, if they are on: like its log, there is one.
static TRACING: OnceLock<Tracing> = OnceLock::new();

/// What decides about requests, and makes spans.
#[derive(Debug)]
struct Tracing {
    sampler: sampling::Sampler,
    tracer: SdkTracer,
    counts: Arc<Counts>,
}

/// What has become of spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Taken by the collector.
    pub exported: u64,
    /// Not recorded any further, because too many waited.
    pub dropped: u64,
    /// Sent in vain: the collector was away, too slow, or refused them.
    pub failed: u64,
    /// That wait to be sent.
    pub waiting: u64,
    /// Attempts to send that failed; each is tried again a few times.
    pub attempts_failed: u64,
}

/// What has become of spans; none where traces are off.
pub fn facts() -> Option<Facts> {
    let counts = &TRACING.get()?.counts;
    Some(Facts {
        exported: counts.exported.load(Relaxed),
        dropped: counts.dropped.load(Relaxed),
        failed: counts.failed.load(Relaxed),
        waiting: counts.waiting.load(Relaxed),
        attempts_failed: counts.attempts_failed.load(Relaxed),
    })
}

/// Traces that are on. Spans that wait are sent by [`Running::close`].
#[derive(Debug)]
pub struct Running {
    tracer: SdkTracer,
    /// Kept, for without it no span is recorded any more.
    _provider: SdkTracerProvider,
    exporter: exporting::Exporter,
}

/// Turns traces on, for the whole process.
///
/// # Errors
/// When the collector cannot be called as it is configured; whether it is there is found out later.
pub fn start(settings: &Settings) -> Result<Running, SendMistake> {
    let (tracing, provider, waiting) = made(settings);
    let exporter = exporting::Exporter::start(settings, &resource(settings), waiting, tracing.counts.clone())?;
    let tracer = tracing.tracer.clone();
    // A second start, as in tests, keeps the first.
    let _ = TRACING.set(tracing);
    Ok(Running { tracer, _provider: provider, exporter })
}

/// What decides and makes spans, and the end of the queue that they come out of.
fn made(settings: &Settings) -> (Tracing, SdkTracerProvider, Receiver<SpanData>) {
    let counts = Arc::<Counts>::default();
    let (queue, waiting) = Queue::new(settings.queue, counts.clone());
    let provider = provider(settings, queue);
    let tracer = provider.tracer_with_scope(InstrumentationScope::builder("synod").with_version(env!("CARGO_PKG_VERSION")).build());
    (Tracing { sampler: sampling::Sampler::new(&settings.sampling), tracer, counts }, provider, waiting)
}

impl Running {
    /// What makes spans of the hops of requests that are recorded, beside the log.
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        layer(self.tracer.clone())
    }

    /// Sends what waits, for so long at most.
    pub fn close(self, within: Duration) {
        self.exporter.close(within);
    }
}

/// The library adds nothing of its own: a span has what its hop notes. Other libraries' spans, and events, are not recorded.
fn layer<S>(tracer: SdkTracer) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
    let layer = layer.with_target(false).with_level(false).with_tracked_inactivity(false);
    let hops = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
    Box::new(layer.with_filter(hops.with_max_level_hint(LevelFilter::INFO)))
}

fn provider(settings: &Settings, queue: Queue) -> SdkTracerProvider {
    let limits = SpanLimits { max_attributes_per_span: MOST_ATTRIBUTES, ..SpanLimits::default() };
    SdkTracerProvider::builder()
        .with_resource(resource(settings))
        // Decided before there is a span.
        .with_sampler(Always::AlwaysOn)
        .with_id_generator(Ids)
        .with_span_limits(limits)
        .with_span_processor(queue)
        .build()
}

/// Who the spans are of: what is configured, and nothing that is found in the environment.
fn resource(settings: &Settings) -> Resource {
    let own = [KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    let configured = settings.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty().with_attributes(own.into_iter().chain(configured)).with_service_name(settings.service_name.clone()).build()
}
