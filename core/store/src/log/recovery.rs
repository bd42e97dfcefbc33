//! What happens when a log is opened: everything is read, what a crash left half written is cut off, and what is damaged is refused.

use super::disk::{Access, Disk, DiskFile};
use super::error::LogError;
use super::format::{FIRST_FRAME, FRAME_BYTES, Header, segment_name};
use super::record::Head;
use super::segment::{
    Depth, Segment, Stop, Walk, create_segment, header_bytes, list_segments, open_segment, read_header, remove_drafts, walk,
};
use super::window::{Search, Wanted, Window, read_full};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const COPIED_AT_ONCE: u64 = 1 << 20;

/// What was found when the log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// How many records there are.
    pub records: u64,
    /// The first of them, if there are any.
    pub first: Option<u64>,
    /// The sequence that the next record gets.
    pub next: u64,
    /// What was cut off the end.
    pub cut: Option<Cut>,
    /// A last segment that held nothing yet, not even a whole header, and was removed.
    pub removed: Option<PathBuf>,
}

/// The half-written end of a log, which no acknowledged record was part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment that was cut.
    pub segment: PathBuf,
    /// Its new length.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// The file that keeps them, for people.
    pub saved_as: PathBuf,
    /// What was wrong with them.
    pub why: &'static str,
}

/// A log that is ready to be written on.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) header: Header,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) head: Head,
    pub(super) end: u64,
    pub(super) segments: Vec<Segment>,
    pub(super) recovery: Recovery,
}

/// Opens the log of this folder for its one writer, and reads all of it. `now` is in microseconds since 1970.
#[cfg(test)]
pub(super) fn recover(disk: &dyn Disk, now: i64) -> Result<Recovered, LogError> {
    recover_within(disk, now, u64::MAX)
}

/// As [`recover`], but of the segments before the last it reads only the newest ones, up to so many bytes: a log of years must not take
/// hours to open. Of the older ones only the headers are looked at; whoever reads a record of them checks it then.
pub(super) fn recover_within(disk: &dyn Disk, now: i64, most: u64) -> Result<Recovered, LogError> {
    remove_drafts(disk)?;
    let mut segments = list_segments(disk)?;
    let unfinished = pop_unfinished(disk, &mut segments)?;
    let Some((last, earlier)) = segments.split_last() else {
        return begin(disk, unfinished, now);
    };
    let (trusted, read) = earlier.split_at(unread(disk, earlier, most)?);
    let mut known = trusted.iter().map(|first| trust(disk, *first)).collect::<Result<Vec<_>, _>>()?;
    let mut before = None;
    for first in read {
        before = Some(check_earlier(disk, *first, before, &mut known)?);
    }
    finish(disk, *last, before, unfinished, known, now)
}

/// How many of the oldest segments are left unread, so that the others have at most so many bytes.
fn unread(disk: &dyn Disk, segments: &[u64], most: u64) -> Result<usize, LogError> {
    let mut bytes = 0_u64;
    for (place, first) in segments.iter().enumerate().rev() {
        bytes = bytes.saturating_add(length(disk, *first)?);
        if bytes > most {
            return Ok(place + 1);
        }
    }
    Ok(0)
}

fn length(disk: &dyn Disk, first: u64) -> Result<u64, LogError> {
    let file = open_segment(disk, first, Access::Read)?;
    file.length().map_err(|source| LogError::Read { path: disk.path(&segment_name(first)), source })
}

/// A segment of which only the header is read.
fn trust(disk: &dyn Disk, first: u64) -> Result<Segment, LogError> {
    let (header, _) = join(disk, first, Access::Read, None)?;
    Ok(Segment { first, bytes: length(disk, first)?, created: header.created })
}

/// Takes the last segment off the list if it is shorter than a header or is nothing but a damaged one: whoever made it had not begun to
/// use it.
fn pop_unfinished(disk: &dyn Disk, segments: &mut Vec<u64>) -> Result<Option<u64>, LogError> {
    let Some(last) = segments.last().copied() else { return Ok(None) };
    let file = open_segment(disk, last, Access::Read)?;
    let length = file.length().map_err(|source| LogError::Read { path: disk.path(&segment_name(last)), source })?;
    let header = Header::decode(&header_bytes(disk, last, &*file)?);
    let unfinished = length <= FIRST_FRAME && matches!(header, Err(super::format::HeaderFault::Damaged(_)));
    Ok(if unfinished { segments.pop() } else { None })
}

