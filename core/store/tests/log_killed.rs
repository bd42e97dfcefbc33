//! A process that is killed while it appends: everything that it was told is durable is there, and the log goes on.
//!
//! The test starts itself again as the process to be killed.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use synod_store::{DataDirectory, Entry, Log, LogReader, LogSettings, verify};

const DIRECTORY: &str = "SYNOD_STORE_TEST_DIRECTORY";
const KILLS: u64 = 20;

fn open(path: &str) -> (DataDirectory, Log) {
    let directory = DataDirectory::open(path).unwrap();
    let (log, _) = Log::open(&directory, LogSettings { segment_bytes: 20_000, ..LogSettings::default() }).unwrap();
    (directory, log)
}

fn payload(sequence: u64) -> Vec<u8> {
    format!("{sequence} ").repeat(sequence as usize % 40).into_bytes()
}

/// Appends until it is killed, and says each sequence once it is durable. Does nothing unless the other test starts it.
#[test]
fn appender() {
    let Ok(path) = std::env::var(DIRECTORY) else { return };
    let (_directory, log) = open(&path);
    let (sender, answers) = mpsc::channel();
    for sequence in log.head().next.. {
        let sender = sender.clone();
        let entry = Entry::new(0, 0, payload(sequence)).unwrap();
        log.append(vec![entry], move |answer| sender.send(answer.unwrap()[0].sequence).unwrap());
        if sequence % 20 == 0 {
            // The last of those that wait.
            while answers.recv().unwrap() != sequence {}
            println!("durable {sequence}");
        }
    }
}

fn append_and_kill(path: &str, after: Duration) -> Option<u64> {
    let mut appender = Command::new(std::env::current_exe().unwrap())
        .args(["appender", "--exact", "--nocapture"])
        .env(DIRECTORY, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    appender.kill().unwrap();
    let lines = BufReader::new(appender.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("durable ")?.parse().ok()).last();
    appender.wait().unwrap();
    said
}

#[test]
fn what_was_acknowledged_survives_kills_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let mut durable = 0;
    for kill in 0..KILLS {
        durable = append_and_kill(path, Duration::from_millis(30 + kill * 7)).unwrap_or(durable);
        let (directory, log) = open(path);
        assert!(log.head().next > durable, "record {durable} was durable, and {} would be the next", log.head().next);
        assert_eq!(verify(&directory, &[], &mut |_, _| {}).unwrap().faults, []);
        for record in LogReader::open(&directory).unwrap().from(1).unwrap() {
            let record = record.unwrap();
            assert_eq!(record.payload, payload(record.position.sequence));
        }
    }
    assert!(durable > 100, "enough was appended to be killed within: {durable}");
}
