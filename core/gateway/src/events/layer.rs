//! Application events: what the code says to `tracing`, as events. What is told elsewhere (requests, audit records) is left out.

use super::{AppEvent, EventKind, EventQueue};
use crate::telemetry::tracing::line_ids;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use std::fmt::Debug;
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines of these are no application events: there are events of their own for them.
const TOLD_ELSEWHERE: [&str; 2] = ["access", "audit"];
/// The most characters of a text.
const LONGEST: usize = 8192;
/// What the words are among the fields.
const MESSAGE: &str = "message";

/// Puts what is said into the queue of events.
#[derive(Debug, Clone)]
pub struct AppLayer(Arc<EventQueue>);

impl AppLayer {
    /// A layer that puts it there.
    pub fn new(queue: Arc<EventQueue>) -> Self {
        Self(queue)
    }
}

impl<S: Subscriber> Layer<S> for AppLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        if TOLD_ELSEWHERE.contains(&about.target()) {
            return;
        }
        let mut said = Said::default();
        event.record(&mut said);
        let Ok(fields) = to_raw_value(&said.fields) else { return };
        let ids = line_ids();
        self.0.put(
            EventKind::App,
            &AppEvent {
                level: level(*about.level()).into(),
                target: about.target().into(),
                message: said.message.into(),
                fields: &fields,
                trace_id: ids.map(|ids| ids.trace.to_string().into()),
                span_id: ids.and_then(|ids| ids.span).map(|span| span.to_string().into()),
                dropped: None,
            },
        );
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// The words and the fields of what is said. There are as many fields as the code names.
#[derive(Debug, Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn text(&mut self, field: &Field, mut text: String) {
        text.truncate(text.floor_char_boundary(LONGEST));
        match field.name() {
            MESSAGE => self.message = text,
            name => drop(self.fields.insert(name.to_owned(), Value::String(text))),
        }
    }

    fn value(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, value.into());
    }
}
