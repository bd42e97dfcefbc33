//! The breaker: what keeps a policy from blocking more than it should ever have to. When a model, a feature or a feed goes wrong, `block` can
//! become the answer to everybody; beyond a share of all outcomes it becomes `review`, until a person has looked.
//!
//! Outcomes are counted in a window that slides by twentieths of itself. A breaker opens as soon as there are enough outcomes in the window and
//! more than the share of them are `block`; the row that does it is the first that it holds for. It never closes by itself: what was reviewed
//! instead of blocked says nothing about whether it should have been blocked. After a reset it counts from nothing, so that it needs as many
//! outcomes as at first before it can open again.
//!
//! Times are passed in and may come a little out of order, as those of requests do.

use crate::Outcome;

/// Parts of a window.
const PARTS: usize = 20;

/// When a breaker opens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerRule {
    /// The largest share of `block` among the outcomes of a window that is let through; with 1 it never opens.
    pub maximum_share: f64,
    /// The window, in microseconds.
    pub window: i64,
    /// With fewer outcomes in the window it does not open.
    pub minimum: u64,
}

/// What a window holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Outcomes.
    pub outcomes: u64,
    /// Those that the policy wanted to be `block`.
    pub blocks: u64,
}

/// What becomes of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It stands.
    Stands,
    /// It was `block` and is `review`, because the breaker is open.
    Degraded,
}

/// Counts the outcomes of one policy for one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// The latest part of time that anything was counted in.
    latest: i64,
    /// By the part of time, modulo [`PARTS`].
    parts: [Tally; PARTS],
    open: bool,
}

impl BreakerRule {
    /// Whether so many blocks are too many.
    pub fn is_exceeded(&self, tally: Tally) -> bool {
        tally.outcomes >= self.minimum.max(1) && tally.blocks as f64 > self.maximum_share * tally.outcomes as f64
    }

    fn part(&self, now: i64) -> i64 {
        now.div_euclid((self.window / PARTS as i64).max(1))
    }
}

impl Tally {
    /// The share of `block`; none of nothing.
    pub fn share(&self) -> Option<f64> {
        (self.outcomes > 0).then(|| self.blocks as f64 / self.outcomes as f64)
    }

    fn add(self, other: Self) -> Self {
        Self { outcomes: self.outcomes + other.outcomes, blocks: self.blocks + other.blocks }
    }
}

impl Default for Breaker {
    /// A closed one that has counted nothing.
    fn default() -> Self {
        // Whatever comes first is later by more than a window.
        Self { latest: i64::MIN, parts: [Tally::default(); PARTS], open: false }
    }
}

impl Breaker {
    /// One that was open already.
    pub fn opened() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Counts what a policy said, opens if that was too much, and says what becomes of it. An open breaker goes on counting what the policy
    /// says, so that people can see whether it is over.
    pub fn note(&mut self, rule: &BreakerRule, now: i64, outcome: Outcome) -> Passage {
        self.turn(rule.part(now));
        // What comes late by a part counts as if it came now: the difference is that of two clocks.
        let part = &mut self.parts[place(self.latest)];
        let is_block = outcome == Outcome::Block;
        *part = part.add(Tally { outcomes: 1, blocks: u64::from(is_block) });
        self.open |= rule.is_exceeded(self.sum());
        if self.open && is_block { Passage::Degraded } else { Passage::Stands }
    }

    /// What the window holds now.
    pub fn tally(&self, rule: &BreakerRule, now: i64) -> Tally {
        let mut turned = self.clone();
        turned.turn(rule.part(now));
        turned.sum()
    }

    /// Closes it. It counts from nothing.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Forgets what has left the window. A clock that was set back by more than a window starts it anew.
    fn turn(&mut self, part: i64) {
        let gone = part.saturating_sub(self.latest);
        if gone.unsigned_abs() >= PARTS as u64 {
            self.parts = [Tally::default(); PARTS];
            self.latest = part;
        } else if gone > 0 {
            (self.latest + 1..=part).for_each(|left| self.parts[place(left)] = Tally::default());
            self.latest = part;
        }
    }

    fn sum(&self) -> Tally {
        self.parts.iter().fold(Tally::default(), |sum, part| sum.add(*part))
    }
}

