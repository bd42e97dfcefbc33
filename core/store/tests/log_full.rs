//! A disk that fills up under the log, really: a small tmpfs in a mount namespace of its own, and the limit of a file's size.
//!
//! The tests start this program again inside of what is small.
#![cfg(target_os = "linux")]
// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc;
use synod_store::{AppendError, DataDirectory, Entry, Log, LogSettings, Position, verify};

const DIRECTORY: &str = "SYNOD_STORE_TEST_DIRECTORY";
const BALLAST: &str = "ballast";

fn append(log: &Log, bytes: usize) -> Result<Vec<Position>, AppendError> {
    let (sender, answer) = mpsc::channel();
    log.append(vec![Entry::new(0, 0, vec![7; bytes]).unwrap()], move |result| sender.send(result).unwrap());
    answer.recv().unwrap()
}

/// Appends until there is no more room, makes room, and goes on. Does nothing unless another test starts it.
#[test]
fn filler() {
    let Ok(path) = std::env::var(DIRECTORY) else { return };
    let path = Path::new(&path);
    let directory = DataDirectory::open(path.join("data")).unwrap();
    std::fs::write(path.join(BALLAST), vec![0; 100_000]).unwrap();
    let (log, _) = Log::open(&directory, LogSettings { segment_bytes: 200_000, ..LogSettings::default() }).unwrap();
    let mut accepted = 0;
    let refusal = loop {
        match append(&log, 10_000) {
            Ok(_) => accepted += 1,
            Err(refusal) => break refusal,
        }
        assert!(accepted < 10_000, "the disk is not small");
    };
    assert!(matches!(refusal, AppendError::Disk { full: true, .. }), "{refusal}");
    assert!(append(&log, 300_000).is_err() && log.facts().failing_since.is_some());
    std::fs::remove_file(path.join(BALLAST)).unwrap();
    // A file at its limit is left by a record that still fits.
    accepted += usize::from(append(&log, 10_000).or_else(|_| append(&log, 10)).is_ok());
    assert_eq!(log.facts().failing_since, None);
    log.close().unwrap();
    let verification = verify(&directory, &[], &mut |_, _| {}).unwrap();
    assert_eq!((verification.faults, verification.records), (vec![], accepted as u64));
    println!("filled after {accepted} records");
}

fn shell(script: &str, directory: &Path) -> Output {
    let program = std::env::current_exe().unwrap();
    let script = format!("{script}\nexec \"{}\" filler --exact --nocapture", program.display());
    Command::new("sh").args(["-c", &script]).env(DIRECTORY, directory).output().unwrap()
}

fn assert_filled(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("filled after"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_full_file_system_is_told_and_left_again() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount"]);
        command
    };
    let mount = "mount -t tmpfs -o size=1m,mode=700 tmpfs \"$SYNOD_STORE_TEST_DIRECTORY\"";
    let allowed = namespace().args(["sh", "-c", mount]).env(DIRECTORY, folder.path()).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this system does not allow a mount namespace; the limit of a file's size is tested all the same");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let script = format!("{mount} && exec \"{}\" filler --exact --nocapture", program.display());
    assert_filled(&namespace().args(["sh", "-c", &script]).env(DIRECTORY, folder.path()).output().unwrap());
}

/// 300 blocks of 512 or 1,024 bytes, as the shell counts them: less than a segment and the record that ends it, or more than the ballast.
#[test]
fn a_file_at_its_largest_size_is_told() {
    let folder = tempfile::tempdir().unwrap();
    assert_filled(&shell("trap '' XFSZ\nulimit -f 300 || exit 1", folder.path()));
}
