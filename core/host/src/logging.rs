//! The plugin's lines for the operator: bounded in length and number, without control characters.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest line that is kept, in bytes.
const LINE_BYTES: usize = 4 << 10;
/// Most lines of one call that are kept.
pub(crate) const LINES_PER_CALL: u32 = 10_000;
/// Most lines that a pool keeps until they are taken.
const LINES_KEPT: usize = 1_000;

/// How much a line matters, as the plugin sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// Progress, and what was decided.
    Info,
    /// Something that the operator may want to mend.
    Warn,
    /// Something failed.
    Error,
}

/// A line that a plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// At most 4 KiB, without control characters.
    pub text: String,
}

/// Where the lines of a store go.
pub(crate) type Sink = Box<dyn FnMut(LogLine) + Send>;

/// The log of one store: passes lines on until the call has had its share, and counts the others.
pub(crate) struct Log {
    sink: Sink,
    written: u32,
    pub(crate) dropped: u64,
}

impl Log {
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink, written: 0, dropped: 0 }
    }

    /// A call begins: it has its whole share of lines.
    pub(crate) fn begin(&mut self) {
        self.written = 0;
    }

    /// Whether the next line will be kept. If not, it is counted here, and need not be read from the plugin's memory.
    pub(crate) fn admits(&mut self) -> bool {
        let admits = self.written < LINES_PER_CALL;
        if admits {
            self.written += 1;
        } else {
            self.dropped += 1;
        }
        admits
    }

    pub(crate) fn write(&mut self, level: LogLevel, text: String) {
        (self.sink)(LogLine { level, text });
    }
}

/// The lines of a pool's instances, until somebody takes them.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<(VecDeque<LogLine>, u64)>);

impl Lines {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<LogLine>, u64)> {
        // Lines are whole whenever the lock is free, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, line: LogLine) {
        let (lines, dropped) = &mut *self.lock();
        if lines.len() < LINES_KEPT {
            lines.push_back(line);
        } else {
            *dropped += 1;
        }
    }

    pub(crate) fn add_dropped(&self, count: u64) {
        self.lock().1 += count;
    }

    pub(crate) fn take(&self) -> Vec<LogLine> {
        self.lock().0.drain(..).collect()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.lock().1
    }
}

/// Text of a plugin as one line: cut at `limit` bytes, and without characters that could steer a terminal or break a line.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let end = text.floor_char_boundary(limit);
    text[..end].chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A line for the log.
pub(crate) fn log_text(text: &str) -> String {
    one_line(text, LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_a_character_and_steers_no_terminal() {
        assert_eq!(one_line("\u{1b}[31mred\nblue", 100), " [31mred blue");
        assert_eq!(one_line("ééé", 3), "é");
    }

    #[test]
    fn lines_beyond_the_share_are_counted() {
        let mut log = Log::new(Box::new(|_| {}));
        let admitted = (0..LINES_PER_CALL + 5).filter(|_| log.admits()).count();
        assert_eq!((admitted, log.dropped), (LINES_PER_CALL as usize, 5));
        log.begin();
        assert!(log.admits());
    }

    #[test]
    fn a_pool_keeps_its_first_lines_and_counts_the_others() {
        let lines = Lines::default();
        for number in 0..LINES_KEPT + 3 {
            lines.push(LogLine { level: LogLevel::Info, text: number.to_string() });
        }
        assert_eq!(lines.dropped(), 3);
        assert_eq!(lines.take()[0].text, "0");
        assert!(lines.take().is_empty());
    }
}
