//! The trace of the request that a task works on: for its spans, its log lines, its exemplars, and the requests that it makes itself.

use super::context;
use super::request::Trace;
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use std::sync::Arc;
use tracing::Span;

tokio::task_local! {
    /// Absent where traces are off and the caller said nothing of one.
    pub(super) static TRACE: Arc<Trace>;
}

/// Whether the request that this thread works on is recorded.
pub(super) fn is_recorded() -> bool {
    TRACE.try_with(|trace| trace.is_recorded()).unwrap_or(false)
}

/// The trace id of the request that this thread works on, if the trace is recorded: for exemplars.
pub fn sampled_trace_id() -> Option<String> {
    TRACE.try_with(|trace| trace.is_recorded().then(|| trace.id().to_string())).ok().flatten()
}

/// What a log line says of the request that it is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineIds {
    /// Its trace.
    pub trace: TraceId,
    /// The span; none where traces are off.
    pub span: Option<SpanId>,
}

/// What a log line that is written now says of the request that this thread works on.
pub fn line_ids() -> Option<LineIds> {
    TRACE.try_with(|trace| LineIds { trace: trace.id(), span: innermost(trace) }).ok()
}

/// The innermost span of a trace that is recorded; of another one its only one.
fn innermost(trace: &Trace) -> Option<SpanId> {
    let entered = || Context::map_current(|context| context.has_active_span().then(|| context.span().span_context().span_id()));
    if trace.is_recorded() { entered().or(trace.own_span()) } else { trace.own_span() }
}

/// Work for another thread, which goes on with the trace of the request that this one works on.
pub fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let trace = TRACE.try_with(Arc::clone).ok();
    let span = trace.as_ref().filter(|trace| trace.is_recorded()).map_or_else(Span::none, |_| Span::current());
    move || match trace {
        Some(trace) => TRACE.sync_scope(trace, || span.in_scope(work)),
        None => work(),
    }
}

/// A request of ours, which says what it is part of. Every request that is made for a client's goes through here.
pub fn propagated(request: RequestBuilder) -> RequestBuilder {
    let mut headers = HeaderMap::new();
    let _ = TRACE.try_with(|trace| {
        let span = innermost(trace).unwrap_or(trace.callers_span());
        context::write(&mut headers, trace.id(), span, trace.is_sampled(), trace.state());
    });
    if headers.is_empty() { request } else { request.headers(headers) }
}
