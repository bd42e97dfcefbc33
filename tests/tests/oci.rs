//! Versions in OCI registries: a real one, by TLS and with a password; and one that lies, of which nothing is kept.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use synod_store::{DataDirectory, Registry as Models};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::oci::{Asked, Given, LyingRegistry, PASSWORD, Registry, USER};
use synod_tests::{Installation, Ran, guests};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// So long does nothing take that reads no more than it may.
const LONGEST: Duration = Duration::from_secs(60);

fn installation(signatures: &str) -> Installation {
    let template = guests().join("template.wasm").display().to_string();
    let text = patient(&three_numbers(&format!("  robust:\n    plugin: {template}\n")));
    Installation::new(&format!("{text}models: {{signatures: {signatures}}}\n"))
}

/// Where versions are made and signed, with a live version.
fn maker() -> Installation {
    let at = installation("{}");
    let made = at.run("models keygen --output ana.key.pem").ok().output;
    at.write("ana.pub.pem", made);
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv --sign ana.key.pem").ok();
    at
}

/// Where they are used: it trusts who has made them, and needs that.
fn user(maker: &Installation) -> Installation {
    let at = installation("{required: true, trusted: [{name: ana, public_key_file: ana.pub.pem}]}");
    at.write("ana.pub.pem", maker.read("ana.pub.pem"));
    at
}

fn models(at: &Installation) -> Models {
    Models::open(&DataDirectory::open(at.path("data")).unwrap()).unwrap()
}

/// How the real registry is called.
fn known(at: &Installation, registry: &Registry) -> String {
    at.write("password", format!("{PASSWORD}\n"));
    format!("--ca {} --username {USER} --password-file password", registry.authority().display())
}

/// Neither plain nor encoded the password is anywhere.
#[track_caller]
fn silent(ran: Ran) -> Ran {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    for text in [&ran.output, &ran.errors] {
        assert!(!text.contains(PASSWORD) && !text.contains(&encoded), "{text}");
    }
    ran
}

fn told(ran: &Ran) -> Value {
    serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {}", ran.output))
}

#[test]
fn a_version_goes_through_a_real_registry_and_is_the_same_to_the_byte() {
    let Some(registry) = Registry::start() else { return };
    let (maker, place) = (maker(), registry.place("fraud/robust"));
    let known_maker = known(&maker, &registry);
    let pushed = told(&silent(maker.run(&format!("models push robust {place}:first {known_maker} --format json")).ok()));
    let digest = pushed["pinned"].as_str().unwrap().rsplit_once("@sha256:").unwrap().1.to_owned();
    assert_eq!((pushed["version"].as_u64(), pushed["signed"].as_bool()), (Some(1), Some(true)));
    maker.run(&format!("models push robust 1 {place}:first {known_maker}")).ok();

    // Any other client finds an artifact of the specification.
    assert_eq!(registry.get("/v2/fraud/robust/tags/list", "*/*")["tags"], json!(["first"]));
    let manifest = registry.get(&format!("/v2/fraud/robust/manifests/sha256:{digest}"), MANIFEST);
    assert_eq!(manifest["artifactType"], "application/vnd.synod.version.v1");
    let (published, _) = models(&maker).manifest::<Value>("robust", Some(1)).unwrap();
    assert_eq!(manifest["layers"][0]["digest"], format!("sha256:{}", published.digest));
    let titles: Vec<_> =
        manifest["layers"].as_array().unwrap().iter().map(|layer| &layer["annotations"]["org.opencontainers.image.title"]).collect();
    assert_eq!(titles, ["model", "plugin.wasm", "signatures.json"]);
    let held = registry.get(&format!("/v2/fraud/robust/blobs/{}", manifest["config"]["digest"].as_str().unwrap()), "*/*");
    assert!(held["golden"]["scores"][0].is_number() && held["view"].is_object(), "golden rows and schema are in the config");

    let user = user(&maker);
    let known_user = known(&user, &registry);
    let pulled = told(&silent(user.run(&format!("models pull {place}:first {known_user} --format json")).ok()));
    assert_eq!((&pulled["pinned"], &pulled["sha256"]), (&pushed["pinned"], &json!(published.digest)));
    assert_eq!(pulled["signatures"]["by"][0]["name"], "ana");
    let same = |at: &Installation, path: &str| std::fs::read(at.path(path)).unwrap();
    for path in ["data/models/robust/1.json", "data/models/robust/1.signatures.json"] {
        assert_eq!(same(&maker, path), same(&user, path), "{path}");
    }
    assert_eq!(models(&user).live_version("robust").unwrap(), None, "it is a candidate");
    user.run("models promote robust=candidate").ok();
    let acts = models(&user).acts().unwrap();
    assert!(acts.iter().any(|(_, act)| act.act == "pull" && act.about.as_ref().unwrap().contains("signed by `ana`")), "{acts:?}");

    // A digest stays what it was, whatever becomes of the tag.
    maker.write("more.csv", three_numbers_csv(400));
    maker.run("fit --data more.csv --sign ana.key.pem").ok();
    maker.run(&format!("models push robust {place}:first {known_maker}")).ok();
    let moved = told(&user.run(&format!("models pull {place}:first {known_user} --format json")).ok());
    assert_ne!(moved["pinned"], pushed["pinned"]);
    let pinned = pushed["pinned"].as_str().unwrap();
    user.run(&format!("models pull {pinned} {known_user}")).failed(3, &["serial", "--allow-older"]);
    let old = user.run(&format!("models pull {pinned} {known_user} --allow-older --format json")).ok();
    assert_eq!(told(&old)["sha256"], json!(published.digest));
    assert!(!registry.log().contains(PASSWORD));
}

