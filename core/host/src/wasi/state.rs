//! What the empty world keeps of an instance: how far its random numbers are, how many streams it holds, and lines that are not whole yet.

use super::Denied;
use crate::logging::{Log, LogLevel, log_text};

/// Streams that an instance may hold at a time. A runtime holds three; each takes a little of the host's memory.
const STREAMS: u32 = 64;
/// Bytes of a line that are kept: what the log takes.
const LINE_BYTES: usize = 4 << 10;
/// Where the stream of random numbers begins, at every call: 2^64 divided by the golden ratio.
const BEGINNING: u64 = 0x9e37_79b9_7f4a_7c15;

/// One instance's share of the empty world.
#[derive(Debug, Default)]
pub(crate) struct World {
    drawn: u64,
    streams: u32,
    output: Vec<u8>,
    errors: Vec<u8>,
}

impl World {
    /// A call begins: random numbers begin anew, so that no answer depends on how many calls there were before.
    pub(crate) fn begin(&mut self) {
        self.drawn = 0;
    }

    /// The next number of the stream: SplitMix64 (Steele, Lea and Flood 2014).
    pub(crate) fn random(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        let state = BEGINNING.wrapping_mul(self.drawn.wrapping_add(1));
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Counts a stream that is handed out.
    pub(crate) fn take_stream(&mut self) -> Result<(), Denied> {
        if self.streams == STREAMS {
            return Err(Denied(format!("more than {STREAMS} standard streams are held")));
        }
        self.streams += 1;
        Ok(())
    }

    /// Counts a stream that was dropped.
    pub(crate) fn give_stream_back(&mut self) {
        self.streams = self.streams.saturating_sub(1);
    }

    /// Takes over what was written, and logs the lines that are whole.
    pub(crate) fn write(&mut self, log: &mut Log, errors: bool, bytes: &[u8]) {
        let (line, level) = if errors { (&mut self.errors, LogLevel::Warn) } else { (&mut self.output, LogLevel::Info) };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            line.extend_from_slice(&text[..text.len().min(LINE_BYTES - line.len())]);
            if text.len() < piece.len() {
                if log.admits() {
                    log.write(level, log_text(&String::from_utf8_lossy(line)));
                }
                line.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::LogLine;
    use std::sync::{Arc, Mutex};

    #[test]
    fn random_numbers_are_the_same_in_every_call() {
        let mut world = World::default();
        let first = [world.random(), world.random()];
        assert_ne!(first[0], first[1]);
        world.begin();
        assert_eq!([world.random(), world.random()], first);
        assert_eq!(World::default().random(), first[0]);
    }

    #[test]
    fn what_is_written_becomes_bounded_lines() {
        let lines = Arc::new(Mutex::new(Vec::<LogLine>::new()));
        let sink = Arc::clone(&lines);
        let mut log = Log::new(Box::new(move |line| sink.lock().unwrap().push(line)));
        let mut world = World::default();
        world.write(&mut log, false, b"one\ntw");
        world.write(&mut log, true, b"wrong\n");
        world.write(&mut log, false, b"o\n");
        for _ in 0..3 {
            world.write(&mut log, false, &[b'x'; 3000]);
        }
        assert!(world.output.len() <= LINE_BYTES);
        world.write(&mut log, false, b"\n");
        let lines = lines.lock().unwrap();
        let texts: Vec<(LogLevel, usize, &str)> = lines.iter().map(|line| (line.level, line.text.len(), &line.text[..3])).collect();
        let expected =
            [(LogLevel::Info, 3, "one"), (LogLevel::Warn, 5, "wro"), (LogLevel::Info, 3, "two"), (LogLevel::Info, LINE_BYTES, "xxx")];
        assert_eq!(texts, expected);
    }

    #[test]
    fn streams_are_bounded() {
        let mut world = World::default();
        for _ in 0..STREAMS {
            world.take_stream().unwrap();
        }
        assert!(world.take_stream().is_err());
        world.give_stream_back();
        assert!(world.take_stream().is_ok());
    }
}
