//! Log lines: JSON on standard output, one object a line, short lower-case messages with fields. Each line, whoever's it is, passes the net of
//! [`redaction`](crate::redaction) as a whole. A line that is written for a request names its trace.

mod lines;

use super::tracing::Running;
use crate::config::Level;
use crate::events::AppLayer;
use crate::redaction::Redacting;
use lines::Lines;
use tracing::Metadata;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, FilterExt, FilterFn, LevelFilter};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that wait for standard output. When it is blocked for longer, requests wait: no line is dropped.
const WAITING: usize = 65_536;

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To standard output.
    Output,
    /// To standard error, because standard output has documents.
    Errors,
}

/// Starts logging, and beside it the recording of traces and of application events if those are on. Lines are written until the guard is dropped.
pub fn start(level: Level, target: Target, traces: Option<&Running>, app: Option<AppLayer>) -> WorkerGuard {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(WAITING).lossy(false);
    let (writer, guard) = match target {
        Target::Output => builder.finish(std::io::stdout()),
        Target::Errors => builder.finish(std::io::stderr()),
    };
    let filter = || EnvFilter::new(level.name());
    let lines = tracing_subscriber::fmt::layer().fmt_fields(JsonFields::new()).event_format(Lines::new()).with_writer(Redacting(writer));
    // A second start, as in tests, keeps the first.
    let _ = match traces {
        None => registry().with(lines).with(app).with(filter()).try_init(),
        // The level is that of lines: a hop has its span however little is logged.
        Some(traces) => {
            let app = app.map(|app| app.with_filter(filter().and(events())));
            registry().with(lines.with_filter(filter().and(events()))).with(app).with(traces.layer()).try_init()
        }
    };
    guard
}

/// A line shows nothing of spans: they need not be written down for it.
fn events() -> FilterFn {
    let is_event: fn(&Metadata<'_>) -> bool = |seen| seen.is_event();
    FilterFn::new(is_event).with_max_level_hint(LevelFilter::TRACE)
}
