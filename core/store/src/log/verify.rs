//! Reads the whole log, believes nothing that it can compute, and goes on after what is wrong until it has found all of it.

use super::disk::{Access, Disk};
use super::error::LogError;
use super::fault::{Anchor, Fault, FaultKind, Verification};
use super::format::{FIRST_FRAME, FRAME_BYTES, FrameHead, Header, HeaderFault, VERSION, link, possible_seeds, segment_name};
use super::record::Head;
use super::segment::{header_bytes, list_segments, open_segment};
use super::window::{Found, Search, Wanted, Window};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// How many faults are listed.
const MOST_FAULTS: usize = 1000;
/// Progress is told after this many records.
const TOLD_EVERY: u64 = 4096;

/// Verifies the log in these files. A server may be running, and has `patience` to finish the frame that it is writing. `progress` is told
/// how many bytes of how many have been read.
pub(super) fn verify(
    disk: &dyn Disk,
    anchors: &[Anchor],
    patience: Duration,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verification, LogError> {
    let segments = list_segments(disk)?;
    let mut verifier = Verifier::new(disk, anchors, patience, progress);
    for first in &segments {
        verifier.total += open_segment(disk, *first, Access::Read)?.length().map_err(|source| verifier.failed(*first, source))?;
    }
    for (index, first) in segments.iter().enumerate() {
        verifier.segment(*first, segments.get(index + 1).copied())?;
    }
    Ok(verifier.finish(&segments))
}

struct Verifier<'a> {
    disk: &'a dyn Disk,
    anchors: BTreeMap<u64, Vec<[u8; 32]>>,
    patience: Duration,
    progress: &'a mut dyn FnMut(u64, u64),
    found: Verification,
    /// The next record, and the chain before it if it is known.
    expected: u64,
    chain: Option<[u8; 32]>,
    /// Bytes of the segments that are done, and of all.
    done: u64,
    total: u64,
}

/// The segment that is being read.
struct Reading {
    first: u64,
    /// The segment after it.
    next: Option<u64>,
    seed: u32,
    window: Window,
    offset: u64,
    /// The sequences that can be in it.
    plausible: RangeInclusive<u64>,
}

impl<'a> Verifier<'a> {
    fn new(disk: &'a dyn Disk, anchors: &[Anchor], patience: Duration, progress: &'a mut dyn FnMut(u64, u64)) -> Self {
        let mut by_sequence = BTreeMap::<u64, Vec<[u8; 32]>>::new();
        for anchor in anchors {
            by_sequence.entry(anchor.sequence).or_default().push(anchor.chain);
        }
        let found = Verification {
            records: 0,
            first: None,
            last: None,
            head: None,
            anchors: 0,
            anchors_before: 0,
            faults: Vec::new(),
            more_faults: 0,
        };
        Self { disk, anchors: by_sequence, patience, progress, found, expected: 1, chain: None, done: 0, total: 0 }
    }

    fn segment(&mut self, first: u64, next: Option<u64>) -> Result<(), LogError> {
        let file = open_segment(self.disk, first, Access::Read)?;
        let header = header_bytes(self.disk, first, &*file)?;
        let window = Window::new(file, u64::MAX).map_err(|source| self.failed(first, source))?;
        let most = window.limit() / FRAME_BYTES as u64;
        let last = next.map_or(first.saturating_add(most), |next| next - 1);
        let mut reading = Reading { first, next, seed: 0, window, offset: FIRST_FRAME, plausible: first..=last };
        self.begin_segment(&mut reading, &header)?;
        let read = self.frames(&mut reading);
        read.map_err(|source| self.failed(first, source))?;
        self.done += reading.window.limit();
        (self.progress)(self.done, self.total.max(self.done));
        Ok(())
    }

    /// Checks the header and how it joins what came before, and says by which seed the frames are to be read.
    fn begin_segment(&mut self, reading: &mut Reading, bytes: &[u8]) -> Result<(), LogError> {
        let header = match Header::decode(bytes) {
            Ok(header) if header.start.next == reading.first => Ok(header),
            Ok(_) => Err("its first sequence is not the one in its name"),
            Err(HeaderFault::Damaged(why)) => Err(why),
            Err(HeaderFault::Version(found)) => {
                let file = self.path(reading.first);
                return Err(LogError::Format { file, found, known: VERSION });
            }
        };
        self.join(reading, header.ok());
        match header {
            Ok(header) => reading.seed = header.seed,
            Err(why) => {
                self.fault(reading.first, 0, reading.first, FaultKind::Header(why));
                reading.seed = self.likely_seed(reading, bytes)?;
            }
        }
        Ok(())
    }

