//! What a client is told of its quotas: the fields of draft-ietf-httpapi-ratelimit-headers-11.

use axum::http::{HeaderName, HeaderValue};
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::Duration;

/// What a quota is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Requests, which the draft takes for granted.
    Requests,
    /// Requests at a time.
    Concurrent,
    /// Rows. This is no unit of the draft's registry.
    Rows,
}

/// A policy, and what a caller has left of its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The policy's name.
    pub policy: &'static str,
    /// What the quota is of.
    pub unit: Unit,
    /// What can be had in a window.
    pub quota: u32,
    /// Its seconds.
    pub window: Option<u64>,
    /// What is left.
    pub remaining: u32,
    /// For how many seconds no more than that can be had for sure.
    pub reset: Option<u64>,
}

impl Standing {
    /// Which of two is nearer to its end, by the share of the quota that is left.
    pub fn tighter(self, other: Self) -> Self {
        let share = |one: Self, by: Self| u64::from(one.remaining) * u64::from(by.quota);
        match share(self, other).cmp(&share(other, self)) {
            Ordering::Greater => other,
            Ordering::Less | Ordering::Equal => self,
        }
    }
}

/// The fields that tell this. Their names are about to change, and stand only here.
pub fn fields(standing: &Standing) -> [(HeaderName, HeaderValue); 2] {
    const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
    const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
    let [policy, limit] = texts(standing).map(|text| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("")));
    [(POLICY, policy), (LIMIT, limit)]
}

fn texts(standing: &Standing) -> [String; 2] {
    let Standing { policy, unit, quota, window, remaining, reset } = standing;
    let mut policies = format!("\"{policy}\";q={quota}");
    let mut limits = format!("\"{policy}\";r={remaining}");
    // Writing to a string does not fail.
    let _ = match unit {
        Unit::Requests => Ok(()),
        Unit::Concurrent => write!(policies, ";qu=\"concurrent-requests\""),
        Unit::Rows => write!(policies, ";qu=\"rows\""),
    };
    if let Some(window) = window {
        let _ = write!(policies, ";w={window}");
    }
    if let Some(reset) = reset {
        let _ = write!(limits, ";t={reset}");
    }
    [policies, limits]
}

/// A time in seconds, rounded up: who waits for so long has waited long enough.
pub fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Standing = Standing { policy: "burst", unit: Unit::Requests, quota: 100, window: Some(60), remaining: 87, reset: Some(1) };

    #[test]
    fn the_fields_are_written_as_the_draft_writes_them() {
        let default = Standing { policy: "default", window: Some(10), remaining: 50, reset: Some(30), ..BURST };
        let table = [
            (BURST, "\"burst\";q=100;w=60", "\"burst\";r=87;t=1"),
            (default, "\"default\";q=100;w=10", "\"default\";r=50;t=30"),
            (Standing { remaining: 999, reset: None, window: None, ..default }, "\"default\";q=100", "\"default\";r=999"),
            (
                Standing { policy: "peruser", unit: Unit::Concurrent, quota: 65535, window: None, remaining: 0, reset: None },
                "\"peruser\";q=65535;qu=\"concurrent-requests\"",
                "\"peruser\";r=0",
            ),
            (Standing { unit: Unit::Rows, ..BURST }, "\"burst\";q=100;qu=\"rows\";w=60", "\"burst\";r=87;t=1"),
        ];
        for (standing, policy, limit) in table {
            let [(first, first_value), (second, second_value)] = fields(&standing);
            assert_eq!((first.as_str(), first_value.to_str().unwrap()), ("ratelimit-policy", policy));
            assert_eq!((second.as_str(), second_value.to_str().unwrap()), ("ratelimit", limit));
        }
    }

    #[test]
    fn the_tightest_has_the_least_share_left() {
        let [half, less, more] = [(100, 50), (1000, 400), (10, 6)].map(|(quota, remaining)| Standing { quota, remaining, ..BURST });
        for (one, other) in [(half, less), (less, half), (less, more), (more, less)] {
            assert_eq!(one.tighter(other), less);
        }
        assert_eq!(half.tighter(more), half);
        let none = Standing { quota: u32::MAX, remaining: 0, ..BURST };
        assert_eq!(none.tighter(less), none);
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        for (time, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(time)), seconds, "{time}");
        }
    }
}
