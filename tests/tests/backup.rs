//! Backups: taken while clients score, checked, restored, and served from, until nothing differs from what they were taken of.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use synod_store::{DataDirectory, LogReader, Record};
use synod_tests::configurations::{AMOUNTS, patient};
use synod_tests::{Installation, Server, send};

/// Small segments, so that there are many.
const DECISIONS: &str = "decisions: {segment: 64KiB}\n";
const DETECTORS: &str = "  forest:\n    plugin: isolation-forest\n    parameters: {trees: 10}\n";
/// What a backup leaves out beside locks, because it is made again or is no part of a moment. Whatever else there comes to be must be in it.
const LEFT_OUT: [&str; 5] = ["cache", "events", "index.sqlite", "index.sqlite-shm", "index.sqlite-wal"];
/// What takes longer does not happen.
const LONGEST: Duration = Duration::from_secs(120);

fn row(number: u64) -> Value {
    json!({
        "event": format!("e{number}"),
        "account": format!("account {}", number % 50),
        "at": format!("2026-01-{:02}T{:02}:{:02}:{:02}Z", 1 + number / 86_400, number / 3600 % 24, number / 60 % 60, number % 60),
        "amount": (number * 7919 % 10_000) as f64 / 100.0,
    })
}

fn rows(numbers: std::ops::Range<u64>) -> String {
    Value::from(numbers.map(row).collect::<Vec<_>>()).to_string()
}

/// An installation without a model.
fn configured(more: &str) -> Installation {
    Installation::new(&format!("{}{more}", patient(&format!("{AMOUNTS}{DETECTORS}"))))
}

fn fitted(more: &str) -> Installation {
    let at = configured(more);
    let lines: Vec<String> = (0..500).map(|number| row(number).to_string()).collect();
    at.write("fit.jsonl", lines.join("\n"));
    at.run("fit --data fit.jsonl").ok();
    at
}

/// Clients that score until they are told to stop, and how many rows were answered. No row is sent twice.
struct Load {
    next: AtomicU64,
    answered: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    fn from(next: u64) -> Self {
        Self { next: AtomicU64::new(next), answered: AtomicU64::new(0), stop: AtomicBool::new(false) }
    }

    /// Scores while something is done.
    fn during<T>(&self, server: &Server, what: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            for size in [1, 7, 50] {
                scope.spawn(move || {
                    while !self.stop.load(Ordering::Relaxed) {
                        let first = self.next.fetch_add(size, Ordering::Relaxed);
                        server.post("/v1/score", &rows(first..first + size)).ok();
                        self.answered.fetch_add(size, Ordering::Relaxed);
                    }
                });
            }
            let stopping = Stopping(&self.stop);
            let done = what();
            drop(stopping);
            done
        })
    }

    fn wait_for(&self, rows: u64) {
        wait_for("the load", || self.answered.load(Ordering::Relaxed) >= rows);
    }
}

/// Ends the clients also when a test fails.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[track_caller]
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LONGEST, "{what} does not come to be");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn take(at: &Installation, output: &str) -> Value {
    json_of(&at.run(&format!("backup --output {output} --format json")).ok().output)
}

/// Restores into the data directory of another installation.
fn restore(at: &Installation, input: &Path) -> Value {
    json_of(&at.run(&format!("restore --input {} --format json", input.display())).ok().output)
}

fn verified(path: &Path) -> Value {
    let nobody = configured("");
    json_of(&nobody.run(&format!("backup verify {} --format json", path.display())).ok().output)
}

fn records(at: &Installation) -> Vec<Record> {
    let reader = LogReader::open(&DataDirectory::open(at.path("data")).unwrap()).unwrap();
    reader.from(reader.first().unwrap()).unwrap().map(Result::unwrap).collect()
}

fn decisions(records: &[Record]) -> Vec<Value> {
    records.iter().filter(|record| record.kind == 1).map(|record| serde_json::from_slice(&record.payload).unwrap()).collect()
}

