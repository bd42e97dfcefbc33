//! A process that is killed while it publishes models: what was live stays live, whole, and the next publication works.
//!
//! The test starts itself again as the process to be killed.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use synod_store::{DataDirectory, Registry};

const DIRECTORY: &str = "SYNOD_STORE_TEST_DIRECTORY";
const KILLS: u64 = 25;

fn artifact(version: u64) -> Vec<u8> {
    version.to_le_bytes().repeat(5000)
}

fn registry(path: &str) -> Registry {
    Registry::open(&DataDirectory::open(path).unwrap()).unwrap()
}

/// Publishes until it is killed, makes each version live, and says so. Does nothing unless the other test starts it.
#[test]
fn publisher() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let registry = registry(&directory);
    loop {
        let next = registry.versions("forest").unwrap().last().map_or(1, |last| last + 1);
        let published = registry.publish("forest", &artifact(next), |published| published.version).unwrap();
        registry.go_live(&[("forest", published.version)], "test", "fit").unwrap();
        println!("published {}", published.version);
    }
}

/// Returns the last version that the publisher said before it was killed.
fn publish_and_kill(directory: &str, after: Duration) -> Option<u64> {
    let mut publisher = Command::new(std::env::current_exe().unwrap())
        .args(["publisher", "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    publisher.kill().unwrap();
    let lines = BufReader::new(publisher.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("published ")?.parse().ok()).last();
    publisher.wait().unwrap();
    said
}

#[test]
fn what_was_published_survives_kills_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let registry = registry(path);
    let mut published = 0;
    for kill in 0..KILLS {
        let said = publish_and_kill(path, Duration::from_millis(40 + kill * 7));
        published = said.unwrap_or(published);
        let live = registry.live_version("forest").unwrap().unwrap_or(0);
        assert!(live >= published, "version {published} was published, and {live} is live");
        for version in registry.versions("forest").unwrap() {
            let stored = registry.load::<u64>("forest", Some(version)).unwrap();
            assert_eq!((stored.manifest, stored.artifact), (version, artifact(version)), "version {version} is whole");
        }
    }
    assert!(published > 5, "enough was published to be killed within: {published}");
    let after = registry.publish("forest", b"after", |published| published.version).unwrap();
    registry.go_live(&[("forest", after.version)], "test", "fit").unwrap();
    assert_eq!(registry.load::<u64>("forest", None).unwrap().artifact, b"after");
    let left = std::fs::read_dir(folder.path().join("models/forest")).unwrap();
    assert!(left.into_iter().all(|entry| !entry.unwrap().file_name().to_string_lossy().ends_with(".tmp")), "leftovers are cleaned");
}
