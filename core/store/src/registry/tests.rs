use super::*;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;

struct Bench {
    _folder: tempfile::TempDir,
    registry: Registry,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(&DataDirectory::open(folder.path()).unwrap()).unwrap();
        Self { _folder: folder, registry }
    }

    /// Publishes a version and makes it live.
    fn publish(&self, artifact: &[u8]) -> Published {
        let published = self.registry.publish("forest", artifact, |published| json!({ "called": published.version })).unwrap();
        self.registry.go_live(&[("forest", published.version)], "ann", "fit").unwrap();
        published
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.path(BLOBS).join(format!("{digest}.zst"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.registry.models.join(name)
    }

    fn load(&self) -> Result<Stored<Value>, RegistryError> {
        self.registry.load("forest", None)
    }

    fn files(&self) -> usize {
        ["forest", BLOBS].iter().map(|name| fs::read_dir(self.path(name)).unwrap().count()).sum()
    }
}

#[test]
fn what_is_published_is_live_and_can_be_read_back() {
    let bench = Bench::new();
    assert_eq!(bench.registry.live_version("forest").unwrap(), None);
    assert!(matches!(bench.load(), Err(RegistryError::NoLive { .. })));
    let first = bench.publish(b"one");
    let second = bench.publish(b"two");
    assert_eq!((first.version, second.version, second.size), (1, 2, 3));
    assert_eq!(bench.load().unwrap().artifact, b"two");
    let old = bench.registry.load::<Value>("forest", Some(1)).unwrap();
    assert_eq!(old, Stored { version: 1, digest: first.digest, manifest: json!({ "called": 1 }), artifact: b"one".to_vec() });
    assert_eq!(bench.registry.versions("forest").unwrap(), [1, 2]);
    assert_eq!(bench.registry.detectors().unwrap(), ["forest"]);
    assert_eq!(bench.registry.manifest::<Value>("forest", None).unwrap(), (second, json!({ "called": 2 })));
}

#[test]
fn the_same_artifact_is_stored_once() {
    let bench = Bench::new();
    bench.publish(b"same");
    assert_eq!(bench.publish(b"same").version, 2);
    assert_eq!(fs::read_dir(bench.path(BLOBS)).unwrap().count(), 1);
}

#[test]
fn live_goes_back_and_forth_but_not_to_what_is_not_there() {
    let bench = Bench::new();
    bench.publish(b"one");
    bench.publish(b"two");
    bench.registry.go_live(&[("forest", 1)], "ann", "promote").unwrap();
    assert_eq!(bench.load().unwrap().artifact, b"one");
    assert!(matches!(bench.registry.go_live(&[("forest", 3)], "ann", "promote"), Err(RegistryError::NoVersion { version: 3, .. })));
    assert_eq!(bench.registry.live_version("forest").unwrap(), Some(1));
    assert_eq!(bench.publish(b"three").version, 3, "versions count on from the last one, not from the live one");
}

#[test]
fn a_damaged_artifact_is_named_with_both_digests_and_cannot_go_live() {
    let bench = Bench::new();
    let first = bench.publish(b"one");
    bench.publish(b"two");
    let path = bench.blob(&first.digest);
    fs::write(&path, zstd::encode_all(&b"onE"[..], 0).unwrap()).unwrap();
    let error = bench.registry.go_live(&[("forest", 1)], "ann", "promote").unwrap_err().to_string();
    for part in [path.display().to_string(), first.digest, sha256(b"onE")] {
        assert!(error.contains(&part), "{error} names {part}");
    }
    assert_eq!(bench.registry.live_version("forest").unwrap(), Some(2));
    bench.publish(b"one");
    assert_eq!(bench.load().unwrap().artifact, b"one", "publishing it again mends it");
}

#[test]
fn damaged_files_are_errors_with_their_path() {
    let bench = Bench::new();
    let digest = bench.publish(b"one").digest;
    let good = fs::read_to_string(bench.path("forest/1.json")).unwrap();
    let cases = [
        good.replace("\"format\": 1", "\"format\": 2"),
        good.replace("\"version\": 1", "\"version\": 7"),
        good.replace(&digest, "../../../../etc/passwd"),
        good.replace(&digest, &"0".repeat(64)),
        good[..good.len() / 2].to_owned(),
        String::new(),
    ];
    for text in cases {
        fs::write(bench.path("forest/1.json"), &text).unwrap();
        let error = bench.load().expect_err(&text).to_string();
        assert!(error.contains(&bench.registry.models.display().to_string()), "{error}");
    }
    fs::write(bench.registry.labels.path(), "one").unwrap();
    assert!(matches!(bench.load(), Err(RegistryError::Labels(_))));
}

#[test]
fn another_format_is_refused_by_name() {
    let bench = Bench::new();
    bench.publish(b"one");
    fs::write(bench.path("forest/1.json"), r#"{"format": 2, "artifacts": ["unheard of"]}"#).unwrap();
    assert!(matches!(bench.load(), Err(RegistryError::Format { found: 2, known: 1, .. })));
}

#[test]
fn names_cannot_lead_elsewhere() {
    let bench = Bench::new();
    let long = "x".repeat(65);
    for name in ["", ".", "..", "../forest", "a/b", "/etc", "-x", "Forest", "forêt", "a.b", "a\0b", "blobs", ".lock", &long] {
        assert!(matches!(bench.registry.publish(name, b"", |_| ()), Err(RegistryError::Name { .. })), "{name:?}");
        assert!(matches!(bench.registry.versions(name), Err(RegistryError::Name { .. })), "{name:?}");
    }
    for name in ["_", "0", "a-b_c", &long[..64]] {
        bench.registry.publish(name, b"", |_| ()).unwrap();
    }
    assert_eq!(bench.registry.detectors().unwrap().len(), 4);
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let bench = Bench::new();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), bench.path("linked")).unwrap();
    assert!(bench.registry.publish("linked", b"one", |_| ()).is_err());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    let blob = bench.blob(&bench.publish(b"one").digest);
    let outside = elsewhere.path().join("outside");
    fs::rename(&blob, &outside).unwrap();
    symlink(&outside, &blob).unwrap();
    assert!(matches!(bench.load(), Err(RegistryError::Read { .. })), "a link is refused even if its content is right");
}