/// What a server says of rows that it knows the past of, without keeping anything.
fn votes(server: &Server, rows: &str) -> Vec<[Value; 5]> {
    let answer = server.post("/v1/detectors/forest/score", rows).ok();
    let votes: Vec<Value> = answer.as_array().unwrap().iter().map(|one| one["vote"].clone()).collect();
    assert!(votes.iter().all(|vote| vote["raw_score"].is_number()), "{votes:?}");
    let of = |vote: &Value| ["raw_score", "score", "anomalous", "model_version", "model_digest"].map(|key| vote[key].clone());
    votes.iter().map(of).collect()
}

#[test]
fn under_load_a_backup_is_one_moment_and_a_restored_server_goes_on_from_there() {
    let at = fitted(DECISIONS);
    let key = |words: &str| at.run(&format!("keys create {words}")).ok().output.trim().to_owned();
    let (kept, revoked) = (key("--role scorer --label kept"), key("--role scorer --label revoked"));
    let server = Server::start(&at);
    at.run(&format!("keys revoke {}", revoked.split('_').nth(1).unwrap())).ok();
    at.audited("key.revoked", 1);
    let load = Load::from(1_000);
    let taken = load.during(&server, || {
        load.wait_for(500);
        at.run("fit --data fit.jsonl --candidate").ok();
        let taken = take(&at, "one.tar.zst");
        // It goes on meanwhile, and what came of the act stands in the log.
        load.wait_for(load.answered.load(Ordering::Relaxed) + 200);
        assert_eq!(at.audited("data.backed_up", 1)[0]["target"], taken["head"]);
        taken
    });
    let path = at.path("one.tar.zst");
    assert_eq!(verified(&path)["sha256"], taken["sha256"]);
    let shown = json_of(&at.run("backup show one.tar.zst --format json").ok().output);
    assert_eq!((&shown["sequence"], &shown["live"]), (&taken["last"], &json!({"forest": 1})));

    let other = configured(DECISIONS);
    let restored = restore(&other, &path);
    assert_eq!((&restored["head"], &restored["contents"]["missing"]), (&taken["head"], &json!([])));
    let (head, last) = (taken["head"].as_str().unwrap(), taken["last"].as_u64().unwrap());
    let [whole, parts] = [&at, &other].map(|at| names(&at.path("data")));
    let is_left_out = |name: &str| {
        let is_empty = fs::read_dir(at.path("data").join(name)).is_ok_and(|mut entries| entries.next().is_none());
        is_empty || name.ends_with(".lock") || LEFT_OUT.contains(&name)
    };
    let missing: Vec<&String> = whole.difference(&parts).filter(|name| !is_left_out(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Before any server has seen it: the log is sound, all that it names is there, and every decision comes out again.
    for at in [&at, &other] {
        at.run(&format!("audit verify --expect {head}")).ok();
    }
    let replayed = json_of(&other.run("replay --format json").ok().output);
    let counts = ["decisions", "equal", "different", "not_replayable"].map(|key| replayed[key].as_u64().unwrap());
    let decided = restored["contents"]["decisions"].as_u64().unwrap();
    assert!(decided >= 500, "{decided}");
    assert_eq!(counts, [decided, decided, 0, 0], "{replayed}");
    let (old, copy) = (records(&at), records(&other));
    assert_eq!(copy.len() as u64, last);
    let plain = |records: &[Record]| -> Vec<_> {
        records.iter().take(last as usize).map(|record| (record.at, record.kind, record.payload.clone(), record.chain)).collect()
    };
    assert!(plain(&old) == plain(&copy), "the same records, byte for byte");
    assert!(old.len() > copy.len(), "and those after it are not there");

    // A server starts on it: the same decisions, keys as they were, and new rows behind the old ones.
    let second = Server::start(&other);
    for decision in decisions(&copy).iter().step_by(37) {
        let path = format!("/v1/decisions/{}", decision["id"].as_str().unwrap());
        let [one, two] = [&server, &second].map(|server| server.get(&path).ok());
        assert_eq!(one, two);
    }
    let stranger = json!([{"event": "x", "account": "nobody", "at": "2026-03-01T00:00:00Z", "amount": 12.5}]).to_string();
    assert_eq!(votes(&server, &stranger), votes(&second, &stranger), "the same models");
    let answered = second.post("/v1/score", &rows(80_000..80_020)).ok();
    let scored = |key: &str| {
        let headers = [("authorization", &*format!("Bearer {key}")), ("content-type", "application/json")];
        send(second.data, "POST", "/v1/score", &headers, rows(90_000..90_001).as_bytes()).status
    };
    assert_eq!((scored(&kept), scored(&revoked)), (200, 401));
    let found = other.audited("data.restored", 1);
    assert_eq!((&found[0]["target"], found.len()), (&taken["head"], 1), "{found:?}");
    assert!(found[0]["reason"].as_str().unwrap().contains(taken["sha256"].as_str().unwrap()), "{found:?}");
    second.stop();
    other.run(&format!("audit verify --expect {head}")).ok();
    let new = records(&other);
    assert!(plain(&new) == plain(&copy), "what was there is as it was");
    let first = &decisions(&new[last as usize..])[0];
    assert_eq!(first["id"], answered[0]["decision"], "the first new decision comes behind the head");
    other.run("replay").ok();
    server.stop();
}

#[test]
fn the_past_comes_along_also_where_the_log_has_lost_its_beginning() {
    let keeping = "decisions: {segment: 64KiB, keep_bytes: 128KiB, snapshot_after: 1000}\nhistory: {lateness: 30d}\n";
    let at = fitted(keeping);
    let server = Server::start(&at);
    let (load, mut taken) = (Load::from(1_000), Vec::new());
    load.during(&server, || {
        // Backup after backup, while the oldest segments are dropped beside them.
        let started = Instant::now();
        loop {
            taken.push(format!("backup-{}.tar.zst", taken.len()));
            if take(&at, &taken[taken.len() - 1])["first"].as_u64() > Some(1) {
                break;
            }
            assert!(started.elapsed() < LONGEST, "no segment is dropped");
        }
    });
    taken.iter().for_each(|name| drop(verified(&at.path(name))));
    // Nothing is written any more: both know the same past of the same accounts.
    take(&at, "last.tar.zst");
    let other = configured(keeping);
    let restored = restore(&other, &at.path("last.tar.zst"));
    assert!(restored["first"].as_u64().unwrap() > 1, "{restored}");
    let second = Server::start(&other);
    assert_eq!(votes(&server, &rows(200_000..200_060)), votes(&second, &rows(200_000..200_060)));
    second.stop();
    server.stop();
    other.run("audit verify").ok();
}

/// How often each id stands in the file that decisions are shipped into.
fn shipped(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("decisions.jsonl")).unwrap_or_default();
    text.lines().map(|line| json_of(line)["event"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_was_shipped_after_a_backup_stays_apart_from_what_is_shipped_after_its_restoring() {
    let folder = tempfile::tempdir().unwrap();
    let sinks = format!("sinks: {{file: {{folder: {}, begin: earliest}}}}\n", folder.path().display());
    let at = fitted(&sinks);
    let server = Server::start(&at);
    server.post("/v1/score", &rows(0..40)).ok();
    wait_for("the file", || shipped(folder.path()).len() >= 40);
    take(&at, "early.tar.zst");
    // Shipped after the backup: the restored log has other records under these numbers.
    server.post("/v1/score", &rows(100..130)).ok();
    wait_for("the file", || shipped(folder.path()).len() >= 70);
    server.stop();
    let before = shipped(folder.path());
    let other = configured(&sinks);
    restore(&other, &at.path("early.tar.zst"));
    let second = Server::start(&other);
    let answers = second.post("/v1/score", &rows(200..260)).ok();
    let new: BTreeSet<String> = answers.as_array().unwrap().iter().map(|answer| answer["decision"].as_str().unwrap().to_owned()).collect();
    wait_for("every new decision", || new.is_subset(&shipped(folder.path()).into_iter().collect()));
    second.stop();
    let after = shipped(folder.path());
    let each: BTreeSet<&String> = after.iter().collect();
    assert_eq!(each.len(), after.len(), "nothing is shipped twice, and no id is taken twice");
    assert_eq!(after[..before.len()], before[..], "what was shipped stays");
}

/// A command whose files cannot grow beyond so many bytes: a disk that is full.
fn on_a_full_disk(at: &Installation, words: &str, kibibytes: u64) -> (Option<i32>, String) {
    let command = at.command(words);
    let given: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let script = format!("trap '' XFSZ; ulimit -S -f {kibibytes}; exec {} {}", command.get_program().to_string_lossy(), given.join(" "));
    let ran = Command::new("bash").arg("-c").arg(script).current_dir(at.path("")).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let at = fitted("");
    at.write("one.tar.zst", "the backup before");
    let before = names(&at.path(""));
    let (code, errors) = on_a_full_disk(&at, "backup --output one.tar.zst", 8);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("cannot write") && errors.contains("one.tar.zst"), "{errors}");
    assert_eq!((at.read("one.tar.zst").as_str(), names(&at.path(""))), ("the backup before", before));

    take(&at, "one.tar.zst");
    let other = configured("");
    let before = names(&other.path(""));
    let (code, errors) = on_a_full_disk(&other, &format!("restore --input {}", at.path("one.tar.zst").display()), 8);
    assert_eq!(code, Some(1), "{errors}");
    assert_eq!(names(&other.path("")), before, "nothing is left of it");
}

#[test]
fn bad_backups_and_bad_places_are_named() {
    let at = fitted("");
    at.run("backup --output one.tar.zst").ok();
    let path = at.path("one.tar.zst").display().to_string();
    let whole = fs::read(&path).unwrap();
    for place in [0, 4, 5, whole.len() / 3, whole.len() / 2, whole.len() - 41, whole.len() - 35, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        at.write("damaged", bytes);
        at.run("backup verify damaged").failed(3, &["damaged is no backup, or not what was written"]);
        let other = configured("");
        other.run(&format!("restore --input {}", at.path("damaged").display())).failed(3, &["not what was written"]);
        assert!(!other.path("data").exists(), "byte {place}");
    }
    at.write("cut", &whole[..whole.len() - 100]);
    at.run("backup verify cut").failed(3, &["its end is missing"]);
    at.run("backup verify nothing").failed(1, &["cannot read nothing"]);
    at.run(&format!("restore --input {path}")).failed(2, &["is not empty", "not there yet or is empty"]);
    at.run("backup").failed(2, &["--output"]);
    at.run("backup --output one.tar.zst --keep 3").failed(2, &["--keep", "no folder"]);
    fs::create_dir(at.path("empty")).unwrap();
    at.run("backup verify empty").failed(2, &["empty holds no backup"]);
    let nowhere = configured("");
    nowhere.run("backup --output one.tar.zst").failed(2, &["is no data directory"]);
    assert!(!nowhere.path("one.tar.zst").exists() && !nowhere.path("data").exists());
}

#[test]
fn of_a_folder_the_latest_stay_and_pipes_do_as_well() {
    let at = fitted("");
    fs::create_dir(at.path("backups")).unwrap();
    let taken: Vec<PathBuf> = (0..3)
        .map(|_| PathBuf::from(json_of(&at.run("backup --output backups --keep 2 --format json").ok().output)["path"].as_str().unwrap()))
        .collect();
    let left: BTreeSet<String> = taken[1..].iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names(&at.path("backups")), left);
    assert!(at.run("backup verify backups").ok().output.starts_with(&*taken[2].to_string_lossy()));

    let other = configured("");
    let mut writing = at.command("backup --output -").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let ran = other.command("restore --input -").stdin(writing.stdout.take().unwrap()).output().unwrap();
    assert!(writing.wait().unwrap().success() && ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(told.contains("must never serve again") && told.contains("live forest=1"), "{told}");
    let server = Server::start(&other);
    server.post("/v1/score", &rows(0..5)).ok();
    server.stop();
}
