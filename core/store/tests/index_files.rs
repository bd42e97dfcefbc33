//! The index's files: what a crash leaves, what damage does, and that a whole file is never thrown away.
//!
//! One test starts itself again as the process to be killed.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

#[path = "index/oracle.rs"]
mod oracle;

use oracle::{Oracle, Random, dump, find_all, folded};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use synod_store::{DataDirectory, Filter, Index, IndexError, Opened, Whose};
use tempfile::TempDir;

fn open(folder: &Path) -> Result<(Index, Opened), IndexError> {
    Index::open(&DataDirectory::open(folder).unwrap())
}

/// What a power failure at this moment would leave: the file and its write-ahead log, without the memory that the connections share.
fn copy(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["index.sqlite", "index.sqlite-wal"] {
        fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

/// A folder with the index of these records, closed.
fn closed(oracle: &Oracle) -> TempDir {
    let (folder, index) = folded(oracle, 100);
    drop(index);
    assert!(!folder.path().join("index.sqlite-wal").exists(), "the last connection moves everything into the file");
    folder
}

/// The index says that it starts afresh, and works.
fn assert_afresh(folder: &Path, oracle: &Oracle, what: &str) -> String {
    let (mut index, opened) = open(folder).unwrap();
    assert_eq!(opened.next, 0, "{what}");
    oracle.fold(&mut index, 0, 100);
    oracle.compare_look_ups(&index.reader().unwrap());
    opened.rebuilt.unwrap_or_else(|| panic!("{what} should be said"))
}

#[test]
fn is_there_when_it_is_opened_again() {
    let oracle = Oracle::new(1, 300);
    let folder = closed(&oracle);
    let (index, opened) = open(folder.path()).unwrap();
    assert_eq!(opened, Opened { next: oracle.next(), rebuilt: None });
    oracle.compare_look_ups(&index.reader().unwrap());
    drop(index);
    Index::remove(&DataDirectory::open(folder.path()).unwrap()).unwrap();
    Index::remove(&DataDirectory::open(folder.path()).unwrap()).unwrap();
    assert_eq!(open(folder.path()).unwrap().1, Opened { next: 0, rebuilt: None });
}

#[cfg(unix)]
#[test]
fn is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, _index) = folded(&Oracle::new(1, 10), 1);
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        assert_eq!(fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_copy_from_between_two_transactions_is_whole() {
    let mut oracle = Oracle::new(2, 100);
    let (folder, mut index) = folded(&oracle, 100);
    let mut checkpoints = 0;
    let mut length = 0;
    for round in 0..25 {
        let from = oracle.next();
        oracle.grow(400);
        oracle.fold(&mut index, from, 1 + 9 * round);
        let now = fs::metadata(folder.path().join("index.sqlite")).unwrap().len();
        (checkpoints, length) = (checkpoints + u32::from(now != length), now);
        let copy = copy(folder.path());
        let (copied, opened) = open(copy.path()).unwrap();
        assert_eq!(opened, Opened { next: oracle.next(), rebuilt: None });
        let reader = copied.reader().unwrap();
        assert_eq!(reader.check().unwrap(), None);
        assert_eq!(find_all(&reader, &Filter::of(Whose::All), 1000), oracle.find(&Filter::of(Whose::All)));
    }
    assert!(checkpoints > 2, "some copies were made after a checkpoint: {checkpoints}");
}

/// The end of the write-ahead log is what a power failure may leave unwritten, or written in part.
#[test]
fn a_torn_tail_is_lost_and_nothing_before_it() {
    let mut oracle = Oracle::new(3, 500);
    let (folder, index) = folded(&oracle, 7);
    let whole = fs::metadata(folder.path().join("index.sqlite-wal")).unwrap().len();
    let mut random = Random(4);
    let mut lost = 0;
    for _ in 0..40 {
        let copy = copy(folder.path());
        let path = copy.path().join("index.sqlite-wal");
        let mut bytes = fs::read(&path).unwrap();
        let kept = random.below(whole as usize);
        if random.one_in(2) {
            bytes.truncate(kept)
        } else {
            bytes[kept..].fill_with(|| random.number() as u8)
        }
        fs::write(&path, bytes).unwrap();
        // Cut before the first transaction there is no table at all.
        let (mut copied, opened) = open(copy.path()).unwrap();
        assert!(opened.next == 0 || opened.rebuilt.is_none(), "{opened:?}");
        assert!(opened.next == 0 || opened.next.is_multiple_of(7), "whole transactions: {opened:?}");
        lost += u32::from(opened.next < oracle.next());
        oracle.fold(&mut copied, opened.next, 50);
        oracle.compare_look_ups(&copied.reader().unwrap());
    }
    assert!(lost > 20, "{lost} copies lost something");
    oracle.grow(0);
    drop(index);
}

#[test]
fn damage_is_seen_and_everything_starts_afresh() {
    let oracle = Oracle::new(5, 400);
    let mut random = Random(6);
    let mut noise = |count| (0..count).map(|_| random.number() as u8).collect::<Vec<u8>>();
    let good = fs::read(closed(&oracle).path().join("index.sqlite")).unwrap();
    let half_a_page = good.len() / 2 + 100;
    let mut header = good.clone();
    header[..100].copy_from_slice(&noise(100));
    let mut first_page = good.clone();
    first_page[100..1024].copy_from_slice(&noise(924));
    for (what, bytes) in [
        ("zero length", Vec::new()),
        ("one byte", vec![7]),
        ("random bytes", noise(50_000)),
        ("a text", b"this is not a database, but a text".repeat(100)),
        ("cut within the header", good[..50].to_vec()),
        ("cut after the header", good[..100].to_vec()),
        ("cut within a page", good[..half_a_page].to_vec()),
        ("cut at a page", good[..good.len() / 8192 * 4096].to_vec()),
        ("one page missing", good[..good.len() - 4096].to_vec()),
        ("random header", header),
        ("random first page", first_page),
        ("all zero", vec![0; good.len()]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("index.sqlite"), bytes).unwrap();
        println!("{what}: {}", assert_afresh(folder.path(), &oracle, what));
    }
}

#[test]
fn another_layout_and_another_program_are_replaced() {
    let oracle = Oracle::new(7, 200);
    for statement in [
        "PRAGMA user_version = 77",
        "PRAGMA application_id = 77",
        "DROP TABLE progress",
        "DELETE FROM progress",
        "UPDATE progress SET next = 5",
    ] {
        let folder = closed(&oracle);
        rusqlite::Connection::open(folder.path().join("index.sqlite")).unwrap().execute_batch(statement).unwrap();
        let said = assert_afresh(folder.path(), &oracle, statement);
        assert!(statement != "PRAGMA user_version = 77" || said.contains("layout 77"), "{said}");
    }
}

/// A write-ahead log that belongs to no file must not be replayed into a new one.
#[test]
fn a_log_that_is_left_over_is_ignored() {
    let oracle = Oracle::new(8, 200);
    let (folder, _index) = folded(&Oracle::new(9, 900), 10);
    for zero_length in [true, false] {
        let copy = copy(folder.path());
        let path = copy.path().join("index.sqlite");
        if zero_length {
            fs::write(path, "").unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
        let (mut index, opened) = open(copy.path()).unwrap();
        assert_eq!((opened.next, opened.rebuilt.is_some()), (0, zero_length));
        oracle.fold(&mut index, 0, 10);
        oracle.compare_look_ups(&index.reader().unwrap());
    }
}

/// Damage that opening does not look for never ends in a panic, and is called damage where it is met.
#[test]
fn damage_in_the_middle_is_an_error_and_no_panic() {
    let oracle = Oracle::new(10, 1_500);
    let good = fs::read(closed(&oracle).path().join("index.sqlite")).unwrap();
    let mut random = Random(11);
    let mut met = 0;
    for _ in 0..30 {
        let mut bytes = good.clone();
        let first = random.below(good.len());
        let length = random.below(3_000).min(good.len() - first);
        bytes[first..first + length].fill_with(|| random.number() as u8);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("index.sqlite"), bytes).unwrap();
        let (mut index, opened) = open(folder.path()).unwrap();
        if opened.rebuilt.is_some() {
            continue;
        }
        met += usize::from(use_everything(&mut index, &oracle).into_iter().filter(|error| error.is_damage()).count() > 0);
        drop(index);
        Index::remove(&DataDirectory::open(folder.path()).unwrap()).unwrap();
        assert_eq!(open(folder.path()).unwrap().1, Opened { next: 0, rebuilt: None });
    }
    assert!(met > 10, "{met} had errors");
}

/// Asks and tells everything, and returns the errors.
fn use_everything(index: &mut Index, oracle: &Oracle) -> Vec<IndexError> {
    let mut errors = Vec::new();
    let reader = index.reader().unwrap();
    errors.extend(oracle.filters().iter().filter_map(|filter| reader.decisions(filter, None, usize::MAX).err()));
    for decision in oracle.decisions() {
        errors.extend(reader.by_id(&Whose::exactly(decision.tenant), decision.id).err());
        errors.extend(reader.labels(decision.id).err());
        errors.extend(reader.by_event(Some("north"), "plain").err());
    }
    errors.extend(reader.quality(&Whose::WithoutTenant, None, None).err());
    errors.extend(reader.check().err());
    let mut more = oracle.clone();
    more.grow(200);
    let facts: Vec<_> = more.records[oracle.records.len()..].iter().map(oracle::Record::fact).collect();
    errors.extend(index.fold(&facts, more.next()).err());
    errors.extend(index.forget_before(u64::MAX).err());
    errors
}

/// An index that cannot be used for another reason than damage is left alone.
#[test]
fn a_whole_index_is_not_thrown_away() {
    let oracle = Oracle::new(12, 200);
    let folder = closed(&oracle);
    let before = dump(folder.path());
    let other = rusqlite::Connection::open(folder.path().join("index.sqlite")).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(&error, IndexError::Open { .. }) && !error.is_damage(), "{error:?}");
    drop(other);
    assert!(dump(folder.path()) == before);

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("index.sqlite")).unwrap();
    assert!(matches!(open(folder.path()), Err(IndexError::Open { .. })));
}

