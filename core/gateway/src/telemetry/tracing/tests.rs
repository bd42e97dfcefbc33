//! What spans a request leaves, by the real layer and the real queue.

use super::*;
use crate::otlp::{Collector, Protocol};
use axum::http::{HeaderMap, Version};
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Recorded {
    tracing: Tracing,
    _provider: SdkTracerProvider,
    spans: Receiver<SpanData>,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Recorded {
    fn with(share: f64, queue: usize) -> Self {
        let sampling = Sampling { share, parent: true, errors: true, rate: (10, Duration::from_secs(1)) };
        let settings = Settings {
            collector: Collector {
                section: "tracing",
                endpoint: "http://127.0.0.1:1".parse().unwrap(),
                protocol: Protocol::Grpc,
                root: None,
                headers_file: None,
                timeout: Duration::from_secs(1),
            },
            service_name: "synod".into(),
            resource: Vec::new(),
            sampling,
            queue,
        };
        let (tracing, provider, spans) = made(&settings);
        let subscriber = Registry::default().with(layer::<Registry>(tracing.tracer.clone()));
        Self { tracing, _provider: provider, spans, _subscriber: tracing::subscriber::set_default(subscriber) }
    }

    fn begin(&self, traceparent: Option<&str>) -> Arc<Trace> {
        let headers: HeaderMap = traceparent.map(|text| (context::TRACEPARENT, text.parse().unwrap())).into_iter().collect();
        Trace::begin_by(Some(&self.tracing), &headers, &REQUESTED).unwrap()
    }

    /// The spans that ended, by name.
    fn spans(&mut self) -> Vec<SpanData> {
        std::iter::from_fn(|| self.spans.try_recv().ok()).collect()
    }
}

const REQUESTED: Requested<'static> =
    Requested { method: "POST", route: Some("/v1/score"), scheme: "http", version: Version::HTTP_11, is_watching: false };

fn named<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name} in {spans:#?}"))
}

fn attribute(span: &SpanData, key: &str) -> Option<Value> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|attribute| attribute.value.clone())
}

#[tokio::test]
async fn each_hop_has_a_span_below_the_requests_own() {
    let mut recorded = Recorded::with(0.0, 100);
    let trace = recorded.begin(Some(CALLER));
    let (id, own) = (trace.id().to_string(), trace.own_span().unwrap());
    assert_eq!(id, CALLER[3..35]);
    Trace::within(Some(trace.clone()), async {
        assert_eq!(sampled_trace_id().as_deref(), Some(id.as_str()));
        assert_eq!(line_ids().unwrap().span, Some(own));
        let hop = Hop::Detector.begin();
        hop.note(key::DETECTOR, "forest");
        hop.failed("trap");
        hop.of(async { tracing::error!(canary = 4_711, "no event is recorded") }).await;
        drop(hop);
        // Its thread knows nothing of the request but what is carried to it.
        let work = carried(|| Hop::Past.during(|| line_ids().unwrap().span.unwrap()));
        let subscriber = tracing::dispatcher::get_default(Clone::clone);
        let innermost = std::thread::spawn(move || tracing::dispatcher::with_default(&subscriber, work)).join().unwrap();
        assert_ne!(innermost, own);
        trace.answered_by(None, &REQUESTED, 200, Duration::from_millis(1));
    })
    .await;
    drop(trace);
    let spans = recorded.spans();
    assert_eq!(spans.len(), 3, "{spans:#?}");
    let request = named(&spans, "POST /v1/score");
    assert_eq!((request.span_kind.clone(), request.span_context.span_id()), (SpanKind::Server, own));
    assert_eq!((request.parent_span_id.to_string().as_str(), request.parent_span_is_remote), (&CALLER[36..52], true));
    let words = [(key::METHOD, "POST"), (key::ROUTE, "/v1/score"), (key::SCHEME, "http"), (key::PROTOCOL_VERSION, "1.1")];
    words.iter().for_each(|(name, value)| assert_eq!(attribute(request, name), Some((*value).into()), "{name}"));
    assert_eq!((attribute(request, key::STATUS), request.attributes.len()), (Some(200.into()), 5));
    for name in ["detector", "past"] {
        let span = named(&spans, name);
        assert_eq!((span.parent_span_id, span.span_context.trace_id().to_string()), (own, id.clone()), "{name}");
        assert_eq!((span.span_kind.clone(), span.events.len()), (SpanKind::Internal, 0), "{name}");
        assert!(span.start_time >= request.start_time && span.end_time <= request.end_time, "{name}");
    }
    let detector = named(&spans, "detector");
    assert_eq!((detector.status.clone(), attribute(detector, key::ERROR)), (Status::error("trap"), Some("trap".into())));
}

