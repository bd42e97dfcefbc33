//! Who vouches for versions: keys that openssl makes, signatures that count or do not, and everything that is refused.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use synod_store::{DataDirectory, Registry};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Installation, Ran, Server, guests, send};

const LONGEST: Duration = Duration::from_secs(60);
const ODD: &str = r#"{"a":9,"b":9,"c":9}"#;
const NOBODY: &str = "models: {signatures: {}}";

/// Who trusts whom, as the configuration says it.
fn trusting(required: bool, keys: &[&str], more: &str) -> String {
    let trusted: Vec<String> = keys.iter().map(|name| format!("{{name: {name}, public_key_file: {name}.pub.pem}}")).collect();
    format!("models: {{signatures: {{required: {required}, trusted: [{}]{more}}}}}", trusted.join(", "))
}

fn installation(signatures: &str) -> Installation {
    let template = guests().join("template.wasm").display().to_string();
    let at = Installation::new(&(patient(&three_numbers(&format!("  robust:\n    plugin: {template}\n"))) + signatures + "\n"));
    at.write("rows.csv", three_numbers_csv(300));
    at.write("more.csv", three_numbers_csv(500));
    at
}

/// Says anew who trusts whom.
fn trust(at: &Installation, signatures: &str) {
    let text = at.read("synod.yaml");
    at.write(
        "synod.yaml",
        text.lines().filter(|line| !line.starts_with("models:")).map(|line| format!("{line}\n")).collect::<String>() + signatures + "\n",
    );
}

/// Makes a key of this name, and answers its id.
fn key(at: &Installation, name: &str) -> String {
    let made = at.run(&format!("models keygen --output {name}.key.pem")).ok();
    at.write(&format!("{name}.pub.pem"), made.output);
    made.errors.lines().find_map(|line| line.strip_prefix("key id: ")).unwrap().to_owned()
}

/// A file that one installation has is given to another.
fn give(from: &Installation, to: &Installation, name: &str) {
    to.write(name, fs::read(from.path(name)).unwrap());
}

/// Two versions, signed by ana, each in a file of its own, and where they were made.
fn maker() -> Installation {
    let at = installation(NOBODY);
    key(&at, "ana");
    key(&at, "bob");
    at.run("fit --data rows.csv --sign ana.key.pem").ok();
    at.run("fit --data more.csv --sign ana.key.pem").ok();
    for version in 1..=2 {
        at.run(&format!("models export robust {version} --output {version}.synod")).ok();
    }
    at
}

/// An installation that takes nothing but what ana has signed, with her files.
fn strict(maker: &Installation) -> Installation {
    let at = installation(&trusting(true, &["ana"], ""));
    for name in ["ana.pub.pem", "bob.pub.pem", "bob.key.pem", "1.synod", "2.synod"] {
        give(maker, &at, name);
    }
    at
}

fn registry(at: &Installation) -> Registry {
    Registry::open(&DataDirectory::open(at.path("data")).unwrap()).unwrap()
}

fn versions(at: &Installation) -> Vec<u64> {
    registry(at).versions("robust").unwrap()
}

