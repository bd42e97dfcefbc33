//! The clock of the time limits. One thread advances the engine's epoch at a steady pace; each store has a deadline of its own, counted in
//! ticks. So a time-out is the matter of one store, and nothing has to be done when a call begins or ends but to write one number.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wasmtime::Engine;

/// After a pause (a suspended machine, a starved process) at most this many ticks are made up for: calls in flight have not had their time.
const MOST_CAUGHT_UP: u32 = 8;

/// Advances the epoch until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(engine: Engine, tick: Duration) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            let mut next = Instant::now() + tick;
            while stopped.recv_timeout(next.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
                let earliest = Instant::now().checked_sub(tick * MOST_CAUGHT_UP);
                next = earliest.map_or(next, |earliest| next.max(earliest)) + tick;
            }
        };
        let thread = thread::Builder::new().name("synod-ticker".into()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // The thread holds no lock and runs no foreign code, so it ends within a tick; had it panicked, there is nothing to save.
            let _ = thread.join();
        }
    }
}

/// How many ticks a store may see so that a call has at least `timeout`: one more than fit, because the current tick has begun already.
pub(crate) fn ticks(timeout: Duration, tick: Duration) -> u64 {
    let whole = timeout.as_nanos().div_ceil(tick.as_nanos().max(1)) + 1;
    // The engine adds this to its epoch: stay clear of an overflow. At 2 ms a tick this is more than 99 days.
    u64::try_from(whole).unwrap_or(u64::MAX).min(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_gets_its_whole_timeout() {
        let ticks = |timeout| ticks(timeout, Duration::from_millis(2));
        assert_eq!(ticks(Duration::from_millis(100)), 51);
        assert_eq!(ticks(Duration::from_micros(1)), 2);
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::MAX), u64::from(u32::MAX));
    }
}
