//! The ids of traces and spans. Those of a request are drawn before it is decided whether there will be a span, so that its log lines have
//! them in any case.

use crate::redaction::redacted;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Display;

thread_local! {
    /// For the span that is started next on this thread.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Draws ids, unless they were drawn before.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().map_or_else(trace, |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(span, |(_, span)| span)
    }
}

/// Starts a span that gets these ids.
pub(super) fn with<T>(trace: TraceId, span: SpanId, start: impl FnOnce() -> T) -> T {
    NEXT.set(Some((trace, span)));
    let started = start();
    NEXT.set(None);
    started
}

/// The id of a new trace.
pub(super) fn trace() -> TraceId {
    drawn(|| RandomIdGenerator::default().new_trace_id())
}

/// The id of a new span.
pub(super) fn span() -> SpanId {
    drawn(|| RandomIdGenerator::default().new_span_id())
}

fn drawn<T: Display>(draw: impl Fn() -> T) -> T {
    loop {
        let id = draw();
        if is_readable(&id) {
            return id;
        }
    }
}

/// Whether a log line can hold an id: one of some ten thousand spans' looks like the number of a card, which no line may hold.
pub(super) fn is_readable(id: &impl Display) -> bool {
    let text = id.to_string();
    text.bytes().any(|byte| byte != b'0') && matches!(redacted(&text), Cow::Borrowed(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_card_is_drawn_again() {
        assert!(!is_readable(&SpanId::from(0x4539_1488_0343_6467)) && !is_readable(&SpanId::INVALID));
        assert!(is_readable(&SpanId::from(0x4539_1488_0343_6468)) && is_readable(&trace()));
        let draws = std::cell::Cell::new(0);
        let again = drawn(|| {
            draws.set(draws.get() + 1);
            if draws.get() == 1 { SpanId::from(0x4539_1488_0343_6467) } else { SpanId::from(1) }
        });
        assert_eq!((again, draws.get()), (SpanId::from(1), 2));
    }
}
