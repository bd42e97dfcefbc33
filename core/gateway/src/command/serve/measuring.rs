//! How well the policy and the detectors did, by the labels of the last 30 days: read beside requests, and not when metrics are asked for.

use crate::http::Live;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// The decisions that count.
const PERIOD: Duration = Duration::from_hours(30 * 24);
/// How long nothing is read after a reading: so many times what it took, so that even with millions of labels it takes a hundredth of a
/// thread at most. Each labelled decision takes about a microsecond.
const REST: u32 = 100;
const SHORTEST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_mins(10);

/// Measures until the service stops.
pub(super) async fn measure(live: Live) {
    let mut failing = false;
    loop {
        let started = Instant::now();
        let since = Timestamp::now().as_microsecond().saturating_sub(i64::try_from(PERIOD.as_micros()).unwrap_or(i64::MAX));
        let measured = tokio::task::spawn_blocking({
            let service = live.service();
            move || service.measure_quality(since)
        });
        match measured.await {
            Ok(Ok(())) => failing = false,
            // Once, and not again until it has worked.
            Ok(Err(error)) if !failing => {
                failing = true;
                tracing::error!(%error, "labels cannot be read: their metrics are those of before");
            }
            Ok(Err(_)) => {}
            // At the end of the service it is cancelled, which is no fault.
            Err(error) if error.is_panic() => tracing::error!(%error, "measuring the quality failed"),
            Err(_) => {}
        }
        tokio::time::sleep((REST * started.elapsed()).clamp(SHORTEST_REST, LONGEST_REST)).await;
    }
}
