//! All records from one on, in order.

use super::disk::Access;
use super::error::LogError;
use super::format::{FIRST_FRAME, Header, segment_name};
use super::reader::LogReader;
use super::record::{Head, Position, Record};
use super::recovery::{Tail, judge};
use super::segment::{open_segment, read_header};
use super::window::{Found, Window};
use std::io;

/// An iterator over records; see [`LogReader::from`].
#[derive(Debug)]
pub struct Records {
    reader: LogReader,
    /// The next record to give.
    next: u64,
    place: Option<Place>,
    failed: bool,
}

/// Where in which segment.
#[derive(Debug)]
struct Place {
    header: Header,
    window: Window,
    offset: u64,
    head: Head,
}

/// What is at a place.
enum Step {
    Record(Record),
    /// Nothing to give: a record before the one that is looked for, or one that was still being written when it was looked at.
    Passed,
    End,
}

impl Records {
    pub(super) fn begin(reader: LogReader, sequence: u64) -> Result<Self, LogError> {
        let mut records = Self { reader, next: sequence, place: None, failed: false };
        records.place = records.enter()?;
        Ok(records)
    }

    fn advance(&mut self) -> Result<Option<Record>, LogError> {
        loop {
            if self.place.is_none() {
                self.place = self.enter()?;
            }
            let Some(place) = &mut self.place else { return Ok(None) };
            match place.step(&self.reader, self.next)? {
                Step::Record(record) => {
                    self.next += 1;
                    return Ok(Some(record));
                }
                Step::Passed => {}
                Step::End => match self.follow()? {
                    true => {}
                    false => return Ok(None),
                },
            }
        }
    }

    /// Opens the segment that holds the next record, or will; none if there is nothing to open yet.
    fn enter(&self) -> Result<Option<Place>, LogError> {
        let segments = self.reader.segments()?;
        let Some(first) = segments.iter().rev().find(|first| **first <= self.next) else {
            return if segments.is_empty() { Ok(None) } else { Err(LogError::NotThere { sequence: self.next }) };
        };
        Place::open(&self.reader, *first, segments.last() == Some(first))
    }

    /// At the end of a segment: goes on to the one after it, if there is one.
    fn follow(&mut self) -> Result<bool, LogError> {
        let Some(place) = &mut self.place else { return Ok(false) };
        let (here, before) = (place.header.start.next, place.head);
        let segments = self.reader.segments()?;
        let Some(after) = segments.iter().find(|first| **first > here).copied() else {
            return place.renew(&self.reader).map(|same| {
                if !same {
                    self.place = None;
                }
                false
            });
        };
        // The segment may have grown between the look at its end and the look for the one after it.
        place.extend(&self.reader)?;
        if place.offset < place.window.limit() {
            return Ok(true);
        }
        if after != before.next {
            return Err(LogError::NotThere { sequence: before.next });
        }
        let Some(next) = Place::open(&self.reader, after, segments.last() == Some(&after))? else { return Ok(false) };
        if next.header.start != before {
            let path = self.reader.disk().path(&segment_name(after));
            return Err(LogError::damaged(path, 12, "it does not follow from the segment before it"));
        }
        self.place = Some(next);
        Ok(true)
    }
}

impl Iterator for Records {
    type Item = Result<Record, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let found = self.advance().transpose();
        self.failed = matches!(found, Some(Err(_)));
        found
    }
}

impl Place {
    /// The beginning of a segment; none if it holds nothing that may be read yet. The last one may be in the making.
    fn open(reader: &LogReader, first: u64, is_last: bool) -> Result<Option<Self>, LogError> {
        let Some(limit) = reader.limit(first) else { return Ok(None) };
        let disk = reader.disk();
        let file = open_segment(disk, first, Access::Read)?;
        let failed = |source| LogError::Read { path: disk.path(&segment_name(first)), source };
        if is_last && !reader.sees_durable_only() && file.length().map_err(failed)? <= FIRST_FRAME {
            return Ok(None);
        }
        let header = read_header(disk, first, &*file)?;
        let window = Window::new(file, limit).map_err(failed)?;
        Ok(Some(Self { header, window, offset: FIRST_FRAME, head: header.start }))
    }

