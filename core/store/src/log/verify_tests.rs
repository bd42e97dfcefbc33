//! Somebody with access to the files edits a log, and mends what can be mended: what a verification says of it.

use super::fault::{Anchor, FaultKind};
use super::format::{FRAME_BYTES, segment_name};
use super::test_logs::{Frames, TestLog, anchor, append, entry, mend_chain, mend_digest, open, ten_records, verified};

/// The faults, each with its segment, the record it was found at, and the offset if it is that record's true one.
fn faults(log: &TestLog, anchors: &[Anchor]) -> Vec<(u64, u64, FaultKind)> {
    let verification = verified(&log.disk, anchors);
    verification
        .faults
        .into_iter()
        .map(|fault| {
            let segment = super::format::segment_of(fault.file.to_str().unwrap()).unwrap();
            (segment, fault.sequence, fault.what)
        })
        .collect()
}

#[test]
fn a_true_log_has_no_faults_and_its_head_is_the_next_anchor() {
    let log = ten_records();
    let anchors: Vec<Anchor> = log.records.iter().map(anchor).collect();
    let verification = verified(&log.disk, &anchors);
    assert_eq!(verification.faults, []);
    assert_eq!((verification.records, verification.first, verification.last), (10, Some(1), Some(10)));
    assert_eq!((verification.head, verification.anchors), (Some(log.records[9].chain), 10));
}

#[test]
fn an_edited_payload_is_found_where_it_is() {
    let log = ten_records();
    let mut frames = Frames::of(&log, 5);
    frames.frames[1][FRAME_BYTES] = b'X';
    frames.put(&log, 5);
    assert_eq!(faults(&log, &[]), [(5, 6, FaultKind::EditedPayload)]);
    let fault = &verified(&log.disk, &[]).faults[0];
    assert_eq!((fault.offset, fault.file.to_str()), (log.records[5].position.offset, Some(segment_name(5).as_str())));
    assert!(fault.to_string().contains("edited payload"), "{fault}");
}

#[test]
fn an_edited_payload_with_its_digest_breaks_the_chain() {
    let log = ten_records();
    let mut frames = Frames::of(&log, 5);
    frames.frames[1][FRAME_BYTES] = b'X';
    mend_digest(&mut frames.frames[1]);
    frames.put(&log, 5);
    assert_eq!(faults(&log, &[]), [(5, 6, FaultKind::BrokenChain)]);
}

#[test]
fn an_edited_record_with_all_its_hashes_breaks_the_chain_at_the_next_one() {
    let log = ten_records();
    for (index, at, fault) in [(1, 6, (5, 7, FaultKind::BrokenChain)), (3, 8, (9, 9, FaultKind::Joint))] {
        let log = TestLog { disk: log.disk.copy(), records: log.records.clone() };
        let mut frames = Frames::of(&log, 5);
        frames.frames[index][FRAME_BYTES] = b'X';
        mend_digest(&mut frames.frames[index]);
        mend_chain(&mut frames.frames[index], &log.records[at - 2]);
        frames.put(&log, 5);
        assert_eq!(faults(&log, &[]), [fault], "record {at}");
    }
}

#[test]
fn a_history_that_was_written_anew_is_found_by_an_anchor() {
    let (log, forged) = (ten_records(), ten_records());
    let mut writer = open(&forged.disk, 1 << 20).unwrap();
    append(&mut writer, vec![entry(11)]).unwrap();
    assert_eq!(faults(&forged, &[anchor(&log.records[9])]), [], "the same history has the same chain");
    let noted = Anchor { sequence: 9, chain: [7; 32] };
    let found = log.records[8].chain;
    assert_eq!(faults(&log, &[noted]), [(9, 9, FaultKind::Anchor { noted: [7; 32], found })]);
}

#[test]
fn a_deleted_record_is_missing() {
    let log = ten_records();
    let mut frames = Frames::of(&log, 5);
    frames.frames.remove(2);
    frames.put(&log, 5);
    assert_eq!(faults(&log, &[]), [(5, 7, FaultKind::Missing { from: 7, to: 7 })]);
}

#[test]
fn the_last_record_of_a_segment_is_missed_by_the_next_one() {
    let log = ten_records();
    let mut frames = Frames::of(&log, 5);
    frames.frames.truncate(2);
    frames.put(&log, 5);
    assert_eq!(faults(&log, &[]), [(9, 7, FaultKind::Missing { from: 7, to: 8 })]);
}

#[test]
fn swapped_records_are_out_of_order() {
    let log = ten_records();
    let mut frames = Frames::of(&log, 5);
    frames.frames.swap(1, 2);
    frames.put(&log, 5);
    assert_eq!(faults(&log, &[]), [(5, 8, FaultKind::OutOfOrder { found: 6 })]);
}

#[test]
fn a_record_that_is_there_twice_is_out_of_order() {
    let log = ten_records();
    let mut frames = Frames::of(&log, 5);
    let again = frames.frames[1].clone();
    frames.frames.insert(3, again);
    frames.put(&log, 5);
    assert_eq!(faults(&log, &[]), [(5, 8, FaultKind::OutOfOrder { found: 6 })]);
}

