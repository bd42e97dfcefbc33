//! A data directory goes into a backup and comes out again; whatever is wrong with a backup is found.

use super::plan::Plan;
use super::seal::Sealing;
use super::writing::write_plan;
use super::*;
use crate::{DataDirectory, Entry, Log, LogPosition, LogSettings, Progress, Registry, Secret, Snapshots, digest, verify};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::channel;
use tempfile::TempDir;

struct Bench {
    folder: TempDir,
    directory: DataDirectory,
    log: Log,
}

/// A data directory with something of everything.
fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(folder.path().join("data")).unwrap();
    Secret::open(&directory).unwrap();
    let registry = Registry::open(&directory).unwrap();
    registry.publish("forest", b"a model", |published| published.version).unwrap();
    registry.publish("forest", b"another model", |published| published.version).unwrap();
    let (log, _) = Log::open(&directory, LogSettings { segment_bytes: 500, ..LogSettings::default() }).unwrap();
    crate::Archive::open(&directory).unwrap().put(b"version: 1").unwrap();
    Snapshots::open(&directory).unwrap().write("identity", 1, b"histories").unwrap();
    LogPosition::open(&directory, "file-ab").unwrap().0.keep(Progress::at(3)).unwrap();
    LogPosition::open(&directory, "file-ab_events").unwrap().0.keep(Progress::at(900)).unwrap();
    fs::write(directory.path().join("sinks/refused-otlp.jsonl"), "{}\n").unwrap();
    fs::write(directory.path().join("index.sqlite"), "made again").unwrap();
    fs::write(directory.path().join("keys.json"), "{\"format\":1,\"entries\":[]}").unwrap();
    let bench = Bench { folder, directory, log };
    bench.append(20);
    bench
}