    fn join(&mut self, reading: &Reading, header: Option<Header>) {
        let first = reading.first;
        let chain = header.map(|header| header.start.chain);
        if self.found.first.is_none() {
            self.found.first = Some(first);
            self.expected = first;
            self.check_origin(first, chain);
        } else if first != self.expected {
            let what = match first > self.expected {
                true => FaultKind::Missing { from: self.expected, to: first - 1 },
                false => FaultKind::OutOfOrder { found: first },
            };
            self.fault(first, 0, self.expected, what);
            (self.expected, self.chain) = (first, None);
        }
        match (self.chain, chain) {
            (Some(before), Some(chain)) if before != chain => self.fault(first, 20, first, FaultKind::Joint),
            _ => {}
        }
        self.chain = chain.or(self.chain);
    }

    /// The chain before the very first record is known, and may have been noted for what was dropped since.
    fn check_origin(&mut self, first: u64, chain: Option<[u8; 32]>) {
        if first == 1 {
            self.chain = Some(Head::START.chain);
        }
        let noted = self.anchors.remove(&first.wrapping_sub(1)).unwrap_or_default();
        let before = self.anchors.range(..first).map(|(_, chains)| chains.len()).sum::<usize>();
        self.anchors = self.anchors.split_off(&first);
        self.found.anchors_before = before;
        if let Some(chain) = chain {
            self.compare_anchors(noted, first, 20, first.wrapping_sub(1), chain);
        }
    }

    /// Of a segment whose header is damaged: the seed by which its first frame is one, or any frame.
    fn likely_seed(&self, reading: &mut Reading, header: &[u8]) -> Result<u32, LogError> {
        let seeds = possible_seeds(header);
        for seed in &seeds {
            let found = reading.window.search(*seed, FIRST_FRAME, &reading.plausible, Wanted::Any);
            if let Search::At(..) = found.map_err(|source| self.failed(reading.first, source))? {
                return Ok(*seed);
            }
        }
        Ok(seeds.first().copied().unwrap_or_default())
    }

    fn frames(&mut self, reading: &mut Reading) -> io::Result<()> {
        loop {
            match reading.window.frame(reading.seed, reading.offset)? {
                Found::End => return Ok(()),
                Found::Broken(why) => self.pass_damage(reading, why)?,
                Found::Frame(head) => {
                    self.record(reading, &head)?;
                    reading.offset += head.frame_bytes() as u64;
                }
            }
            if self.found.records.is_multiple_of(TOLD_EVERY) {
                (self.progress)(self.done + reading.offset, self.total.max(self.done + reading.offset));
            }
        }
    }

    fn record(&mut self, reading: &mut Reading, head: &FrameHead) -> io::Result<()> {
        let (first, offset, sequence) = (reading.first, reading.offset, head.sequence);
        self.found.records += 1;
        let digest = Sha256::digest(reading.window.payload(offset, head)?);
        if head.digest != *digest {
            self.fault(first, offset, sequence, FaultKind::EditedPayload);
        }
        if sequence < self.expected || !reading.plausible.contains(&sequence) {
            self.forget_missing(sequence);
            self.fault(first, offset, self.expected, FaultKind::OutOfOrder { found: sequence });
            return Ok(());
        }
        if sequence > self.expected {
            self.fault(first, offset, self.expected, FaultKind::Missing { from: self.expected, to: sequence - 1 });
        } else if self.chain.is_some_and(|chain| !head.follows(&Head { next: sequence, chain })) {
            self.fault(first, offset, sequence, FaultKind::BrokenChain);
        }
        let noted = self.anchors.remove(&sequence).unwrap_or_default();
        self.compare_anchors(noted, first, offset, sequence, head.chain);
        self.expected = sequence.saturating_add(1);
        self.chain = Some(head.chain);
        (self.found.last, self.found.head) = (Some(sequence), Some(head.chain));
        Ok(())
    }

    /// A record that was thought to be missing and then comes too late was moved, and that is reported.
    fn forget_missing(&mut self, sequence: u64) {
        let known = self.found.faults.iter_mut().enumerate().rev();
        let missing = known.filter_map(|(index, fault)| match &mut fault.what {
            FaultKind::Missing { from, to } => Some((index, from, to)),
            _ => None,
        });
        for (index, from, to) in missing {
            if *from == sequence && *to == sequence {
                self.found.faults.remove(index);
                return;
            } else if *from == sequence {
                *from += 1;
                return;
            } else if *to == sequence {
                *to -= 1;
                return;
            }
        }
    }

