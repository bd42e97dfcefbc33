//! The circuit breaker of a detector (Nygard, "Release It!", 2nd edition, section 5.2): a plugin that fails again and again is not asked any more, so
//! that it costs nobody time, until it has shown on rows of its own that it works.
//!
//! It opens after so many failures without a success between them. Then it pauses, and is probed; a probe that fails doubles the pause. After
//! several probes in a row that failed it is in quarantine: nothing but a person, or another model, ends that. Times are passed in.

use std::time::Duration;

/// When a circuit opens, and how long it pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitRule {
    /// Failures without a success between them that open it; with 0 it never opens.
    pub failures: u32,
    /// The first pause.
    pub pause: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// Probes in a row that fail before it is in quarantine.
    pub probes: u32,
}

impl Default for CircuitRule {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(1), longest: Duration::from_secs(300), probes: 8 }
    }
}

/// How a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// The detector is asked.
    Closed {
        /// Failures since the last success.
        failures: u32,
        /// How long it pauses when it opens.
        pause: Duration,
    },
    /// The detector is not asked.
    Open {
        /// When it is probed.
        until: Duration,
        /// How long it has paused, or will have.
        pause: Duration,
        /// Probes in a row that failed.
        probes: u32,
    },
    /// The detector is not asked, and not probed.
    Quarantined,
}

impl Circuit {
    /// One that is closed and has seen nothing.
    pub fn new(rule: &CircuitRule) -> Self {
        Self::Closed { failures: 0, pause: rule.pause }
    }

    /// Whether the detector is asked.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// Whether it is to be probed now. `now` is the time since any beginning.
    pub fn is_due(&self, now: Duration) -> bool {
        matches!(self, Self::Open { until, .. } if now >= *until)
    }

    /// Notes that the detector was asked, and whether it answered. Answers of those who were asked before it opened change nothing.
    pub fn note(&mut self, rule: &CircuitRule, now: Duration, answered: bool) {
        let Self::Closed { failures, pause } = *self else { return };
        *self = match (answered, failures + 1) {
            (true, _) => Self::new(rule),
            (false, failures) if rule.failures > 0 && failures >= rule.failures => Self::Open { until: now + pause, pause, probes: 0 },
            (false, failures) => Self::Closed { failures, pause },
        };
    }

    /// Notes what came of a probe. One that went well closes the circuit; if it opens again before a success, it pauses twice as long.
    pub fn probed(&mut self, rule: &CircuitRule, now: Duration, answered: bool) {
        let Self::Open { pause, probes, .. } = *self else { return };
        let longer = (2 * pause).min(rule.longest);
        *self = match (answered, probes + 1) {
            (true, _) => Self::Closed { failures: 0, pause: longer },
            (false, probes) if probes >= rule.probes => Self::Quarantined,
            (false, probes) => Self::Open { until: now + longer, pause: longer, probes },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: CircuitRule = CircuitRule { failures: 3, pause: Duration::from_secs(1), longest: Duration::from_secs(4), probes: 4 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened(now: Duration) -> Circuit {
        let mut circuit = Circuit::new(&RULE);
        (0..3).for_each(|_| circuit.note(&RULE, now, false));
        circuit
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let mut circuit = Circuit::new(&RULE);
        for answered in [false, false, true, false, false] {
            circuit.note(&RULE, at(0), answered);
            assert!(circuit.is_closed());
        }
        circuit.note(&RULE, at(7), false);
        assert_eq!(circuit, Circuit::Open { until: at(8), pause: at(1), probes: 0 });
        assert!(!circuit.is_due(at(7)) && circuit.is_due(at(8)));
        circuit.note(&RULE, at(7), true);
        assert!(!circuit.is_closed(), "who was asked before says nothing about now");
    }

    #[test]
    fn probes_that_fail_double_the_pause_and_end_in_quarantine() {
        let mut circuit = opened(at(0));
        for (now, until) in [(1, 3), (3, 7), (7, 11)] {
            assert!(circuit.is_due(at(now)));
            circuit.probed(&RULE, at(now), false);
            assert!(matches!(circuit, Circuit::Open { until: then, .. } if then == at(until)), "{circuit:?}");
        }
        circuit.probed(&RULE, at(11), false);
        assert_eq!(circuit, Circuit::Quarantined);
        assert!(!circuit.is_due(at(1_000_000)));
        circuit.probed(&RULE, at(12), true);
        assert_eq!(circuit, Circuit::Quarantined);
    }

    #[test]
    fn after_a_probe_that_went_well_it_is_asked_and_pauses_longer_if_it_fails_again() {
        let mut circuit = opened(at(0));
        circuit.probed(&RULE, at(1), true);
        assert!(circuit.is_closed());
        let again = |mut circuit: Circuit| {
            (0..3).for_each(|_| circuit.note(&RULE, at(2), false));
            circuit
        };
        assert_eq!(again(circuit), Circuit::Open { until: at(4), pause: at(2), probes: 0 });
        circuit.note(&RULE, at(2), true);
        assert_eq!(again(circuit), Circuit::Open { until: at(3), pause: at(1), probes: 0 }, "a success forgets it");
    }

    #[test]
    fn without_a_number_of_failures_it_never_opens() {
        let rule = CircuitRule { failures: 0, ..RULE };
        let mut circuit = Circuit::new(&rule);
        (0..1000).for_each(|_| circuit.note(&rule, at(0), false));
        assert!(circuit.is_closed());
    }
}
