//! Which requests are recorded. It is decided when a request begins, so that one that is not recorded costs nothing.
//!
//! A caller that records its own part asks for ours. Anybody can: so such traces are bounded by a rate, and so are those of failures, which
//! anybody may be able to bring about. Beyond it a request counts as any other. A caller's trace id never decides: whoever chooses the id
//! would choose the decision.

use super::context::Remote;
use super::settings::Sampling;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use opentelemetry::trace::SpanId;
use std::num::NonZeroU32;

/// What decides.
#[derive(Debug)]
pub(super) struct Sampler {
    share: f64,
    parent: bool,
    errors: bool,
    asked: DefaultDirectRateLimiter,
}

impl Sampler {
    pub(super) fn new(settings: &Sampling) -> Self {
        let (count, per) = settings.rate;
        let most = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(per / most.get()).unwrap_or_else(|| Quota::per_second(most)).allow_burst(most);
        Self { share: settings.share, parent: settings.parent, errors: settings.errors, asked: RateLimiter::direct(quota) }
    }

    /// Whether a request is recorded. Its own span's id, which we have drawn, is the dice.
    pub(super) fn records(&self, caller: Option<&Remote>, span: SpanId) -> bool {
        match caller.filter(|_| self.parent) {
            Some(caller) if !caller.sampled => false,
            Some(_) if self.asked.check().is_ok() => true,
            _ => self.is_drawn(span),
        }
    }

    /// Whether a request that failed, and was not recorded, is recorded now.
    pub(super) fn records_failure(&self) -> bool {
        self.errors && self.asked.check().is_ok()
    }

    fn is_drawn(&self, span: SpanId) -> bool {
        // As many bits as a double has: a share of 1 takes all, one of 0 none.
        let dice = (u64::from_be_bytes(span.to_bytes()) >> 11) as f64 / (1_u64 << 53) as f64;
        dice < self.share
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids;
    use super::*;
    use std::time::Duration;

    fn sampler(share: f64, parent: bool) -> Sampler {
        Sampler::new(&Sampling { share, parent, errors: true, rate: (5, Duration::from_hours(1)) })
    }

    fn caller(sampled: bool) -> Remote {
        Remote { trace: ids::trace(), span: ids::span(), sampled, state: String::new() }
    }

    fn recorded(sampler: &Sampler, caller: Option<&Remote>, of: usize) -> usize {
        (0..of).filter(|_| sampler.records(caller, ids::span())).count()
    }

    #[test]
    fn a_share_of_the_requests_is_recorded() {
        assert_eq!((recorded(&sampler(0.0, true), None, 1000), recorded(&sampler(1.0, true), None, 1000)), (0, 1000));
        // Within seven standard deviations.
        assert!((3_000_usize.abs_diff(recorded(&sampler(0.3, true), None, 10_000))) < 321);
    }

    #[test]
    fn a_caller_is_followed_within_a_rate() {
        assert_eq!(recorded(&sampler(0.0, true), Some(&caller(true)), 1000), 5);
        // Beyond it the request counts as any other.
        assert_eq!(recorded(&sampler(1.0, true), Some(&caller(true)), 1000), 1000);
        assert_eq!(recorded(&sampler(1.0, true), Some(&caller(false)), 1000), 0);
        assert_eq!(recorded(&sampler(0.0, false), Some(&caller(true)), 1000), 0);
        assert_eq!(recorded(&sampler(1.0, false), Some(&caller(false)), 1000), 1000);
    }

    #[test]
    fn failures_are_recorded_within_the_same_rate() {
        let sampler = sampler(0.0, true);
        assert_eq!((0..100).filter(|_| sampler.records_failure()).count(), 5);
        assert_eq!(recorded(&sampler, Some(&caller(true)), 100), 0);
    }
}
