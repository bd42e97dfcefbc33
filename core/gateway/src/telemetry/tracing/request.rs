//! The trace of one request, from its head to its answer.

use super::context::{self, Remote};
use super::current::TRACE;
use super::{TARGET, TRACING, Tracing, ids, key};
use axum::http::{HeaderMap, Version};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// What a request asks for, in words that are no client's.
#[derive(Debug, Clone, Copy)]
pub struct Requested<'a> {
    /// Its method; `other` if it is none that is known.
    pub method: &'static str,
    /// The pattern of its path; none if there is no such route.
    pub route: Option<&'a str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The version of HTTP.
    pub version: Version,
    /// Whether it only asks how the service is: such requests begin no traces.
    pub is_watching: bool,
}

/// The trace of one request.
#[derive(Debug)]
pub struct Trace {
    id: TraceId,
    /// The request's own span, where traces are on.
    own: Option<SpanId>,
    caller: Option<Remote>,
    /// Where the request is recorded.
    span: Span,
}

impl Trace {
    /// The trace of a request. There is none where traces are off and the caller says nothing of one.
    pub fn begin(headers: &HeaderMap, requested: &Requested<'_>) -> Option<Arc<Self>> {
        Self::begin_by(TRACING.get(), headers, requested)
    }

    pub(super) fn begin_by(tracing: Option<&Tracing>, headers: &HeaderMap, requested: &Requested<'_>) -> Option<Arc<Self>> {
        let caller = context::read(headers);
        match tracing.filter(|_| !requested.is_watching) {
            Some(tracing) => Some(Self::begun(tracing, caller, requested)),
            None => caller.map(|caller| Self { id: caller.trace, own: None, caller: Some(caller), span: Span::none() }),
        }
        .map(Arc::new)
    }

    fn begun(tracing: &Tracing, caller: Option<Remote>, requested: &Requested<'_>) -> Self {
        let (id, own) = (caller.as_ref().map_or_else(ids::trace, |caller| caller.trace), ids::span());
        let is_recorded = tracing.sampler.records(caller.as_ref(), own);
        let mut trace = Self { id, own: Some(own), caller, span: Span::none() };
        if is_recorded {
            trace.span = trace.server_span(own, requested);
        }
        trace
    }

    fn server_span(&self, own: SpanId, requested: &Requested<'_>) -> Span {
        let span = tracing::info_span!(target: TARGET, parent: None, "request", otel.name = name(requested), otel.kind = "server");
        attributes(requested).into_iter().for_each(|attribute| span.set_attribute(attribute.key, attribute.value));
        let _ = span.set_parent(self.parent());
        // Started here, for it is here that it has its ids.
        ids::with(self.id, own, || drop(span.context()));
        span
    }

    /// The caller's span, as far as spans are told of it. That it is recorded was decided.
    fn parent(&self) -> Context {
        let of = |caller: &Remote| SpanContext::new(caller.trace, caller.span, TraceFlags::SAMPLED, true, TraceState::NONE);
        self.caller.as_ref().map_or_else(Context::new, |caller| Context::new().with_remote_span_context(of(caller)))
    }

    /// Its id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Whether spans of it are recorded here.
    pub fn is_recorded(&self) -> bool {
        !self.span.is_none()
    }

    /// What is said to others: whether it is recorded here, or, where traces are off, by the caller.
    pub(super) fn is_sampled(&self) -> bool {
        match self.own {
            Some(_) => self.is_recorded(),
            None => self.caller.as_ref().is_some_and(|caller| caller.sampled),
        }
    }

    pub(super) fn own_span(&self) -> Option<SpanId> {
        self.own
    }

    pub(super) fn callers_span(&self) -> SpanId {
        self.caller.as_ref().map_or(SpanId::INVALID, |caller| caller.span)
    }

    pub(super) fn state(&self) -> &str {
        self.caller.as_ref().map_or("", |caller| &caller.state)
    }

    /// Does the work of a request as a part of its trace, if it has one.
    pub async fn within<T>(trace: Option<Arc<Self>>, work: impl Future<Output = T>) -> T {
        match trace {
            Some(trace) if trace.is_recorded() => {
                let span = trace.span.clone();
                TRACE.scope(trace, work.instrument(span)).await
            }
            Some(trace) => TRACE.scope(trace, work).await,
            None => work.await,
        }
    }

    /// Notes the answer. A request that failed and was not recorded gets one span now, if that is wanted.
    pub fn answered(&self, requested: &Requested<'_>, status: u16, took: Duration) {
        self.answered_by(TRACING.get(), requested, status, took);
    }

    pub(super) fn answered_by(&self, tracing: Option<&Tracing>, requested: &Requested<'_>, status: u16, took: Duration) {
        if self.is_recorded() {
            outcome(status).into_iter().for_each(|attribute| self.span.set_attribute(attribute.key, attribute.value));
            if status >= 500 {
                self.span.set_status(Status::error(""));
            }
        } else if let (true, Some(own), Some(tracing)) = (status >= 500, self.own, tracing)
            && tracing.sampler.records_failure()
        {
            self.failed(tracing, own, requested, status, took);
        }
    }

    fn failed(&self, tracing: &Tracing, own: SpanId, requested: &Requested<'_>, status: u16, took: Duration) {
        let now = SystemTime::now();
        let builder = SpanBuilder::from_name(name(requested))
            .with_kind(SpanKind::Server)
            .with_start_time(now.checked_sub(took).unwrap_or(now))
            .with_attributes(attributes(requested).into_iter().chain(outcome(status)));
        let mut span = ids::with(self.id, own, || tracing.tracer.build_with_context(builder, &self.parent()));
        span.set_status(Status::error(""));
        span.end_with_timestamp(now);
    }
}

fn name(requested: &Requested<'_>) -> String {
    let method = if requested.method == "other" { "HTTP" } else { requested.method };
    requested.route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"))
}

fn attributes(requested: &Requested<'_>) -> Vec<KeyValue> {
    let method = if requested.method == "other" { "_OTHER" } else { requested.method };
    let version = match requested.version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    let mut attributes = vec![
        KeyValue::new(key::METHOD, method),
        KeyValue::new(key::SCHEME, requested.scheme),
        KeyValue::new(key::PROTOCOL_VERSION, version),
    ];
    attributes.extend(requested.route.map(|route| KeyValue::new(key::ROUTE, route.to_owned())));
    attributes
}

/// Below 500 it is the client's own fault, and no error of the server's span.
fn outcome(status: u16) -> Vec<KeyValue> {
    let mut attributes = vec![KeyValue::new(key::STATUS, i64::from(status))];
    if status >= 500 {
        attributes.push(KeyValue::new(key::ERROR, status.to_string()));
    }
    attributes
}
