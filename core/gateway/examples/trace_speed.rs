//! What a request's trace costs: `cargo run --release --example trace_speed -- off`, or the share that is recorded, 0 or 1. Nobody takes the
//! spans: those that do not fit into the queue are dropped, as they are when a collector is away.

use axum::http::{HeaderMap, Version};
use std::hint::black_box;
use std::time::{Duration, Instant};
use synod_gateway::config::Level;
use synod_gateway::telemetry::logging;
use synod_gateway::telemetry::tracing::{Hop, Protocol, Requested, Sampling, Settings, Trace, key, start};

const REQUESTS: u32 = 20_000;
const REQUESTED: Requested<'static> =
    Requested { method: "POST", route: Some("/v1/score"), scheme: "http", version: Version::HTTP_11, is_watching: false };

fn main() {
    let share: Option<f64> = std::env::args().nth(1).and_then(|share| share.parse().ok());
    let settings = |share| Settings {
        endpoint: "http://127.0.0.1:1/v1/traces".parse().expect("a URL"),
        protocol: Protocol::Http,
        root: None,
        headers_file: None,
        service_name: "synod".into(),
        resource: Vec::new(),
        sampling: Sampling { share, parent: true, errors: true, rate: (20, Duration::from_secs(1)) },
        queue: 4096,
        timeout: Duration::from_secs(1),
    };
    let running = share.map(|share| start(&settings(share)).expect("nothing is called yet"));
    let _lines = logging::start(Level::Error, logging::Target::Output, running.as_ref(), None);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let took = runtime.block_on(async {
        let started = Instant::now();
        for _ in 0..REQUESTS {
            let trace = Trace::begin(&HeaderMap::new(), &REQUESTED);
            Trace::within(trace.clone(), Box::pin(hops())).await;
            trace.inspect(|trace| trace.answered(&REQUESTED, 200, Duration::ZERO));
        }
        started.elapsed()
    });
    println!("{:.2} µs a request", took.as_secs_f64() * 1e6 / f64::from(REQUESTS));
}

/// As many hops as a request has that three detectors score.
async fn hops() {
    for hop in Hop::ALL {
        hop.of(async { black_box(()) }).await;
    }
    for _ in 0..2 {
        let hop = Hop::Detector.begin();
        hop.note(key::VOTE, "yes");
        hop.during(|| black_box(()));
        for name in [key::ROWS, key::YES, key::NO, key::ABSTENTIONS, key::SCORED, key::MEMORY] {
            hop.count(name, 1);
        }
    }
}