#[test]
fn who_calls_is_asked_of_the_command_line_and_of_docker_login() {
    use base64::Engine as _;
    let Some(registry) = Registry::start() else { return };
    let (at, place) = (maker(), registry.place("fraud/robust"));
    let ca = format!("--ca {}", registry.authority().display());
    let push = format!("models push robust {place}");
    let nobody = at.path("nobody").display().to_string();
    let anonymous = at.run_with(&format!("{push} {ca}"), &[("DOCKER_CONFIG", &nobody)]);
    anonymous.failed(1, &["answers 401", "docker login", "--password-file"]);
    at.write("password", "wrong-s3cr3t\n");
    let wrong = at.run(&format!("{push} {ca} --username {USER} --password-file password"));
    assert!(!wrong.failed(1, &["answers 401", "does not accept the credential"]).errors.contains("wrong-s3cr3t"));
    at.run(&format!("{push} --username {USER}")).failed(2, &["--password-file"]);
    at.run(&format!("{push} {ca} --username {USER} --password-file none")).failed(2, &["--password-file", "none"]);
    // Plain http to a registry that speaks TLS, and TLS by an authority that is not known.
    at.run_with(&push, &[("DOCKER_CONFIG", &nobody)]).failed(1, &["localhost"]);
    at.write("other.pem", synod_tests::tls::Authority::new("Others").pem());
    silent(at.run(&format!("{push} --ca other.pem"))).failed(1, &["cannot be called"]);

    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let config = json!({ "auths": { format!("localhost:{}", registry.address.port()): { "auth": auth } } });
    std::fs::create_dir(at.path("docker")).unwrap();
    at.write("docker/config.json", config.to_string());
    let docker = at.path("docker").display().to_string();
    silent(at.run_with(&format!("{push} {ca}"), &[("DOCKER_CONFIG", &docker)])).ok();
    let home = at.path("home");
    std::fs::create_dir_all(home.join(".docker")).unwrap();
    std::fs::copy(at.path("docker/config.json"), home.join(".docker/config.json")).unwrap();
    let by_home = at.run_with(&format!("models pull {place} {ca} --allow-older"), &[("HOME", &home.display().to_string())]);
    silent(by_home).ok();
    at.write("docker/config.json", "{");
    silent(at.run_with(&format!("{push} {ca}"), &[("DOCKER_CONFIG", &docker)])).failed(2, &["no configuration of Docker"]);
    assert!(!at.read("data/models.json").contains(PASSWORD));
}

/// A registry that lies, with a version in it; and who would use it.
fn lying() -> (LyingRegistry, Installation, String) {
    let (registry, maker) = (LyingRegistry::start(), maker());
    let place = registry.place("fraud/robust");
    maker.run(&format!("models push robust {place}:v1")).ok();
    let user = user(&maker);
    (registry, user, place)
}

/// Pulls, which must fail, and leave nothing behind; and not take for ever.
#[track_caller]
fn refused(user: &Installation, words: &str, code: i32, naming: &[&str]) -> Ran {
    let started = Instant::now();
    let ran = user.run(&format!("models pull {words}")).failed(code, naming);
    assert!(started.elapsed() < LONGEST);
    assert!(models(user).versions("robust").unwrap().is_empty(), "nothing is kept");
    ran
}

