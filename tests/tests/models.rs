//! Versions of models: which of them judge is changed under traffic, and whatever goes wrong, what judges goes on.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use synod_store::{DataDirectory, Registry, Stored};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Connection, Installation, Server, guests, send};

const LONGEST: Duration = Duration::from_secs(60);
const CALM: &str = r#"{"a":0.25,"b":0.25,"c":0.25}"#;
const ODD: &str = r#"{"a":9,"b":9,"c":9}"#;
const DETECTORS: [&str; 2] = ["robust", "second"];

/// Two detectors, with a version each, and with a second one that has learnt from other rows.
fn twice_fitted() -> Installation {
    let template = guests().join("template.wasm").display().to_string();
    let of = |name: &str| format!("  {name}:\n    plugin: {template}\n    owner: fraud desk\n    purpose: numbers that are | odd\n");
    let at = Installation::new(&patient(&three_numbers(&DETECTORS.map(of).concat())));
    at.write("rows.csv", three_numbers_csv(300));
    at.write("more.csv", three_numbers_csv(500));
    at.run("fit --data rows.csv").ok();
    at.run("fit --data more.csv --candidate").ok();
    at
}

fn registry(at: &Installation) -> Registry {
    Registry::open(&DataDirectory::open(at.path("data")).unwrap()).unwrap()
}

/// The versions by which a row was judged.
fn versions(answer: &Value) -> Vec<u64> {
    answer["votes"].as_array().unwrap().iter().map(|vote| vote["model_version"].as_u64().unwrap()).collect()
}

/// What each detector said of a row that is odd, by which version.
fn votes(server: &Server) -> Vec<(u64, f64, f64)> {
    let answer = server.post("/v1/score", ODD).ok();
    let number = |vote: &Value, key: &str| vote[key].as_f64().unwrap();
    let vote = |vote: &Value| (vote["model_version"].as_u64().unwrap(), number(vote, "raw_score"), number(vote, "score"));
    answer["votes"].as_array().unwrap().iter().map(vote).collect()
}

fn judged_by(server: &Server) -> Vec<u64> {
    versions(&server.post("/v1/score", CALM).ok())
}

fn await_versions(server: &Server, wanted: &[u64]) {
    let started = Instant::now();
    while judged_by(server) != wanted {
        assert!(started.elapsed() < LONGEST, "judged by {:?}, not {wanted:?}:\n{}", judged_by(server), server.lines().join("\n"));
        thread::sleep(Duration::from_millis(50));
    }
}

fn promote(server: &Server, version: &str) -> Answer {
    let wanted: BTreeMap<&str, &str> = DETECTORS.iter().map(|name| (*name, version)).collect();
    server.post("/v1/models/promote", &json!({ "versions": wanted }).to_string())
}

fn await_health(server: &Server, wanted: &str) {
    let started = Instant::now();
    while !server.administer("/readyz?verbose").body.contains(wanted) {
        assert!(started.elapsed() < LONGEST, "{}", server.administer("/readyz?verbose").body);
        thread::sleep(Duration::from_millis(100));
    }
}

fn hang_up(server: &Server) {
    assert!(Command::new("kill").arg("-HUP").arg(server.process().to_string()).status().unwrap().success());
}

