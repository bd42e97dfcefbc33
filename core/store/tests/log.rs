//! The log on the real file system: many callers, readers beside the writer, dropped segments, and tools beside a running server.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};
use synod_store::{Anchor, AppendError, DataDirectory, Entry, Log, LogError, LogReader, LogSettings, Position, Record, Retention, verify};

const CALLERS: u64 = 8;
const CALLS: u64 = 2000;

fn directory() -> (tempfile::TempDir, DataDirectory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(folder.path()).unwrap();
    (folder, directory)
}

fn open(directory: &DataDirectory, segment_bytes: u64) -> Log {
    Log::open(directory, LogSettings { segment_bytes, ..LogSettings::default() }).unwrap().0
}

fn append(log: &Log, entries: Vec<Entry>) -> Result<Vec<Position>, AppendError> {
    let (sender, answer) = mpsc::channel();
    log.append(entries, move |result| sender.send(result).unwrap());
    answer.recv().unwrap()
}

fn entry(payload: impl Into<Vec<u8>>) -> Entry {
    Entry::new(1, 0, payload.into()).unwrap()
}

fn payload(caller: u64, call: u64, index: u64) -> Vec<u8> {
    let length = (caller * 31 + call * 7 + index) % 200;
    [format!("{caller} {call} {index} ").into_bytes(), vec![b'x'; length as usize]].concat()
}

/// Appends without waiting for each answer, only for every fiftieth; returns what was answered, by call.
fn call_many(log: &Log, caller: u64) -> Vec<(u64, Vec<Position>)> {
    let (sender, answers) = mpsc::channel();
    let mut answered: Vec<(u64, Vec<Position>)> = Vec::new();
    for call in 0..CALLS {
        let entries = (0..1 + call % 3).map(|index| entry(payload(caller, call, index)));
        let sender = sender.clone();
        log.append(entries.collect(), move |result| sender.send((call, result.unwrap())).unwrap());
        while call % 50 == 0 && answered.last().is_none_or(|(last, _)| *last < call) {
            answered.push(answers.recv().unwrap());
        }
    }
    drop(sender);
    answered.extend(answers);
    answered
}

#[test]
fn every_call_of_many_callers_is_answered_once_and_found_where_it_says() {
    let (_folder, directory) = directory();
    let log = open(&directory, 400_000);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                (
                    caller,
                    scope.spawn({
                        let log = &log;
                        move || call_many(log, caller)
                    }),
                )
            })
            .collect();
        callers.into_iter().flat_map(|(caller, thread)| thread.join().unwrap().into_iter().map(move |answer| (caller, answer))).collect()
    });
    assert_eq!(answers.len() as u64, CALLERS * CALLS);
    let reader = log.reader();
    let mut taken = HashSet::new();
    for (caller, (call, positions)) in &answers {
        assert_eq!(positions.len() as u64, 1 + call % 3);
        assert!(positions.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1), "side by side");
        for (position, index) in positions.iter().zip(0..) {
            assert!(taken.insert(position.sequence), "a position was given twice");
            assert_eq!(reader.read(*position).unwrap().payload, payload(*caller, *call, index));
        }
    }
    let facts = log.facts();
    assert_eq!((facts.records, facts.queue_bytes, facts.failures), (taken.len() as u64, 0, 0));
    assert!(facts.segments > 3 && facts.syncs >= facts.writes && facts.sync_time >= facts.last_sync, "{facts:?}");
    let head = log.head();
    log.close().unwrap();
    let anchor = Anchor { sequence: head.next - 1, chain: head.chain };
    let verification = verify(&directory, &[anchor], &mut |_, _| {}).unwrap();
    assert_eq!((verification.faults, verification.records), (vec![], taken.len() as u64));
}

#[test]
fn the_log_is_the_same_after_it_was_opened_again() {
    let (folder, directory) = directory();
    let mut heads = Vec::new();
    for round in 0..5_u64 {
        let (log, recovery) = Log::open(&directory, LogSettings { segment_bytes: 500, ..LogSettings::default() }).unwrap();
        assert_eq!((recovery.records, recovery.next, recovery.cut), (3 * round, 3 * round + 1, None));
        assert_eq!(heads.last().copied().unwrap_or(log.head()), log.head());
        append(&log, (0..3).map(|index| entry(payload(round, index, 0))).collect()).unwrap();
        heads.push(log.head());
        drop(log);
    }
    let payloads: Vec<Vec<u8>> = LogReader::open(&directory).unwrap().from(1).unwrap().map(|record| record.unwrap().payload).collect();
    assert_eq!(payloads, (0..5).flat_map(|round| (0..3).map(move |index| payload(round, index, 0))).collect::<Vec<_>>());
    only_the_owner_may_read(&folder.path().join("log"));
}