/// The inserted record takes the number of the one that is pushed back, and follows from the one before it.
#[test]
fn an_inserted_record_is_found_between_those_it_came_between() {
    let log = ten_records();
    let mut frames = Frames::of(&log, 5);
    let mut inserted = frames.frames[2].clone();
    inserted[FRAME_BYTES] = b'X';
    mend_digest(&mut inserted);
    mend_chain(&mut inserted, &log.records[5]);
    frames.frames.insert(2, inserted);
    frames.put(&log, 5);
    assert_eq!(faults(&log, &[]), [(5, 8, FaultKind::OutOfOrder { found: 7 }), (5, 8, FaultKind::BrokenChain)]);
}

#[test]
fn a_removed_segment_is_missing_and_the_rest_is_verified_all_the_same() {
    let log = ten_records();
    super::disk::Disk::remove(&log.disk, &segment_name(5)).unwrap();
    let mut frames = Frames::of(&log, 9);
    frames.frames[1][FRAME_BYTES] = b'X';
    frames.put(&log, 9);
    assert_eq!(faults(&log, &[]), [(9, 5, FaultKind::Missing { from: 5, to: 8 }), (9, 10, FaultKind::EditedPayload)]);
}

#[test]
fn a_removed_end_is_found_by_an_anchor_and_by_nothing_else() {
    let log = ten_records();
    super::disk::Disk::remove(&log.disk, &segment_name(9)).unwrap();
    let mut frames = Frames::of(&log, 5);
    frames.frames.truncate(3);
    frames.put(&log, 5);
    assert_eq!(faults(&log, &[anchor(&log.records[6])]), []);
    assert_eq!(faults(&log, &[anchor(&log.records[9])]), [(5, 8, FaultKind::AnchorMissing { to: 10 })]);
}

#[test]
fn anchors_of_dropped_records_are_counted_and_the_last_of_them_is_compared() {
    let log = ten_records();
    super::disk::Disk::remove(&log.disk, &segment_name(1)).unwrap();
    let anchors: Vec<Anchor> = log.records.iter().map(anchor).collect();
    let verification = verified(&log.disk, &anchors);
    assert_eq!((verification.faults, verification.anchors_before, verification.anchors), (vec![], 3, 7));
    let wrong = Anchor { sequence: 4, chain: [0; 32] };
    assert_eq!(faults(&log, &[wrong]), [(5, 4, FaultKind::Anchor { noted: [0; 32], found: log.records[3].chain })]);
}

#[test]
fn several_faults_are_all_found() {
    let log = ten_records();
    let mut frames = Frames::of(&log, 1);
    frames.header[53] ^= 1;
    let seed = u32::from_le_bytes(frames.header[60..].try_into().unwrap());
    frames.frames[2][FRAME_BYTES + 2] ^= 1;
    log.disk.put(&segment_name(1), &[frames.header, frames.frames.concat()].concat());
    let mut frames = Frames::of(&log, 5);
    frames.frames[0][0] ^= 0x40;
    log.disk.put(&segment_name(5), &[frames.header, frames.frames.concat()].concat());
    let contents = log.disk.contents(&segment_name(9));
    log.disk.put(&segment_name(9), &contents[..contents.len() - 1]);
    assert_ne!(seed, 0);
    let found: Vec<(u64, u64)> = faults(&log, &[]).iter().map(|(segment, sequence, _)| (*segment, *sequence)).collect();
    assert_eq!(found, [(1, 1), (1, 3), (5, 5), (9, 10)]);
    let kinds = faults(&log, &[]);
    assert!(matches!(kinds[1].2, FaultKind::Damaged { records: 1, .. }), "{kinds:?}");
    assert!(matches!(kinds[2].2, FaultKind::Damaged { records: 1, .. }), "{kinds:?}");
    assert!(matches!(kinds[3].2, FaultKind::CutTail { .. }), "{kinds:?}");
}

#[test]
fn faults_are_bounded_and_counted() {
    let disk = super::model_disk::ModelDisk::new(2);
    let mut writer = open(&disk, 1 << 20).unwrap();
    append(&mut writer, (1..=1200).map(entry).collect()).unwrap();
    let log = TestLog { disk, records: Vec::new() };
    let mut frames = Frames::of(&log, 1);
    frames.frames.iter_mut().for_each(|frame| frame[FRAME_BYTES] = b'X');
    frames.put(&log, 1);
    let verification = verified(&log.disk, &[]);
    assert_eq!((verification.faults.len(), verification.more_faults, verification.records), (1000, 200, 1200));
}

#[test]
fn an_empty_folder_is_an_empty_log() {
    let disk = super::model_disk::ModelDisk::new(0);
    let verification = verified(&disk, &[]);
    assert_eq!((verification.records, verification.first, verification.faults), (0, None, vec![]));
    let noted = Anchor { sequence: 3, chain: [1; 32] };
    assert!(matches!(verified(&disk, &[noted]).faults[0].what, FaultKind::AnchorMissing { to: 3 }));
}

#[test]
fn progress_reaches_the_end() {
    let log = ten_records();
    let bytes: usize = log.disk.names().iter().map(|name| log.disk.contents(name).len()).sum();
    let mut told = Vec::new();
    super::verify::verify(&log.disk, &[], std::time::Duration::ZERO, &mut |done, total| told.push((done, total))).unwrap();
    assert_eq!(told.last(), Some(&(bytes as u64, bytes as u64)));
    assert!(told.is_sorted());
}
