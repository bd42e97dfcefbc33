//! Warm instances of one plugin with one model. An instance answers one call at a time; one that failed is dropped and never used again.

use crate::contract::exported;
use crate::failure::{Failure, Refusal};
use crate::instance::{Instance, State};
use crate::limits::{BLOB_BYTES, Limits, PoolLimits};
use crate::logging::{Lines, LogLine};
use crate::plugin::Plugin;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::Store;

/// Instances of one plugin with one model.
///
/// Instances are started as calls need them, up to [`PoolLimits::instances`], and kept. The one that was used last is used next: its memory
/// is in the processor's cache, and those that a burst left over stay untouched.
pub struct Pool {
    plugin: Plugin,
    model: Arc<[u8]>,
    limits: PoolLimits,
    places: Mutex<Places>,
    freed: Condvar,
    lines: Arc<Lines>,
    counts: Counts,
}

#[derive(Default)]
struct Places {
    /// Boxed: an instance is several hundred bytes, and moves four times a call.
    #[allow(clippy::vec_box, reason = "it is the moves that cost")]
    idle: Vec<Box<Instance>>,
    /// Instances that are there: idle, busy, or being started or dropped.
    live: usize,
    /// Calls that wait for one.
    waiting: usize,
    /// Bytes that the instances had when they were last looked at.
    memory: usize,
}

impl Places {
    /// Counts what an instance has now in place of what it had.
    fn count_memory(&mut self, before: usize, now: usize) {
        self.memory = self.memory.saturating_sub(before).saturating_add(now);
    }
}

#[derive(Default)]
struct Counts {
    started: AtomicU64,
    failed_starts: AtomicU64,
    timeout: AtomicU64,
    trap: AtomicU64,
    memory: AtomicU64,
    bad_output: AtomicU64,
    worn: AtomicU64,
}

/// What has become of a pool's instances since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolFacts {
    /// Instances that wait for a call now.
    pub idle: usize,
    /// Instances that are there now.
    pub live: usize,
    /// Calls that wait for an instance now.
    pub waiting: usize,
    /// Bytes of the linear memories and tables of all instances, each as it was after its last call.
    pub memory: usize,
    /// Instances that were started.
    pub started: u64,
    /// Instances that did not start, or did not take the model.
    pub failed_starts: u64,
    /// Instances that were dropped, by reason.
    pub retired: Retired,
    /// Lines of the plugin that were not kept, because they were too many.
    pub dropped_lines: u64,
}

/// Instances that were dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retired {
    /// After a call that used up its time.
    pub timeout: u64,
    /// After a trap.
    pub trap: u64,
    /// After a trap for want of memory.
    pub memory: u64,
    /// After an answer that could not be used.
    pub bad_output: u64,
    /// After [`PoolLimits::calls_per_instance`] calls.
    pub worn: u64,
}

impl Retired {
    /// Each count with its stable name.
    pub fn by_reason(&self) -> [(&'static str, u64); 5] {
        let Self { timeout, trap, memory, bad_output, worn } = *self;
        [("timeout", timeout), ("trap", trap), ("memory", memory), ("bad_output", bad_output), ("worn", worn)]
    }
}

/// The scores of a batch, and where the time went.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// One raw score a row, finite, higher is more anomalous.
    pub scores: Vec<f64>,
    /// Until there was an instance, or a place for one.
    pub waiting: Duration,
    /// To start an instance and load the model, if there was none. Zero as a rule.
    pub instantiating: Duration,
    /// In the plugin, with the passing of rows and scores.
    pub scoring: Duration,
    /// Bytes of the linear memories and tables of the instance that was called, after the call.
    pub memory: usize,
}

/// Why rows have their raw scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The raw score of a row about which nothing is known.
    pub base: f64,
    /// As many numbers as the rows have, row-major: what each feature contributed. With `base` a row's add up to its raw score.
    pub contributions: Vec<f64>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("plugin", &self.plugin.description().name).field("facts", &self.facts()).finish_non_exhaustive()
    }
}

impl Pool {
    pub(crate) fn start(plugin: Plugin, model: Arc<[u8]>, mut limits: PoolLimits) -> Result<Self, Failure> {
        limits.instances = limits.instances.max(1);
        let (places, freed, lines, counts) = (Mutex::default(), Condvar::new(), Arc::default(), Counts::default());
        let pool = Self { plugin, model, limits, places, freed, lines, counts };
        let first = pool.new_instance()?;
        {
            let mut places = pool.lock();
            places.live = 1;
            places.idle.push(first);
        }
        Ok(pool)
    }

    /// Scores rows of `width` features, one after the other in `values`.
    ///
    /// Takes at most [`PoolLimits::waiting`], and the two timeouts of [`PoolLimits::load`] and [`PoolLimits::call`].
    ///
    /// # Errors
    /// When the rows are not what the description asks for, no instance is free, or the plugin refuses, fails, or answers with anything but
    /// one finite number a row.
    pub fn score(&self, width: usize, values: &[f64]) -> Result<Scored, Failure> {
        let matrix = self.plugin.rows(width, values)?;
        let rows = values.len() / width;
        let asked = Instant::now();
        let mut lease = self.lease(asked)?;
        // A look at the clock takes a twentieth of a short call.
        let begun = if lease.at_once { asked } else { Instant::now() };
        let scores = lease.numbers(&self.limits.call, rows, |guest, store| guest.call_score(store, matrix))?;
        let instantiating = lease.instantiating;
        let waiting = begun.duration_since(asked).saturating_sub(instantiating);
        Ok(Scored { scores, waiting, instantiating, scoring: begun.elapsed(), memory: lease.memory() })
    }