fn is_blob(asked: &Asked) -> bool {
    asked.method == "GET" && asked.path.contains("/blobs/")
}

fn is_manifest(asked: &Asked) -> bool {
    asked.method == "GET" && asked.path.contains("/manifests/")
}

#[test]
fn what_a_lying_registry_gives_is_refused() {
    let (registry, user, place) = lying();
    let place = format!("{place}:v1");
    let manifest: Value = registry.get("/v2/fraud/robust/manifests/v1").json();
    let digest = |part: &Value| part["digest"].as_str().unwrap().to_owned();
    let parts: Vec<String> = std::iter::once(&manifest["config"]).chain(manifest["layers"].as_array().unwrap()).map(digest).collect();
    for part in parts {
        let of_part = part.clone();
        registry.lies(move |asked, mut given| {
            if is_blob(asked) && asked.path.ends_with(&of_part) {
                let middle = given.body.len() / 2;
                given.body[middle] ^= 1;
            }
            given
        });
        refused(&user, &place, 3, &["its SHA-256 should be", &part]);
        let of_part = part.clone();
        registry.lies(move |asked, mut given| {
            if is_blob(asked) && asked.path.ends_with(&of_part) {
                given.body.pop();
            }
            given
        });
        refused(&user, &place, 3, &["its SHA-256 should be"]);
        registry.lies(move |asked, given| Given { endless: is_blob(asked) && asked.path.ends_with(&part), ..given });
        refused(&user, &place, 1, &["answers with more than", "no more are read"]);
    }
    registry.lies(|asked, given| Given { endless: is_manifest(asked), ..given });
    refused(&user, &place, 1, &["answers with more than"]);
    registry.lies(|asked, given| Given { endless: is_manifest(asked), status: 500, ..given });
    refused(&user, &place, 1, &["answers 500"]);
    let header = format!("docker-content-digest: sha256:{}", "ab".repeat(32));
    registry.lies(move |asked, given| if is_manifest(asked) { Given::new(200, &[&header], &given.body) } else { given });
    refused(&user, &place, 3, &["the manifest of", "abab"]);
    registry.lies(|_, given| given);
    refused(&user, &place.replace(":v1", &format!("@sha256:{}", "cd".repeat(32))), 1, &["answers 404 (MANIFEST_UNKNOWN)"]);
    refused(&user, &place.replace(":v1", ":v2"), 1, &["answers 404", "no such repository, tag or digest"]);
    user.run(&format!("models pull {place}")).ok();
}

#[test]
fn another_artifact_than_was_asked_for_is_refused() {
    let (registry, user, place) = lying();
    let first = registry.get("/v2/fraud/robust/manifests/v1").body;
    // By a digest it is that or nothing, whatever else is a good version.
    registry.lies(move |asked, given| if is_manifest(asked) { Given::new(200, &[], first.as_bytes()) } else { given });
    refused(&user, &format!("{place}@sha256:{}", "cd".repeat(32)), 3, &["its SHA-256 should be cdcd"]);
    for (from, to, naming) in [
        ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json", "an index names several"),
        ("application/vnd.synod.version.v1", "application/vnd.synod.plugin.v1", "its type is `application/vnd.synod.plugin.v1`"),
        ("application/vnd.synod.model.v1", "application/vnd.other", "a layer of the type `application/vnd.other`"),
        ("sha256:", "sha256:../../../", "is no sha256"),
        ("\"size\":", "\"size\":99999999999", "more than"),
        ("{", "", "cannot be understood"),
    ] {
        registry.lies(move |asked, given| {
            let text = String::from_utf8_lossy(&given.body).replacen(from, to, 1);
            if is_manifest(asked) { Given { body: text.into_bytes(), ..given } } else { given }
        });
        refused(&user, &format!("{place}:v1"), 3, &[naming]);
    }
    // A size that is a little too large or too small is no way around either.
    registry.lies(|asked, given| {
        let mut manifest: Value = serde_json::from_slice(&given.body).unwrap_or_default();
        if !is_manifest(asked) {
            return given;
        }
        let size = manifest["layers"][0]["size"].as_u64().unwrap();
        manifest["layers"][0]["size"] = json!(size - 1);
        Given { body: manifest.to_string().into_bytes(), ..given }
    });
    refused(&user, &format!("{place}:v1"), 1, &["answers with more than"]);
    // Without its signatures it is unsigned, and there must be some.
    registry.lies(|asked, given| {
        let mut manifest: Value = serde_json::from_slice(&given.body).unwrap_or_default();
        if !is_manifest(asked) {
            return given;
        }
        manifest["layers"].as_array_mut().unwrap().pop();
        Given { body: manifest.to_string().into_bytes(), ..given }
    });
    refused(&user, &format!("{place}:v1"), 3, &["it is not signed"]);
}

