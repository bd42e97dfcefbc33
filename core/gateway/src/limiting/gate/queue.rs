//! Who waits, in the order in which they are let in: the lanes take turns, so that however many wait in one lane, another's first is next.

use crate::limiting::Key;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Those who wait, each in the lane of its caller. It has no clock, and does nothing by itself.
#[derive(Debug)]
pub(super) struct Queue<T> {
    lanes: HashMap<Key, VecDeque<Entry<T>>>,
    /// The lanes in which somebody waits, in the order of their turns.
    turns: VecDeque<Key>,
    waiting: usize,
    /// Most who wait.
    length: usize,
    next: u64,
}

#[derive(Debug)]
struct Entry<T> {
    number: u64,
    since: Instant,
    item: T,
}

/// What became of one who wanted to wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed<T> {
    /// It waits, under this number.
    Waits(u64),
    /// It waits, and the last one of the longest lane has to make room.
    InsteadOf(u64, T),
    /// There is no room, and no lane is longer than its own.
    Full,
}

/// Whether one who waits can be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fits {
    Yes,
    No,
    /// Nobody can.
    Nobody,
}

impl<T> Queue<T> {
    pub(super) fn new(length: usize) -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), waiting: 0, length, next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// When the one who waits for longest came.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lanes.values().filter_map(VecDeque::front).map(|entry| entry.since).min()
    }

    pub(super) fn push(&mut self, lane: Key, since: Instant, item: T) -> Pushed<T> {
        let displaced = match self.waiting < self.length {
            true => None,
            false => match self.make_room(lane) {
                Some(displaced) => Some(displaced),
                None => return Pushed::Full,
            },
        };
        let number = self.next;
        self.next += 1;
        let waiting = self.lanes.entry(lane).or_default();
        if waiting.is_empty() {
            self.turns.push_back(lane);
        }
        waiting.push_back(Entry { number, since, item });
        self.waiting += 1;
        displaced.map_or(Pushed::Waits(number), |displaced| Pushed::InsteadOf(number, displaced))
    }

    /// Takes the last one of the longest lane out, if that is longer than this lane would become. So whoever fills the queue makes room for
    /// everybody else.
    fn make_room(&mut self, lane: Key) -> Option<T> {
        let own = self.lanes.get(&lane).map_or(0, VecDeque::len);
        let (longest, waiting) = self.lanes.iter().max_by_key(|(_, waiting)| waiting.len())?;
        let (longest, last) = (*longest, waiting.back().filter(|_| waiting.len() > own + 1)?.number);
        self.remove(longest, last)
    }

    /// Takes one out who does not wait any more. None if it was let in before.
    pub(super) fn remove(&mut self, lane: Key, number: u64) -> Option<T> {
        let waiting = self.lanes.get_mut(&lane)?;
        // They stand in the order of their numbers.
        let place = waiting.binary_search_by_key(&number, |entry| entry.number).ok()?;
        let removed = waiting.remove(place)?;
        self.waiting -= 1;
        if waiting.is_empty() {
            self.lanes.remove(&lane);
            self.turns.retain(|turn| *turn != lane);
        }
        Some(removed.item)
    }

    /// Lets in the next one who fits, with its lane, which then has its turn last. `fits` is asked for one of each lane, in the order of
    /// their turns; a lane whose one does not fit keeps its turn.
    ///
    /// That is the one of a lane that came first, unless it has waited for longer than `patience`: then the lane asks for more than it gets,
    /// and most of those who wait in it will wait in vain, so that the one who came last is served in time rather than all of them too late.
    pub(super) fn next(&mut self, now: Instant, patience: Duration, mut fits: impl FnMut(Key, &T) -> Fits) -> Option<(Key, T)> {
        let mut found = None;
        for (turn, lane) in self.turns.iter().enumerate() {
            let waiting = self.lanes.get(lane)?;
            let first = waiting.front()?;
            let newest_first = now.saturating_duration_since(first.since) > patience;
            let candidate = if newest_first { waiting.back()? } else { first };
            match fits(*lane, &candidate.item) {
                Fits::Yes => {
                    found = Some((turn, *lane, newest_first));
                    break;
                }
                Fits::No => {}
                Fits::Nobody => break,
            }
        }
        let (turn, lane, newest_first) = found?;
        self.turns.remove(turn);
        let waiting = self.lanes.get_mut(&lane)?;
        let entry = if newest_first { waiting.pop_back() } else { waiting.pop_front() }?;
        self.waiting -= 1;
        match waiting.is_empty() {
            true => drop(self.lanes.remove(&lane)),
            false => self.turns.push_back(lane),
        }
        Some((lane, entry.item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    fn next(queue: &mut Queue<u32>, now: Instant) -> Option<(Key, u32)> {
        queue.next(now, PATIENCE, |_, _| Fits::Yes)
    }

    /// Numbers that look like chance and are always the same.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn lanes_take_turns() {
        let (mut queue, now) = (Queue::new(10), Instant::now());
        for item in 0..5 {
            queue.push(1, now, item);
        }
        queue.push(2, now, 10);
        queue.push(3, now, 20);
        queue.push(2, now, 11);
        let order: Vec<_> = std::iter::from_fn(|| next(&mut queue, now)).map(|(_, item)| item).collect();
        assert_eq!(order, [0, 10, 20, 1, 11, 2, 3, 4]);
        assert!(queue.lanes.is_empty() && queue.turns.is_empty() && queue.len() == 0);
    }

    #[test]
    fn whoever_fills_the_queue_makes_room() {
        let (mut queue, now) = (Queue::new(4), Instant::now());
        for item in 0..4_u32 {
            assert_eq!(queue.push(1, now, item), Pushed::Waits(u64::from(item)));
        }
        assert_eq!(queue.push(1, now, 4), Pushed::Full, "its own lane is the longest");
        assert_eq!(queue.push(2, now, 10), Pushed::InsteadOf(4, 3));
        assert_eq!(queue.push(2, now, 11), Pushed::InsteadOf(5, 2));
        assert_eq!(queue.push(2, now, 12), Pushed::Full, "both have two");
        assert_eq!(queue.push(3, now, 20), Pushed::InsteadOf(6, if queue.lanes[&1].len() == 1 { 1 } else { 11 }));
        assert_eq!(queue.len(), 4);
        assert_eq!(Queue::new(0).push(1, now, 0), Pushed::Full, "nobody waits where nobody may");
    }

    #[test]
    fn who_waits_in_vain_is_passed_over_for_who_came_last() {
        let (mut queue, start) = (Queue::new(10), Instant::now());
        for item in 0..4 {
            queue.push(1, start + PATIENCE * item / 4, item);
        }
        let late = start + PATIENCE + Duration::from_millis(1);
        queue.push(2, late, 10);
        queue.push(2, late, 11);
        let order: Vec<_> = [(); 3].iter().map(|()| next(&mut queue, late).unwrap().1).collect();
        assert_eq!(order, [3, 10, 2], "the first lane asks for more than it gets, the other does not");
        assert_eq!(queue.oldest(), Some(start));
    }

    #[test]
    fn a_lane_whose_one_does_not_fit_keeps_its_turn() {
        let (mut queue, now) = (Queue::new(10), Instant::now());
        for (lane, item) in [(1, 1), (2, 20), (3, 3)] {
            queue.push(lane, now, item);
        }
        let small = |_, item: &u32| if *item < 10 { Fits::Yes } else { Fits::No };
        assert_eq!(queue.next(now, PATIENCE, small), Some((1, 1)));
        queue.push(1, now, 4);
        assert_eq!(queue.next(now, PATIENCE, small), Some((3, 3)));
        assert_eq!(queue.next(now, PATIENCE, |_, _| Fits::Nobody), None);
        assert_eq!(next(&mut queue, now), Some((2, 20)), "it was passed over, and is first still");
        assert_eq!(queue.remove(2, 1), None, "it was let in");
        assert_eq!(queue.remove(1, 3), Some(4));
        assert!(next(&mut queue, now).is_none() && queue.turns.is_empty());
    }

    /// However much the others ask for, a lane that asks for no more than its share waits for one turn of each other lane at most.
    #[test]
    fn a_flood_does_not_delay_another_lane() {
        for seed in 0..200 {
            let mut state = seed;
            let others = 1 + random(&mut state) % 5;
            let length = 1 + others as usize + random(&mut state) as usize % 50;
            let (mut queue, now) = (Queue::new(length), Instant::now());
            let mut waited = None;
            for step in 0..2000_u32 {
                for _ in 0..random(&mut state) % 20 {
                    queue.push(1 + u128::from(random(&mut state) % others), now, step);
                }
                if waited.is_none() {
                    let pushed = queue.push(99, now, step);
                    assert!(!matches!(pushed, Pushed::Full), "the flood of others makes room, seed {seed}");
                    waited = Some(0);
                }
                if let Some((lane, _)) = next(&mut queue, now) {
                    waited = if lane == 99 { None } else { waited.map(|turns| turns + 1) };
                    assert!(waited.is_none_or(|turns| turns <= others), "seed {seed}, step {step}: {waited:?}");
                }
                let counted: usize = queue.lanes.values().map(VecDeque::len).sum();
                assert!(counted == queue.len() && counted <= length && queue.turns.len() == queue.lanes.len(), "seed {seed}");
            }
        }
    }
}
