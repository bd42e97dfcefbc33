//! How much is sent at a time: more while it goes well, half as much when it does not (additive increase, multiplicative decrease).

use super::answer::{Outcome, Sent};
use crate::calling::full_jitter;
use std::time::Duration;

/// The fewest documents and bytes to which a request shrinks because of a slow or busy receiver.
const LEAST_DOCUMENTS: usize = 50;
const LEAST_BYTES: usize = 64 << 10;
/// Requests that go well before one more is sent at a time.
const STEADY: u32 = 8;
/// Before what was throttled is sent again the first time, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// How much is sent at a time.
#[derive(Debug)]
pub(super) struct Pace {
    most: Size,
    now: Size,
    /// Requests in a row that went well.
    well: u32,
    /// Times in a row that something was throttled.
    throttled: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    documents: usize,
    bytes: usize,
    requests: usize,
}

impl Pace {
    /// At most so much. It begins with one request at a time, of a quarter of that.
    pub(super) fn new(documents: usize, bytes: usize, requests: usize) -> Self {
        let most = Size { documents, bytes, requests };
        let now = Size { documents: documents.div_ceil(4), bytes: bytes.div_ceil(4), requests: 1 };
        Self { most, now, well: 0, throttled: 0 }
    }

    #[cfg(test)]
    pub(super) fn fixed(documents: usize, bytes: usize, requests: usize) -> Self {
        let most = Size { documents, bytes, requests };
        Self { most, now: most, well: 0, throttled: 0 }
    }

    /// Documents in a request.
    pub(super) fn documents(&self) -> usize {
        self.now.documents
    }

    /// Bytes of documents in a request.
    pub(super) fn bytes(&self) -> usize {
        self.now.bytes
    }

    /// Requests at a time.
    pub(super) fn requests(&self) -> usize {
        self.now.requests
    }

    /// How long to wait before what was throttled is sent again: anything up to a bound that grows, so that senders do not come together.
    pub(super) fn pause(&self) -> Duration {
        let (first, longest) = PAUSES;
        full_jitter(first.saturating_mul(2_u32.saturating_pow(self.throttled.saturating_sub(1))).min(longest))
    }

    /// Learns from what became of a request.
    pub(super) fn note(&mut self, sent: &Sent) {
        match sent {
            Sent::Items(outcomes) if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Again { .. })) => self.went_well(),
            // Some were taken: it is busy, but not away.
            Sent::Items(outcomes) if outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Again { .. })) => {
                self.throttled = 1;
                self.slow_down();
            }
            Sent::Items(_) | Sent::NotTaken(_) | Sent::Doubtful(_) => {
                self.throttled = self.throttled.saturating_add(1);
                self.slow_down();
            }
            // The request was too large; how many are sent at a time does not matter.
            Sent::TooLarge => {
                self.now.bytes = (self.now.bytes / 2).max(LEAST_BYTES).min(self.most.bytes);
                self.well = 0;
            }
            // That has nothing to do with how much is sent.
            Sent::Malformed { .. } | Sent::Refused(_) => {}
        }
    }

    /// Notes a request without documents that failed.
    pub(super) fn failed(&mut self) {
        self.throttled = self.throttled.saturating_add(1);
    }

    fn went_well(&mut self) {
        self.throttled = 0;
        self.well += 1;
        self.now.documents = (self.now.documents + self.now.documents.div_ceil(4)).min(self.most.documents);
        self.now.bytes = (self.now.bytes + self.now.bytes.div_ceil(4)).min(self.most.bytes);
        if self.well >= STEADY {
            self.now.requests = (self.now.requests + 1).min(self.most.requests);
            self.well = 0;
        }
    }

    fn slow_down(&mut self) {
        self.well = 0;
        self.now.documents = (self.now.documents / 2).max(LEAST_DOCUMENTS).min(self.most.documents);
        self.now.bytes = (self.now.bytes / 2).max(LEAST_BYTES).min(self.most.bytes);
        self.now.requests = (self.now.requests / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::Failure;

    fn again() -> Sent {
        Sent::Items(vec![Outcome::Taken, Outcome::Again { code: "throttled", reason: String::new() }])
    }

    #[test]
    fn it_grows_to_its_bounds_and_halves_when_throttled() {
        let mut pace = Pace::new(2000, 1 << 20, 4);
        assert_eq!((pace.documents(), pace.bytes(), pace.requests()), (500, 1 << 18, 1));
        (0..40).for_each(|_| pace.note(&Sent::Items(vec![Outcome::Taken])));
        assert_eq!((pace.documents(), pace.bytes(), pace.requests()), (2000, 1 << 20, 4));
        pace.note(&again());
        assert_eq!((pace.documents(), pace.bytes(), pace.requests()), (1000, 1 << 19, 2));
        (0..40).for_each(|_| pace.note(&Sent::NotTaken(Failure::new("throttled", ""))));
        assert_eq!((pace.documents(), pace.bytes(), pace.requests()), (LEAST_DOCUMENTS, LEAST_BYTES, 1));
        let longest = (0..200).map(|_| pace.pause()).max().unwrap();
        assert!(longest > Duration::from_secs(15) && longest <= Duration::from_secs(30), "{longest:?}");
        pace.note(&Sent::Items(vec![Outcome::Repeated]));
        assert!(pace.pause() <= PAUSES.0);
    }

    #[test]
    fn what_was_set_low_stays_low() {
        let mut pace = Pace::new(10, 20_000, 1);
        (0..10).for_each(|_| pace.note(&again()));
        assert_eq!((pace.documents(), pace.bytes(), pace.requests()), (10, 20_000, 1));
    }
}