impl Bench {
    fn append(&self, records: u8) {
        for number in 0..records {
            let (done, wait) = channel();
            self.log.append(vec![Entry::new(1, 1, vec![number; 100]).unwrap()], move |result| done.send(result).unwrap());
            wait.recv().unwrap().unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn take(&self) -> (PathBuf, Backup) {
        write_backup(&self.directory, &self.path("backup"), "1.2.3", Timestamp::UNIX_EPOCH, &mut |_, _| {}).unwrap()
    }

    /// What is in the folder beside the data directory.
    fn beside(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "data").collect()
    }
}

fn check(path: &Path) -> Result<Backup, BackupError> {
    verify_backup(path, &mut |_, _| {})
}

fn unpack(path: &Path, target: &Path) -> Result<Restored, BackupError> {
    Restored::unpack(path, target, &mut |_, _| {})
}

/// The files of a folder with their digests, by their paths in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match path.is_dir() {
            true => found.extend(files(&path).into_iter().map(|(inner, digest)| (format!("{name}/{inner}"), digest))),
            false => drop(found.insert(name, digest(&path).unwrap().sha256)),
        }
    }
    found
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
#[test]
fn what_goes_in_comes_out() {
    let bench = bench();
    let (path, taken) = bench.take();
    assert_eq!(mode(&path), 0o600);
    assert_eq!((taken.first, taken.statement.sequence, taken.archive_bytes), (Some(1), 20, fs::metadata(&path).unwrap().len()));
    assert_eq!(taken.statement.synod, "1.2.3");
    assert_eq!(check(&path).unwrap(), taken);
    assert_eq!(show_backup(&path).unwrap(), taken.statement);
    bench.append(5);

    let target = bench.path("a/new");
    let restored = unpack(&path, &target).unwrap();
    assert!(!target.exists(), "nothing is there before it is placed");
    assert_eq!(restored.backup(), &taken);
    restored.place().unwrap();
    let (old, new) = (files(bench.directory.path()), files(&target));
    for (name, digest) in &new {
        // The position is another one on purpose, and the log has gone on.
        if name != "sinks/file-ab" && name != "log/00000000000000000019.log" {
            assert_eq!(old.get(name), Some(digest), "{name}");
        }
    }
    let left: BTreeSet<&String> = old.keys().filter(|name| !new.contains_key(*name)).collect();
    let expected = ["index.sqlite", "models/.lock", "models/.removal.lock", "sinks/file-ab_events"].map(str::to_owned);
    let later = left.iter().filter(|name| name.starts_with("log/")).count();
    assert_eq!(left.iter().filter(|name| !name.starts_with("log/")).copied().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    assert!(later > 0, "what was appended afterwards is not in it");
    assert_eq!(taken.files, new.len() as u64);
    for folder in ["", "log", "models", "models/forest"] {
        assert_eq!(mode(&target.join(folder)), 0o700, "{folder}");
    }
    new.keys().for_each(|name| assert_eq!(mode(&target.join(name)), 0o600, "{name}"));

    let directory = DataDirectory::open(&target).unwrap();
    let verified = verify(&directory, &[], &mut |_, _| {}).unwrap();
    assert_eq!((verified.last, verified.faults.len()), (Some(20), 0));
    let (_, progress) = LogPosition::open(&directory, "file-ab").unwrap();
    assert_eq!(progress, Some(Progress { next: 3, told: u64::MAX }), "what came after it may have been told");
    let (log, recovery) = Log::open(&directory, LogSettings::default()).unwrap();
    assert_eq!((log.head().next, recovery.cut), (21, None));
}

#[test]
fn a_directory_that_is_there_is_used_if_it_is_empty_and_left_alone_if_not() {
    let bench = bench();
    let (path, _) = bench.take();
    let target = bench.path("mounted");
    fs::create_dir_all(target.join("lost+found")).unwrap();
    unpack(&path, &target).unwrap().place().unwrap();
    assert!(target.join("FORMAT").exists() && target.join("lost+found").exists());
    assert!(files(&target).keys().all(|name| !name.contains("restoring")));

    let before = files(&target);
    assert!(matches!(unpack(&path, &target), Err(BackupError::Occupied(_))));
    assert!(matches!(unpack(&path, &path), Err(BackupError::Occupied(_))));
    assert_eq!(files(&target), before);
    drop(unpack(&path, &bench.path("new")).unwrap());
    assert_eq!(bench.beside(), BTreeSet::from(["backup", "mounted"].map(str::to_owned)), "what is not placed leaves nothing");
}

#[test]
fn retention_and_writers_may_go_on_while_it_is_copied() {
    let bench = bench();
    let plan = Plan::make(&bench.directory, "1", Timestamp::UNIX_EPOCH).unwrap();
    bench.append(10);
    let segment = |first: u64| bench.directory.path().join(format!("log/{first:020}.log"));
    let segments: Vec<u64> = (1..20).filter(|first| segment(*first).exists()).collect();
    fs::remove_file(segment(segments[0])).unwrap();
    fs::remove_file(segment(segments[1])).unwrap();
    let path = bench.path("backup");
    let taken = write_plan(plan, &bench.directory, &path, &mut |_, _| {}).unwrap();
    assert_eq!((taken.first, taken.statement.sequence), (Some(segments[2]), 20));
    assert_eq!(check(&path).unwrap(), taken);
}

#[test]
fn models_are_not_removed_while_it_is_copied() {
    let bench = bench();
    let registry = Registry::open(&bench.directory).unwrap();
    let plan = Plan::make(&bench.directory, "1", Timestamp::UNIX_EPOCH).unwrap();
    let path = bench.path("backup");
    std::thread::scope(|scope| {
        let removing = scope.spawn(|| registry.collect(&|_, _| false, false).unwrap());
        // Others are published meanwhile.
        registry.publish("other", b"a third model", |published| published.version).unwrap();
        assert!(!removing.is_finished());
        write_plan(plan, &bench.directory, &path, &mut |_, _| {}).unwrap();
        assert_eq!(removing.join().unwrap().versions, [("forest".to_owned(), 1)]);
    });
    unpack(&path, &bench.path("new")).unwrap().place().unwrap();
    assert!(bench.path("new/models/forest/1.json").exists() && !bench.path("data/models/forest/1.json").exists());
}

#[test]
fn a_damaged_log_is_named_and_nothing_is_left() {
    let bench = bench();
    let segment = bench.directory.path().join("log/00000000000000000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let failed = write_backup(&bench.directory, &bench.path("backup"), "1", Timestamp::UNIX_EPOCH, &mut |_, _| {}).unwrap_err();
    assert!(matches!(&failed, BackupError::Damaged { path, .. } if *path == segment), "{failed}");
    assert!(bench.beside().is_empty());
}

#[test]
fn what_nobody_knows_is_not_left_out_unseen() {
    let bench = bench();
    fs::write(bench.directory.path().join("archive/my notes"), "").unwrap();
    let failed = write_backup(&bench.directory, &bench.path("backup"), "1", Timestamp::UNIX_EPOCH, &mut |_, _| {}).unwrap_err();
    assert!(matches!(&failed, BackupError::Read { path, .. } if path.ends_with("archive/my notes")), "{failed}");
}

#[test]
fn every_flipped_byte_and_every_cut_is_found() {
    let bench = bench();
    let (path, _) = bench.take();
    let whole = fs::read(&path).unwrap();
    let damaged = bench.path("damaged");
    for at in (0..whole.len()).filter(|at| *at < 200 || at % 7 == 0 || *at + 100 > whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&damaged, bytes).unwrap();
        assert!(matches!(check(&damaged), Err(BackupError::Refused(_))), "byte {at}");
    }
    for cut in [0, 1, 39, 40, whole.len() / 2, whole.len() - 40, whole.len() - 1] {
        fs::write(&damaged, &whole[..cut]).unwrap();
        assert!(matches!(check(&damaged), Err(BackupError::Refused(_))), "cut at {cut}");
    }
    fs::write(&damaged, [&whole[..], &whole[..]].concat()).unwrap();
    assert!(check(&damaged).is_err());
    assert!(unpack(&damaged, &bench.path("new")).is_err());
    assert_eq!(bench.beside(), BTreeSet::from(["backup", "damaged"].map(str::to_owned)));
}

/// Entries of an archive: name, type and bytes.
type Entries<'a> = Vec<(&'a str, tar::EntryType, Vec<u8>)>;

