//! The circuit of a detector at work: with a clock, and for many threads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use synod_detection::{Circuit, CircuitRule};

/// A detector's circuit.
#[derive(Debug)]
pub(super) struct Breaking {
    pub(super) rule: CircuitRule,
    circuit: Mutex<Circuit>,
    /// 0 while it is closed and nothing has failed since the last success: then nobody needs the lock.
    disturbed: AtomicU32,
    started: Instant,
}

impl Breaking {
    pub(super) fn new(rule: CircuitRule) -> Self {
        Self { rule, circuit: Mutex::new(Circuit::new(&rule)), disturbed: AtomicU32::new(0), started: Instant::now() }
    }

    fn locked(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// How it stands.
    pub(super) fn state(&self) -> Circuit {
        *self.locked()
    }

    /// Whether the detector is asked.
    pub(super) fn is_closed(&self) -> bool {
        self.disturbed.load(Ordering::Relaxed) == 0 || self.locked().is_closed()
    }

    /// Whether it is to be probed now.
    pub(super) fn is_due(&self) -> bool {
        self.disturbed.load(Ordering::Relaxed) != 0 && self.locked().is_due(self.now())
    }

    /// Notes whether the detector answered, and says whether that has opened the circuit.
    pub(super) fn note(&self, answered: bool) -> bool {
        if answered && self.disturbed.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.change(|circuit, rule, now| circuit.note(rule, now, answered))
    }

    /// Notes what came of a probe.
    pub(super) fn probed(&self, answered: bool) {
        self.change(|circuit, rule, now| circuit.probed(rule, now, answered));
    }

    /// Closes it, whatever was counted.
    pub(super) fn release(&self) {
        self.change(|circuit, rule, _| *circuit = Circuit::new(rule));
    }

    /// Whether the change has opened it.
    fn change(&self, change: impl FnOnce(&mut Circuit, &CircuitRule, Duration)) -> bool {
        let mut circuit = self.locked();
        let was_closed = circuit.is_closed();
        change(&mut circuit, &self.rule, self.now());
        let calm = *circuit == Circuit::new(&self.rule);
        self.disturbed.store(u32::from(!calm), Ordering::Relaxed);
        was_closed && !circuit.is_closed()
    }
}