    /// What each feature contributed to its row's raw score.
    ///
    /// # Errors
    /// As [`Self::score`]; and where the plugin does not explain.
    pub fn explain(&self, width: usize, values: &[f64]) -> Result<Explanation, Failure> {
        if !self.plugin.description().explains {
            return Err(Failure::refused(Refusal::Unsupported, "this plugin does not explain its scores"));
        }
        let matrix = self.plugin.rows(width, values)?;
        let mut lease = self.lease(Instant::now())?;
        let payload = values.len().saturating_mul(size_of::<f64>());
        let answer = |guest: &exported::Guest, store: &mut Store<State>| guest.call_explain(store, matrix);
        let check = |said: &exported::Explanation| {
            let base = if said.base.is_finite() { Ok(()) } else { Err(format!("the base is {}", said.base)) };
            base.and_then(|()| check_numbers(&said.contributions, values.len()))
        };
        let said = lease.call(&self.limits.call, payload, answer, check)?;
        Ok(Explanation { base: said.base, contributions: said.contributions })
    }

    /// The model as an ONNX file, of 512 MiB at most. It has the time of [`PoolLimits::load`].
    ///
    /// # Errors
    /// Where the plugin does not export; and as [`Self::score`].
    pub fn export_onnx(&self) -> Result<Vec<u8>, Failure> {
        if !self.plugin.description().exports_onnx {
            return Err(Failure::refused(Refusal::Unsupported, "this plugin does not export its models"));
        }
        let mut lease = self.lease(Instant::now())?;
        let answer = |guest: &exported::Guest, store: &mut Store<State>| guest.call_export_onnx(store);
        lease.call(
            &self.limits.load,
            BLOB_BYTES,
            answer,
            |file| if file.is_empty() { Err("a file of no bytes".to_owned()) } else { Ok(()) },
        )
    }

    /// How many instances wait for a call.
    pub fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    /// The plugin whose instances these are.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// The limits, as they are kept.
    pub fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// What has become of the instances.
    pub fn facts(&self) -> PoolFacts {
        let (idle, live, waiting, memory) = {
            let places = self.lock();
            (places.idle.len(), places.live, places.waiting, places.memory)
        };
        let counts = &self.counts;
        let retired = Retired {
            timeout: counts.timeout.load(Relaxed),
            trap: counts.trap.load(Relaxed),
            memory: counts.memory.load(Relaxed),
            bad_output: counts.bad_output.load(Relaxed),
            worn: counts.worn.load(Relaxed),
        };
        let (started, failed_starts) = (counts.started.load(Relaxed), counts.failed_starts.load(Relaxed));
        PoolFacts { idle, live, waiting, memory, started, failed_starts, retired, dropped_lines: self.lines.dropped() }
    }