#[tokio::test]
async fn a_request_that_is_not_recorded_has_ids_and_no_spans() {
    let mut recorded = Recorded::with(0.0, 100);
    for caller in [None, Some(CALLER.replace("-01", "-00"))] {
        let trace = recorded.begin(caller.as_deref());
        Trace::within(Some(trace.clone()), async {
            assert_eq!(sampled_trace_id(), None);
            let hop = Hop::Past.begin();
            assert!(!hop.is_recorded());
            let ids = hop.during(|| line_ids().unwrap());
            assert_eq!(ids, LineIds { trace: trace.id(), span: trace.own_span() });
            assert_eq!(caller.as_ref().map(|_| ids.trace.to_string()), caller.as_ref().map(|_| CALLER[3..35].to_owned()));
        })
        .await;
        trace.answered_by(Some(&recorded.tracing), &REQUESTED, 400, Duration::ZERO);
    }
    assert!(recorded.spans().is_empty());
    assert_eq!(line_ids(), None);
}

#[tokio::test]
async fn a_request_that_failed_leaves_one_span_with_the_ids_of_its_log_lines() {
    let mut recorded = Recorded::with(0.0, 100);
    let trace = recorded.begin(None);
    trace.answered_by(Some(&recorded.tracing), &REQUESTED, 503, Duration::from_secs(2));
    let spans = recorded.spans();
    assert_eq!(spans.len(), 1);
    let span = named(&spans, "POST /v1/score");
    let ids = (span.span_context.trace_id(), Some(span.span_context.span_id()), span.parent_span_id);
    assert_eq!(ids, (trace.id(), trace.own_span(), SpanId::INVALID));
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap(), Duration::from_secs(2));
    assert_eq!((attribute(span, key::ERROR), span.status.clone()), (Some("503".into()), Status::error("")));
}

#[tokio::test]
async fn without_traces_the_callers_id_is_for_the_log_and_for_whom_we_call() {
    let headers: HeaderMap = [(context::TRACEPARENT, CALLER.parse().unwrap())].into_iter().collect();
    let trace = Trace::begin_by(None, &headers, &REQUESTED);
    assert!(Trace::begin_by(None, &HeaderMap::new(), &REQUESTED).is_none());
    Trace::within(trace, async {
        let ids = line_ids().unwrap();
        assert_eq!((ids.trace.to_string().as_str(), ids.span, sampled_trace_id()), (&CALLER[3..35], None, None));
        let client = reqwest::Client::builder().tls_backend_preconfigured(crate::calling::tls(None).unwrap()).build().unwrap();
        let request = propagated(client.get("http://127.0.0.1:1")).build().unwrap();
        assert_eq!(request.headers()["traceparent"], CALLER);
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_dropped_and_counted() {
    let mut recorded = Recorded::with(1.0, 3);
    let trace = recorded.begin(None);
    Trace::within(Some(trace), async { (0..10).for_each(|_| Hop::Past.during(|| ())) }).await;
    assert_eq!(recorded.tracing.counts.dropped.load(Relaxed), 8);
    assert_eq!((recorded.spans().len(), recorded.tracing.counts.waiting.load(Relaxed)), (3, 3));
}

#[tokio::test]
async fn requests_for_health_begin_no_trace() {
    let recorded = Recorded::with(1.0, 3);
    let watching = Requested { is_watching: true, ..REQUESTED };
    assert!(Trace::begin_by(Some(&recorded.tracing), &HeaderMap::new(), &watching).is_none());
}

#[test]
fn hops_have_names_of_their_own() {
    let names: std::collections::BTreeSet<_> = Hop::ALL.iter().map(|hop| hop.name()).collect();
    assert_eq!(names.len(), Hop::ALL.len());
}