#[test]
fn threads_that_publish_at_once_get_versions_of_their_own() {
    const THREADS: u64 = 8;
    const EACH: u64 = 4;
    let bench = Bench::new();
    let barrier = Barrier::new(8);
    let work = |thread: u64| {
        barrier.wait();
        let publish = |n| (bench.publish(format!("{thread} {n}").as_bytes()).version, format!("{thread} {n}"));
        (0..EACH).map(publish).collect::<Vec<_>>()
    };
    let published: Vec<(u64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(bench.registry.versions("forest").unwrap(), (1..=THREADS * EACH).collect::<Vec<_>>());
    for (version, artifact) in published {
        assert_eq!(bench.registry.load::<Value>("forest", Some(version)).unwrap().artifact, artifact.as_bytes());
    }
    assert!(bench.registry.live_version("forest").unwrap().is_some_and(|version| version <= THREADS * EACH));
    assert_eq!(bench.registry.acts().unwrap().len() as u64, THREADS * EACH, "every act is told");
}

#[test]
fn an_interrupted_publication_leaves_the_old_live_version() {
    let bench = Bench::new();
    bench.publish(b"one");
    let interrupted = catch_unwind(AssertUnwindSafe(|| bench.registry.publish("forest", b"two", |_| -> Value { panic!("killed") })));
    assert!(interrupted.is_err());
    assert_eq!(bench.load().unwrap().artifact, b"one");
    assert_eq!(bench.publish(b"three").version, 2);
}

#[test]
fn leftovers_are_ignored_and_cleaned() {
    let bench = Bench::new();
    bench.publish(b"one");
    fs::write(bench.path("forest/.2.json.9-0.tmp"), "{\"form").unwrap();
    fs::write(bench.path("blobs/.abc.9-2.tmp"), "half").unwrap();
    // A publication that got as far as its manifest is a version, but not the live one.
    let manifest = fs::read_to_string(bench.path("forest/1.json")).unwrap().replace("\"version\": 1", "\"version\": 2");
    fs::write(bench.path("forest/2.json"), manifest).unwrap();
    assert_eq!(bench.load().unwrap().version, 1);
    assert_eq!(bench.registry.versions("forest").unwrap(), [1, 2]);
    assert_eq!(bench.publish(b"three").version, 3);
    assert_eq!(bench.files(), 3 + 2, "three manifests, two blobs");
}

#[test]
fn labels_move_together_and_back() {
    let bench = Bench::new();
    for detector in ["forest", "density"] {
        for artifact in [b"one", b"two"] {
            bench.registry.publish(detector, artifact, |_| ()).unwrap();
        }
    }
    bench.registry.go_live(&[("forest", 1), ("density", 1)], "ann", "fit").unwrap();
    bench.registry.propose("forest", Some(2), "bob").unwrap();
    let labels = bench.registry.labels_of("forest").unwrap();
    assert_eq!((labels.live, labels.candidate, labels.proposed_by.as_deref()), (Some(1), Some(2), Some("bob")));
    assert!(bench.registry.go_live(&[("forest", 2), ("density", 3)], "ann", "promote").is_err());
    assert_eq!(bench.registry.live_version("forest").unwrap(), Some(1), "all or none");
    bench.registry.go_live(&[("forest", 2), ("density", 2)], "ann", "promote").unwrap();
    let labels = bench.registry.labels_of("forest").unwrap();
    assert_eq!((labels.live, labels.previous, labels.candidate, labels.proposed_by), (Some(2), Some(1), None, None));
    bench.registry.go_live(&[("forest", 1), ("density", 1)], "eve", "rollback").unwrap();
    assert_eq!((bench.registry.live_version("forest").unwrap(), bench.registry.live_version("density").unwrap()), (Some(1), Some(1)));
    let acts = bench.registry.acts().unwrap();
    let told: Vec<_> =
        acts.iter().filter(|(of, _)| of == "forest").map(|(_, act)| (act.by.as_str(), act.act.as_str(), act.from, act.to)).collect();
    let expected = [
        ("ann", "fit", None, Some(1)),
        ("bob", "propose", None, Some(2)),
        ("ann", "promote", Some(1), Some(2)),
        ("eve", "rollback", Some(2), Some(1)),
    ];
    assert_eq!(told, expected);
    bench.registry.forget_acts(&acts[..1]).unwrap();
    assert_eq!(bench.registry.acts().unwrap(), acts[1..]);
}

#[test]
fn what_was_written_before_there_were_labels_is_read() {
    let bench = Bench::new();
    let published = bench.registry.publish("forest", b"one", |_| json!({ "called": 1 })).unwrap();
    fs::remove_file(bench.blob(&published.digest)).unwrap();
    fs::write(bench.path(BLOBS).join(&published.digest), b"one").unwrap();
    fs::write(bench.path("forest/live"), "1\n").unwrap();
    assert_eq!(bench.load().unwrap().artifact, b"one");
    assert_eq!(bench.publish(b"two").version, 2);
    let labels = bench.registry.labels_of("forest").unwrap();
    assert_eq!((labels.live, labels.previous), (Some(2), Some(1)));
    fs::remove_file(bench.registry.labels.path()).unwrap();
    fs::write(bench.path("forest/live"), "one").unwrap();
    assert!(matches!(bench.load(), Err(RegistryError::Malformed { .. })));
}

#[test]
fn a_version_is_found_by_number_label_and_digest() {
    let bench = Bench::new();
    let first = bench.publish(b"one");
    bench.publish(b"two");
    bench.publish(b"one");
    let resolve = |reference: &str| bench.registry.resolve("forest", reference);
    assert_eq!([resolve("2").unwrap(), resolve("live").unwrap(), resolve("previous").unwrap()], [2, 3, 2]);
    assert_eq!(resolve(&first.digest[..8]).unwrap(), 3, "the latest version with that artifact");
    assert_eq!(resolve(&format!("sha256:{}", first.digest)).unwrap(), 3);
    for reference in ["4", "0", "candidate", "", "latest", &first.digest[..7], "00000000", "../live"] {
        assert!(matches!(resolve(reference), Err(RegistryError::Reference { .. })), "{reference}");
    }
}

#[test]
fn collecting_removes_what_nobody_needs_and_nothing_else() {
    let bench = Bench::new();
    let shared = bench.publish(b"shared");
    let old = bench.publish(b"old");
    for artifact in [&b"kept"[..], b"shared", b"previous", b"live"] {
        bench.publish(artifact);
    }
    let keep = |_: &str, version: u64| version == 3;
    let seen = bench.registry.collect(&keep, true).unwrap();
    assert_eq!(bench.registry.versions("forest").unwrap().len(), 6, "looking removes nothing");
    let collected = bench.registry.collect(&keep, false).unwrap();
    assert_eq!(seen, collected);
    assert_eq!(collected.versions, [1, 2, 4].map(|version| ("forest".to_owned(), version)));
    let mut gone = [shared.digest, old.digest];
    gone.sort_unstable();
    let mut artifacts = collected.artifacts.clone();
    artifacts.sort_unstable();
    assert_eq!(artifacts, gone);
    assert_eq!(bench.load().unwrap().artifact, b"live");
    assert_eq!(bench.registry.load::<Value>("forest", Some(3)).unwrap().artifact, b"kept");
    assert_eq!(bench.publish(b"next").version, 7, "a number is never used again");
}

#[test]
fn a_blob_that_unpacks_to_more_than_it_should_is_damage() {
    let bench = Bench::new();
    let published = bench.publish(b"one");
    fs::write(bench.blob(&published.digest), zstd::encode_all(&vec![0; 1 << 26][..], 0).unwrap()).unwrap();
    assert!(matches!(bench.load(), Err(RegistryError::Damaged { .. })));
}

fn arrival(version: u64, serial: Option<u64>, older: bool) -> Arrival<'static> {
    Arrival { version, serial, older, by: "eve", act: "import", about: "a file" }
}