#[cfg_attr(not(unix), allow(unused_variables))]
fn only_the_owner_may_read(folder: &std::path::Path) {
    #[cfg(unix)]
    for file in std::fs::read_dir(folder).unwrap() {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.unwrap().metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn what_a_crash_left_is_cut_off_and_kept() {
    let (folder, directory) = directory();
    let log = open(&directory, 1 << 20);
    append(&log, vec![entry("whole"), entry("also whole")]).unwrap();
    log.close().unwrap();
    let path = folder.path().join("log/00000000000000000001.log");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], &whole[64..100]].concat()).unwrap();
    let (log, recovery) = Log::open(&directory, LogSettings::default()).unwrap();
    let cut = recovery.cut.unwrap();
    assert_eq!((cut.segment, cut.offset, cut.bytes), (path.clone(), whole.len() as u64, 36));
    assert_eq!(std::fs::read(cut.saved_as).unwrap(), whole[64..100]);
    assert_eq!((recovery.records, log.head().next, std::fs::read(path).unwrap()), (2, 3, whole));
}

const FOLLOWED: u64 = 6000;
const LONGEST: Duration = Duration::from_secs(60);

/// Reads on as records come, until all of them have come.
fn follow(reader: &LogReader, log: &Log, durable_only: bool) {
    let (begun, mut records, mut next) = (Instant::now(), reader.from(1).unwrap(), 1);
    while next <= FOLLOWED {
        for record in records.by_ref() {
            let record = record.unwrap();
            assert_eq!((record.position.sequence, record.payload), (next, payload(0, next, 0)));
            assert!(!durable_only || next < log.head().next, "record {next} was seen before it was durable");
            next += 1;
        }
        assert!(begun.elapsed() < LONGEST);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn verify_until(log: &Log, directory: &DataDirectory) {
    let begun = Instant::now();
    while log.head().next <= FOLLOWED {
        assert_eq!(verify(directory, &[], &mut |_, _| {}).unwrap().faults, []);
        assert!(begun.elapsed() < LONGEST);
    }
}

/// One follows the writer through the durable records, one through the files, one verifies again and again.
#[test]
fn readers_beside_the_writer_see_every_record_once() {
    let (_folder, directory) = directory();
    let (log, directory) = (&open(&directory, 50_000), &directory);
    std::thread::scope(|scope| {
        scope.spawn(|| follow(&log.reader(), log, true));
        scope.spawn(|| follow(&LogReader::open(directory).unwrap(), log, false));
        scope.spawn(|| verify_until(log, directory));
        for first in (1..=FOLLOWED).step_by(3) {
            let entries: Vec<Entry> = (first..first + 3).map(|number| entry(payload(0, number, 0))).collect();
            match first % 300 {
                1 => drop(append(log, entries).unwrap()),
                _ => log.append(entries, |answer| drop(answer.unwrap())),
            }
        }
    });
    assert_eq!(log.head().next, FOLLOWED + 1);
}

/// The writer may finish a record and begin the next segment between a reader's look at the record and its look at the segments.
#[test]
fn a_record_that_was_half_written_when_it_was_looked_at_is_no_damage() {
    let (written, directory) = directory();
    let log = open(&directory, 1);
    append(&log, vec![entry("whole"), entry("half written")]).unwrap();
    append(&log, vec![entry("in the next segment")]).unwrap();
    log.close().unwrap();
    let segment = |folder: &tempfile::TempDir, first: u64| folder.path().join(format!("log/{first:020}.log"));
    let whole = std::fs::read(segment(&written, 1)).unwrap();
    let (beside, directory) = self::directory();
    std::fs::write(segment(&beside, 1), &whole[..whole.len() - 5]).unwrap();
    let mut records = LogReader::open(&directory).unwrap().from(1).unwrap();
    std::fs::write(segment(&beside, 1), &whole).unwrap();
    std::fs::copy(segment(&written, 3), segment(&beside, 3)).unwrap();
    let read: Vec<u64> = records.by_ref().map(|record| record.unwrap().position.sequence).collect();
    assert_eq!(read, [1, 2, 3]);

    std::fs::write(segment(&beside, 1), &whole[..whole.len() - 5]).unwrap();
    let read: Vec<_> = LogReader::open(&directory).unwrap().from(1).unwrap().collect();
    assert!(matches!(&read[..], [Ok(_), Err(LogError::Damaged { .. })]), "{read:?}");
}

#[test]
fn old_segments_are_dropped_and_the_rest_stays_readable() {
    let (folder, directory) = directory();
    let log = open(&directory, 1000);
    let mut positions = BTreeMap::new();
    for number in 1..=60_u64 {
        let position = append(&log, vec![entry(payload(0, number, 0))]).unwrap()[0];
        positions.insert(number, position);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as i64;
    let keep = |age, bytes| Retention { age, bytes, now };
    let reader = log.reader();
    reader.read(positions[&1]).unwrap();
    assert_eq!(log.retain(keep(Some(Duration::from_secs(60)), Some(1 << 30)), u64::MAX).unwrap(), [], "neither old nor much");
    assert_eq!(log.retain(keep(Some(Duration::ZERO), None), 1).unwrap(), [], "all of it is needed");
    let dropped = log.retain(keep(None, Some(5000)), 40).unwrap();
    assert!(dropped.windows(2).all(|pair| pair[1].first == pair[0].last + 1) && dropped[0].first == 1);
    let first = dropped.last().unwrap().last + 1;
    assert!(first > 1 && first <= 40);
    assert_eq!(reader.first(), Some(first));
    assert!(matches!(reader.read(positions[&1]), Err(LogError::NotThere { sequence: 1 })));
    assert!(matches!(reader.from(first - 1), Err(LogError::NotThere { .. })));
    assert_eq!(reader.read(positions[&first]).unwrap().payload, payload(0, first, 0));
    assert_eq!(reader.from(first).unwrap().count() as u64, 61 - first);
    assert_eq!(
        log.facts().bytes_on_disk,
        std::fs::read_dir(folder.path().join("log")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
    );
    let rest = log.retain(Retention { now: now + 3_600_000_000, ..keep(Some(Duration::from_secs(60)), None) }, u64::MAX).unwrap();
    assert_eq!(log.facts().segments, 1, "the segment that is being written stays: {rest:?}");
    log.close().unwrap();
    let (log, recovery) = Log::open(&directory, LogSettings::default()).unwrap();
    assert_eq!((recovery.next, recovery.first), (61, Some(rest.last().unwrap().last + 1)));
    assert_eq!(verify(&directory, &[], &mut |_, _| {}).unwrap().faults, []);
    drop(log);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let (_folder, directory) = directory();
    let (log, _) = Log::open(&directory, LogSettings { queue_bytes: 10_000, ..LogSettings::default() }).unwrap();
    append(&log, vec![entry(vec![0; 50_000])]).expect("larger than the queue, and alone");
    let (hold, held) = mpsc::channel::<()>();
    let (entered, waits) = mpsc::channel();
    log.append(vec![entry("first")], move |_| {
        entered.send(()).unwrap();
        held.recv().unwrap();
    });
    waits.recv().unwrap();
    let taken: Vec<_> = (0..3).map(|_| answer_of(&log, vec![0; 3000])).collect();
    assert_eq!(append(&log, vec![entry(vec![0; 3000])]), Err(AppendError::Busy));
    assert_eq!((log.facts().busy, log.facts().queue_bytes), (1, 3 * 3089));
    hold.send(()).unwrap();
    assert!(taken.into_iter().all(|answer| answer.recv().unwrap().is_ok()));
    append(&log, vec![entry(vec![0; 3000])]).unwrap();
    assert_eq!(Entry::new(0, 0, vec![0; (16 << 20) + 1]), Err(AppendError::TooLong { bytes: (16 << 20) + 1 }));
}

fn answer_of(log: &Log, payload: Vec<u8>) -> mpsc::Receiver<Result<Vec<Position>, AppendError>> {
    let (sender, answer) = mpsc::channel();
    log.append(vec![entry(payload)], move |result| sender.send(result).unwrap());
    answer
}

#[test]
fn the_longest_record_comes_back() {
    let (_folder, directory) = directory();
    let log = open(&directory, 1 << 20);
    let long: Vec<u8> = (0..16 << 20).map(|index: u32| (index % 251) as u8).collect();
    let positions = append(&log, vec![entry("short"), entry(long.clone()), entry("after")]).unwrap();
    assert!(log.reader().read(positions[1]).unwrap().payload == long);
    log.close().unwrap();
    let (_log, recovery) = Log::open(&directory, LogSettings::default()).unwrap();
    let records: Vec<Record> = LogReader::open(&directory).unwrap().from(2).unwrap().map(Result::unwrap).collect();
    assert!(recovery.records == 3 && records[0].payload == long && records[1].payload == b"after");
}

/// A `done` may append, may panic, and may hold the last handle of the log.
#[test]
fn what_done_does_harms_nobody() {
    let (_folder, directory) = directory();
    let log = Arc::new(open(&directory, 1 << 20));
    let (sender, answer) = mpsc::channel();
    let again = log.clone();
    log.append(vec![entry("one")], move |_| again.append(vec![entry("two")], move |result| sender.send(result).unwrap()));
    assert_eq!(answer.recv().unwrap().unwrap()[0].sequence, 2);
    log.append(vec![entry("three")], |_| panic!("this panic is part of the test"));
    assert_eq!(append(&log, vec![entry("four")]).unwrap()[0].sequence, 4);
    let (reader, counted) = (log.reader(), Arc::new(AtomicU64::new(0)));
    let (last, count) = (log.clone(), counted.clone());
    let (dropped, is_dropped) = mpsc::channel();
    log.append(vec![entry("five")], move |_| {
        is_dropped.recv().unwrap();
        drop(last);
        count.fetch_add(1, Ordering::SeqCst);
    });
    drop(log);
    dropped.send(()).unwrap();
    while counted.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(reader.from(1).unwrap().count(), 5);
}

/// What waits when a log is dropped is still written.
#[test]
fn a_dropped_log_writes_what_waits() {
    let (_folder, directory) = directory();
    let log = open(&directory, 1 << 20);
    let answers: Vec<_> = (0..500).map(|number| answer_of(&log, payload(0, number, 0))).collect();
    drop(log);
    assert!(answers.into_iter().all(|answer| answer.recv().unwrap().is_ok()));
    assert_eq!(LogReader::open(&directory).unwrap().from(1).unwrap().count(), 500);
}

#[test]
fn without_syncs_records_become_durable_within_a_moment() {
    let (_folder, directory) = directory();
    let (log, _) = Log::open(&directory, LogSettings { sync: false, ..LogSettings::default() }).unwrap();
    for number in 0..100 {
        append(&log, vec![entry(payload(0, number, 0))]).unwrap();
    }
    let begun = Instant::now();
    while log.head().next < 101 {
        assert!(begun.elapsed() < Duration::from_secs(20), "200 ms and what a busy machine adds");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(log.reader().from(1).unwrap().count(), 100);
    assert!(log.facts().syncs < 100);
}

#[test]
fn a_damaged_log_is_refused_with_the_file_and_what_to_do() {
    let (folder, directory) = directory();
    let log = open(&directory, 100);
    for number in 0..3 {
        append(&log, vec![entry(payload(0, number, 0))]).unwrap();
    }
    log.close().unwrap();
    let path = folder.path().join("log/00000000000000000001.log");
    let mut contents = std::fs::read(&path).unwrap();
    contents[100] ^= 1;
    std::fs::write(&path, contents).unwrap();
    let error = Log::open(&directory, LogSettings::default()).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("synod audit verify"), "{error}");
}

/// A log of years must open at once: of old segments only the headers are read, and damage in them is found by who reads it.
#[test]
fn old_segments_are_not_read_at_open() {
    let (_folder, directory) = directory();
    let log = open(&directory, 5_000);
    let positions: Vec<Position> = (0..100).flat_map(|number| append(&log, vec![entry(vec![number; 500])]).unwrap()).collect();
    log.close().unwrap();
    let old = positions[3];
    let path = directory.path().join("log").join(format!("{:020}.log", old.segment));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[old.offset as usize + 200] ^= 1;
    std::fs::write(&path, &bytes).unwrap();

    assert!(matches!(Log::open(&directory, LogSettings::default()), Err(LogError::Damaged { .. })), "all is read by default");
    let (log, recovery) = Log::open(&directory, LogSettings { read_at_open: 20_000, ..LogSettings::default() }).unwrap();
    assert_eq!((recovery.first, recovery.next, recovery.records), (Some(1), 101, 100));
    let reader = log.reader();
    assert!(reader.read(old).is_err(), "a damaged record is never given out");
    assert_eq!(reader.read(positions[99]).unwrap().payload, [99; 500]);
    assert_eq!(reader.from(50).unwrap().map(|record| record.unwrap().payload[0]).collect::<Vec<_>>(), (49..100).collect::<Vec<_>>());
    assert_eq!(append(&log, vec![entry("new")]).unwrap()[0].sequence, 101);
    log.close().unwrap();
    let found = verify(&directory, &[], &mut |_, _| ()).unwrap();
    assert!(found.faults.iter().any(|fault| fault.sequence == old.sequence), "{:?}", found.faults);
}