fn remove_unfinished(disk: &dyn Disk, unfinished: Option<u64>, expected: u64) -> Result<Option<PathBuf>, LogError> {
    let Some(first) = unfinished else { return Ok(None) };
    let name = segment_name(first);
    let path = disk.path(&name);
    if first != expected {
        let what = format!("its header is damaged, and record {expected} and those after it are missing before it");
        return Err(LogError::damaged(path, 0, what));
    }
    disk.remove(&name).and_then(|()| disk.sync_folder()).map_err(|source| LogError::Write { path: path.clone(), source })?;
    Ok(Some(path))
}

/// An empty folder, or one with nothing but the beginning of a first segment.
fn begin(disk: &dyn Disk, unfinished: Option<u64>, now: i64) -> Result<Recovered, LogError> {
    let removed = remove_unfinished(disk, unfinished, 1)?;
    let (header, file) = create_segment(disk, Head::START, now)?;
    let segments = vec![Segment { first: 1, bytes: FIRST_FRAME, created: now }];
    let recovery = Recovery { records: 0, first: None, next: 1, cut: None, removed };
    Ok(Recovered { header, file, head: Head::START, end: FIRST_FRAME, segments, recovery })
}

/// Opens a segment and sees that it begins where the one before it ended.
fn join(disk: &dyn Disk, first: u64, access: Access, before: Option<Head>) -> Result<(Header, Arc<dyn DiskFile>), LogError> {
    let file = open_segment(disk, first, access)?;
    let header = read_header(disk, first, &*file)?;
    match before {
        Some(before) if before.next < first => {
            let what = format!("records {} to {} are missing before it", before.next, first - 1);
            Err(LogError::damaged(disk.path(&segment_name(first)), 0, what))
        }
        Some(before) if before != header.start => {
            Err(LogError::damaged(disk.path(&segment_name(first)), 12, "it does not follow from the segment before it"))
        }
        _ => Ok((header, file)),
    }
}

/// Walks through a segment that is not the last and has to be whole. Its checksums are believed; that its last record's chain is the one in
/// the next segment's header is checked there.
fn check_earlier(disk: &dyn Disk, first: u64, before: Option<Head>, known: &mut Vec<Segment>) -> Result<Head, LogError> {
    let path = disk.path(&segment_name(first));
    let (header, file) = join(disk, first, Access::Read, before)?;
    let (walked, window) = walk_file(&path, file, &header, Depth::Checksums)?;
    match walked.stop {
        Some(Stop::Broken(what) | Stop::Foreign(what)) => Err(LogError::damaged(path, walked.end, what)),
        None => {
            known.push(Segment { first, bytes: window.limit(), created: header.created });
            Ok(walked.head)
        }
    }
}

fn walk_file(path: &Path, file: Arc<dyn DiskFile>, header: &Header, depth: Depth) -> Result<(Walk, Window), LogError> {
    let walked = Window::new(file, u64::MAX).and_then(|mut window| Ok((walk(&mut window, header, depth)?, window)));
    walked.map_err(|source| LogError::Read { path: path.to_owned(), source })
}

/// Walks through the last segment with every check, cuts off what a crash left, and makes all that stays durable.
fn finish(
    disk: &dyn Disk,
    last: u64,
    before: Option<Head>,
    unfinished: Option<u64>,
    mut segments: Vec<Segment>,
    now: i64,
) -> Result<Recovered, LogError> {
    let path = disk.path(&segment_name(last));
    let (header, file) = join(disk, last, Access::Write, before)?;
    let (walked, mut window) = walk_file(&path, file.clone(), &header, Depth::Everything)?;
    let Walk { end, head, settled, .. } = walked;
    let why = refuse_damage(&path, &mut window, header.seed, &walked)?;
    let removed = remove_unfinished(disk, unfinished, head.next)?;
    let cut = why.map(|why| cut(disk, &*file, last, &walked, window.limit(), now, why)).transpose()?;
    make_durable(disk, &*file, settled, end).map_err(|source| LogError::Write { path, source })?;
    segments.push(Segment { first: last, bytes: end, created: header.created });
    let first = segments.first().map_or(last, |segment| segment.first);
    let records = head.next - first;
    let recovery = Recovery { records, first: (records > 0).then_some(first), next: head.next, cut, removed };
    Ok(Recovered { header, file, head, end, segments, recovery })
}

