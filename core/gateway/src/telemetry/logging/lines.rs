//! A line of the log: the library's JSON, with the ids of the trace and the span that it is written for.

use crate::telemetry::tracing::{LineIds, line_ids};
use std::fmt::{Error, Write};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{self, Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Room for a usual line.
const USUAL_BYTES: usize = 512;

/// How lines are written.
#[derive(Debug)]
pub(super) struct Lines(Format<Json>);

impl Lines {
    pub(super) fn new() -> Self {
        Self(format::format().json().flatten_event(true).with_current_span(false).with_span_list(false))
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> Result<(), Error> {
        let Some(ids) = line_ids() else { return self.0.format_event(context, writer, event) };
        let mut line = String::with_capacity(USUAL_BYTES);
        self.0.format_event(context, Writer::new(&mut line), event)?;
        // A line is an object, which can have more fields at its end.
        match line.trim_end().strip_suffix('}') {
            Some(object) => with_ids(&mut writer, object, ids),
            None => writer.write_str(&line),
        }
    }
}

fn with_ids(writer: &mut impl Write, object: &str, ids: LineIds) -> Result<(), Error> {
    write!(writer, "{object},\"trace_id\":\"{}\"", ids.trace)?;
    if let Some(span) = ids.span {
        write!(writer, ",\"span_id\":\"{span}\"")?;
    }
    writer.write_str("}\n")
}
