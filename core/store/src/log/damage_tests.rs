//! Every byte of a small log is damaged, and every file is cut at every length: what is read is true, or nothing is.

use super::error::LogError;
use super::format::{FRAME_BYTES, HEADER_BYTES, segment_name};
use super::model_disk::{ModelDisk, Random};
use super::reader::LogReader;
use super::record::Position;
use super::test_logs::{Frames, TestLog, anchor, append, entry, mend_chain, mend_digest, open, read_all, ten_records, verified};
use std::sync::Arc;

/// A log in which one file was changed.
struct Changed {
    disk: ModelDisk,
    name: String,
    /// The first byte that is not as it was.
    at: usize,
}

fn change(log: &TestLog, name: &str, at: usize, changed: &[u8]) -> Changed {
    let disk = log.disk.copy();
    disk.put(name, changed);
    Changed { disk, name: name.to_owned(), at }
}

fn every_flip(log: &TestLog) -> impl Iterator<Item = Changed> {
    log.disk.names().into_iter().flat_map(move |name| {
        let contents = log.disk.contents(&name);
        let flips = (0..contents.len()).flat_map(|at| [(at, 0x01), (at, 0x80), (at, 0xFF)]);
        flips
            .map(|(at, mask)| {
                let mut changed = contents.clone();
                changed[at] ^= mask;
                change(log, &name, at, &changed)
            })
            .collect::<Vec<_>>()
    })
}

fn every_cut(log: &TestLog) -> impl Iterator<Item = Changed> {
    log.disk.names().into_iter().flat_map(move |name| {
        let contents = log.disk.contents(&name);
        (0..contents.len()).map(|length| change(log, &name, length, &contents[..length])).collect::<Vec<_>>()
    })
}

