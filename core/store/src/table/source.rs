//! Text files as they come: plain or gzip, with or without a byte order mark, with an eye on how much was read and how long a line is.

use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// No line of a text file, and no record of a CSV file, may be longer, in bytes.
pub(super) const LONGEST_LINE: usize = 16 << 20;
const BUFFER: usize = 1 << 16;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The text of a file, and how far it was read.
pub(super) struct Source {
    pub(super) text: Box<dyn BufRead + Send>,
    pub(super) progress: Progress,
}

/// How many bytes of a file were read.
pub(super) struct Progress {
    read: Arc<AtomicU64>,
    total: u64,
}

impl Progress {
    pub(super) fn get(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.total)
    }
}

impl Source {
    /// Opens a file, or the standard input under the name `-`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (file, total): (Box<dyn Read + Send>, u64) = if path == Path::new("-") {
            (Box::new(io::stdin()), 0)
        } else {
            let file = File::open(path)?;
            let total = file.metadata()?.len();
            (Box::new(file), total)
        };
        let read = Arc::new(AtomicU64::new(0));
        let mut bytes = BufReader::with_capacity(BUFFER, Counting { inner: file, read: Arc::clone(&read) });
        let compressed =
            bytes.fill_buf()?.starts_with(&GZIP_MAGIC) || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let mut text: Box<dyn BufRead + Send> =
            if compressed { Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(bytes))) } else { Box::new(bytes) };
        if text.fill_buf()?.starts_with(&BYTE_ORDER_MARK) {
            text.consume(BYTE_ORDER_MARK.len());
        }
        Ok(Self { text, progress: Progress { read, total } })
    }
}

struct Counting<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// What [`read_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line is in the buffer, with the line feed that ends it, if one does.
    Whole,
    /// The line was longer than allowed. It was skipped; the buffer holds its start.
    TooLong,
    /// Nothing is left.
    End,
}

/// Reads the next line into `line`, which is cleared first.
pub(super) fn read_line(text: &mut dyn BufRead, longest: usize, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let count = (&mut *text).take(longest as u64).read_until(b'\n', line)?;
    if count == 0 {
        return Ok(Line::End);
    }
    if count < longest || line.ends_with(b"\n") || text.fill_buf()?.is_empty() {
        return Ok(Line::Whole);
    }
    skip_line(text)?;
    Ok(Line::TooLong)
}

fn skip_line(text: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = text.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(buffer.len(), |end| end + 1);
        text.consume(count);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_skipped_and_not_kept() {
        let mut text = BufReader::with_capacity(3, "1234\n123456789\n\n12345".as_bytes());
        let mut line = Vec::new();
        let mut next = || {
            let found = read_line(&mut text, 5, &mut line).unwrap();
            (found, String::from_utf8(line.clone()).unwrap())
        };
        assert_eq!(next(), (Line::Whole, "1234\n".into()));
        assert_eq!(next(), (Line::TooLong, "12345".into()));
        assert_eq!(next(), (Line::Whole, "\n".into()));
        assert_eq!(next(), (Line::Whole, "12345".into()));
        assert_eq!(next().0, Line::End);
    }
}