/// A backup of a directory without a log, as somebody could make it by hand.
fn forged(change: impl FnOnce(&mut BackupStatement, &mut Entries<'_>)) -> Vec<u8> {
    let mut statement = BackupStatement {
        format: 1,
        synod: "1".into(),
        taken: Timestamp::UNIX_EPOCH,
        sequence: 0,
        chain: "0".repeat(64),
        live: BTreeMap::new(),
        files: 3,
        bytes: 100,
    };
    let mut entries: Entries<'_> = vec![("data/FORMAT", tar::EntryType::Regular, b"1\n".to_vec())];
    change(&mut statement, &mut entries);
    let regular = entries.iter().filter(|(name, kind, _)| *kind == tar::EntryType::Regular && name.starts_with(DATA));
    let listed = regular.map(|(name, _, bytes)| BackupFile {
        path: name[DATA.len()..].to_owned(),
        bytes: bytes.len() as u64,
        sha256: crate::digest::sha256(bytes),
    });
    let manifest = Manifest { statement: statement.clone(), files: listed.collect() };
    let json = |value: &serde_json::Value| serde_json::to_vec(value).unwrap();
    entries.insert(0, (STATEMENT, tar::EntryType::Regular, json(&serde_json::to_value(&statement).unwrap())));
    entries.push((MANIFEST, tar::EntryType::Regular, json(&serde_json::to_value(&manifest).unwrap())));
    packed(&entries)
}

fn packed(entries: &Entries<'_>) -> Vec<u8> {
    let mut tar = tar::Builder::new(zstd::Encoder::new(Sealing::new(Vec::new()), 1).unwrap());
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        // As it stands, whatever the library thinks of it.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_entry_type(*kind);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.append(&header, &bytes[..]).unwrap();
    }
    let encoder = tar.into_inner().unwrap();
    encoder.finish().unwrap().seal().unwrap().0
}

