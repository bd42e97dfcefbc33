//! A disk that is full, or fails, for a while: what was refused is gone, and the log goes on by itself.

use super::Log;
use super::error::AppendError;
use super::model_disk::{Injection, ModelDisk};
use super::record::Entry;
use super::test_logs::{append, entry, open, read_all, settings, verified};
use super::writer::Writer;
use std::io::ErrorKind;
use std::sync::{Arc, mpsc};

fn opened(sync: bool) -> (ModelDisk, Writer) {
    let disk = ModelDisk::new(4);
    let recovered = super::recovery::recover(&disk, 1_000).unwrap();
    let settings = super::LogSettings { sync, ..settings(1 << 20) };
    (disk.clone(), Writer::new(Arc::new(disk), settings, recovered))
}

/// The next `count` operations fail.
fn fail(disk: &ModelDisk, after: u64, count: u64, kind: ErrorKind) {
    let from = disk.operations() + after;
    disk.inject(from..from + count, Injection::Error(kind));
}

fn payloads(disk: &ModelDisk) -> Vec<String> {
    read_all(disk).unwrap().into_iter().map(|record| String::from_utf8(record.payload).unwrap()).collect()
}

fn text(text: &str) -> Vec<Entry> {
    vec![Entry::new(0, 0, text.into()).unwrap()]
}

#[test]
fn a_full_disk_refuses_says_so_and_goes_on_when_there_is_room() {
    let (disk, mut writer) = opened(true);
    append(&mut writer, text("before")).unwrap();
    let length = disk.contents(&super::format::segment_name(1)).len();
    fail(&disk, 0, 1, ErrorKind::StorageFull);
    let refusal = append(&mut writer, text("refused")).unwrap_err();
    assert!(matches!(&refusal, AppendError::Disk { full: true, cause } if cause.contains(".log")), "{refusal}");
    let facts = writer.status().facts();
    assert_eq!((facts.failures, facts.refused, facts.records), (1, 1, 1));
    assert!(facts.failing_since.is_some() && facts.last_failure.is_some());
    assert_eq!(disk.contents(&super::format::segment_name(1)).len(), length, "what was half written is cut off at once");
    let position = append(&mut writer, text("after")).unwrap()[0];
    assert_eq!((position.sequence, position.segment), (2, 1), "the refused record has no number");
    assert_eq!(writer.status().facts().failing_since, None);
    assert_eq!(payloads(&disk), ["before", "after"]);
    assert_eq!(payloads(&disk.power_cut()), ["before", "after"]);
}

/// A sync that failed says nothing about what the disk holds, and neither does one that succeeds after it.
#[test]
fn after_a_failed_sync_the_log_goes_on_in_a_new_segment() {
    let (disk, mut writer) = opened(true);
    append(&mut writer, text("before")).unwrap();
    let length = disk.contents(&super::format::segment_name(1)).len();
    fail(&disk, 1, 1, ErrorKind::Other);
    assert!(matches!(append(&mut writer, text("refused")), Err(AppendError::Disk { full: false, .. })));
    let position = append(&mut writer, text("after")).unwrap()[0];
    assert_eq!((position.sequence, position.segment), (2, 2));
    assert_eq!(disk.contents(&super::format::segment_name(1)).len(), length);
    let facts = writer.status().facts();
    assert_eq!((facts.segments, facts.bytes_on_disk), (2, (length + disk.contents(&super::format::segment_name(2)).len()) as u64));
    let after = disk.power_cut();
    assert_eq!(payloads(&after), ["before", "after"]);
    assert_eq!(verified(&after, &[]).faults, []);
}

/// If what was durable does not read back, nothing is built on it until a person has restored it.
#[test]
fn after_a_failed_sync_damaged_records_stop_the_log() {
    let (disk, mut writer) = opened(true);
    append(&mut writer, text("before")).unwrap();
    let name = super::format::segment_name(1);
    let whole = disk.contents(&name);
    let mut damaged = whole.clone();
    damaged[100] ^= 1;
    disk.put(&name, &damaged);
    fail(&disk, 1, 1, ErrorKind::Other);
    append(&mut writer, text("refused")).unwrap_err();
    for _ in 0..3 {
        let refusal = append(&mut writer, text("refused")).unwrap_err().to_string();
        assert!(refusal.contains("do not read back"), "{refusal}");
    }
    disk.put(&name, &whole);
    append(&mut writer, text("after")).unwrap();
    assert_eq!(payloads(&disk), ["before", "after"]);
}

