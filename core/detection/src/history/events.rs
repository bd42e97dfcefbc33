//! One key's events, in the order of time, in one piece of memory.

/// How many events a key needs to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    /// Those that a window of this many microseconds reaches.
    pub(crate) span: i64,
    /// The latest so many.
    pub(crate) last: usize,
    /// All, up to the bound.
    pub(crate) all: bool,
}

/// Events of `stride` words each: the time, then what is kept of the event. Ordered by all words, so that the same events are the same
/// memory, in whatever order they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Events {
    words: Box<[u64]>,
    len: u32,
}

/// A time as a word whose order is the order of time.
pub(crate) fn word_of_time(time: i64) -> u64 {
    (time as u64) ^ (1 << 63)
}

pub(crate) fn time_of_word(word: u64) -> i64 {
    (word ^ (1 << 63)) as i64
}

impl Events {
    pub(crate) fn from_words(words: &[u64], stride: usize) -> Self {
        Self { words: words.into(), len: (words.len() / stride) as u32 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) fn words(&self, stride: usize) -> &[u64] {
        &self.words[..self.len() * stride]
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    pub(crate) fn time(&self, index: usize, stride: usize) -> i64 {
        time_of_word(self.words[index * stride])
    }

    pub(crate) fn newest(&self, stride: usize) -> Option<i64> {
        self.len().checked_sub(1).map(|last| self.time(last, stride))
    }

    /// How many events are before this time.
    pub(crate) fn before(&self, time: i64, stride: usize) -> usize {
        let word = word_of_time(time);
        // The row is usually the newest: look at the end first.
        if self.len == 0 || self.words[(self.len() - 1) * stride] < word {
            return self.len();
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.words[middle * stride] < word { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Takes an event in, and forgets what no row within the lateness can ask for.
    pub(crate) fn insert(&mut self, event: &[u64], kept: &Kept, lateness: i64, most: usize) {
        let stride = event.len();
        // First what the event makes needless, so that a history that is as long as it ever gets needs no more memory.
        let newest = self.newest(stride).unwrap_or(i64::MIN).max(time_of_word(event[0]));
        self.forget(stride, kept, newest.saturating_sub(lateness), most);
        let place = self.place(event);
        self.make_room(stride, most);
        let (start, end) = (place * stride, self.len() * stride);
        self.words.copy_within(start..end, start + stride);
        self.words[start..start + stride].copy_from_slice(event);
        self.len += 1;
        self.forget(stride, kept, newest.saturating_sub(lateness), most);
    }

    /// Takes an event out again, if it is there.
    pub(crate) fn remove(&mut self, event: &[u64]) -> bool {
        let stride = event.len();
        let place = self.place(event);
        if place == 0 || &self.words[(place - 1) * stride..place * stride] != event {
            return false;
        }
        self.words.copy_within(place * stride..self.len() * stride, (place - 1) * stride);
        self.len -= 1;
        true
    }

    /// Behind all events that are not greater.
    fn place(&self, event: &[u64]) -> usize {
        let stride = event.len();
        let mut place = self.len();
        while place > 0 && self.words[(place - 1) * stride..place * stride] > *event {
            place -= 1;
        }
        place
    }

    /// Grows by a quarter, so that little stands empty.
    fn make_room(&mut self, stride: usize, most: usize) {
        let len = self.len();
        if len * stride < self.words.len() {
            return;
        }
        let capacity = (len + 1 + len / 4).min((most + 1).max(len + 1));
        let mut words = vec![0; capacity * stride].into_boxed_slice();
        words[..len * stride].copy_from_slice(self.words(stride));
        self.words = words;
    }

    /// Forgets what no row from `horizon` on asks for.
    fn forget(&mut self, stride: usize, kept: &Kept, horizon: i64, most: usize) {
        let mut needless = 0;
        if !kept.all {
            let beyond_span = self.before(horizon.saturating_sub(kept.span), stride);
            needless = beyond_span.min(self.before(horizon, stride).saturating_sub(kept.last));
        }
        needless = needless.max(self.len().saturating_sub(most));
        if needless > 0 {
            self.words.copy_within(needless * stride..self.len() * stride, 0);
            self.len -= needless as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: i64, value: u64) -> [u64; 2] {
        [word_of_time(time), value]
    }

    fn filled(times: &[i64], kept: Kept, lateness: i64, most: usize) -> Vec<i64> {
        let mut events = Events::default();
        times.iter().for_each(|time| events.insert(&event(*time, 0), &kept, lateness, most));
        (0..events.len()).map(|index| events.time(index, 2)).collect()
    }

    #[test]
    fn only_what_can_be_asked_for_is_kept() {
        let span = |span| Kept { span, ..Kept::default() };
        let last = |last| Kept { last, ..Kept::default() };
        assert_eq!(filled(&[1, 5, 9, 12], span(5), 0, 100), [9, 12], "a row at 12 or later asks back to 7");
        assert_eq!(filled(&[1, 5, 9, 12], span(5), 3, 100), [5, 9, 12], "a row at 9 may still come");
        assert_eq!(filled(&[-7, -5, -3, -1], last(2), 0, 100), [-5, -3, -1], "a row at -1 itself sees the two before");
        assert_eq!(filled(&[1, 2, 3, 4, 5], Kept { all: true, ..Kept::default() }, 0, 3), [3, 4, 5]);
        assert_eq!(filled(&[1, 2, 3, 4, 5], Kept { span: 2, last: 1, all: false }, 0, 100), [3, 4, 5]);
    }

    #[test]
    fn the_order_of_arrival_leaves_no_trace() {
        let times = [3, 9, 1, 7, 7, 12, 5, 11, 2, 8];
        let mut sorted = times;
        sorted.sort_unstable();
        for kept in [Kept { span: 4, ..Kept::default() }, Kept { last: 3, ..Kept::default() }, Kept { all: true, ..Kept::default() }] {
            for (lateness, most) in [(0, 100), (3, 100), (100, 4), (2, 3)] {
                let expected = filled(&sorted, kept, lateness, most);
                assert_eq!(filled(&times, kept, lateness, most), expected, "{kept:?} {lateness} {most}");
            }
        }
    }

    #[test]
    fn an_event_can_be_taken_out_again() {
        let mut events = Events::default();
        let kept = Kept { all: true, ..Kept::default() };
        [event(1, 5), event(2, 6), event(2, 5)].iter().for_each(|event| events.insert(event, &kept, 0, 10));
        assert!(events.remove(&event(2, 5)) && !events.remove(&event(2, 7)) && !events.remove(&event(0, 1)));
        assert_eq!(events.words(2), [event(1, 5), event(2, 6)].concat());
    }
}
