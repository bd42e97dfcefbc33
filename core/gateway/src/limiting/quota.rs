//! A quota of something over time, for each of many callers: the generic cell rate algorithm, by `governor`.

use super::fields::{Standing, Unit};
use super::key::Key;
use super::table::Table;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota as Cells, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Where there is no room for more callers, it is looked at most so often for those that can be forgotten.
const SWEEP: Duration = Duration::from_millis(100);

/// How much in which time, and how much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So much.
    pub count: u32,
    /// In this time.
    pub per: Duration,
    /// So much at once, after a time of nothing.
    pub burst: u32,
}

impl Rate {
    /// The longest time in which a burst may come again; numbers beyond it could overflow.
    pub const LONGEST: Duration = Duration::from_secs(366 * 86_400);

    /// In which time a burst comes again.
    pub fn refill(self) -> Duration {
        self.per.saturating_mul(self.burst) / self.count.max(1)
    }

    fn cells(self) -> Cells {
        let interval = (self.per / self.count.max(1)).max(Duration::from_nanos(1));
        let cells = Cells::with_period(interval).expect("an interval of at least a nanosecond");
        cells.allow_burst(NonZeroU32::new(self.burst).unwrap_or(NonZeroU32::MIN))
    }

    /// Until so much is there again, in seconds, rounded up.
    fn seconds(self, count: u32) -> u64 {
        let nanos = u128::from(count) * self.per.as_nanos() / u128::from(self.count.max(1));
        nanos.div_ceil(1_000_000_000).max(1) as u64
    }
}

/// A quota that a request does not keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// It will, after this time.
    Until(Standing, Duration),
    /// It never will: the quota never allows more than this at once.
    Never(u32),
}

/// The quota of each caller under one policy.
#[derive(Debug)]
pub(super) struct Limiter<C: Clock = DefaultClock> {
    policy: &'static str,
    unit: Unit,
    rate: Rate,
    table: Table,
    limiter: RateLimiter<Key, Table, C, StateInformationMiddleware>,
    swept: Mutex<Instant>,
}

impl Limiter {
    pub(super) fn new(policy: &'static str, unit: Unit, rate: Rate, keys: usize) -> Self {
        Self::with_clock(policy, unit, rate, keys, DefaultClock::default())
    }
}

impl<C: Clock> Limiter<C> {
    fn with_clock(policy: &'static str, unit: Unit, rate: Rate, keys: usize, clock: C) -> Self {
        let table = Table::new(keys);
        let limiter = RateLimiter::new(rate.cells(), table.clone(), clock);
        Self { policy, unit, rate, table, limiter, swept: Mutex::new(Instant::now()) }
    }