    /// The lines that instances wrote since this was last called: the first thousand.
    pub fn take_log(&self) -> Vec<LogLine> {
        self.lines.take()
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Nothing that can panic happens under the lock.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance to call: an idle one, a new one, or the next that is given back.
    fn lease(&self, asked: Instant) -> Result<Lease<'_>, Failure> {
        let idle = self.lock().idle.pop();
        if let Some(instance) = idle {
            let mut lease = self.leased(Some(instance));
            lease.at_once = true;
            return Ok(lease);
        }
        let mut may_start = true;
        loop {
            if let Some(instance) = self.place(asked, may_start)? {
                return Ok(self.leased(Some(instance)));
            }
            // From here on the place is the lease's: if the start fails, dropping the lease gives it up.
            let mut lease = self.leased(None);
            let begun = Instant::now();
            match self.new_instance() {
                Ok(instance) => {
                    lease.counted = instance.memory();
                    self.lock().count_memory(0, lease.counted);
                    lease.instance = Some(instance);
                    lease.instantiating = begun.elapsed();
                    return Ok(lease);
                }
                // All places of the host are taken: what is left is to wait for an instance of this pool.
                Err(Failure::Busy { .. }) => may_start = false,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// A lease of this instance, or of a place for one that is being started.
    fn leased(&self, instance: Option<Box<Instance>>) -> Lease<'_> {
        let counted = instance.as_ref().map_or(0, |instance| instance.memory());
        Lease { pool: self, instance, counted, keep: false, at_once: false, instantiating: Duration::ZERO }
    }

    /// An idle instance; or none, and the right to start one.
    fn place(&self, asked: Instant, may_start: bool) -> Result<Option<Box<Instance>>, Failure> {
        let mut places = self.lock();
        loop {
            if let Some(instance) = places.idle.pop() {
                return Ok(Some(instance));
            }
            if may_start && places.live < self.limits.instances {
                places.live += 1;
                return Ok(None);
            }
            let waited = asked.elapsed();
            let left = self.limits.waiting.saturating_sub(waited);
            // Without a live instance nobody would ever wake this call.
            if left.is_zero() || places.live == 0 {
                return Err(Failure::Busy { waited });
            }
            places.waiting += 1;
            places = self.freed.wait_timeout(places, left).unwrap_or_else(PoisonError::into_inner).0;
            places.waiting -= 1;
        }
    }

    fn new_instance(&self) -> Result<Box<Instance>, Failure> {
        let instance = self.start_with_model();
        match &instance {
            Ok(_) => self.counts.started.fetch_add(1, Relaxed),
            Err(Failure::Busy { .. }) => 0,
            Err(_) => self.counts.failed_starts.fetch_add(1, Relaxed),
        };
        instance
    }

    fn start_with_model(&self) -> Result<Box<Instance>, Failure> {
        let (load, lines) = (&self.limits.load, Arc::clone(&self.lines));
        let mut instance = Box::new(Instance::start(self.plugin.program(), load, Box::new(move |line| lines.push(line)))?);
        let loaded = instance.call(load, 0, |guest, store| guest.call_load(store, &self.model));
        self.note_dropped_lines(&mut instance);
        loaded.map(|()| instance)
    }

    fn note_dropped_lines(&self, instance: &mut Instance) {
        let dropped = instance.take_dropped_lines();
        if dropped > 0 {
            self.lines.add_dropped(dropped);
        }
    }
}

impl Counts {
    fn retire(&self, failure: &Failure) {
        let counter = match failure {
            Failure::Timeout { .. } => &self.timeout,
            Failure::Memory { .. } => &self.memory,
            Failure::Output { .. } => &self.bad_output,
            // A call does not end with the last two.
            Failure::Trap { .. } | Failure::Instantiation { .. } | Failure::Busy { .. } => &self.trap,
            Failure::Refused { .. } => return,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// One place of the pool while a call uses it. Whatever happens to the call, the place is given back.
struct Lease<'a> {
    pool: &'a Pool,
    /// None only while it is being started.
    instance: Option<Box<Instance>>,
    /// Its bytes, as the pool counts them.
    counted: usize,
    /// Whether the instance is well.
    keep: bool,
    /// Whether an idle instance was there, so that the call did not wait.
    at_once: bool,
    /// How long it took to start it.
    instantiating: Duration,
}

impl Lease<'_> {
    /// The bytes that the instance has now.
    fn memory(&self) -> usize {
        self.instance.as_ref().map_or(0, |instance| instance.memory())
    }

    /// A call that must return so many finite numbers.
    fn numbers(
        &mut self,
        limits: &Limits,
        count: usize,
        act: impl FnOnce(&exported::Guest, &mut Store<State>) -> wasmtime::Result<Result<Vec<f64>, exported::Error>>,
    ) -> Result<Vec<f64>, Failure> {
        self.call(limits, count.saturating_mul(size_of::<f64>()), act, |numbers| check_numbers(numbers, count))
    }

    fn call<T>(
        &mut self,
        limits: &Limits,
        payload: usize,
        act: impl FnOnce(&exported::Guest, &mut Store<State>) -> wasmtime::Result<Result<T, exported::Error>>,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> Result<T, Failure> {
        let instance = self.instance.as_mut().expect("a lease is handed out with its instance");
        instance.calls += 1;
        let answer = instance.call(limits, payload, act);
        let answer = answer.and_then(|answer| check(&answer).map(|()| answer).map_err(Failure::output));
        self.pool.note_dropped_lines(instance);
        self.keep = matches!(answer, Ok(_) | Err(Failure::Refused { .. }));
        if let Err(failure) = &answer {
            self.pool.counts.retire(failure);
        }
        answer
    }

    /// The instance, if it can answer another call. Otherwise it is dropped here, before its place is free.
    fn well(&mut self) -> Option<Box<Instance>> {
        let instance = self.instance.take().filter(|_| self.keep)?;
        if instance.calls < self.pool.limits.calls_per_instance {
            return Some(instance);
        }
        self.pool.counts.worn.fetch_add(1, Relaxed);
        None
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let well = self.well();
        let memory = well.as_ref().map_or(0, |instance| instance.memory());
        let mut places = self.pool.lock();
        places.count_memory(self.counted, memory);
        match well {
            Some(instance) => places.idle.push(instance),
            None => places.live -= 1,
        }
        let wake = places.waiting > 0;
        drop(places);
        if wake {
            self.pool.freed.notify_one();
        }
    }
}

fn check_numbers(numbers: &[f64], count: usize) -> Result<(), String> {
    if numbers.len() != count {
        return Err(format!("{} numbers instead of {count}", numbers.len()));
    }
    // Not `position`: without an early exit the check is done several numbers at a time.
    if numbers.iter().fold(true, |all, number| all & number.is_finite()) {
        return Ok(());
    }
    let at = numbers.iter().position(|number| !number.is_finite()).unwrap_or_default();
    Err(format!("number {at} (from 0) is {}", numbers[at]))
}