#[test]
fn redirects_and_realms_lead_no_credential_elsewhere() {
    let (registry, user, place) = lying();
    user.write("password", format!("{PASSWORD}\n"));
    let words = format!("{place}:v1 --username {USER} --password-file password");
    let elsewhere = LyingRegistry::start();
    let to = format!("location: http://{}/stolen", elsewhere.address);
    // A blob may be kept elsewhere; what comes from there is compared, and nobody there learns who calls.
    let leading = to.clone();
    registry.lies(move |asked, given| match asked {
        asked if !asked.headers.contains_key("authorization") => Given::new(401, &["www-authenticate: Basic realm=\"tests\""], b""),
        asked if is_blob(asked) => Given::new(307, &[&leading], b""),
        _ => given,
    });
    elsewhere.lies(|_, _| Given::new(200, &[], b"{}"));
    silent(refused(&user, &words, 3, &["its SHA-256 should be"]));
    let stolen = elsewhere.asked();
    assert!(!stolen.is_empty() && stolen.iter().all(|asked| !asked.headers.contains_key("authorization")), "{stolen:?}");
    // Nothing but a blob is looked for elsewhere.
    let leading = to.clone();
    registry.lies(move |asked, given| if is_manifest(asked) { Given::new(302, &[&leading], b"") } else { given });
    silent(refused(&user, &words, 1, &["answers 302", "not followed"]));
    registry.lies(|asked, given| if is_blob(asked) { Given::new(302, &["location: http://192.0.2.1/a?token=hidden"], b"") } else { given });
    let ran = silent(refused(&user, &words, 1, &["leads to http://192.0.2.1, by plain http"]));
    assert!(!ran.errors.contains("hidden"), "{}", ran.errors);
    registry.lies(|asked, given| if is_blob(asked) { Given::new(302, &[&format!("location: {}", asked.path)], b"") } else { given });
    silent(refused(&user, &words, 1, &["without end"]));
    registry.lies(|asked, given| if is_blob(asked) { Given::new(302, &["location: file:///etc/passwd"], b"") } else { given });
    silent(refused(&user, &words, 1, &["without saying where to go on"]));
    // Nor is an upload.
    let leading = to;
    registry.lies(move |asked, given| if asked.method == "POST" { Given::new(202, &[&leading], b"") } else { given });
    let maker = maker();
    maker
        .run(&format!("models push robust {}", registry.place("other/robust")))
        .failed(1, &["leads to http://127.0.0.1", "neither bytes nor credentials"]);
    assert!(elsewhere.asked().is_empty());
    // Where tokens are given must not be in the clear either, and what is said of a failure is not repeated.
    registry.lies(|_, _| Given::new(401, &["www-authenticate: Bearer realm=\"http://192.0.2.1/token\",service=\"tests\""], b""));
    silent(refused(&user, &words, 1, &["leads to http://192.0.2.1, by plain http"]));
    registry.lies(|asked, _| {
        let known = asked.headers.get("authorization").cloned().unwrap_or_default();
        let body = json!({"errors": [{"code": known, "message": known, "detail": PASSWORD}]}).to_string();
        Given::new(401, &["www-authenticate: Basic realm=\"tests\""], body.as_bytes())
    });
    silent(refused(&user, &words, 1, &["answers 401"]));
    user.run(&format!("models pull {}", place.replace("127.0.0.1", &format!("{USER}:{PASSWORD}@127.0.0.1")))).failed(2, &["oci://HOST"]);
}