#[test]
fn two_hundred_swaps_under_load_fail_no_request_and_mix_no_answer() {
    const SWAPS: usize = 200;
    let at = twice_fitted();
    let server = Server::start(&at);
    let (done, judged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let rows = format!("[{CALM},{ODD},{CALM}]");
    let client = |_: usize| {
        let mut connection = Connection::open(server.data);
        let mut seen = [0_usize; 2];
        while !done.load(Ordering::Relaxed) {
            let answers = {
                let head = format!("POST /v1/score HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json", server.data);
                connection.write(format!("{head}\r\ncontent-length: {}\r\n\r\n{rows}", rows.len()));
                connection.answer().ok()
            };
            let by: Vec<Vec<u64>> = answers.as_array().unwrap().iter().map(versions).collect();
            let version = by[0][0];
            assert!(by.iter().flatten().all(|other| *other == version), "an answer mixes versions: {answers}");
            seen[version as usize - 1] += 1;
            judged.fetch_add(3, Ordering::Relaxed);
        }
        seen
    };
    let started = Instant::now();
    let seen: Vec<[usize; 2]> = thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|number| scope.spawn(move || client(number))).collect();
        for swap in 0..SWAPS {
            promote(&server, if swap % 2 == 0 { "2" } else { "1" }).ok();
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    println!("{SWAPS} swaps in {:.1} s, {} rows judged meanwhile", started.elapsed().as_secs_f64(), judged.load(Ordering::Relaxed));
    assert!(seen.iter().all(|[one, two]| *one > 0 && *two > 0), "every client was judged by both: {seen:?}");
    assert!(started.elapsed() < LONGEST, "200 swaps take no minute");
    server.stop();
    at.run("replay").ok();
}

/// Bytes of memory that a process has.
fn resident(server: &Server) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

#[test]
fn a_thousand_reloads_leave_memory_as_it_was() {
    const EACH: usize = 100;
    let at = twice_fitted();
    let server = Server::start(&at);
    let memory: Vec<f64> = (0..10)
        .map(|_| {
            for reload in 0..EACH {
                promote(&server, if reload % 2 == 0 { "2" } else { "1" }).ok();
            }
            judged_by(&server);
            resident(&server)
        })
        .collect();
    // After the first hundreds, what is kept for later is there.
    let late = &memory[4..];
    let middle = (late.len() - 1) as f64 / 2.0;
    let mean = late.iter().sum::<f64>() / late.len() as f64;
    let (mut above, mut below) = (0.0, 0.0);
    for (place, bytes) in late.iter().enumerate() {
        above += (place as f64 - middle) * (bytes - mean);
        below += (place as f64 - middle).powi(2);
    }
    let slope = above / below / EACH as f64;
    println!(
        "memory after each {EACH} reloads, MiB: {:.1?}; slope {slope:.0} bytes a reload",
        memory.iter().map(|bytes| bytes / 1048576.0).collect::<Vec<_>>()
    );
    // Of each model and its sandboxes there are some megabytes.
    assert!(slope < 8192.0, "memory grows by {slope} bytes a reload: {memory:?}");
    server.stop();
}

#[test]
fn what_a_command_moves_is_followed_and_what_a_request_moves_judges_when_it_is_answered() {
    let at = twice_fitted();
    let listed = at.run("models list").ok().output;
    assert!(listed.contains("live") && listed.contains("candidate"), "{listed}");
    let server = Server::start(&at);
    assert_eq!(judged_by(&server), [1, 1]);
    at.run("models promote").ok();
    await_versions(&server, &[2, 2]);
    server.post("/v1/models/rollback", "").ok();
    assert_eq!(judged_by(&server), [1, 1]);
    server.post("/v1/detectors/second/versions/2/promote", "").ok();
    assert_eq!(judged_by(&server), [1, 2]);
    at.run("models rollback second").ok();
    await_versions(&server, &[1, 1]);
    server.post("/v1/detectors/second/versions/9/promote", "").problem(404, "no_such_version");
    server.post("/v1/models/promote", r#"{"versions":{"nobody":"1"}}"#).problem(404, "no_such_version");
    server.post("/v1/models/promote", r#"{"version":{}}"#).problem(400, "invalid_request");

    let all = server.get("/v1/detectors/robust/versions").ok();
    let labels: Vec<&Value> = all.as_array().unwrap().iter().map(|version| &version["labels"]).collect();
    assert_eq!(labels, [&json!(["live"]), &json!(["previous"])], "{all}");
    let one = server.get("/v1/detectors/robust/versions/live").ok();
    assert_eq!((&one["version"], &one["training_rows"], &one["seed"]), (&json!(1), &all[0]["training_rows"], &json!(1)));
    assert!(one.get("calibration").is_none() && !one.to_string().contains("golden"), "no rows are told: {one}");
    let card = server.get("/v1/detectors/robust/versions/live/card");
    assert_eq!((card.status, card.header("content-type")), (200, Some("text/markdown; charset=utf-8")));
    assert!(card.body.contains("numbers that are \\| odd") && card.body.contains("fraud desk"), "{}", card.body);
    assert_eq!(at.run("models card robust").ok().output, card.body);
    server.get("/v1/detectors/nobody/versions").problem(404, "no_such_version");

    let moved = at.audited("model.moved", 9);
    let told = |target: &str, act: &str| {
        moved.iter().any(|record| record["target"] == target && record["reason"].as_str().unwrap().starts_with(act))
    };
    assert!(
        told("robust/1", "fit") && told("robust/2", "propose") && told("second/2", "promote") && told("second/1", "rollback"),
        "{moved:?}"
    );
    assert!(moved.iter().all(|record| record["actor"].is_string()), "{moved:?}");
    server.stop();
    at.run("audit verify").ok();
}

/// What a version's artifact is on disk.
fn blob(at: &Installation, version: u64) -> PathBuf {
    let digest = registry(at).manifest::<Value>("robust", Some(version)).unwrap().0.digest;
    at.path(&format!("data/models/blobs/{digest}.zst"))
}

#[test]
fn whatever_is_wrong_with_the_next_version_what_judges_goes_on() {
    let at = twice_fitted();
    let server = Server::start(&at);
    let expected = votes(&server);
    let (good, path, other) = (fs::read(blob(&at, 2)).unwrap(), blob(&at, 2), fs::read(blob(&at, 1)).unwrap());
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let elsewhere = at.path("elsewhere");
    fs::write(&elsewhere, &good).unwrap();
    let refused = |how: &str| {
        let answer = promote(&server, "2");
        assert!([422, 503].contains(&answer.status), "{how}: {}", answer.body);
        assert!(at.run("models promote").code != 0, "{how}");
        assert_eq!(votes(&server), expected, "{how}");
    };
    for (how, bytes) in [("a flipped bit", &flipped), ("another artifact", &other), ("a cut file", &good[..good.len() / 2].to_vec())] {
        fs::write(&path, bytes).unwrap();
        refused(how);
    }
    fs::remove_file(&path).unwrap();
    refused("no file");
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    refused("a link to the right content");
    fs::remove_file(&path).unwrap();
    fs::write(&path, &good).unwrap();

    // A model that is whole, and does not score as it did when it was fitted.
    let known = registry(&at);
    let Stored { mut manifest, artifact, .. } = known.load::<Value>("robust", Some(2)).unwrap();
    manifest["golden"]["scores"][0] = json!(manifest["golden"]["scores"][0].as_f64().unwrap() + 1e-9);
    let tampered = known.publish("robust", &artifact, |_| &manifest).unwrap().version;
    let problem = server.post(&format!("/v1/detectors/robust/versions/{tampered}/promote"), "").problem(422, "cannot_load");
    assert!(problem["detail"].as_str().unwrap().contains("golden row 0"), "{problem}");
    // By a label that somebody else moves, it is followed, refused and told.
    known.go_live(&[("robust", tampered)], "mallory", "promote").unwrap();
    let _ = server.await_event(|event| event["message"].as_str().is_some_and(|text| text.contains("what judges goes on")));
    assert_eq!(votes(&server), expected);
    await_health(&server, "golden row 0");
    assert_eq!(server.administer("/readyz").status, 200, "it judges, and so is ready");
    let metrics = server.administer("/metrics").body;
    assert!(metrics.contains("synod_reload_failing{part=\"models\"} 1"), "{metrics}");
    // Another detector's version takes its place, and what does not judge is still told.
    server.post("/v1/detectors/second/versions/2/promote", "").ok();
    await_health(&server, "golden row 0");
    server.post("/v1/detectors/second/versions/1/promote", "").ok();
    assert!(at.audited("models.refused", 1)[0]["reason"].as_str().unwrap().contains("golden row 0"));
    known.go_live(&[("robust", 1)], "ann", "rollback").unwrap();
    let started = Instant::now();
    while server.administer("/readyz?verbose").body.contains("golden row 0") {
        assert!(started.elapsed() < LONGEST, "{}", server.administer("/readyz?verbose").body);
        thread::sleep(Duration::from_millis(100));
    }
    promote(&server, "2").ok();
    assert_eq!(judged_by(&server), [2, 2]);
    server.stop();
}

#[test]
fn the_configuration_is_read_again_and_what_cannot_be_put_in_force_is_refused_by_name() {
    let at = twice_fitted();
    let server = Server::start(&at);
    let before = server.get("/v1/detectors").ok()[0]["threshold"].as_f64().unwrap();
    at.edit("purpose: numbers that are | odd\n", "purpose: numbers that are | odd\n    contamination: 0.25\n");
    hang_up(&server);
    let started = Instant::now();
    while server.get("/v1/detectors").ok()[0]["threshold"].as_f64().unwrap() >= before {
        assert!(started.elapsed() < LONGEST, "{}", server.lines().join("\n"));
        thread::sleep(Duration::from_millis(50));
    }
    let text = fs::read_to_string(at.path("synod.yaml")).unwrap();
    let reload = || server.post("/v1/configuration/reload", "");
    at.write("synod.yaml", text.replace("consensus:\n", "consensus:\n  rule: nothing\n"));
    assert!(reload().problem(422, "cannot_load")["detail"].as_str().unwrap().contains("nothing"));
    at.write("synod.yaml", format!("{text}logging: {{level: debug}}\n"));
    let problem = reload().problem(422, "cannot_load");
    assert!(problem["detail"].as_str().unwrap().contains("differs in logging"), "{problem}");
    assert!(server.administer("/readyz?verbose").status == 200);
    at.write("synod.yaml", text.replace("  second:\n", "  third:\n"));
    assert!(reload().problem(422, "cannot_load")["detail"].as_str().unwrap().contains("third"), "it is not fitted");
    // A detector less: from now on it neither votes nor is shown.
    let (head, second) = text.split_once("  second:\n").unwrap();
    let rest = second.split_once("consensus:\n").unwrap().1;
    at.write("synod.yaml", format!("{head}consensus:\n{rest}"));
    assert_eq!(reload().status, 204);
    assert_eq!(judged_by(&server), [1]);
    let metrics = server.administer("/metrics").body;
    assert!(!metrics.contains("synod_detector_ready{detector=\"second\"}"), "{metrics}");
    at.write("synod.yaml", text);
    assert_eq!(reload().status, 204);
    assert_eq!(judged_by(&server), [1, 1]);
    assert_eq!(at.audited("configuration.refused", 3).len(), 3);
    server.stop();
    at.run("replay").ok();
}

#[test]
fn a_changed_file_is_read_again_by_itself_and_a_bad_one_changes_nothing() {
    let at = twice_fitted();
    let server = Server::start(&at);
    let threshold = || server.get("/v1/detectors").ok()[0]["threshold"].as_f64().unwrap();
    let before = threshold();
    at.edit("purpose: numbers that are | odd\n", "purpose: numbers that are | odd\n    contamination: 0.25\n");
    let started = Instant::now();
    while threshold() >= before {
        assert!(started.elapsed() < LONGEST, "{}", server.lines().join("\n"));
        thread::sleep(Duration::from_millis(50));
    }
    let (text, now) = (fs::read_to_string(at.path("synod.yaml")).unwrap(), threshold());
    at.write("synod.yaml", "version: 1\nnonsense: [");
    let refused = at.audited("configuration.refused", 1);
    assert!(refused[0]["reason"].as_str().unwrap().contains("synod.yaml"), "{refused:?}");
    assert_eq!((threshold(), judged_by(&server)), (now, vec![1, 1]));
    at.write("synod.yaml", text);
    thread::sleep(Duration::from_millis(1500));
    server.stop();
    assert_eq!(at.audited("configuration.refused", 1).len(), 1, "what is wrong is told once");
    assert_eq!(at.audited("configuration.loaded", 2).len(), 2, "the same text as before is no other configuration");
}

#[test]
fn a_version_is_carried_elsewhere_in_one_file_and_a_damaged_file_is_refused() {
    let at = twice_fitted();
    at.run("models export robust candidate --output robust.synod").ok();
    assert!(at.run("models export robust candidate --output robust.synod").code != 0, "nothing is overwritten");
    let elsewhere = twice_fitted();
    let bytes = fs::read(at.path("robust.synod")).unwrap();
    elsewhere.write("robust.synod", bytes.clone());
    elsewhere.run("models import robust.synod").ok();
    let [here, there] = [&at, &elsewhere].map(registry);
    let (one, other) = (here.load::<Value>("robust", Some(2)).unwrap(), there.load::<Value>("robust", Some(3)).unwrap());
    assert_eq!((&one.digest, one.manifest), (&other.digest, other.manifest));
    assert_eq!(there.labels_of("robust").unwrap().candidate, Some(3));
    let same = elsewhere.run("models diff robust 2 3").ok().output;
    assert!(same.contains("created"), "{same}");

    let server = Server::start(&elsewhere);
    let upload =
        |bytes: &[u8]| send(server.data, "POST", "/v1/detectors/robust/versions", &[("content-type", "application/octet-stream")], bytes);
    let answer = upload(&bytes);
    assert_eq!(
        (answer.status, &answer.json()["version"], &answer.json()["labels"]),
        (201, &json!(4), &json!(["candidate"])),
        "{}",
        answer.body
    );
    for place in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x55;
        let answer = upload(&damaged);
        // What fills a block up means nothing, and the rest is covered by digests and the archive's own sums.
        assert!([400, 201].contains(&answer.status), "{place}: {}", answer.body);
        if answer.status == 201 {
            assert_eq!(answer.json()["sha256"], json!(other.digest), "{place}");
        }
    }
    assert_eq!(upload(&bytes[..bytes.len() / 2]).status, 400);
    assert_eq!(upload(b"").status, 400);
    server.post("/v1/detectors/robust/versions/4/promote", "").ok();
    assert_eq!(judged_by(&server), [4, 1]);
    server.stop();
}

#[test]
fn what_somebody_made_somebody_else_promotes() {
    let at = twice_fitted();
    let more = format!("{}models: {{four_eyes: true, keep: 1}}\n", fs::read_to_string(at.path("synod.yaml")).unwrap());
    at.write("synod.yaml", more);
    let by = |name: &str, words: &str| at.run_with(words, &[("USER", name), ("SUDO_USER", "")]);
    let fitted = by("ann", "fit --data rows.csv").ok().output;
    assert!(fitted.contains("candidates"), "{fitted}");
    let refused = by("ann", "models promote");
    assert!(refused.code != 0 && refused.errors.contains("os:ann"), "{}", refused.errors);
    by("bob", "models promote").ok();
    assert_eq!(registry(&at).live_version("robust").unwrap(), Some(3));
    by("ann", "models rollback").ok();
    assert_eq!(registry(&at).live_version("robust").unwrap(), Some(1), "to take back is a matter of one");

    let key = |role: &str, label: &str| at.run(&format!("keys create --role {role} --label {label}")).ok().output.trim_end().to_owned();
    let (one, other, operator) = (key("admin", "one"), key("admin", "other"), key("operator", "night"));
    let server = Server::start_with(&at, &[("SYNOD_IDENTITY__ANONYMOUS", "[]")]);
    let call = |key: &str, path: &str| send(server.data, "POST", path, &[("authorization", &format!("Bearer {key}"))], b"");
    call(&one, "/v1/detectors/robust/versions/3/propose").ok();
    call(&one, "/v1/detectors/robust/versions/3/promote").problem(403, "needs_another");
    call(&other, "/v1/detectors/robust/versions/3/promote").ok();
    call(&operator, "/v1/detectors/robust/versions/1/promote").problem(403, "forbidden");
    call(&operator, "/v1/models/rollback").ok();
    assert_eq!(registry(&at).live_version("robust").unwrap(), Some(1));
    server.stop();
}

#[test]
fn versions_are_removed_that_nothing_needs_and_no_others() {
    let at = twice_fitted();
    at.write("synod.yaml", format!("{}models: {{keep: 1}}\n", fs::read_to_string(at.path("synod.yaml")).unwrap()));
    let server = Server::start(&at);
    server.post("/v1/score", CALM).ok();
    server.stop();
    for _ in 0..4 {
        at.run("fit --data more.csv").ok();
    }
    // Live is 6, before it was 5, decisions rest on 1, and 2 is the candidate.
    let seen = at.run("models gc --dry-run").ok().output;
    assert!(seen.contains("would be removed"), "{seen}");
    assert_eq!(registry(&at).versions("robust").unwrap(), [1, 2, 3, 4, 5, 6]);
    at.run("models gc").ok();
    assert_eq!(registry(&at).versions("robust").unwrap(), [1, 2, 5, 6]);
    at.run("replay").ok();
    at.run("check").ok();
    at.run("models propose robust none").ok();
    at.run("models propose second none").ok();
    at.run("models gc").ok();
    assert_eq!(registry(&at).versions("robust").unwrap(), [1, 5, 6]);
}

#[test]
fn a_model_keeps_the_plugin_that_fitted_it() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("plugin.wasm");
    fs::copy(guests().join("template.wasm"), &plugin).unwrap();
    let at = Installation::new(&patient(&three_numbers(&format!("  robust:\n    plugin: {}\n", plugin.display()))));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    let expected = {
        let server = Server::start(&at);
        let expected = votes(&server);
        server.stop();
        expected
    };
    fs::copy(guests().join("hostile.wasm"), &plugin).unwrap();
    let server = Server::start(&at);
    assert_eq!(votes(&server), expected, "by the plugin of the archive");
    server.stop();
}

#[test]
fn a_plugin_that_is_too_dear_to_compile_stalls_nothing() {
    let template = guests().join("template.wasm").display().to_string();
    let hostile = guests().join("hostile.wasm").display().to_string();
    let one = format!("  robust:\n    plugin: {template}\n");
    let both = patient(&three_numbers(&format!("{one}  second:\n    plugin: {hostile}\n")));
    let at = Installation::new(&both);
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at.write("synod.yaml", patient(&three_numbers(&one)));
    let server = Server::start_with(&at, &[("SYNOD_PLUGINS__COMPILE__MEMORY", "1MiB")]);
    assert_eq!(judged_by(&server), [1]);
    for entry in fs::read_dir(at.path("data/cache")).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|ending| ending == "code") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    at.write("synod.yaml", both);
    let problem = server.post("/v1/configuration/reload", "").problem(422, "cannot_load");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("detector second") && detail.contains("`plugins.compile`"), "{detail}");
    assert_eq!(judged_by(&server), [1]);
    server.stop();
    // With the memory that it needs it is compiled, in a process of its own as well.
    let server = Server::start(&at);
    assert_eq!(judged_by(&server), [1, 1]);
    server.stop();
}

