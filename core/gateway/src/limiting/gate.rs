//! The gate before the detectors. It lets in as many requests as there are sandboxes, so that none finds all of them busy; the others wait
//! here for a short time, each caller in a lane of its own, and are refused rather than answered too late.

mod queue;

use super::key::Key;
use queue::{Fits, Pushed, Queue};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How many are let in, and how the others wait.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Requests at a time.
    pub places: usize,
    /// Requests that wait.
    pub length: usize,
    /// Who has waited for so long is refused.
    pub age: Duration,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A sandbox of every detector, one after the other.
    All,
    /// A sandbox of one.
    One(usize),
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// As many wait as may.
    Full,
    /// It has waited for as long as one may.
    TooOld,
}

impl Closed {
    /// A stable word.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Full => "queue_full",
            Self::TooOld => "queue_age",
        }
    }
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    age: Duration,
    /// What one lane may have at a time.
    of_a_lane: Places,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    free: Places,
    /// What each lane has. Only lanes that have something are in here.
    taken: HashMap<Key, Places>,
    queue: Queue<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    need: Need,
    sender: oneshot::Sender<Pass>,
}

/// Places: in all, and of each detector.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Places {
    in_all: usize,
    of: Box<[usize]>,
}

impl Places {
    fn none(detectors: usize) -> Self {
        Self { in_all: 0, of: vec![0; detectors].into() }
    }

    /// Three quarters of these: one lane alone never has all of them, so that whoever comes next finds one free. With three or fewer there
    /// is nothing to leave.
    fn of_a_lane(&self) -> Self {
        let share = |places: usize| places - places / 4;
        Self { in_all: share(self.in_all), of: self.of.iter().map(|places| share(*places)).collect() }
    }

    fn needed(&mut self, need: Need) -> &mut [usize] {
        match need {
            Need::All => &mut self.of,
            Need::One(detector) => self.of.get_mut(detector..=detector).unwrap_or_default(),
        }
    }

    fn has(&self, need: Need) -> bool {
        let has_of = match need {
            Need::All => self.of.iter().all(|places| *places > 0),
            Need::One(detector) => self.of.get(detector).is_none_or(|places| *places > 0),
        };
        self.in_all > 0 && has_of
    }

    fn take(&mut self, need: Need) {
        self.in_all = self.in_all.saturating_sub(1);
        self.needed(need).iter_mut().for_each(|places| *places = places.saturating_sub(1));
    }

    fn add(&mut self, need: Need) {
        self.in_all += 1;
        self.needed(need).iter_mut().for_each(|places| *places += 1);
    }

    /// Whether there is none left for anybody.
    fn is_empty(&self) -> bool {
        self.in_all == 0 || !self.of.is_empty() && self.of.iter().all(|places| *places == 0)
    }
}

/// What a request was let in with. Its places are free again when this is dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    lane: Key,
    need: Need,
}

impl Drop for Pass {
    fn drop(&mut self) {
        {
            let inner = &mut *self.gate.lock();
            inner.free.add(self.need);
            inner.give_back(self.lane, self.need);
        }
        self.gate.let_in();
    }
}

/// What the gate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateFacts {
    /// How many wait.
    pub waiting: usize,
    /// For how long the first of them does.
    pub oldest: Duration,
}

enum Asked {
    In(Pass),
    Waits(Waiting),
    Full,
}

/// One who waits. If it is dropped before it is let in, it waits no more.
struct Waiting {
    gate: Arc<Gate>,
    lane: Key,
    number: u64,
    answer: oneshot::Receiver<Pass>,
}

