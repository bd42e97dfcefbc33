//! Small logs on the model disk, for tests that damage them.

use super::LogSettings;
use super::disk::Disk;
use super::error::{AppendError, LogError};
use super::fault::{Anchor, Verification};
use super::format::{FRAME_BYTES, FrameHead, HEADER_BYTES, Header, checksum, link, segment_name};
use super::model_disk::ModelDisk;
use super::queue::Call;
use super::reader::LogReader;
use super::record::{Entry, Head, Position, Record};
use super::recovery::recover;
use super::verify::verify;
use super::writer::Writer;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// A log with its true records.
pub(super) struct TestLog {
    pub(super) disk: ModelDisk,
    pub(super) records: Vec<Record>,
}

pub(super) fn settings(segment_bytes: u64) -> LogSettings {
    LogSettings { segment_bytes, ..LogSettings::default() }
}

pub(super) fn open(disk: &ModelDisk, segment_bytes: u64) -> Result<Writer, LogError> {
    let recovered = recover(disk, 1_000)?;
    Ok(Writer::new(Arc::new(disk.clone()), settings(segment_bytes), recovered))
}

/// Appends entries as one batch and waits for the answer.
pub(super) fn append(writer: &mut Writer, entries: Vec<Entry>) -> Result<Vec<Position>, AppendError> {
    let (sender, answer) = mpsc::channel();
    writer.commit(vec![Call::new(entries, Box::new(move |answer| sender.send(answer).unwrap()))], || {});
    answer.recv().unwrap()
}

/// Record `number`, of a length of its own.
pub(super) fn entry(number: u64) -> Entry {
    let payload = format!("record {number} {}", "x".repeat(number as usize % 5)).into_bytes();
    Entry::new(number as u8, 1_000_000 * number as i64, payload).unwrap()
}

/// Ten records in batches of two, in three segments: 1 to 4, 5 to 8, and 9 and 10.
pub(super) fn ten_records() -> TestLog {
    let disk = ModelDisk::new(1);
    let mut writer = open(&disk, 300).unwrap();
    for first in [1, 3, 5, 7, 9] {
        append(&mut writer, vec![entry(first), entry(first + 1)]).unwrap();
    }
    let records = read_all(&disk).unwrap();
    assert_eq!((records.len(), disk.names().len()), (10, 3));
    TestLog { disk, records }
}

pub(super) fn read_all(disk: &ModelDisk) -> Result<Vec<Record>, LogError> {
    let reader = LogReader::new(Arc::new(disk.clone()), None);
    reader.from(1)?.collect()
}

pub(super) fn verified(disk: &dyn Disk, anchors: &[Anchor]) -> Verification {
    verify(disk, anchors, Duration::ZERO, &mut |_, _| {}).unwrap()
}

pub(super) fn anchor(record: &Record) -> Anchor {
    Anchor { sequence: record.position.sequence, chain: record.chain }
}

/// The frames of a segment, to be edited and put back.
pub(super) struct Frames {
    pub(super) header: Vec<u8>,
    pub(super) frames: Vec<Vec<u8>>,
}

impl Frames {
    pub(super) fn of(log: &TestLog, segment: u64) -> Self {
        let contents = log.disk.contents(&segment_name(segment));
        let (header, mut rest) = contents.split_at(HEADER_BYTES);
        let mut frames = Vec::new();
        while let Some(head) = rest.first_chunk::<FRAME_BYTES>() {
            let (frame, after) = rest.split_at(FrameHead::decode(head).frame_bytes());
            frames.push(frame.to_vec());
            rest = after;
        }
        Self { header: header.to_vec(), frames }
    }

    /// Writes them back, every checksum mended.
    pub(super) fn put(mut self, log: &TestLog, segment: u64) {
        let seed = Header::decode(&self.header).unwrap().seed;
        for frame in &mut self.frames {
            let checksum = checksum(seed, frame);
            frame[4..8].copy_from_slice(&checksum.to_le_bytes());
        }
        log.disk.put(&segment_name(segment), &[self.header, self.frames.concat()].concat());
    }
}

/// Gives an edited frame the digest of its payload.
pub(super) fn mend_digest(frame: &mut [u8]) {
    let digest = Sha256::digest(&frame[FRAME_BYTES..]);
    frame[25..57].copy_from_slice(&digest);
}

/// Lets an edited frame follow from the record before it.
pub(super) fn mend_chain(frame: &mut [u8], before: &Record) {
    let head = FrameHead::decode(frame.first_chunk().unwrap());
    let before = Head { next: before.position.sequence + 1, chain: before.chain };
    frame[57..89].copy_from_slice(&link(&before, head.at, head.kind, &head.digest));
}