    /// Reports bytes that are no frame, and goes on behind them.
    fn pass_damage(&mut self, reading: &mut Reading, why: &'static str) -> io::Result<()> {
        let offset = reading.offset;
        let (bytes, next) = match self.resynchronise(reading)? {
            Some((at, head)) => (at - offset, Some(head)),
            None if reading.next.is_none() && self.grown(reading)? => return Ok(()),
            None => (reading.window.limit() - offset, None),
        };
        let reached = next.map(|head| head.sequence).or(reading.next).unwrap_or(self.expected).max(self.expected);
        let records = reached - self.expected;
        let what = match (next, reading.next) {
            (None, None) => FaultKind::CutTail { bytes },
            _ => FaultKind::Damaged { bytes, records, why },
        };
        self.fault(reading.first, offset, self.expected, what);
        self.chain = self.chain_after(reading, records)?;
        self.expected = reached;
        reading.offset = offset + bytes;
        Ok(())
    }

    /// Whether the end of the last segment was only still being written: after a moment it is whole.
    fn grown(&self, reading: &mut Reading) -> io::Result<bool> {
        std::thread::sleep(self.patience);
        reading.window.extend(u64::MAX)?;
        reading.plausible = reading.first..=reading.first.saturating_add(reading.window.limit() / FRAME_BYTES as u64);
        Ok(matches!(reading.window.frame(reading.seed, reading.offset)?, Found::Frame(_)))
    }

    /// The next frame behind damaged bytes: where they say that they end, if there is one, or else the first that can be found.
    fn resynchronise(&self, reading: &mut Reading) -> io::Result<Option<(u64, FrameHead)>> {
        if let Some(damaged) = head_at(reading)? {
            let stated = reading.offset + damaged.frame_bytes() as u64;
            if let Found::Frame(head) = reading.window.frame(reading.seed, stated)?
                && reading.plausible.contains(&head.sequence)
            {
                return Ok(Some((stated, head)));
            }
        }
        match reading.window.search(reading.seed, reading.offset + 1, &reading.plausible, Wanted::Any)? {
            Search::At(at, head) => Ok(Some((at, head))),
            Search::Nothing | Search::TooLong => Ok(None),
        }
    }

    /// The chain behind damaged bytes, if it can be known: nothing was lost in them, or only the payload of one record, whose place in the
    /// chain can still be checked.
    fn chain_after(&self, reading: &mut Reading, records: u64) -> io::Result<Option<[u8; 32]>> {
        let Some(chain) = self.chain else { return Ok(None) };
        let damaged = head_at(reading)?.filter(|head| {
            head.sequence == self.expected && head.chain == link(&Head { next: self.expected, chain }, head.at, head.kind, &head.digest)
        });
        Ok(match records {
            0 => Some(chain),
            1 => damaged.map(|head| head.chain),
            _ => None,
        })
    }

    fn compare_anchors(&mut self, noted: Vec<[u8; 32]>, first: u64, offset: u64, sequence: u64, found: [u8; 32]) {
        for noted in noted {
            self.found.anchors += 1;
            if noted != found {
                self.fault(first, offset, sequence, FaultKind::Anchor { noted, found });
            }
        }
    }

    /// What is left of the anchors is behind the end, or names a record that a fault has told of already.
    fn finish(mut self, segments: &[u64]) -> Verification {
        let last = segments.last().copied();
        if let Some(to) = self.anchors.last_key_value().map(|(sequence, _)| *sequence).filter(|to| *to >= self.expected) {
            let end = last.and_then(|last| open_segment(self.disk, last, Access::Read).ok()?.length().ok()).unwrap_or(0);
            self.fault(last.unwrap_or(self.expected), end, self.expected, FaultKind::AnchorMissing { to });
        }
        self.found
    }

    fn fault(&mut self, segment: u64, offset: u64, sequence: u64, what: FaultKind) {
        if self.found.faults.len() < MOST_FAULTS {
            self.found.faults.push(Fault { file: self.path(segment), offset, sequence, what });
        } else {
            self.found.more_faults += 1;
        }
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.disk.path(&segment_name(segment))
    }

    fn failed(&self, segment: u64, source: io::Error) -> LogError {
        LogError::Read { path: self.path(segment), source }
    }
}

/// What the bytes at the offset would be as a frame's head.
fn head_at(reading: &mut Reading) -> io::Result<Option<FrameHead>> {
    Ok(reading.window.bytes(reading.offset, FRAME_BYTES)?.first_chunk().map(FrameHead::decode))
}