fn openssl(at: &Installation, words: &str) -> Vec<u8> {
    let ran = Command::new("openssl").current_dir(at.path("")).args(words.split(' ')).output().unwrap();
    assert!(ran.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// A file of the registry.
fn file(at: &Installation, name: &str) -> PathBuf {
    at.path(&format!("data/models/{name}"))
}

#[track_caller]
fn verified(at: &Installation) -> Value {
    serde_json::from_str(&at.run("models verify robust --format json").ok().output).unwrap()
}

#[test]
fn keys_and_signatures_are_those_of_openssl() {
    let at = installation(NOBODY);
    let id = key(&at, "ana");
    assert_eq!(fs::metadata(at.path("ana.key.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    at.run("models keygen --output ana.key.pem").failed(2, &["is there already"]);
    assert_eq!(openssl(&at, "pkey -in ana.key.pem -pubout"), at.read("ana.pub.pem").into_bytes());
    openssl(&at, "pkey -pubin -in ana.pub.pem -outform DER -out ana.der");
    let digest = String::from_utf8(openssl(&at, "dgst -sha256 -r ana.der")).unwrap();
    assert!(digest.starts_with(&id), "{digest} {id}");
    // The other way round: a key that openssl made, and a signature that it checks.
    openssl(&at, "genpkey -algorithm ed25519 -out carl.key.pem");
    at.write("carl.pub.pem", openssl(&at, "pkey -in carl.key.pem -pubout"));
    at.run("fit --data rows.csv --sign carl.key.pem").ok();
    let envelope: Value = serde_json::from_slice(&registry(&at).signatures("robust", 1).unwrap().unwrap()).unwrap();
    let bytes = |text: &Value| STANDARD.decode(text.as_str().unwrap()).unwrap();
    let (kind, payload) = (envelope["payloadType"].as_str().unwrap(), bytes(&envelope["payload"]));
    let signed = [format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).as_bytes(), &payload].concat();
    at.write("signed", signed);
    at.write("signature", bytes(&envelope["signatures"][0]["sig"]));
    openssl(&at, "pkeyutl -verify -rawin -pubin -inkey carl.pub.pem -in signed -sigfile signature");
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        (&statement["detector"], &statement["model"]),
        (&json!("robust"), &json!(registry(&at).manifest::<Value>("robust", Some(1)).unwrap().0.digest))
    );
    // Keys of another kind are told apart.
    openssl(&at, "genpkey -algorithm X25519 -out other.pem");
    at.run("models sign robust --key other.pem").failed(2, &["other.pem", "not of Ed25519"]);
    at.run("models sign robust --key carl.pub.pem").failed(2, &["holds a PUBLIC KEY and not a PRIVATE KEY"]);
    fs::set_permissions(at.path("carl.key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(at.run("models sign robust --key carl.key.pem").ok().errors.contains("others can read carl.key.pem"));
}

#[test]
fn what_nobody_vouches_for_is_refused_everywhere() {
    let maker = installation(NOBODY);
    key(&maker, "ana");
    maker.run("fit --data rows.csv").ok();
    maker.run("models export robust --output unsigned.synod").ok();
    let at = installation(&trusting(false, &["ana"], ""));
    for name in ["ana.pub.pem", "ana.key.pem", "unsigned.synod"] {
        give(&maker, &at, name);
    }
    // Nothing is required: what has no signature is taken, and serves.
    at.run("models import unsigned.synod").ok();
    at.run("models promote").ok();
    Server::start(&at).stop();
    trust(&at, &trusting(true, &["ana"], ""));
    let why = "it is not signed, and `models.signatures.required` asks for a signature";
    for (words, code) in [
        ("models import unsigned.synod --allow-older", 3),
        ("models propose robust 1", 3),
        ("models promote robust=1", 3),
        ("models verify robust", 3),
        ("serve", 2),
        ("check", 2),
        ("score --data rows.csv --output scores.csv", 2),
        ("export onnx --detector robust --output model.onnx", 2),
    ] {
        at.run(words).failed(code, &[why]);
    }
    // A fit that is not signed makes a version, and no label leads to it.
    let fitted = at.run("fit --data more.csv").ok().output;
    assert!(fitted.contains("synod models sign robust 2 --key FILE") && fitted.contains("synod models promote robust=2"), "{fitted}");
    assert_eq!((versions(&at), registry(&at).live_version("robust").unwrap()), (vec![1, 2], Some(1)));
    at.run("models sign robust 2 --key ana.key.pem").ok();
    at.run("models promote robust=2").ok();
    at.run("rollout start robust=1").failed(2, &[why]);
    let server = Server::start(&at);
    server.post("/v1/score", ODD).ok();
    let refused = |answer: Answer| assert!(answer.problem(422, "version_refused")["detail"].as_str().unwrap().contains(why));
    let post = |path: &str, body: &[u8]| send(server.data, "POST", path, &[("content-type", "application/octet-stream")], body);
    refused(post("/v1/detectors/robust/versions", &fs::read(at.path("unsigned.synod")).unwrap()));
    refused(server.post("/v1/detectors/robust/versions/1/propose", ""));
    refused(server.post("/v1/detectors/robust/versions/1/promote", ""));
    refused(server.post("/v1/models/promote", r#"{"versions": {"robust": "1"}}"#));
    refused(server.post("/v1/models/rollback", ""));
    let listed = server.get("/v1/detectors/robust/versions").ok();
    assert_eq!((&listed[0]["signatures"]["state"], &listed[1]["signatures"]["state"]), (&json!("unsigned"), &json!("valid")));
    assert_eq!(listed[1]["signatures"]["by"][0]["name"], "ana");
    assert!(server.get("/v1/detectors/robust/versions/live/card").body.contains("by ana"));
    // Whatever label somebody moves by hand, it is not loaded, and what judges goes on.
    registry(&at).go_live(&[("robust", 1)], "eve", "promote").unwrap();
    let _ = server.await_event(|event| event["error"].as_str().is_some_and(|error| error.contains(why)));
    assert_eq!(server.post("/v1/score", ODD).ok()["votes"][0]["model_version"], 2);
    let audited = at.audited("model.refused", 7);
    let told = audited
        .iter()
        .filter(|record| record["outcome"] == "denied" && record["reason"].as_str().unwrap().contains("it is not signed"))
        .count();
    assert!(told >= 7, "{audited:#?}");
    let signed = at.audited("model.signed", 1);
    assert!(signed[0]["target"] == "robust/2" && signed[0]["reason"].as_str().unwrap().contains("serial"), "{signed:#?}");
}

#[test]
fn keys_are_rotated_revoked_and_run_out() {
    let maker = maker();
    let at = strict(&maker);
    at.run("models import 1.synod").ok();
    at.run("models promote").ok();
    assert_eq!(verified(&at)["signatures"]["by"][0]["state"], "trusted");
    let ana = maker.run("models verify robust 1 --format json").ok().output;
    let ana = serde_json::from_str::<Value>(&ana).unwrap()["signatures"]["by"][0]["key"].as_str().unwrap().to_owned();
    let promote = "models promote robust=1";
    // The wrong key: bob is trusted, and ana is not.
    trust(&at, &trusting(true, &["bob"], ""));
    at.run(promote).failed(3, &["no signature counts", &ana, "not trusted here", "synod models sign"]);
    trust(&at, &trusting(false, &["bob"], ""));
    at.run(promote).failed(3, &["not trusted here"]);
    // A second signature, and the first key can go.
    trust(&at, &trusting(true, &["ana", "bob"], ""));
    at.run("models sign robust 1 --key bob.key.pem --serial 7").failed(2, &["--serial: it is signed already, with serial"]);
    at.run("models sign robust 1 --key bob.key.pem").ok();
    trust(&at, &trusting(true, &["bob"], ""));
    at.run(promote).ok();
    trust(&at, &trusting(true, &["bob"], &format!(", revoked: [{ana}]")));
    at.run(promote).ok();
    assert_eq!(verified(&at)["signatures"]["by"][0]["state"], "revoked");
    // What ran out counts no more, and what is to come not yet.
    let of_bob = |more: &str| trusting(true, &["bob"], "").replace("bob.pub.pem}", &format!("bob.pub.pem, {more}}}"));
    trust(&at, &of_bob("until: 2026-01-01"));
    at.run(promote).failed(3, &["the time of the key `bob`", "ended at 2026-01-01T00:00:00Z"]);
    at.run("models sign robust 1 --key bob.key.pem").failed(2, &["what it signs would not count here", "ended at"]);
    trust(&at, &of_bob("from: 2999-01-01"));
    at.run(promote).failed(3, &["begins at 2999-01-01T00:00:00Z"]);
    trust(&at, &of_bob("from: 2026-01-01, until: '2999-01-01T00:00:00Z'"));
    at.run(promote).ok();
    fs::remove_file(at.path("bob.pub.pem")).unwrap();
    at.run(promote).failed(2, &["models.signatures.trusted[0].public_key_file", "bob.pub.pem"]);
    at.run("check").failed(2, &["models.signatures.trusted[0].public_key_file"]);
}

#[test]
fn a_key_is_revoked_while_it_serves() {
    let maker = maker();
    let at = strict(&maker);
    at.run("models import 1.synod").ok();
    at.run("models promote").ok();
    let server = Server::start(&at);
    let ana = server.get("/v1/detectors/robust/versions").ok()[0]["signatures"]["by"][0]["key"].as_str().unwrap().to_owned();
    trust(&at, &trusting(true, &["ana", "bob"], &format!(", revoked: [{ana}]")));
    let reload = server.post("/v1/configuration/reload", "");
    let detail = reload.problem(422, "cannot_load")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&ana) && detail.contains("is revoked"), "{detail}");
    server.post("/v1/score", ODD).ok();
    // The way out: somebody else vouches for it.
    at.run("models sign robust 1 --key bob.key.pem").ok();
    assert_eq!(server.post("/v1/configuration/reload", "").status, 204);
    server.post("/v1/score", ODD).ok();
}

/// Where a text's bytes are in others.
fn place(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).position(|window| window == part).expect("it is in there")
}

#[test]
fn a_bit_that_was_changed_in_a_file_is_refused_wherever_it_is() {
    let maker = maker();
    let at = strict(&maker);
    let whole = fs::read(at.path("2.synod")).unwrap();
    let model = fs::read(file(&maker, "robust/2.json")).unwrap();
    let digest = serde_json::from_slice::<Value>(&model).unwrap()["artifact"]["sha256"].as_str().unwrap().to_owned();
    let envelope = fs::read(file(&maker, "robust/2.signatures.json")).unwrap();
    let signatures = place(&whole, &envelope);
    let manifest = place(&whole, b"manifest.json\0") + 512;
    let plugin = place(&whole, b"plugin.wasm\0") + 512;
    let model = place(&whole, b"model\0") + 512;
    // Bits of each part, its header and its content, and of the digests that the file states.
    let head = place(&whole, digest.as_bytes());
    let mut places = vec![head, place(&whole, b"\"format\"")];
    for (begin, length, step) in [(manifest, 13_000, 613), (model, 160, 31), (plugin, 250_000, 27_001), (signatures, envelope.len(), 67)] {
        places.extend([begin - 512, begin - 512 + 124]);
        places.extend((begin..begin + length).step_by(step));
    }
    for (number, place) in places.into_iter().enumerate() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (number % 8);
        at.write("changed.synod", changed);
        at.run("models import changed.synod").failed(3, &["changed.synod"]);
    }
    for length in [0, 511, 512, manifest + 100, model + 10, plugin + 1000, signatures + 10] {
        at.write("cut.synod", &whole[..length]);
        at.run("models import cut.synod").failed(3, &["cut.synod"]);
    }
    assert!(versions(&at).is_empty());
    at.run("models import 2.synod").ok();
}

#[test]
fn a_bit_that_was_changed_in_the_registry_is_refused_wherever_it_is() {
    let maker = maker();
    let at = strict(&maker);
    at.run("models import 2.synod").ok();
    at.run("models promote").ok();
    let manifest = fs::read(file(&at, "robust/1.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let blob = format!("blobs/{}.zst", manifest["artifact"]["sha256"].as_str().unwrap());
    let archive = format!("../archive/{}", manifest["manifest"]["plugin"]["sha256"].as_str().unwrap());
    // The file that the configuration names is another plugin by now: the archive's is needed.
    let other = guests().join("hostile.wasm").display().to_string();
    let template = guests().join("template.wasm").display().to_string();
    at.edit(&template, &other);
    at.run("models promote robust=1").ok();
    for (name, step) in [("robust/1.json", 907), ("robust/1.signatures.json", 71), (blob.as_str(), 41), (archive.as_str(), 40_009)] {
        let path = file(&at, name);
        let whole = fs::read(&path).unwrap();
        for (number, place) in (0..whole.len()).step_by(step).enumerate() {
            let mut changed = whole.clone();
            changed[place] ^= 1 << (number % 8);
            if whole[place].is_ascii_whitespace() && name.ends_with("signatures.json") {
                continue;
            }
            fs::write(&path, changed).unwrap();
            let ran = at.run("models promote robust=1");
            assert_ne!(ran.code, 0, "{name}, byte {place}: {}", ran.output);
        }
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_ne!(at.run("models promote robust=1").code, 0, "{name}, cut");
        fs::remove_file(&path).unwrap();
        // A plugin that is nowhere is not looked for elsewhere; without signatures there is nobody who vouches.
        assert_ne!(at.run("models promote robust=1").code, 0, "{name}, gone");
        // A link is followed nowhere.
        let elsewhere = at.path("elsewhere");
        fs::write(&elsewhere, &whole).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_ne!(at.run("models promote robust=1").code, 0, "{name}, a link");
        fs::remove_file(&path).unwrap();
        fs::write(&path, whole).unwrap();
    }
    at.run("models promote robust=1").ok();
}

#[test]
fn files_of_other_versions_and_names_that_lead_elsewhere_are_refused() {
    let maker = maker();
    let at = strict(&maker);
    give(&maker, &at, "ana.key.pem");
    at.run("models import 1.synod").ok();
    at.run("models import 2.synod").ok();
    let swap = |one: &str, other: &str| {
        let (one, other, aside) = (file(&at, one), file(&at, other), at.path("aside"));
        fs::rename(&one, &aside).unwrap();
        fs::rename(&other, &one).unwrap();
        fs::rename(&aside, &other).unwrap();
    };
    swap("robust/1.signatures.json", "robust/2.signatures.json");
    at.run("models promote robust=2").failed(3, &["the signed statement is about the"]);
    at.run("models verify robust 2").failed(3, &["the signed statement is about the"]);
    at.run("models sign robust 2 --key ana.key.pem").failed(2, &["are about something else"]);
    swap("robust/1.signatures.json", "robust/2.signatures.json");
    // Both files of the older version in the place of the newer one.
    swap("robust/1.json", "robust/2.json");
    at.run("models promote robust=2").failed(1, &["it says that it is version 1"]);
    swap("robust/1.json", "robust/2.json");
    at.run("models promote robust=2").ok();
    // What is signed for one detector is not for another.
    at.run("models import 2.synod --detector other --allow-older")
        .failed(3, &["it is signed for the detector `robust`", "have it signed as `other`"]);
    trust(&at, &trusting(false, &["ana"], ""));
    let renamed = at.run("models import 2.synod --detector other").ok().output;
    assert!(renamed.contains("not signed") && renamed.contains("signed for the detector `robust`"), "{renamed}");
    assert_eq!(registry(&at).signatures("other", 1).unwrap(), None);
    at.run("models import 2.synod --detector ../other").failed(1, &["cannot be a detector's name"]);
    at.run("models sign ../robust --key ana.key.pem").failed(1, &["cannot be a detector's name"]);
    // Endless signatures are not read.
    fs::write(file(&at, "robust/2.signatures.json"), vec![b' '; 10 << 20]).unwrap();
    at.run("models promote robust=2").failed(1, &["more than 65536 bytes"]);
}

#[test]
fn what_is_older_does_not_come_again_and_to_take_back_goes_on() {
    let maker = maker();
    let at = strict(&maker);
    at.run("models import 1.synod").ok();
    at.run("models promote").ok();
    at.run("models import 2.synod").ok();
    at.run("models promote").ok();
    for name in ["1.synod", "2.synod"] {
        at.run(&format!("models import {name}")).failed(3, &["is not above", "--allow-older"]);
    }
    assert_eq!(versions(&at), [1, 2]);
    at.run("models rollback").ok();
    assert_eq!(registry(&at).live_version("robust").unwrap(), Some(1));
    at.run("models promote robust=2").ok();
    // What was removed is remembered.
    at.run("models import 1.synod --allow-older").ok();
    at.run("models propose robust none").ok();
    at.run("models promote robust=3").ok();
    registry(&at).collect(&|_, _| false, false).unwrap();
    at.run("models import 2.synod").failed(3, &["is not above"]);
    let server = Server::start(&at);
    let bytes = fs::read(at.path("2.synod")).unwrap();
    let answer = send(server.data, "POST", "/v1/detectors/robust/versions", &[("content-type", "application/octet-stream")], &bytes);
    assert!(answer.problem(422, "version_refused")["detail"].as_str().unwrap().contains("is not above"));
    let moved = at.audited("model.moved", 4);
    assert!(moved.iter().any(|record| record["reason"].as_str().unwrap().contains("although")), "{moved:#?}");
    let refused = at.audited("model.refused", 4);
    assert!(refused.iter().all(|record| record["reason"].as_str().unwrap().contains("is not above")), "{refused:#?}");
}

#[test]
fn a_switch_between_check_and_load_does_not_help() {
    let maker = maker();
    let at = strict(&maker);
    at.run("models import 1.synod").ok();
    at.run("models import 2.synod").ok();
    at.run("models promote robust=1").ok();
    let server = Server::start(&at);
    let score = |server: &Server| server.post("/v1/score", ODD).ok()["votes"][0]["raw_score"].as_f64().unwrap().to_bits();
    let mut genuine = vec![score(&server)];
    server.post("/v1/detectors/robust/versions/2/promote", "").ok();
    genuine.push(score(&server));
    // Somebody puts a manifest that calls everything rare, and the other model, in the place of the genuine ones, again and again.
    let path = file(&at, "robust/2.json");
    let good = fs::read(&path).unwrap();
    let mut evil: Value = serde_json::from_slice(&good).unwrap();
    let first: Value = serde_json::from_slice(&fs::read(file(&at, "robust/1.json")).unwrap()).unwrap();
    evil["artifact"] = first["artifact"].clone();
    evil["manifest"]["golden"] = json!({"rows": [], "scores": []});
    evil["manifest"]["calibration"] = json!(vec![-1e9; 10]);
    let evil = serde_json::to_vec(&evil).unwrap();
    let done = AtomicBool::new(false);
    let [mut taken, mut refused] = [0; 2];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let draft = at.path("draft");
            while !done.load(Ordering::Relaxed) {
                for text in [&evil, &good] {
                    fs::write(&draft, text).unwrap();
                    fs::rename(&draft, &path).unwrap();
                }
            }
        });
        let started = Instant::now();
        while (taken < 20 || refused < 20) && started.elapsed() < LONGEST {
            let answer = server.post("/v1/detectors/robust/versions/2/promote", "");
            match answer.status {
                200 => taken += 1,
                _ => refused += 1,
            }
            let vote = server.post("/v1/score", ODD).ok()["votes"][0].clone();
            let raw = vote["raw_score"].as_f64().unwrap().to_bits();
            let version = vote["model_version"].as_u64().unwrap();
            assert_eq!(raw, genuine[version as usize - 1], "{vote}");
            server.post("/v1/detectors/robust/versions/1/promote", "").ok();
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{taken} taken, {refused} refused");
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

#[test]
fn without_required_only_a_missing_signature_is_borne() {
    let maker = maker();
    let at = installation(&trusting(false, &["bob"], ""));
    for name in ["bob.pub.pem", "1.synod"] {
        give(&maker, &at, name);
    }
    at.run("models import 1.synod").failed(3, &["no signature counts"]);
    // Where nobody is trusted, signatures are kept and told, and nothing is said of them.
    trust(&at, NOBODY);
    let imported: Ran = at.run("models import 1.synod").ok();
    assert!(imported.output.contains("no key is trusted here"), "{}", imported.output);
    at.run("models promote").ok();
    assert_eq!(verified(&at)["signatures"]["state"], "unjudged");
    assert!(at.run("models list").ok().output.contains("signed, unchecked"));
    let table = at.run("models verify robust").ok().output;
    assert!(table.contains("unknown") && table.contains("not checked"), "{table}");
}