    /// Under which name it is told.
    pub(super) fn policy(&self) -> &'static str {
        self.policy
    }

    /// Takes so much of a caller's quota. Who is refused has taken nothing.
    pub(super) fn take(&self, key: Key, count: NonZeroU32) -> Result<Standing, Exceeded> {
        if self.table.was_full() {
            self.sweep_if_due();
        }
        // Asked here: the library multiplies before it compares, which would overflow.
        if count.get() > self.rate.burst {
            return Err(Exceeded::Never(self.rate.burst));
        }
        match self.limiter.check_key_n(&key, count) {
            Ok(Ok(state)) => Ok(self.standing(state.remaining_burst_capacity())),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.limiter.clock().now());
                Err(Exceeded::Until(self.spent(wait), wait))
            }
            Err(insufficient) => Err(Exceeded::Never(insufficient.0)),
        }
    }

    /// Forgets callers whose quota is whole again.
    pub(super) fn sweep(&self) {
        self.limiter.retain_recent();
    }

    /// Callers that are remembered.
    pub(super) fn keys(&self) -> usize {
        self.limiter.len()
    }

    fn sweep_if_due(&self) {
        // Who finds it locked has somebody else who sweeps.
        if let Ok(mut swept) = self.swept.try_lock()
            && swept.elapsed() >= SWEEP
        {
            *swept = Instant::now();
            self.sweep();
        }
    }

    /// The quota is what can be had at once, and its window the time in which that comes again: a client that keeps to it is never refused.
    fn standing(&self, remaining: u32) -> Standing {
        let quota = self.rate.burst;
        let reset = self.rate.seconds(quota.saturating_sub(remaining));
        Standing { policy: self.policy, unit: self.unit, quota, window: Some(self.rate.seconds(quota)), remaining, reset: Some(reset) }
    }

    fn spent(&self, wait: Duration) -> Standing {
        Standing { reset: Some(super::fields::whole_seconds(wait)), ..self.standing(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter(count: u32, burst: u32, keys: usize) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limiter::with_clock("test", Unit::Requests, Rate { count, per: SECOND, burst }, keys, clock.clone()), clock)
    }

    fn taken(limiter: &Limiter<FakeRelativeClock>, key: Key, count: u32) -> Result<u32, Exceeded> {
        limiter.take(key, NonZeroU32::new(count).unwrap()).map(|standing| standing.remaining)
    }

    fn waits(limiter: &Limiter<FakeRelativeClock>, key: Key, count: u32) -> Duration {
        match taken(limiter, key, count) {
            Err(Exceeded::Until(standing, wait)) => {
                assert_eq!(standing.remaining, 0);
                assert!(Duration::from_secs(standing.reset.unwrap()) >= wait, "who waits for so long is let through");
                wait
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_quota_is_a_burst_that_refills() {
        let (limiter, clock) = limiter(2, 4, 10_000);
        assert_eq!([0, 1, 2, 3].map(|_| taken(&limiter, 1, 1).unwrap()), [3, 2, 1, 0]);
        assert_eq!(waits(&limiter, 1, 1), SECOND / 2);
        assert_eq!(taken(&limiter, 2, 1), Ok(3), "another caller's is its own");
        clock.advance(SECOND / 2 - Duration::from_nanos(1));
        assert_eq!(waits(&limiter, 1, 1), Duration::from_nanos(1));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(taken(&limiter, 1, 1), Ok(0));
        assert_eq!(waits(&limiter, 1, 3), SECOND * 3 / 2);
        clock.advance(SECOND * 100);
        assert_eq!(taken(&limiter, 1, 3), Ok(1), "no more than the burst is saved up");
        assert_eq!(waits(&limiter, 1, 2), SECOND / 2, "who is refused has taken nothing");
        assert_eq!(taken(&limiter, 1, 1), Ok(0));
    }

    #[test]
    fn more_than_a_burst_is_never_waited_for() {
        let (limiter, clock) = limiter(100, 50, 10_000);
        assert_eq!(taken(&limiter, 1, 51), Err(Exceeded::Never(50)));
        assert_eq!(taken(&limiter, 1, u32::MAX), Err(Exceeded::Never(50)));
        assert_eq!(taken(&limiter, 1, 50), Ok(0));
        clock.advance(SECOND * 1000);
        assert_eq!(taken(&limiter, 1, 51), Err(Exceeded::Never(50)));
    }

    /// Keys as the digests are: different everywhere.
    fn key(number: u64) -> Key {
        super::super::Keys::default().principal(&number.to_string())
    }

    #[test]
    fn a_million_callers_take_no_more_memory_than_is_theirs() {
        let (limiter, clock) = limiter(1, 2, 1600);
        let known = key(0);
        assert_eq!([0, 1].map(|_| taken(&limiter, known, 1).unwrap()), [1, 0]);
        let mut passed = 0;
        for number in 1..=1_000_000 {
            passed += u32::from(taken(&limiter, key(number), 1).is_ok());
        }
        assert!(limiter.keys() <= 1600, "{} are kept", limiter.keys());
        // Those with a state of their own, and the bursts of the shared ones.
        assert!((1599 + 256..=1599 + 2 * 256).contains(&passed), "{passed} passed");
        assert_eq!(waits(&limiter, known, 1), SECOND, "who was known before is known still");
        clock.advance(SECOND * 3);
        limiter.sweep();
        assert_eq!(limiter.keys(), 0, "whose quota is whole again is forgotten");
        assert_eq!(taken(&limiter, known, 1), Ok(1));
        let room: usize = limiter.table.capacity();
        assert!(room < 1600, "and so is the room: {room}");
    }

    #[test]
    fn only_whose_quota_is_whole_is_forgotten() {
        let (limiter, clock) = limiter(1, 10, 1600);
        assert_eq!(taken(&limiter, 1, 10), Ok(0));
        assert_eq!(taken(&limiter, 2, 1), Ok(9));
        clock.advance(SECOND * 5);
        limiter.sweep();
        assert_eq!(limiter.keys(), 1);
        assert_eq!(taken(&limiter, 1, 1), Ok(4), "sweeping gives nothing away");
    }

    #[test]
    fn any_rate_that_can_be_written_can_be_kept() {
        for (count, per, burst) in [(1_000_000_000, 1, 1_000_000_000), (1, 3600, 8784), (1, 1, 1), (1, 1, 366 * 86_400), (3, 1, 1)] {
            let rate = Rate { count, per: Duration::from_secs(per), burst };
            assert!(rate.refill() <= Rate::LONGEST);
            let limiter = Limiter::new("test", Unit::Rows, rate, 1600);
            assert_eq!(limiter.take(1, NonZeroU32::MAX), Err(Exceeded::Never(burst)));
            let standing = limiter.take(1, NonZeroU32::MIN).unwrap();
            assert!(standing.remaining >= burst - 1 && standing.window.unwrap() >= 1, "{standing:?}");
            assert!(limiter.take(2, NonZeroU32::new(burst).unwrap()).is_ok());
        }
    }
}