/// Where a part of time is counted.
fn place(part: i64) -> usize {
    part.rem_euclid(PARTS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;
    const RULE: BreakerRule = BreakerRule { maximum_share: 0.05, window: 600 * SECOND, minimum: 200 };

    fn many(breaker: &mut Breaker, now: i64, outcome: Outcome, count: usize) -> usize {
        (0..count).filter(|_| breaker.note(&RULE, now, outcome) == Passage::Degraded).count()
    }

    #[test]
    fn it_opens_beyond_the_share_and_the_row_that_does_it_is_the_first_that_is_degraded() {
        let mut breaker = Breaker::default();
        assert_eq!(many(&mut breaker, 0, Outcome::Approve, 190), 0);
        assert_eq!(many(&mut breaker, SECOND, Outcome::Block, 10), 0, "ten of two hundred are not more than 5 %");
        assert!(!breaker.is_open());
        assert_eq!(many(&mut breaker, SECOND, Outcome::Block, 3), 3);
        assert_eq!(breaker.note(&RULE, SECOND, Outcome::Review), Passage::Stands, "other outcomes stand");
        assert_eq!(breaker.tally(&RULE, SECOND), Tally { outcomes: 204, blocks: 13 });
        assert_eq!(many(&mut breaker, 3600 * SECOND, Outcome::Block, 1), 1, "it does not close by itself");
    }

    #[test]
    fn few_outcomes_open_nothing_and_a_share_of_one_never_does() {
        let mut breaker = Breaker::default();
        assert_eq!(many(&mut breaker, 0, Outcome::Block, 199), 0);
        assert_eq!(breaker.note(&RULE, 0, Outcome::Approve), Passage::Stands);
        assert!(breaker.is_open(), "the two hundredth outcome is the one that shows it, whatever it is");
        let (never, mut breaker) = (BreakerRule { maximum_share: 1.0, ..RULE }, Breaker::default());
        assert!((0..10_000).all(|_| breaker.note(&never, 0, Outcome::Block) == Passage::Stands));
    }

    #[test]
    fn a_reset_begins_anew() {
        let mut breaker = Breaker::opened();
        assert_eq!(many(&mut breaker, 0, Outcome::Block, 300), 300);
        breaker.reset();
        assert_eq!((breaker.is_open(), breaker.tally(&RULE, 0)), (false, Tally::default()));
        assert_eq!(many(&mut breaker, 0, Outcome::Block, 199), 0, "it does not open again at once");
        assert_eq!(many(&mut breaker, 0, Outcome::Block, 1), 1);
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_keep_the_window_for_ever() {
        let mut breaker = Breaker::default();
        many(&mut breaker, 10_000 * SECOND, Outcome::Block, 150);
        assert_eq!(many(&mut breaker, 1000 * SECOND, Outcome::Block, 150), 0, "the first hundred and fifty are of another time");
        assert_eq!(breaker.tally(&RULE, 1000 * SECOND), Tally { outcomes: 150, blocks: 150 });
    }

    /// The same by keeping every outcome.
    fn counted_one_by_one(rule: &BreakerRule, seen: &[(i64, Outcome)], now: i64) -> Tally {
        let width = (rule.window / PARTS as i64).max(1);
        let first = now.div_euclid(width) - PARTS as i64 + 1;
        let within = seen.iter().filter(|(at, _)| at.div_euclid(width) >= first);
        within.fold(Tally::default(), |sum, (_, outcome)| sum.add(Tally { outcomes: 1, blocks: u64::from(*outcome == Outcome::Block) }))
    }

    fn outcomes() -> impl Strategy<Value = Vec<(i64, Outcome)>> {
        let outcome = prop_oneof![Just(Outcome::Approve), Just(Outcome::Review), Just(Outcome::Block)];
        let steps = prop::collection::vec((prop_oneof![0..2_i64, 0..40_i64, 0..3000_i64], outcome), 0..200);
        steps.prop_map(|steps| {
            let mut now = -1000;
            let mut at = |step| {
                now += step;
                now
            };
            steps.into_iter().map(|(step, outcome)| (at(step), outcome)).collect()
        })
    }

    proptest! {
        #[test]
        fn it_is_what_counting_one_by_one_gives(seen in outcomes(), window in 1..2000_i64, minimum in 0..30_u64, share in 0.0..1.0_f64) {
            let (rule, mut breaker) = (BreakerRule { maximum_share: share, window, minimum }, Breaker::default());
            let mut open = false;
            for (count, (now, outcome)) in seen.iter().enumerate() {
                let passage = breaker.note(&rule, *now, *outcome);
                let tally = counted_one_by_one(&rule, &seen[..=count], *now);
                open |= rule.is_exceeded(tally);
                prop_assert_eq!((breaker.is_open(), breaker.tally(&rule, *now)), (open, tally));
                prop_assert_eq!(passage == Passage::Degraded, open && *outcome == Outcome::Block);
            }
        }

        #[test]
        fn while_it_is_closed_no_more_than_the_share_was_blocked(seen in outcomes(), minimum in 1..30_u64, share in 0.0..1.0_f64) {
            let (rule, mut breaker) = (BreakerRule { maximum_share: share, window: 500, minimum }, Breaker::default());
            for (now, outcome) in seen {
                breaker.note(&rule, now, outcome);
                let tally = breaker.tally(&rule, now);
                prop_assert!(breaker.is_open() || tally.outcomes < minimum || tally.blocks as f64 <= share * tally.outcomes as f64);
            }
        }

        #[test]
        fn times_out_of_order_lose_nothing_that_is_within_the_window(mut seen in prop::collection::vec(0..95_i64, 1..100)) {
            let rule = BreakerRule { maximum_share: 1.0, window: 100, minimum: 1 };
            let mut breaker = Breaker::default();
            seen.iter().for_each(|now| { breaker.note(&rule, *now, Outcome::Block); });
            seen.sort_unstable();
            prop_assert_eq!(breaker.tally(&rule, seen[seen.len() - 1]).outcomes, seen.len() as u64);
        }
    }
}