impl Waiting {
    /// Whether it was still waiting.
    fn leave(&self) -> bool {
        // Dropped behind the lock.
        let waiter = self.gate.lock().queue.remove(self.lane, self.number);
        waiter.is_some()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Gate {
    /// A gate before detectors with so many sandboxes each.
    pub fn new(limits: &QueueLimits, sandboxes: impl Iterator<Item = usize>) -> Arc<Self> {
        let free = Places { in_all: limits.places, of: sandboxes.collect() };
        let of_a_lane = free.of_a_lane();
        let inner = Inner { free, taken: HashMap::new(), queue: Queue::new(limits.length) };
        Arc::new(Self { age: limits.age, of_a_lane, inner: Mutex::new(inner) })
    }

    /// Lets a request in, at once or after it has waited in its lane.
    ///
    /// # Errors
    /// When too many wait, or it has waited for too long.
    pub async fn enter(self: &Arc<Self>, lane: Key, need: Need) -> Result<Pass, Closed> {
        let mut waiting = match self.ask(lane, need) {
            Asked::In(pass) => return Ok(pass),
            Asked::Full => return Err(Closed::Full),
            Asked::Waits(waiting) => waiting,
        };
        let answer = match tokio::time::timeout(self.age, &mut waiting.answer).await {
            Ok(answer) => answer,
            Err(_) if waiting.leave() => return Err(Closed::TooOld),
            // It was let in, or had to make room, at the last moment.
            Err(_) => (&mut waiting.answer).await,
        };
        // Who has to make room for others is told nothing.
        answer.map_err(|_| Closed::Full)
    }

    /// What it counts.
    pub fn facts(&self) -> GateFacts {
        let inner = self.lock();
        let oldest = inner.queue.oldest().map(|since| since.elapsed()).unwrap_or_default();
        GateFacts { waiting: inner.queue.len(), oldest }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>, lane: Key, need: Need) -> Asked {
        let mut inner = self.lock();
        if inner.queue.len() == 0 && inner.can_enter(&self.of_a_lane, lane, need) {
            inner.enter(lane, need);
            return Asked::In(Pass { gate: self.clone(), lane, need });
        }
        let (sender, answer) = oneshot::channel();
        let (number, displaced) = match inner.queue.push(lane, Instant::now(), Waiter { need, sender }) {
            Pushed::Full => return Asked::Full,
            Pushed::Waits(number) => (number, None),
            Pushed::InsteadOf(number, displaced) => (number, Some(displaced)),
        };
        drop(inner);
        drop(displaced);
        // Those who wait may need something else than this one does.
        self.let_in();
        Asked::Waits(Waiting { gate: self.clone(), lane, number, answer })
    }

    /// Lets in all who can be.
    fn let_in(self: &Arc<Self>) {
        // Sent behind the lock: a pass whose receiver is gone is dropped here, and takes it again.
        while let Some((lane, waiter)) = self.next() {
            let pass = Pass { gate: self.clone(), lane, need: waiter.need };
            drop(waiter.sender.send(pass));
        }
    }

    fn next(&self) -> Option<(Key, Waiter)> {
        let inner = &mut *self.lock();
        if inner.queue.len() == 0 {
            return None;
        }
        // Who needs several and lacks one has one of each kept for it, or those who need less would pass it again and again.
        let mut left = inner.free.clone();
        let (taken, of_a_lane) = (&inner.taken, &self.of_a_lane);
        let fits = |lane: Key, waiter: &Waiter| {
            if left.is_empty() {
                return Fits::Nobody;
            }
            if has_share(taken, of_a_lane, lane, waiter.need) {
                if left.has(waiter.need) {
                    return Fits::Yes;
                }
                left.take(waiter.need);
                // Only what it lacks is scarce, and not the places in all.
                left.in_all = inner.free.in_all;
            }
            Fits::No
        };
        let (lane, waiter) = inner.queue.next(Instant::now(), self.age / 2, fits)?;
        inner.enter(lane, waiter.need);
        Some((lane, waiter))
    }
}

/// Whether a lane has less than it may.
fn has_share(taken: &HashMap<Key, Places>, of_a_lane: &Places, lane: Key, need: Need) -> bool {
    let Some(taken) = taken.get(&lane) else { return true };
    let less = |(taken, most): (&usize, &usize)| taken < most;
    let of = match need {
        Need::All => taken.of.iter().zip(&of_a_lane.of).all(less),
        Need::One(detector) => taken.of.get(detector).zip(of_a_lane.of.get(detector)).is_none_or(less),
    };
    taken.in_all < of_a_lane.in_all && of
}

impl Inner {
    fn can_enter(&self, of_a_lane: &Places, lane: Key, need: Need) -> bool {
        self.free.has(need) && has_share(&self.taken, of_a_lane, lane, need)
    }

    fn enter(&mut self, lane: Key, need: Need) {
        self.free.take(need);
        let detectors = self.free.of.len();
        self.taken.entry(lane).or_insert_with(|| Places::none(detectors)).add(need);
    }

    fn give_back(&mut self, lane: Key, need: Need) {
        if let Some(taken) = self.taken.get_mut(&lane) {
            taken.take(need);
            if taken.in_all == 0 {
                self.taken.remove(&lane);
            }
        }
    }
}

#[cfg(test)]
mod tests;