/// The first batch of a segment fails to sync: the new segment has the same name.
#[test]
fn a_segment_without_records_is_replaced_after_a_failed_sync() {
    let (disk, mut writer) = opened(true);
    fail(&disk, 1, 1, ErrorKind::Other);
    append(&mut writer, text("refused")).unwrap_err();
    assert_eq!(append(&mut writer, text("first")).unwrap()[0].segment, 1);
    assert_eq!(writer.status().facts().segments, 1);
    assert_eq!(payloads(&disk.power_cut()), ["first"]);
}

#[test]
fn a_disk_that_stays_broken_refuses_everything_until_it_is_mended() {
    let (disk, mut writer) = opened(true);
    append(&mut writer, text("before")).unwrap();
    disk.inject(disk.operations()..u64::MAX, Injection::Error(ErrorKind::Other));
    let mut since = None;
    for attempt in 1..=20 {
        append(&mut writer, text("refused")).unwrap_err();
        let facts = writer.status().facts();
        assert_eq!((facts.failures, facts.refused), (attempt, attempt));
        assert_eq!(*since.get_or_insert(facts.failing_since), facts.failing_since, "since the first failure");
    }
    disk.heal();
    append(&mut writer, text("after")).unwrap();
    writer.finish().unwrap();
    assert_eq!(payloads(&disk.power_cut()), ["before", "after"]);
}

/// Every operation that appending and rolling take fails once, one after the other.
#[test]
fn no_single_error_leaves_a_trace_of_what_was_refused() {
    for (operation, kind) in (0..40).flat_map(|operation| [(operation, ErrorKind::StorageFull), (operation, ErrorKind::Other)]) {
        let disk = ModelDisk::new(operation);
        let mut writer = open(&disk, 200).unwrap();
        fail(&disk, operation, 1, kind);
        let accepted: Vec<u64> = (1..=8).filter(|number| append(&mut writer, vec![entry(*number)]).is_ok()).collect();
        assert!(accepted.len() >= 7, "operation {operation}: {accepted:?}");
        let found: Vec<u64> = read_all(&disk.power_cut()).unwrap().iter().map(|record| u64::from(record.kind)).collect();
        assert_eq!(found, accepted, "operation {operation}");
    }
}

#[test]
fn without_syncs_a_sync_that_fails_is_counted_and_numbers_go_back() {
    let (disk, mut writer) = opened(false);
    append(&mut writer, text("settled")).unwrap();
    assert!(writer.sync_due().is_some());
    writer.settle().unwrap();
    append(&mut writer, text("lost")).unwrap();
    assert_eq!(writer.status().lock().head.next, 2, "not durable yet");
    fail(&disk, 0, 1, ErrorKind::Other);
    writer.settle().unwrap_err();
    assert!(writer.status().facts().failing_since.is_some());
    assert_eq!((writer.status().facts().lost, writer.sync_due()), (1, None));
    assert_eq!(append(&mut writer, text("after")).unwrap()[0].sequence, 2);
    writer.finish().unwrap();
    assert_eq!(writer.status().facts().failing_since, None);
    assert_eq!(payloads(&disk.power_cut()), ["settled", "after"]);
}

/// With the thread: callers are told, and a failure at the end is the answer to closing.
#[test]
fn a_log_tells_its_callers_and_whoever_closes_it() {
    let disk = ModelDisk::new(9);
    let (log, _) = Log::open_on(Arc::new(disk.clone()), settings(1 << 20)).unwrap();
    disk.inject(disk.operations()..u64::MAX, Injection::Error(ErrorKind::StorageFull));
    let (sender, answer) = mpsc::channel();
    log.append(text("refused"), move |result| sender.send(result).unwrap());
    assert!(matches!(answer.recv().unwrap(), Err(AppendError::Disk { full: true, .. })));
    assert!(log.close().is_err());
}
