//! W3C trace context: the trace that a caller says its request is part of, in `traceparent` and `tracestate`. What is malformed is ignored, as
//! the recommendation has it: then the request begins a trace.

use super::ids;
use crate::redaction::redacted;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};
use std::borrow::Cow;

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// version "-" trace-id "-" parent-id "-" trace-flags
const LENGTH: usize = 55;
/// What is carried of `tracestate`; a longer one is left out, which the recommendation allows from here on (section 3.3.1.5).
const LONGEST_STATE: usize = 512;

/// The span of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// Whether the caller records it.
    pub(super) sampled: bool,
    /// Other systems' notes; passed on, and in no span.
    pub(super) state: String,
}

/// What a request says that it is part of.
pub(super) fn read(headers: &HeaderMap) -> Option<Remote> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (trace, span, sampled) = parse(value.as_bytes())?;
    Some(Remote { trace, span, sampled, state: state(headers) })
}

fn parse(text: &[u8]) -> Option<(TraceId, SpanId, bool)> {
    // A later version may have more after another dash; what comes before it must stay as it is.
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let version = field(&known[..2])?;
    let is_whole = rest.is_empty() || version > 0 && rest[0] == b'-';
    if version == 0xff || !is_whole || [known[2], known[35], known[52]] != [b'-'; 3] {
        return None;
    }
    let trace = TraceId::from(field(&known[3..35])?);
    let span = SpanId::from(u64::try_from(field(&known[36..52])?).ok()?);
    let flags = TraceFlags::new(u8::try_from(field(&known[53..])?).ok()?);
    (ids::is_readable(&trace) && ids::is_readable(&span)).then_some((trace, span, flags.is_sampled()))
}

/// Hexadecimal digits, in lower case alone.
fn field(text: &[u8]) -> Option<u128> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| is_digit(&byte)))?;
    u128::from_str_radix(text, 16).ok()
}

/// The notes of other systems, if they are well-formed, not too long, and nothing that must not be passed on.
fn state(headers: &HeaderMap) -> String {
    let values = headers.get_all(TRACESTATE).iter().map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>();
    let joined = values.unwrap_or_default().join(",");
    let is_good = joined.len() <= LONGEST_STATE && joined.parse::<TraceState>().is_ok() && matches!(redacted(&joined), Cow::Borrowed(_));
    if is_good { joined } else { String::new() }
}

/// Says in a request of ours which span it is part of.
pub(super) fn write(headers: &mut HeaderMap, trace: TraceId, span: SpanId, sampled: bool, state: &str) {
    let parent = format!("00-{trace}-{span}-{:02x}", u8::from(sampled));
    if let Ok(value) = HeaderValue::from_str(&parent) {
        headers.insert(TRACEPARENT, value);
    }
    if let (false, Ok(value)) = (state.is_empty(), HeaderValue::from_str(state)) {
        headers.insert(TRACESTATE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_callers_span_is_read_and_written() {
        let given = headers(&[
            ("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01")),
            ("tracestate", "congo=t61rcWkgMzE"),
            ("tracestate", "rojo=00f067aa0ba902b7"),
        ]);
        let remote = read(&given).unwrap();
        assert_eq!((remote.trace.to_string(), remote.span.to_string(), remote.sampled), (TRACE.into(), "00f067aa0ba902b7".into(), true));
        assert_eq!(remote.state, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
        let mut written = HeaderMap::new();
        write(&mut written, remote.trace, remote.span, remote.sampled, &remote.state);
        assert_eq!(read(&written), Some(remote));
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        let sampled = |parent: &str| read(&headers(&[("traceparent", parent)])).map(|remote| remote.sampled);
        let of = |version: &str, flags: &str| format!("{version}-{TRACE}-00f067aa0ba902b7-{flags}");
        for (flags, expected) in [("00", false), ("01", true), ("02", false), ("ff", true), ("08", false)] {
            assert_eq!(sampled(&of("00", flags)), Some(expected), "{flags}");
        }
        // A later version: what it adds is not understood, and does no harm.
        assert_eq!((sampled(&of("cc", "01")), sampled(&of("cc", "01-what-is-next"))), (Some(true), Some(true)));
        for bad in [
            String::new(),
            of("ff", "01"),
            of("00", "01-more"),
            of("cc", "01.more"),
            of("0", "01"),
            of("+0", "01"),
            of("00", "+1"),
            of("00", "1"),
            of("00", "0G"),
            of("00", "01").to_uppercase(),
            of("00", "01").replace(TRACE, &"0".repeat(32)),
            of("00", "01").replace("00f067aa0ba902b7", &"0".repeat(16)),
            of("00", "01").replace('-', "_"),
            format!(" {}", of("00", "01")),
            // It looks like the number of a card.
            of("00", "01").replace("00f067aa0ba902b7", "4539148803436467"),
        ] {
            assert_eq!(sampled(&bad), None, "{bad}");
        }
        let twice = [("traceparent", of("00", "01")), ("traceparent", of("00", "01"))];
        assert_eq!(read(&headers(&twice.each_ref().map(|(name, value)| (*name, value.as_str())))), None);
    }

    #[test]
    fn notes_of_other_systems_are_left_out_if_they_could_do_harm() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let state = |state: &str| read(&headers(&[("traceparent", &parent), ("tracestate", state)])).unwrap().state;
        assert_eq!(state("a=1,b=2"), "a=1,b=2");
        for bad in ["nothing", "a=4539148803436467", &format!("a={}", "x".repeat(600)), "A B=1"] {
            assert_eq!(state(bad), "", "{bad}");
        }
    }
}
