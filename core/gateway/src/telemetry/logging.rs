//! Log lines: JSON on standard output, one object a line, short lower-case messages with fields. Each line, whoever's it is, passes the net of
//! [`redaction`](crate::redaction) as a whole. A line that is written for a request names its trace.

mod lines;

use super::tracing::Running;
use crate::config::Level;
use crate::redaction::Redacting;
use lines::Lines;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that wait for standard output. When it is blocked for longer, requests wait: no line is dropped.
const WAITING: usize = 65_536;

/// Starts logging, and the recording of traces beside it if those are on. Lines are written until the guard is dropped.
pub fn start(level: Level, traces: Option<&Running>) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(WAITING).lossy(false).finish(std::io::stdout());
    let filter = EnvFilter::new(level.name());
    let lines = tracing_subscriber::fmt::layer().fmt_fields(JsonFields::new()).event_format(Lines::new()).with_writer(Redacting(writer));
    // A second start, as in tests, keeps the first.
    let _ = match traces {
        None => registry().with(lines).with(filter).try_init(),
        // The level is that of lines: a hop has its span however little is logged, and a line shows nothing of spans.
        Some(traces) => {
            registry().with(lines.with_filter(filter).with_filter(filter_fn(|seen| seen.is_event()))).with(traces.layer()).try_init()
        }
    };
    guard
}