#[test]
fn hostile_archives_are_refused() {
    use tar::EntryType::{Block, Char, Directory, Fifo, GNULongName, GNUSparse, Link, Regular, Symlink, XHeader};
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("backup"), folder.path().join("new"));
    let refused = |what: &str, bytes: Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        for found in [check(&path).map(|_| ()), unpack(&path, &target).map(|_| ())] {
            assert!(matches!(&found, Err(BackupError::Refused(_))), "{what}: {found:?}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "{what}: something is left");
    };
    fs::write(&path, forged(|_, _| {})).unwrap();
    assert_eq!(check(&path).unwrap().files, 1, "without a change it is one");

    for name in [
        "data/../out",
        "/etc/passwd",
        "data//etc/passwd",
        "data/log/../../out",
        "data/.ssh",
        "data/models/a/.b",
        "data/index.sqlite",
        "data/log/x.log",
        "data/models/a/b/c",
        "data/serve.lock",
        "FORMAT",
        "data/",
        "data/keys.json/",
        "data/log",
        "data/acme/a\nb",
        "data/events/1.log",
    ] {
        refused(name, forged(|_, entries| entries.push((name, Regular, b"x".to_vec()))));
    }
    for kind in [Symlink, Link, Directory, Block, Char, Fifo, GNULongName, GNUSparse, XHeader] {
        refused(&format!("{kind:?}"), forged(|_, entries| entries.push(("data/keys.json", kind, Vec::new()))));
    }
    refused("twice", forged(|_, entries| entries.push(("data/FORMAT", Regular, b"1\n".to_vec()))));
    refused("more bytes than stated", forged(|_, entries| entries.push(("data/keys.json", Regular, vec![b' '; 100]))));
    refused("more files than stated", forged(|statement, _| statement.files = 0));
    refused("too many files", forged(|statement, _| statement.files = u64::MAX));
    refused("a later format", forged(|statement, _| statement.format = 2));
    refused("a record that is not there", forged(|statement, _| statement.sequence = 7));
    refused("another chain", forged(|statement, _| statement.chain = "1".repeat(64)));
    refused("no chain", forged(|statement, _| statement.chain = "../../x".into()));
    refused("no FORMAT", forged(|_, entries| entries.clear()));
    refused(
        "a segment that is none",
        forged(|_, entries| entries.push(("data/log/00000000000000000001.log", Regular, b"SYNODLOG".to_vec()))),
    );
    refused("no archive", b"some text".to_vec());
    refused("another archive", zstd::encode_all(&b"text"[..], 1).unwrap());
    refused("nothing in it", packed(&Vec::new()));
    refused("a file that is not listed", packed(&vec![("data/FORMAT", Regular, b"1\n".to_vec())]));
}

#[test]
fn a_bomb_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("backup"), folder.path().join("new"));
    // A statement that goes on for ever, and a file that is larger than any disk.
    fs::write(&path, packed(&vec![(STATEMENT, tar::EntryType::Regular, vec![b' '; 5 << 20])])).unwrap();
    assert!(matches!(check(&path), Err(BackupError::Refused(_))));
    fs::write(&path, forged(|statement, _| statement.bytes = u64::MAX)).unwrap();
    assert!(matches!(unpack(&path, &target), Err(BackupError::NoSpace { .. })));
    assert!(!target.exists());
    // What follows the archive.
    let mut sealing = zstd::Encoder::new(Sealing::new(Vec::new()), 1).unwrap();
    sealing.write_all(&zstd::decode_all(&forged(|_, _| {})[..]).unwrap()).unwrap();
    sealing.write_all(&vec![0; 64 << 20]).unwrap();
    fs::write(&path, sealing.finish().unwrap().seal().unwrap().0).unwrap();
    assert!(matches!(check(&path), Err(BackupError::Refused(_))));
}

#[test]
fn of_a_folder_the_latest_ones_stay() {
    let bench = bench();
    let folder = bench.path("backups");
    fs::create_dir(&folder).unwrap();
    for second in 1..=4 {
        let taken = Timestamp::from_second(second).unwrap();
        let (path, _) = write_backup(&bench.directory, &folder, "1", taken, &mut |_, _| {}).unwrap();
        assert_eq!(latest_backup(&folder).unwrap(), Some(path));
    }
    let old = std::time::SystemTime::UNIX_EPOCH;
    for (name, is_old) in [
        ("mine.tar.zst", true),
        ("synod-2026.tar.zst", true),
        (".synod-19700101T000001000Z.tar.zst.7-0.tmp", true),
        (".synod-19700101T000002000Z.tar.zst.7-0.tmp", false),
    ] {
        let file = fs::File::create(folder.join(name)).unwrap();
        if is_old {
            file.set_modified(old).unwrap();
        }
    }
    assert_eq!(prune_backups(&folder, 2).unwrap().len(), 3);
    let left: BTreeSet<String> = files(&folder).into_keys().collect();
    let expected = [
        ".synod-19700101T000002000Z.tar.zst.7-0.tmp",
        "mine.tar.zst",
        "synod-19700101T000003000Z.tar.zst",
        "synod-19700101T000004000Z.tar.zst",
        "synod-2026.tar.zst",
    ];
    assert_eq!(left, expected.map(str::to_owned).into());
}

#[test]
fn the_usual_tools_read_it() {
    let bench = bench();
    let (path, _) = bench.take();
    let whole = zstd::decode_all(&fs::read(&path).unwrap()[..]).unwrap();
    let mut archive = tar::Archive::new(&whole[..]);
    archive.unpack(bench.path("by hand")).unwrap();
    assert_eq!(fs::read_to_string(bench.path("by hand/data/FORMAT")).unwrap(), "1\n");
}
