//! Series in rules, by the entries of the list of metrics: a metric that does not exist does not compile, and a label that it does not have ends
//! the generation, which a test is. Rules join and compare in more ways than [`crate::query`] writes, so that they put PromQL around these.

use crate::query::TARGET;
use synod_gateway::telemetry::names::{Kind, Name};

/// Series of a counter, a gauge or an info, with matchers as they stand between the braces.
#[track_caller]
pub(super) fn series(name: &Name, matchers: &str) -> String {
    assert!(name.kind != Kind::Histogram, "{} is a histogram", name.family);
    selected(name, &name.series(), matchers, None)
}

/// The buckets of a histogram, its `_count` or its `_sum`.
#[track_caller]
pub(super) fn part(name: &Name, end: &str, matchers: &str) -> String {
    assert!(name.kind == Kind::Histogram && ["_bucket", "_count", "_sum"].contains(&end), "{} has no {end}", name.family);
    selected(name, &format!("{}{end}", name.series()), matchers, (end == "_bucket").then_some("le"))
}

/// By how much a counter grows each second.
#[track_caller]
pub(super) fn rate(name: &Name, matchers: &str, range: &str) -> String {
    assert!(name.kind == Kind::Counter, "{} is no counter", name.family);
    format!("rate({}[{range}])", series(name, matchers))
}

/// By how much a counter grew.
#[track_caller]
pub(super) fn increase(name: &Name, matchers: &str, range: &str) -> String {
    assert!(name.kind == Kind::Counter, "{} is no counter", name.family);
    format!("increase({}[{range}])", series(name, matchers))
}

/// Whether a counter grew at all. One that came into being within the time is counted from nothing, of which `increase` knows nothing.
#[track_caller]
pub(super) fn grew(name: &Name, matchers: &str, range: &str) -> String {
    let (grown, all) = (increase(name, matchers, range), series(name, matchers));
    format!("{grown} > 0\nor\n({all} > 0 unless {all} offset {range})")
}

#[track_caller]
fn selected(name: &Name, series: &str, matchers: &str, more: Option<&str>) -> String {
    for label in labels(matchers) {
        let known = name.labels.iter().copied().chain(TARGET).chain(more).any(|known| known == label);
        assert!(known, "{series} has no label `{label}`");
    }
    if matchers.is_empty() { series.to_owned() } else { format!("{series}{{{matchers}}}") }
}

/// The labels of matchers: what stands before an operator, outside of quotes.
fn labels(matchers: &str) -> Vec<&str> {
    let outside = matchers.split('"').step_by(2);
    outside.map(|text| text.trim_matches([',', '=', '!', '~', ' '])).filter(|label| !label.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;
    use synod_gateway::telemetry::names::{DETECTOR_READY, REQUEST_DURATION, REQUESTS};

    #[test]
    fn series_are_what_prometheus_reads() {
        assert_eq!(
            rate(&REQUESTS, r#"status=~"5..",route!="a,b=c""#, "5m"),
            r#"rate(synod_http_requests_total{status=~"5..",route!="a,b=c"}[5m])"#
        );
        assert_eq!(
            part(&REQUEST_DURATION, "_bucket", r#"le="0.1",job="synod""#),
            r#"synod_http_request_duration_seconds_bucket{le="0.1",job="synod"}"#
        );
        assert_eq!(series(&DETECTOR_READY, ""), "synod_detector_ready");
    }

    #[test]
    fn what_does_not_exist_cannot_be_written() {
        let mistakes: [fn() -> String; 6] = [
            || series(&REQUESTS, r#"detector="x""#),
            || series(&REQUEST_DURATION, ""),
            || part(&REQUESTS, "_count", ""),
            || part(&REQUEST_DURATION, "_count", r#"le="1""#),
            || part(&REQUEST_DURATION, "_total", ""),
            || rate(&DETECTOR_READY, "", "5m"),
        ];
        for (place, mistake) in mistakes.into_iter().enumerate() {
            assert!(catch_unwind(mistake).is_err(), "mistake {place}");
        }
    }
}