/// What was read may be in the system's memory only. A process that was killed has not synced its last batch; one whose sync failed leaves
/// pages that count as clean and that no later sync writes. So what was written since the last sync that is known of is written once more.
fn make_durable(disk: &dyn Disk, file: &dyn DiskFile, settled: u64, end: u64) -> io::Result<()> {
    copy(file, settled..end, file, settled)?;
    file.sync_all()?;
    disk.sync_folder()
}

/// Decides what stopped the walk through the last segment: none if it came to the end, the reason if the rest may be cut off.
fn refuse_damage(path: &Path, window: &mut Window, seed: u32, walked: &Walk) -> Result<Option<&'static str>, LogError> {
    let refused = |what: String| Err(LogError::damaged(path.to_owned(), walked.end, what));
    match walked.stop {
        None => Ok(None),
        Some(Stop::Foreign(what)) => refused(what.to_owned()),
        Some(Stop::Broken(what)) => match judge(window, seed, walked.end, walked.head.next) {
            Ok(Tail::Torn) => Ok(Some(what)),
            Ok(Tail::Durable(sequence)) => refused(format!("{what}, and record {sequence} behind it shows that it had been durable")),
            Ok(Tail::Unclear) => refused(format!("{what}, and what is behind it cannot be told")),
            Err(source) => Err(LogError::Read { path: path.to_owned(), source }),
        },
    }
}

/// What bytes are that are no frame, in the last segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// The end of a batch that was never acknowledged.
    Torn,
    /// They were a frame once: this record behind them was written after they had been synced.
    Durable(u64),
    /// Neither can be shown.
    Unclear,
}

/// A file system may write the pages of a batch in any order, so that whole frames behind damaged ones prove nothing, unless one of them
/// says that everything before it had been synced when it was written.
pub(super) fn judge(window: &mut Window, seed: u32, broken: u64, expected: u64) -> io::Result<Tail> {
    let most = window.limit().saturating_sub(broken) / FRAME_BYTES as u64;
    let sequences = expected..=expected.saturating_add(most);
    Ok(match window.search(seed, broken + 1, &sequences, Wanted::Settled)? {
        Search::Nothing => Tail::Torn,
        Search::TooLong => Tail::Unclear,
        Search::At(_, head) => Tail::Durable(head.sequence),
    })
}

/// Saves what is behind the last good frame in a file of its own, and cuts it off.
fn cut(
    disk: &dyn Disk,
    file: &dyn DiskFile,
    segment: u64,
    walked: &Walk,
    length: u64,
    now: i64,
    why: &'static str,
) -> Result<Cut, LogError> {
    let name = unused_name(disk, walked.head.next, now)?;
    let saved_as = disk.path(&name);
    save(disk, file, walked.end..length, &name).map_err(|source| LogError::Write { path: saved_as.clone(), source })?;
    let path = disk.path(&segment_name(segment));
    file.truncate(walked.end).and_then(|()| file.sync_all()).map_err(|source| LogError::Write { path: path.clone(), source })?;
    Ok(Cut { segment: path, offset: walked.end, bytes: length - walked.end, saved_as, why })
}

fn unused_name(disk: &dyn Disk, sequence: u64, now: i64) -> Result<String, LogError> {
    let used = disk.list().map_err(|source| LogError::Read { path: disk.path(""), source })?;
    let mut at = now;
    loop {
        let name = format!("cut-{sequence}-{at}.bin");
        if !used.contains(&name) {
            return Ok(name);
        }
        at += 1;
    }
}

fn save(disk: &dyn Disk, from: &dyn DiskFile, range: Range<u64>, name: &str) -> io::Result<()> {
    let to = disk.create(name)?;
    copy(from, range, &*to, 0)?;
    to.sync_all()?;
    disk.sync_folder()
}

fn copy(from: &dyn DiskFile, range: Range<u64>, to: &dyn DiskFile, at: u64) -> io::Result<()> {
    let mut buffer = vec![0; (range.end - range.start).min(COPIED_AT_ONCE) as usize];
    let mut offset = range.start;
    while offset < range.end {
        let wanted = (range.end - offset).min(COPIED_AT_ONCE) as usize;
        if read_full(from, &mut buffer[..wanted], offset)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_at(&buffer[..wanted], at + offset - range.start)?;
        offset += wanted as u64;
    }
    Ok(())
}