    fn step(&mut self, reader: &LogReader, wanted: u64) -> Result<Step, LogError> {
        if self.offset >= self.window.limit() {
            self.extend(reader)?;
        }
        let found = self.window.frame(self.header.seed, self.offset).map_err(|source| self.failed(reader, source))?;
        let head = match found {
            Found::Frame(head) if head.follows(&self.head) => head,
            Found::Frame(_) => return Err(self.damaged(reader, "a record does not follow from the one before it")),
            Found::End if self.offset < reader.durable_end(self.header.start.next) => return self.look_again(reader),
            Found::End => return Ok(Step::End),
            Found::Broken(what) => return self.broken(reader, what),
        };
        let position = Position { sequence: head.sequence, segment: self.header.start.next, offset: self.offset };
        let step = if head.sequence < wanted {
            Step::Passed
        } else {
            let payload = self.window.payload(self.offset, &head).map(<[u8]>::to_vec);
            let payload = payload.map_err(|source| self.failed(reader, source))?;
            Step::Record(Record { position, at: head.at, kind: head.kind, payload, chain: head.chain })
        };
        self.offset += head.frame_bytes() as u64;
        self.head = head.head();
        Ok(step)
    }

    /// Bytes that are no frame are the end of the log if a writer may still be at them or a crash has left them there.
    fn broken(&mut self, reader: &LogReader, what: &'static str) -> Result<Step, LogError> {
        if reader.sees_durable_only() {
            return Err(self.damaged(reader, what));
        }
        if reader.segments()?.last() != Some(&self.header.start.next) {
            return self.look_again(reader);
        }
        match judge(&mut self.window, self.header.seed, self.offset, self.head.next) {
            Ok(Tail::Torn) => Ok(Step::End),
            Ok(_) => Err(self.damaged(reader, what)),
            Err(source) => Err(self.failed(reader, source)),
        }
    }

    /// At bytes that are no frame, or at an end, where there must be one. They may have become one since they were read: the writer may have
    /// gone on, or have begun the next segment. Of the segment that is written it is known how far it must reach.
    fn look_again(&mut self, reader: &LogReader) -> Result<Step, LogError> {
        let first = self.header.start.next;
        let acknowledged = reader.durable_end(first);
        let limit = reader.limit(first).unwrap_or(FIRST_FRAME);
        let found = self.window.read_again(limit).and_then(|()| self.window.frame(self.header.seed, self.offset));
        match found.map_err(|source| self.failed(reader, source))? {
            Found::Broken(what) => Err(self.damaged(reader, what)),
            Found::End if self.offset < acknowledged => Err(self.damaged(reader, "it ends before what was acknowledged does")),
            Found::Frame(_) | Found::End => Ok(Step::Passed),
        }
    }

    fn extend(&mut self, reader: &LogReader) -> Result<(), LogError> {
        let limit = reader.limit(self.header.start.next).unwrap_or(FIRST_FRAME);
        self.window.extend(limit).map_err(|source| self.failed(reader, source))
    }

    /// At the end of what the files hold, so that what comes later is seen: false if another file has taken this one's place, which happens
    /// only to a segment without durable records.
    fn renew(&mut self, reader: &LogReader) -> Result<bool, LogError> {
        if reader.sees_durable_only() {
            return Ok(true);
        }
        let first = self.header.start.next;
        let file = open_segment(reader.disk(), first, Access::Read)?;
        if read_header(reader.disk(), first, &*file)? != self.header {
            return Ok(false);
        }
        self.window = Window::new(file, u64::MAX).map_err(|source| self.failed(reader, source))?;
        Ok(true)
    }

    fn damaged(&self, reader: &LogReader, what: &str) -> LogError {
        LogError::damaged(reader.disk().path(&segment_name(self.header.start.next)), self.offset, what)
    }

    fn failed(&self, reader: &LogReader, source: io::Error) -> LogError {
        LogError::Read { path: reader.disk().path(&segment_name(self.header.start.next)), source }
    }
}