/// How many records are there after opening, all of them true; none if opening was refused.
fn opened(log: &TestLog, changed: &Changed) -> Option<usize> {
    let what = format!("{} at {}", changed.name, changed.at);
    let before = changed.disk.copy();
    match open(&changed.disk, 300) {
        Ok(mut writer) => {
            let records = read_all(&changed.disk).unwrap();
            assert_eq!(records, log.records[..records.len()], "{what}");
            assert_eq!(verified(&changed.disk, &[]).faults, [], "{what}");
            append(&mut writer, vec![entry(99)]).unwrap();
            assert_eq!(read_all(&changed.disk).unwrap().len(), records.len() + 1, "{what}");
            Some(records.len())
        }
        Err(LogError::Damaged { .. }) => {
            let same = before.names() == changed.disk.names()
                && before.names().iter().all(|name| before.contents(name) == changed.disk.contents(name));
            assert!(same, "a refusal changes nothing: {what}");
            None
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

/// Nothing that a reader gives is wrong, whether or not the log was opened and mended before.
fn readers_are_right(log: &TestLog, changed: &Changed) {
    let reader = LogReader::new(Arc::new(changed.disk.clone()), None);
    for start in [1, 6] {
        let records = reader.from(start).into_iter().flatten().map_while(Result::ok);
        for (record, truth) in records.zip(&log.records[start as usize - 1..]) {
            assert_eq!(record, *truth, "{} at {}", changed.name, changed.at);
        }
    }
    for truth in &log.records {
        if let Ok(record) = reader.read(truth.position) {
            assert_eq!(record, *truth, "{} at {}", changed.name, changed.at);
        }
    }
}

#[test]
fn a_flipped_byte_never_gives_a_wrong_record_and_is_always_reported() {
    let log = ten_records();
    let last = segment_name(9);
    for changed in every_flip(&log) {
        readers_are_right(&log, &changed);
        assert!(!verified(&changed.disk, &[]).faults.is_empty(), "{} at {}", changed.name, changed.at);
        match opened(&log, &changed) {
            None => {}
            // Nothing shows that the last batch had been acknowledged, so it counts as torn.
            Some(count) => assert!(changed.name == last && changed.at >= HEADER_BYTES && (8..=9).contains(&count), "{count}"),
        }
    }
}

#[test]
fn a_cut_file_gives_a_prefix_or_a_refusal() {
    let log = ten_records();
    let (last, end) = (segment_name(9), anchor(&log.records[9]));
    for changed in every_cut(&log) {
        readers_are_right(&log, &changed);
        assert!(!verified(&changed.disk, &[end]).faults.is_empty(), "{} at {}", changed.name, changed.at);
        let count = opened(&log, &changed);
        assert_eq!(count.is_some(), changed.name == last, "{} at {}", changed.name, changed.at);
        assert!(count.is_none_or(|count| (8..=9).contains(&count)));
    }
}

#[test]
fn a_damaged_batch_with_a_later_one_behind_it_is_refused_and_nothing_is_cut() {
    let disk = ModelDisk::new(3);
    let mut writer = open(&disk, 1 << 20).unwrap();
    let first = append(&mut writer, vec![entry(1), entry(2)]).unwrap();
    append(&mut writer, vec![entry(3)]).unwrap();
    let name = segment_name(1);
    for at in first[0].offset as usize..first[1].offset as usize + FRAME_BYTES {
        let mut contents = disk.contents(&name);
        contents[at] ^= 4;
        let damaged = disk.copy();
        damaged.put(&name, &contents);
        let Err(LogError::Damaged { offset, what, .. }) = open(&damaged, 1 << 20) else { panic!("opened with byte {at} damaged") };
        assert_eq!(offset, if at < first[1].offset as usize { first[0].offset } else { first[1].offset });
        assert!(what.contains("record 3 behind it"), "{what}");
    }
}

/// A payload may hold anything, also what looks like the frames of this log: a crash in the middle of it must not be taken for damage.
#[test]
fn frames_in_a_payload_do_not_stop_a_torn_end_from_being_cut() {
    let log = ten_records();
    let whole = log.disk.contents(&segment_name(9));
    let mut writer = open(&log.disk, 1 << 20).unwrap();
    // The frame of record 10 as if it were record 12 in another segment, where everything before it had been synced.
    let mut imitation = whole[log.records[9].position.offset as usize..].to_vec();
    imitation[3] |= 0x80;
    imitation[8] = 12;
    let checksum = super::format::checksum(0, &imitation);
    imitation[4..8].copy_from_slice(&checksum.to_le_bytes());
    let position = append(&mut writer, vec![super::record::Entry::new(0, 0, imitation.repeat(3)).unwrap()]).unwrap()[0];
    drop(writer);
    let name = segment_name(9);
    let mut contents = log.disk.contents(&name);
    contents.truncate(contents.len() - 5);
    log.disk.put(&name, &contents);
    let recovery = super::recovery::recover(&log.disk, 7).unwrap().recovery;
    let cut = recovery.cut.unwrap();
    assert_eq!((cut.offset, cut.bytes, recovery.next), (position.offset, contents.len() as u64 - position.offset, 11));
    assert_eq!(cut.saved_as, std::path::Path::new("cut-11-7.bin"));
    assert_eq!(log.disk.contents("cut-11-7.bin"), contents[position.offset as usize..]);
}

#[test]
fn noise_of_any_kind_behind_the_last_record_is_cut_off() {
    let log = ten_records();
    let mut random = Random(5);
    let name = segment_name(9);
    for round in 0..300 {
        let disk = log.disk.copy();
        let length = random.below(400);
        let noise = if round % 3 == 0 { vec![0; length] } else { random.bytes(length) };
        disk.put(&name, &[log.disk.contents(&name), noise].concat());
        open(&disk, 300).unwrap();
        assert_eq!(read_all(&disk).unwrap(), log.records);
        assert_eq!(verified(&disk, &[anchor(&log.records[9])]).faults, []);
    }
}

/// Lengths that lie, up to the largest ones: nothing is allocated for them, and nothing panics.
#[test]
fn a_damaged_length_is_not_believed() {
    let log = ten_records();
    let name = segment_name(9);
    let contents = log.disk.contents(&name);
    let offset = log.records[9].position.offset as usize;
    for length in [0, 1, (16 << 20) - 1, 16 << 20, (16 << 20) + 1, 0x7FFF_FFFF, u32::MAX] {
        let mut changed = contents.clone();
        changed[offset..offset + 4].copy_from_slice(&u32::to_le_bytes(length));
        let changed = change(&log, &name, offset, &changed);
        readers_are_right(&log, &changed);
        assert_eq!(opened(&log, &changed), Some(9), "{length}");
    }
}

#[test]
fn a_missing_segment_is_refused_and_the_first_one_may_be_dropped() {
    let log = ten_records();
    for (first, opens) in [(1, true), (5, false)] {
        let disk = log.disk.copy();
        super::disk::Disk::remove(&disk, &segment_name(first)).unwrap();
        let opened = open(&disk, 300);
        assert_eq!(opened.is_ok(), opens, "without segment {first}");
        if let Err(error) = opened {
            assert!(error.to_string().contains("records 5 to 8 are missing"), "{error}");
        }
    }
}

/// Without the segments before it, nothing shows what the only segment's number was: beginning again from 1 would give numbers twice.
#[test]
fn an_only_segment_without_a_header_is_refused_unless_it_is_the_first() {
    for (first, opens) in [(1, true), (9, false)] {
        let disk = ModelDisk::new(0);
        disk.put(&segment_name(first), b"SYNODL");
        assert_eq!(open(&disk, 300).is_ok(), opens);
    }
}

/// Wrong records with right checksums are no crash: opening finds them in the last segment, and in the others where they do not join.
#[test]
fn records_that_were_edited_are_refused() {
    type Edit = fn(&mut Frames, &TestLog);
    let edits: [(u64, &str, Edit); 6] = [
        (9, "digest", |frames, _| frames.frames[0][FRAME_BYTES] = b'X'),
        (9, "does not follow", |frames, _| {
            frames.frames[1][FRAME_BYTES] = b'X';
            mend_digest(&mut frames.frames[1]);
        }),
        (9, "out of order", |frames, _| frames.frames.swap(0, 1)),
        (9, "out of order", |frames, _| frames.frames.push(frames.frames[0].clone())),
        (5, "out of order", |frames, _| frames.frames.swap(1, 2)),
        (5, "does not follow from the segment before it", |frames, log| {
            frames.frames[3][FRAME_BYTES] = b'X';
            mend_digest(&mut frames.frames[3]);
            mend_chain(&mut frames.frames[3], &log.records[6]);
        }),
    ];
    for (segment, why, edit) in edits {
        let log = ten_records();
        let mut frames = Frames::of(&log, segment);
        edit(&mut frames, &log);
        frames.put(&log, segment);
        let error = open(&log.disk, 300).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
        assert!(read_all(&log.disk).is_err() || why == "digest", "{why}: what a reader gives follows from what it gave before");
    }
}

#[test]
fn a_position_gives_its_record_or_nothing() {
    let log = ten_records();
    let reader = LogReader::new(Arc::new(log.disk.clone()), None);
    let first = log.records[0].position;
    for wrong in [
        Position { sequence: 2, ..first },
        Position { offset: first.offset + 1, ..first },
        Position { offset: 0, ..first },
        Position { offset: u64::MAX, ..first },
        Position { segment: 5, ..first },
        Position { segment: 2, ..first },
        Position { offset: log.records[1].position.offset, ..first },
    ] {
        assert!(matches!(reader.read(wrong), Err(LogError::Damaged { .. } | LogError::NotThere { .. })), "{wrong:?}");
    }
    assert_eq!(reader.read(first).unwrap(), log.records[0]);
}