#[test]
fn detectors_that_can_learn_on_do_and_the_others_stay_the_same_models() {
    let plugins = synod_tests::plugins();
    let names = ["half-space-trees", "robust-random-cut-forest", "hbos"];
    let of = |name: &&str| format!("  {name}:\n    plugin: {}\n", plugins.join(format!("{name}.wasm")).display());
    let at = Installation::new(&patient(&three_numbers(&names.iter().map(of).collect::<String>())));
    at.write("rows.csv", three_numbers_csv(600));
    at.write("more.csv", three_numbers_csv(900));
    at.run("fit --data rows.csv").ok();
    at.run("fit --data more.csv --continue").ok();
    at.run("fit --data more.csv --continue").ok();
    let known = registry(&at);
    let manifest = |name: &str, version| known.manifest::<Value>(name, Some(version)).unwrap();
    for name in &names[..2] {
        let (one, two, three) = (manifest(name, 1), manifest(name, 2), manifest(name, 3));
        assert_eq!((&two.1["continued_from"], &three.1["continued_from"]), (&json!(1), &json!(2)), "{name}");
        assert!(one.0.digest != two.0.digest && two.0.digest != three.0.digest, "{name} has learnt");
        assert_eq!(one.1["view"], three.1["view"], "features stay");
        assert!(three.0.size < 2 * one.0.size, "{name} does not grow without end: {} and {} bytes", one.0.size, three.0.size);
    }
    let (one, two) = (manifest("hbos", 1), manifest("hbos", 2));
    assert_eq!((&one.0.digest, &two.1["recalibrated"]["of_version"]), (&two.0.digest, &json!(1)), "the same model, calibrated again");
    assert_eq!(manifest("hbos", 2).1["held_out"]["digest"], manifest(names[0], 2).1["held_out"]["digest"], "on the same rows");

    let server = Server::start(&at);
    let odd = server.post("/v1/score", ODD).ok();
    assert_eq!((versions(&odd), &odd["verdict"]["anomalous"]), (vec![3, 3, 3], &json!(true)), "{odd}");
    assert_eq!(server.post("/v1/score", CALM).ok()["verdict"]["anomalous"], json!(false));
    let id = odd["decision"].as_str().unwrap();
    let explained = server.get(&format!("/v1/decisions/{id}/explanation")).ok();
    assert!(explained["detectors"].as_array().unwrap().iter().all(|detector| detector["base"].is_f64()), "{explained}");
    server.stop();
    at.run("replay").ok();
    at.run("fit --data more.csv --continue --exclude-flagged").failed(2, &["--exclude-flagged"]);
}