#[test]
fn signatures_lie_beside_a_version_and_go_with_it() {
    let bench = Bench::new();
    for artifact in [&b"one"[..], b"two", b"three"] {
        bench.publish(artifact);
    }
    assert_eq!(bench.registry.signatures("forest", 1).unwrap(), None);
    bench.registry.put_signatures("forest", 1, b"first").unwrap();
    bench.registry.put_signatures("forest", 1, b"second").unwrap();
    assert_eq!(bench.registry.signatures("forest", 1).unwrap().as_deref(), Some(&b"second"[..]));
    assert!(matches!(bench.registry.put_signatures("forest", 4, b"x"), Err(RegistryError::NoVersion { version: 4, .. })));
    let long = vec![b'x'; LARGEST_SIGNATURES as usize + 1];
    assert!(matches!(bench.registry.put_signatures("forest", 2, &long), Err(RegistryError::Signatures { .. })));
    assert_eq!(bench.registry.versions("forest").unwrap(), [1, 2, 3], "signatures are no version");
    assert_eq!(bench.registry.collect(&|_, _| false, false).unwrap().versions, [("forest".to_owned(), 1)]);
    assert!(!bench.path("forest/1.signatures.json").exists());
    fs::write(bench.path("forest/2.signatures.json"), long).unwrap();
    assert!(matches!(bench.registry.signatures("forest", 2), Err(RegistryError::Read { .. })), "an endless file is not read");
}

