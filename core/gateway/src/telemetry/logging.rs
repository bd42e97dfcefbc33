//! Log lines: JSON on standard output, one object a line, short lower-case messages with fields. Each line, whoever's it is, passes the net of
//! [`redaction`](crate::redaction) as a whole.

use crate::config::Level;
use crate::redaction::Redacting;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that wait for standard output. When it is blocked for longer, requests wait: no line is dropped.
const WAITING: usize = 65_536;

/// Starts logging. Lines are written until the guard is dropped.
pub fn start(level: Level) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(WAITING).lossy(false).finish(std::io::stdout());
    let filter = EnvFilter::new(level.name());
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(false);
    // A second start, as in tests, keeps the first.
    let _ = subscriber.with_env_filter(filter).with_writer(Redacting(writer)).try_init();
    guard
}