const DIRECTORY: &str = "SYNOD_STORE_TEST_INDEX";
const KILLS: u64 = 12;
const KILLED_RECORDS: usize = 60_000;

/// Folds until it is killed, and says each sequence once it is folded. Does nothing unless the other test starts it.
#[test]
fn folder_to_be_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let oracle = Oracle::new(13, KILLED_RECORDS);
    let (mut index, opened) = open(Path::new(&directory)).unwrap();
    let missing = &oracle.records[opened.next as usize..];
    println!("ready");
    for records in missing.chunks(5) {
        let facts: Vec<_> = records.iter().map(oracle::Record::fact).collect();
        let next = records[0].place().sequence + records.len() as u64;
        index.fold(&facts, next).unwrap();
        println!("folded {next}");
    }
}

#[test]
fn what_was_folded_survives_kills_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = Oracle::new(13, KILLED_RECORDS);
    let mut folded = 0;
    for kill in 0..KILLS {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["folder_to_be_killed", "--exact", "--nocapture"])
            .env(DIRECTORY, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        lines.find(|line| line == "ready").unwrap();
        std::thread::sleep(Duration::from_millis(30 + kill * 9));
        process.kill().unwrap();
        folded = lines.filter_map(|line| line.strip_prefix("folded ")?.parse().ok()).last().unwrap_or(folded);
        process.wait().unwrap();
        let (index, opened) = open(folder.path()).unwrap();
        assert_eq!(opened.rebuilt, None);
        assert!(opened.next >= folded, "{folded} was folded, and {} is the next", opened.next);
        let reader = index.reader().unwrap();
        assert_eq!(reader.check().unwrap(), None);
        let expected = oracle.find(&Filter::of(Whose::All));
        let expected = &expected[expected.partition_point(|found| found.place.sequence >= opened.next)..];
        assert_eq!(find_all(&reader, &Filter::of(Whose::All), 10_000), expected);
    }
    assert!(folded > 1_000 && folded < KILLED_RECORDS as u64, "there was something to be killed within: {folded}");
}