#[test]
fn what_comes_from_elsewhere_is_newer_than_all_before_whatever_was_removed() {
    let bench = Bench::new();
    for artifact in [&b"one"[..], b"two", b"three"] {
        bench.publish(artifact);
    }
    bench.registry.take("forest", &arrival(2, Some(7), false)).unwrap();
    let labels = bench.registry.labels_of("forest").unwrap();
    assert_eq!((labels.candidate, labels.proposed_by.as_deref(), labels.serial), (Some(2), Some("eve"), Some(7)));
    for serial in [7, 6, 0] {
        let refused = bench.registry.take("forest", &arrival(1, Some(serial), false));
        assert!(matches!(refused, Err(RegistryError::Older { highest: 7, .. })), "{serial}");
    }
    assert_eq!(bench.registry.labels_of("forest").unwrap().candidate, Some(2), "nothing was moved");
    bench.registry.take("forest", &arrival(1, Some(3), true)).unwrap();
    bench.registry.take("forest", &arrival(1, None, false)).unwrap();
    bench.registry.note_signed("forest", 3, 9, "ann", "with a key").unwrap();
    bench.registry.note_signed("forest", 1, 2, "ann", "with a key").unwrap();
    bench.registry.propose("forest", None, "ann").unwrap();
    bench.registry.collect(&|_, _| false, false).unwrap();
    assert!(matches!(bench.registry.must_be_newer("forest", 9), Err(RegistryError::Older { highest: 9, .. })));
    bench.registry.must_be_newer("forest", 10).unwrap();
    bench.registry.note_refused("forest", None, "eve", "import", "a wrong key").unwrap();
    let acts = bench.registry.acts().unwrap();
    let last = &acts.last().unwrap().1;
    assert_eq!((last.act.as_str(), last.refused, last.about.as_deref(), last.to), ("import", true, Some("a wrong key"), None));
}