#[test]
fn a_token_is_asked_for_where_the_registry_says_and_shown_to_it_alone() {
    let (registry, user, place) = lying();
    user.write("password", format!("{PASSWORD}\n"));
    let _ = registry.asked();
    let challenge = format!("www-authenticate: Bearer realm=\"http://{}/token\",service=\"tests\",scope=\"other\"", registry.address);
    registry.lies(move |asked, given| {
        let known = asked.headers.get("authorization").map(String::as_str).unwrap_or_default();
        match asked.path.starts_with("/token") {
            true if known.starts_with("Basic ") => Given::new(200, &[], br#"{"token": "of-the-realm", "expires_in": 60}"#),
            true => Given::new(401, &[], b""),
            false if known == "Bearer of-the-realm" => given,
            false => Given::new(401, &[&challenge], b""),
        }
    });
    let pulled = silent(user.run(&format!("models pull {place}:v1 --username {USER} --password-file password")).ok());
    assert!(!pulled.output.contains("of-the-realm") && !pulled.errors.contains("of-the-realm"));
    let asked = registry.asked();
    let token = asked.iter().find(|asked| asked.path.starts_with("/token")).unwrap();
    assert!(token.path.contains("service=tests") && token.path.contains("scope=repository%3Afraud%2Frobust%3Apull"), "{}", token.path);
    assert_eq!(asked.iter().filter(|asked| asked.path.starts_with("/token")).count(), 1, "one token is enough");
    let basic = asked.iter().filter(|asked| asked.headers.get("authorization").is_some_and(|known| known.starts_with("Basic")));
    assert!(basic.into_iter().all(|asked| asked.path.starts_with("/token")), "the password goes to the realm alone");
}

#[test]
fn a_mistyped_reference_is_told_how_it_is_written() {
    let at = maker();
    for reference in ["registry.example/a", "oci://registry.example", "oci://registry.example/UPPER", "oci://registry.example/../a"] {
        at.run(&format!("models pull {reference}")).failed(2, &["write oci://HOST/REPOSITORY[:TAG]"]);
    }
    at.run(&format!("models push robust oci://127.0.0.1:1/a@sha256:{}", "ab".repeat(32)))
        .failed(3, &["a digest follows from what is pushed"]);
    at.run("models push robust 9 oci://127.0.0.1:1/a").failed(1, &["there is no such version"]);
    at.run("models push robust oci://127.0.0.1:1/a").failed(1, &["127.0.0.1:1 cannot be called"]);
}

#[test]
fn a_plugin_alone_is_signed_pushed_and_pulled() {
    let (registry, at) = (LyingRegistry::start(), maker());
    let place = registry.place("detectors/template");
    let component = std::fs::read(guests().join("template.wasm")).unwrap();
    at.write("template.wasm", &component);
    at.run("plugin sign template.wasm --key ana.key.pem").ok();
    at.run("models keygen --output bob.key.pem").ok();
    assert_eq!(at.run("plugin sign template.wasm --key bob.key.pem").ok().output.matches("signed by").count(), 2);
    let pushed = told(&at.run(&format!("plugin push template.wasm {place}:1 --json")).ok());
    let pull = |words: &str| at.run(&format!("plugin pull {words}"));
    let strict = "--config strict.yaml";
    at.write(
        "strict.yaml",
        at.read("synod.yaml")
            .replace("signatures: {}", "signatures: {required: true, trusted: [{name: ana, public_key_file: ana.pub.pem}]}"),
    );
    let pulled = told(&pull(&format!("{place}:1 --output again.wasm {strict} --json")).ok());
    assert_eq!(pulled["pinned"], pushed["pinned"]);
    assert_eq!((&pulled["sha256"], &pulled["signatures"]["state"]), (&pushed["sha256"], &json!("valid")));
    assert_eq!(std::fs::read(at.path("again.wasm")).unwrap(), component);
    assert_eq!(at.read("again.signatures.json"), at.read("template.signatures.json"));
    pull(&format!("{place}:1 --output again.wasm")).failed(2, &["again.wasm is there already"]);
    // Another component with these signatures, one that nobody has signed, and what is no plugin.
    std::fs::copy(at.path("template.signatures.json"), at.path("hostile.signatures.json")).unwrap();
    at.write("hostile.wasm", std::fs::read(guests().join("hostile.wasm")).unwrap());
    at.run(&format!("plugin push hostile.wasm {place}:2")).failed(3, &["the signed statement is about the plugin template"]);
    at.run("plugin sign hostile.wasm --key ana.key.pem").failed(3, &["the signed statement is about the plugin template"]);
    std::fs::remove_file(at.path("hostile.signatures.json")).unwrap();
    at.run(&format!("plugin push hostile.wasm {place}:2")).ok();
    pull(&format!("{place}:2 --output other.wasm {strict}")).failed(3, &["it is not signed"]);
    at.write("none.wasm", "no component");
    at.run(&format!("plugin push none.wasm {place}:3")).failed(3, &["it is no plugin"]);
    at.run(&format!("models pull {place}:1")).failed(3, &["it is no version of a detector's model"]);
    assert!(!at.path("other.wasm").exists());
}
