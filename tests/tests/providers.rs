//! Identity providers: a real one (an npm package, in a process of its own) and ones that misbehave; tokens, rotation of keys, and the console's
//! login.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use synod_tests::browser::use_console;
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Installation, Server, free_port, repository, send};

const ROW: &str = r#"{"a":0.1,"b":0.2,"c":0.3}"#;
const API: &str = "urn:synod:api";
const NOBODY: [(&str, &str); 1] = [("SYNOD_IDENTITY__ANONYMOUS", "[]")];

/// An installation with this section `identity` (YAML, indented by two).
fn installed(identity: &str) -> Installation {
    let configuration = patient(&three_numbers("  forest:\n    plugin: isolation-forest\n"));
    let at = Installation::new(&format!("{configuration}identity:\n{identity}"));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn score(server: &Server, token: &str) -> Answer {
    let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
    send(server.data, "POST", "/v1/score", &headers, ROW.as_bytes())
}

/// Insists that a credential is refused, and that the metrics say why.
#[track_caller]
fn refused(server: &Server, token: &str, reason: &str) {
    let before = refusals(server, reason);
    let answer = score(server, token);
    answer.problem(401, "invalid_credential");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"synod\", error=\"invalid_token\""));
    let started = Instant::now();
    while refusals(server, reason) == before {
        assert!(started.elapsed() < Duration::from_secs(10), "not refused for `{reason}`:\n{}", server.lines().join("\n"));
        thread::sleep(Duration::from_millis(5));
    }
}

fn refusals(server: &Server, reason: &str) -> u64 {
    counted(server, &format!("synod_credentials_refused_total{{reason=\"{reason}\"}}"))
}

/// A counter or gauge of the metrics; 0 if it is not there.
fn counted(server: &Server, metric: &str) -> u64 {
    let text = server.administer("/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

fn form(pairs: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        let byte = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(byte).collect::<String>()
    };
    pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

// ---- The real provider ----------------------------------------------------------------------------------------------------------------------

/// The provider's script beside what it needs, or nothing if there is no npm. It is put into a folder of the user's cache, once.
fn script() -> Option<PathBuf> {
    static SCRIPT: OnceLock<Option<PathBuf>> = OnceLock::new();
    SCRIPT.get_or_init(install).clone()
}

fn install() -> Option<PathBuf> {
    if Command::new("npm").arg("--version").output().is_err() {
        eprintln!("skipped: the real identity provider needs Node.js and npm, which are not here");
        return None;
    }
    let cache =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folder = cache.unwrap_or_else(std::env::temp_dir).join("synod-tests/provider");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::read(repository().join("tests/providers/package-lock.json")).unwrap();
    let is_installed = fs::read(folder.join("installed.json")).is_ok_and(|installed| installed == lock);
    for name in ["package.json", "package-lock.json", "provider.mjs"] {
        fs::copy(repository().join("tests/providers").join(name), folder.join(name)).unwrap();
    }
    if !is_installed {
        let command =
            Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder).output().unwrap();
        assert!(command.status.success(), "npm ci failed: {}", String::from_utf8_lossy(&command.stderr));
        fs::write(folder.join("installed.json"), lock).unwrap();
    }
    Some(folder.join("provider.mjs"))
}

struct RealProvider {
    process: Child,
    port: u16,
}

impl RealProvider {
    fn start(script: &PathBuf, port: u16, redirect: &str) -> Self {
        let mut command = Command::new("node");
        command.arg(script).arg(port.to_string()).arg(redirect).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap() == "ready");
        assert!(ready, "the provider does not start");
        // Whatever else it writes is read, so that it never waits for a reader.
        thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }

    fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// An access token of a machine's client.
    fn token(&self, client: &str, audience: &str) -> String {
        let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{client}-secret")));
        let headers = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let body = form(&[("grant_type", "client_credentials"), ("resource", audience)]);
        let answer = send(here(self.port), "POST", "/token", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for RealProvider {
    fn drop(&mut self) {
        self.end();
    }
}

fn identity_of(issuer: &str, more: &str) -> String {
    format!(
        "  issuers:\n    real:\n      issuer: {issuer}\n      audiences: ['{API}']\n      private: true\n      leeway: 0s\n      roles: {{robots: scorer, desk: analyst}}\n{more}"
    )
}

fn part(token: &str, place: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(place).unwrap()).unwrap()).unwrap()
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The token with another header and payload, and a signature of one's own.
fn forged(header: &Value, payload: &Value, sign: impl Fn(&str) -> String) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = sign(&signed);
    format!("{signed}.{signature}")
}

#[test]
fn tokens_of_a_real_provider_are_accepted_and_forged_ones_are_not() {
    let Some(script) = script() else { return };
    let provider = RealProvider::start(&script, free_port(), "http://127.0.0.1:1/console/callback");
    let stranger = RealProvider::start(&script, free_port(), "http://127.0.0.1:1/console/callback");
    let at = installed(&identity_of(&provider.issuer(), ""));
    let server = Server::start_with(&at, &NOBODY);
    server.post("/v1/score", ROW).problem(401, "no_credential");
    for client in ["rsa-robot", "curve-robot"] {
        let token = provider.token(client, API);
        score(&server, &token).ok();
        let headers = [("authorization", &*format!("Bearer {token}"))];
        send(server.data, "GET", "/v1/decisions", &headers, b"").problem(403, "forbidden");
    }

    let token = provider.token("rsa-robot", API);
    let (header, payload, signature) = (part(&token, 0), part(&token, 1), token.rsplit_once('.').unwrap().1);
    refused(&server, &provider.token("rsa-robot", "urn:other:api"), "other_audience");
    refused(&server, &stranger.token("rsa-robot", API), "unknown_issuer");
    let raised =
        json!({"iss": payload["iss"], "aud": API, "sub": "rsa-robot", "exp": payload["exp"], "iat": payload["iat"], "roles": ["desk"]});
    refused(&server, &forged(&header, &raised, |_| signature.to_owned()), "signature");
    let other_key = part(&stranger.token("rsa-robot", API), 0);
    refused(&server, &forged(&other_key, &raised, |_| signature.to_owned()), "unknown_key");
    for none in ["none", "None", "NONE", ""] {
        refused(&server, &forged(&json!({"alg": none, "kid": header["kid"]}), &payload, |_| String::new()), "algorithm");
    }
    // The public key as a shared secret, in the form that it is published in, and as its bare modulus.
    let keys = send(here(provider.port), "GET", "/jwks", &[], b"").json();
    let rsa = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap().clone();
    for secret in [rsa.to_string().into_bytes(), URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap()] {
        let sign = |signed: &str| URL_SAFE_NO_PAD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes()));
        refused(&server, &forged(&json!({"alg": "HS256", "kid": header["kid"]}), &payload, sign), "algorithm");
    }
    let brief = provider.token("brief-robot", API);
    thread::sleep(Duration::from_millis(2100));
    refused(&server, &brief, "expired");
    score(&server, &token).ok();
    let ready = server.get("/readyz").ok();
    assert_eq!(ready["issuers"], json!([{"name": "real", "ready": true}]));
    assert!(server.stop().iter().all(|event| !event.to_string().contains(&token)), "no token in the log");
}

#[test]
fn a_real_provider_may_be_down_and_come_back_with_other_keys() {
    let Some(script) = script() else { return };
    let port = free_port();
    let provider = RealProvider::start(&script, port, "http://127.0.0.1:1/console/callback");
    let at = installed(&identity_of(&provider.issuer(), ""));
    let server = Server::start_with(&at, &NOBODY);
    let old = provider.token("curve-robot", API);
    score(&server, &old).ok();
    provider.stop();
    score(&server, &old).ok();
    let provider = RealProvider::start(&script, port, "http://127.0.0.1:1/console/callback");
    score(&server, &old).ok();
    let fetched = "synod_identity_key_fetches_total{issuer=\"real\",result=\"fetched\"}";
    assert_eq!(counted(&server, fetched), 1);
    let new = provider.token("curve-robot", API);
    score(&server, &new).ok();
    assert_eq!(counted(&server, fetched), 2, "an unknown key made it fetch once more");
    refused(&server, &old, "unknown_key");
    refused(&server, &old, "unknown_key");
    score(&server, &provider.token("rsa-robot", API)).ok();
    assert_eq!(counted(&server, fetched), 2, "and not again within a minute");
    let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
        - counted(&server, "synod_identity_keys_fetched_seconds{issuer=\"real\"}");
    assert!(age < 60, "{age}");
    server.stop();
}

// ---- The console's login --------------------------------------------------------------------------------------------------------------------

/// A browser that keeps cookies, and goes where it is sent when it is told to.
#[derive(Default)]
struct Browser {
    /// By host and name.
    cookies: BTreeMap<(String, String), String>,
}

impl Browser {
    fn call(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url}"));
        let (host, path) = rest.split_at(rest.find('/').unwrap());
        let cookies: Vec<String> = self.of(host).map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut all = headers.to_vec();
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        let answer = send(host.parse().unwrap(), method, path, &all, body.as_bytes());
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let key = (host.to_owned(), name.to_owned());
            if value.is_empty() {
                self.cookies.remove(&key)
            } else {
                self.cookies.insert(key, value.to_owned())
            };
        }
        answer
    }

    fn of(&self, host: &str) -> impl Iterator<Item = (&str, &str)> {
        self.cookies.iter().filter(move |((known, _), _)| known == host).map(|((_, name), value)| (name.as_str(), value.as_str()))
    }

    fn get(&mut self, url: &str) -> Answer {
        self.call("GET", url, &[], "")
    }

    /// Goes where it is sent to.
    #[track_caller]
    fn sent_to(answer: &Answer, from: &str) -> String {
        assert!([302, 303].contains(&answer.status), "{} {}", answer.status, answer.body);
        let location = answer.header("location").unwrap();
        let host = from.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        if location.starts_with('/') { format!("{host}{location}") } else { location.to_owned() }
    }

    /// Logs in at the provider under a name, from where the console sent the browser to; returns where it is sent back to, as
    /// a person would who consents.
    fn log_in(&mut self, authorize: &str, name: &str) -> String {
        let mut at = authorize.to_owned();
        for _ in 0..10 {
            let mut answer = self.get(&at);
            if answer.status == 200 {
                let page = at.clone();
                let prompt = if answer.body.contains("name=\"login\"") { "login" } else { "consent" };
                let fields = form(&[("prompt", prompt), ("login", name), ("password", "any")]);
                answer = self.call("POST", &page, &[("content-type", "application/x-www-form-urlencoded")], &fields);
            }
            at = Self::sent_to(&answer, &at);
            if at.contains("/console/callback") {
                return at;
            }
        }
        panic!("the provider does not send back: {at}")
    }
}

/// The text with the value of a parameter replaced.
fn with(url: &str, name: &str, value: &str) -> String {
    let start = url.find(&format!("{name}=")).unwrap_or_else(|| panic!("no {name} in {url}")) + name.len() + 1;
    let end = url[start..].find('&').map_or(url.len(), |length| start + length);
    format!("{}{value}{}", &url[..start], &url[end..])
}

/// A provider and a server with a login at it.
struct Console {
    provider: RealProvider,
    server: Server,
    url: String,
    /// Removed when this is dropped.
    _at: Installation,
}

impl Console {
    fn start(client: &str, secret: Option<&str>) -> Option<Self> {
        let script = script()?;
        let (port, provider_port) = (free_port(), free_port());
        let url = format!("http://127.0.0.1:{port}");
        let redirect = format!("{url}/console/callback");
        let provider = RealProvider::start(&script, provider_port, &redirect);
        let secret_file = secret.map_or("", |_| "    client_secret_file: client.secret\n");
        let login = format!("  login:\n    issuer: real\n    client_id: {client}\n    redirect: {redirect}\n{secret_file}");
        let at = installed(&identity_of(&provider.issuer(), &login));
        secret.inspect(|secret| at.write("client.secret", format!("{secret}\n")));
        let data = format!("127.0.0.1:{port}");
        let server = Server::start_with(&at, &[NOBODY[0], ("SYNOD_LISTEN__DATA", &data), ("SYNOD_LISTEN__PROXIES", "[\"127.0.0.1\"]")]);
        // The provider's document is fetched in the background.
        let started = Instant::now();
        while server.get("/readyz").ok()["issuers"][0]["ready"] != true {
            assert!(started.elapsed() < Duration::from_secs(30), "{}", server.lines().join("\n"));
            thread::sleep(Duration::from_millis(20));
        }
        Some(Self { provider, server, url, _at: at })
    }

    fn begin(&self, browser: &mut Browser, return_to: &str) -> String {
        let answer = browser.get(&format!("{}/console/login{return_to}", self.url));
        assert_eq!((answer.status, answer.header("cache-control")), (303, Some("no-store")), "{}", answer.body);
        let location = answer.header("location").unwrap().to_owned();
        assert!(location.starts_with(&format!("{}/auth?response_type=code&", self.provider.issuer())), "{location}");
        assert!(location.contains("code_challenge_method=S256"), "{location}");
        location
    }

    /// Insists that an answer of the provider is refused, for this reason.
    #[track_caller]
    fn refused(&self, browser: &mut Browser, callback: &str, reason: &str) {
        browser.get(callback).problem(403, "login_failed");
        let wanted = |event: &Value| event["action"] == "credential.refused" && event["reason"] == reason;
        let _ = self.server.await_event(wanted);
        assert!(counted(&self.server, &format!("synod_console_logins_total{{result=\"{reason}\"}}")) > 0, "{reason}");
        browser.get(&format!("{}/console/session", self.url)).problem(401, "no_credential");
    }
}

#[test]
fn people_log_in_at_a_real_provider_and_out_again() {
    for (client, secret) in [("console", Some("console:secret/+&%")), ("public-console", None)] {
        let Some(console) = Console::start(client, secret) else { return };
        let (mut browser, url) = (Browser::default(), console.url.as_str());
        let authorize = console.begin(&mut browser, "?return_to=%2Fconsole%2Fdecisions%3Fx%3D1");
        let callback = browser.log_in(&authorize, "ana");
        let answer = browser.get(&callback);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/console/decisions?x=1")), "{client}: {}", answer.body);
        assert_eq!((answer.header("referrer-policy"), answer.header("cache-control")), (Some("no-referrer"), Some("no-store")));
        let cookies: Vec<&str> = answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect();
        let session = cookies.iter().find(|cookie| cookie.starts_with("synod=")).unwrap();
        assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{session}");

        let who = browser.get(&format!("{url}/console/session")).ok();
        assert_eq!((&who["name"], &who["roles"]), (&json!("ana of the desk"), &json!(["analyst"])), "{who}");
        assert_eq!(who["caller"], format!("{}:ana", console.provider.issuer()));
        browser.get(&format!("{url}/v1/decisions")).ok();
        browser.get(&format!("{url}/v1/entities/a")).problem(404, "no_entities");

        // What changes something needs the token and a page of the console's own.
        let csrf = who["csrf_token"].as_str().unwrap();
        let mut score = |headers: &[(&str, &str)]| browser.call("POST", &format!("{url}/v1/score"), headers, ROW);
        #[rustfmt::skip]
        let astray: [&[(&str, &str)]; 7] = [
            &[],
            &[("origin", url)],
            &[("x-csrf-token", csrf)],
            &[("x-csrf-token", "guessed"), ("origin", url)],
            &[("x-csrf-token", csrf), ("origin", "http://other.example")],
            &[("x-csrf-token", csrf), ("origin", url), ("sec-fetch-site", "cross-site")],
            &[("x-csrf-token", csrf), ("sec-fetch-site", "none")],
        ];
        for headers in astray {
            score(headers).problem(401, "invalid_credential");
        }
        // With it she is known, and may not: an analyst does not score.
        score(&[("x-csrf-token", csrf), ("origin", url)]).problem(403, "forbidden");
        score(&[("x-csrf-token", csrf), ("sec-fetch-site", "same-origin")]).problem(403, "forbidden");

        // The same answer is good once.
        let mut other = Browser { cookies: browser.cookies.clone() };
        other.get(&callback).problem(403, "login_failed");
        // The provider knows her still, so that logging in anew asks nothing. The session before ends.
        let before = browser.cookies.clone();
        let authorize = console.begin(&mut browser, "");
        let callback = browser.log_in(&authorize, "ana");
        assert_eq!(browser.get(&callback).header("location"), Some("/console"));
        let mut old = Browser { cookies: before };
        old.get(&format!("{url}/console/session")).problem(401, "no_credential");

        let who = browser.get(&format!("{url}/console/session")).ok();
        let csrf = who["csrf_token"].as_str().unwrap();
        let stolen = browser.cookies.clone();
        browser.call("POST", &format!("{url}/console/logout"), &[("sec-fetch-site", "same-origin")], "").problem(401, "invalid_credential");
        let out = browser.call("POST", &format!("{url}/console/logout"), &[("x-csrf-token", csrf), ("origin", url)], "");
        assert_eq!((out.status, out.body.as_str()), (204, ""));
        assert!(!browser.of(&url[7..]).any(|(name, _)| name == "synod"), "the cookie is gone");
        Browser { cookies: stolen }.get(&format!("{url}/console/session")).problem(401, "no_credential");
        console.server.stop();
    }
}

#[test]
fn who_is_logged_in_passes_to_the_tools_beside_and_no_forged_request_does() {
    let Some(console) = Console::start("public-console", None) else { return };
    let (mut browser, url) = (Browser::default(), console.url.as_str());
    let asked = |browser: &mut Browser, needs: &str, fields: &[(&str, &str)]| {
        let fields = [&[("x-forwarded-uri", "/kibana/app?x=1")], fields].concat();
        browser.call("GET", &format!("{url}/v1/forward-auth?needs={needs}"), &fields, "")
    };
    let (get, page) = (("x-forwarded-method", "GET"), ("accept", "text/html"));
    // Sent to the login, and from there back to where it wanted to go.
    let location = Browser::sent_to(&asked(&mut browser, "read:explanations", &[get, page]), url);
    let authorize = console.begin(&mut browser, location.strip_prefix(&format!("{url}/console/login")).unwrap());
    let callback = browser.log_in(&authorize, "ana");
    assert_eq!(browser.get(&callback).header("location"), Some("/kibana/app?x=1"));

    let passed = asked(&mut browser, "read:explanations", &[get, page]);
    assert_eq!((passed.status, passed.header("x-synod-roles")), (200, Some("analyst")), "{}", passed.body);
    assert_eq!(passed.header("x-synod-user"), Some(format!("{}:ana", console.provider.issuer()).as_str()));
    assert_eq!(passed.header("cookie"), None, "the session's secret stays here");
    asked(&mut browser, "operate:service", &[get, page]).problem(403, "forbidden");

    // The cookie goes with whatever page asks. What may change something has to come from a page of this host.
    let post = ("x-forwarded-method", "POST");
    #[rustfmt::skip]
    let table: [(&[(&str, &str)], bool); 11] = [
        (&[post], false),
        (&[post, ("origin", url)], true),
        (&[post, ("sec-fetch-site", "same-origin")], true),
        (&[post, ("origin", "http://other.example")], false),
        (&[post, ("origin", url), ("sec-fetch-site", "same-site")], false),
        (&[post, ("origin", "null")], false),
        (&[("x-forwarded-method", "PURGE")], false),
        (&[("x-forwarded-method", "HEAD")], true),
        (&[get, ("x-forwarded-proto", "wss"), ("origin", "http://other.example")], false),
        (&[get, ("sec-websocket-key", "abc")], false),
        (&[get, ("sec-websocket-key", "abc"), ("origin", url)], true),
    ];
    for (fields, passes) in table {
        let answer = asked(&mut browser, "read:explanations", fields);
        if passes {
            assert_eq!(answer.status, 200, "{fields:?} {}", answer.body);
        } else {
            answer.problem(401, "invalid_credential");
        }
    }
    let forged = |event: &Value| event["action"] == "credential.refused" && event["reason"] == "csrf";
    assert_eq!(console.server.await_event(forged)["route"], "/v1/forward-auth");
    console.server.stop();
}

#[test]
fn people_log_in_to_the_consoles_page_in_a_browser_and_out_again() {
    let Some(console) = Console::start("console", Some("console:secret/+&%")) else { return };
    if use_console("log-in", &console.url, &[]) {
        let _ = console.server.await_event(|event| event["route"] == "/console/logout" && event["status"] == 204);
    }
    console.server.stop();
}

#[test]
fn a_login_that_was_tampered_with_is_refused() {
    let Some(console) = Console::start("console", Some("console:secret/+&%")) else { return };
    for elsewhere in ["//other.example", "https://other.example", "%2F%5Cother.example", "console", "%2F%09%2Fother.example", ""] {
        send(console.server.data, "GET", &format!("/console/login?return_to={elsewhere}"), &[], b"").problem(400, "bad_query");
    }
    // What is changed of the way to the provider, of the way back, and why it is refused.
    let nothing: fn(&str) -> String = str::to_owned;
    type Change = fn(&str) -> String;
    #[rustfmt::skip]
    let cases: [(Change, Change, &str); 7] = [
        (|to| with(to, "nonce", "another"), nothing, "other_nonce"),
        (|to| with(to, "code_challenge", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"), nothing, "exchange"),
        (nothing, |back| with(back, "state", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"), "unknown_state"),
        (nothing, |back| with(back, "iss", "https%3A%2F%2Fother.example"), "other_issuer"),
        (nothing, |back| with(back, "iss", "x").replace("iss=x", "other=x"), "other_issuer"),
        (nothing, |back| with(back, "code", "guessed"), "exchange"),
        (nothing, |back| back.replace("code=", "no_code="), "no_code"),
    ];
    for (there, back, reason) in cases {
        let mut browser = Browser::default();
        let authorize = there(&console.begin(&mut browser, ""));
        let callback = back(&browser.log_in(&authorize, "ana"));
        console.refused(&mut browser, &callback, reason);
    }
    // Begun by one browser, and ended by another: whoever sends a link to somebody logs them in under no name.
    let (mut browser, mut victim) = (Browser::default(), Browser::default());
    let authorize = console.begin(&mut browser, "");
    let callback = browser.log_in(&authorize, "ana");
    console.refused(&mut victim, &callback, "other_browser");
    console.begin(&mut victim, "");
    let authorize = console.begin(&mut browser, "");
    let callback = browser.log_in(&authorize, "ana");
    console.refused(&mut victim, &callback, "other_browser");
    // The person says no.
    let mut browser = Browser::default();
    let authorize = console.begin(&mut browser, "");
    let page = Browser::sent_to(&browser.get(&authorize), &authorize);
    let mut at = Browser::sent_to(&browser.get(&format!("{page}/abort")), &page);
    while !at.contains("/console/callback") {
        at = Browser::sent_to(&browser.get(&at), &at);
    }
    console.refused(&mut browser, &at, "refused_by_provider");
    let answer = browser.get(&format!("{}/console/callback?state=a&state=b", console.url));
    answer.problem(400, "bad_query");
    console.server.stop();
}

#[test]
fn without_a_login_there_is_no_console() {
    let at = installed("  anonymous: []\n");
    let server = Server::start_with(&at, &NOBODY);
    for path in ["/console/login", "/console/callback?state=a&code=b", "/console/session"] {
        server.get(path).problem(404, "not_found");
    }
    server.post("/console/logout", "").problem(404, "not_found");
    server.stop();
}

// ---- Providers of the test's own ------------------------------------------------------------------------------------------------------------

struct Signer {
    id: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair }
    }

    fn public(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y), "kid": self.id, "use": "sig"})
    }

    fn token(&self, issuer: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({"iss": issuer, "aud": API, "sub": "robot", "exp": now + 300, "iat": now, "roles": ["scorer"]});
        let sign = |signed: &str| URL_SAFE_NO_PAD.encode(self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref());
        forged(&json!({"alg": "ES256", "typ": "at+jwt", "kid": self.id}), &claims, sign)
    }
}

/// How a provider answers when it is asked for its keys.
type Answering = Arc<dyn Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync>;

/// A provider whose keys are answered so; returns its issuer.
fn provider(keys: Answering) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let discovery = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (keys, discovery) = (keys.clone(), discovery.clone());
            thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                while let Some(first) = lines.next() {
                    let _ = lines.by_ref().take_while(|line| !line.is_empty()).count();
                    let answered = if first.starts_with("GET /keys ") { keys(&mut stream) } else { whole(&mut stream, &discovery) };
                    if answered.is_err() {
                        return;
                    }
                }
            });
        }
    });
    issuer
}

fn whole(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn keys_rotate_100_times_under_load_and_no_request_fails() {
    const ROTATIONS: usize = 100;
    const CLIENTS: usize = 3;
    let signers = Arc::new(Mutex::new(vec![Signer::new("0")]));
    let published = signers.clone();
    let issuer = provider(Arc::new(move |stream| {
        let signers = published.lock().unwrap();
        // The newest and the one before, as a provider does whose old tokens are still about.
        let keys: Vec<Value> = signers.iter().rev().take(2).map(Signer::public).collect();
        whole(stream, &json!({"keys": keys}).to_string())
    }));
    let at = installed(&format!(
        "  issuers:\n    rotating: {{issuer: '{issuer}', audiences: ['{API}'], private: true, refresh: 1s, refetch: 10ms}}\n"
    ));
    let server = Server::start_with(&at, &NOBODY);
    let (answered, done) = ([(); CLIENTS].map(|()| AtomicUsize::new(0)), AtomicBool::new(false));
    thread::scope(|scope| {
        for answered in &answered {
            let (server, issuer, signers, done) = (&server, &issuer, &signers, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let token = signers.lock().unwrap().last().unwrap().token(issuer);
                    let answer = score(server, &token);
                    if answer.status != 200 {
                        done.store(true, Ordering::SeqCst);
                        panic!("{} {}", answer.status, answer.body);
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for rotation in 1..=ROTATIONS {
            // Each client gets two answers, so that at least one of its requests was made after the rotation before: no token is older than
            // what is published.
            let before = answered.each_ref().map(|answered| answered.load(Ordering::SeqCst));
            while !done.load(Ordering::SeqCst) && before.iter().zip(&answered).any(|(before, now)| now.load(Ordering::SeqCst) < before + 2)
            {
                thread::sleep(Duration::from_millis(1));
            }
            signers.lock().unwrap().push(Signer::new(&rotation.to_string()));
        }
        thread::sleep(Duration::from_millis(200));
        assert!(!done.swap(true, Ordering::SeqCst), "a request failed");
    });
    let fetches = counted(&server, "synod_identity_key_fetches_total{issuer=\"rotating\",result=\"fetched\"}");
    assert!(fetches >= ROTATIONS as u64, "{fetches} fetches for {ROTATIONS} rotations");
    let total: usize = answered.iter().map(|answered| answered.load(Ordering::SeqCst)).sum();
    println!("{ROTATIONS} rotations, {fetches} fetches, {total} requests");
    server.stop();
}

#[test]
fn providers_that_misbehave_break_nothing() {
    let signer = Arc::new(Signer::new("good"));
    let public = json!({"keys": [signer.public()]}).to_string();
    let good = provider(Arc::new(move |stream| whole(stream, &public)));
    let asked = Arc::new(AtomicBool::new(false));
    // Where a redirect leads: here, since nothing is at the other address. Were it followed, this would be asked.
    let trap = {
        let asked = asked.clone();
        provider(Arc::new(move |stream| {
            asked.store(true, Ordering::SeqCst);
            whole(stream, "{}")
        }))
    };
    let head = |status: &'static str, location: String| -> Answering {
        Arc::new(move |stream| write!(stream, "HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"))
    };
    let huge: Answering = Arc::new(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        (0..1 << 20).try_for_each(|_| write!(stream, "400\r\n{}\r\n", " ".repeat(1024)))
    });
    let trickle: Answering = Arc::new(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")?;
        (0..1000).try_for_each(|_| {
            thread::sleep(Duration::from_millis(100));
            write!(stream, " ")
        })
    });
    let silent: Answering = Arc::new(|_| {
        thread::sleep(Duration::from_secs(60));
        Err(std::io::ErrorKind::Other.into())
    });
    #[rustfmt::skip]
    let bad: [(&str, Answering, &str); 7] = [
        ("metadata", head("302 Found", "http://169.254.169.254/latest/meta-data/".into()), "status"),
        ("redirect", head("307 Temporary Redirect", format!("{trap}/keys")), "status"),
        ("huge", huge, "too_large"),
        ("silent", silent, "late"),
        ("trickle", trickle, "late"),
        ("rubbish", Arc::new(|stream| whole(stream, "\u{0}<html>{{{{")), "bad_keys"),
        ("not-http", Arc::new(|stream| write!(stream, "SSH-2.0-x\r\n")), "unreachable"),
    ];
    let mut identity = format!("  issuers:\n    good: {{issuer: '{good}', audiences: ['{API}'], private: true}}\n");
    let mut issuers = Vec::new();
    for (name, answering, reason) in bad {
        let issuer = provider(answering);
        identity += &format!("    {name}: {{issuer: '{issuer}', audiences: ['{API}'], private: true}}\n");
        issuers.push((name, issuer, reason));
    }
    let at = installed(&identity);
    let server = Server::start_with(&at, &NOBODY);
    score(&server, &signer.token(&good)).ok();
    for (name, issuer, reason) in &issuers {
        let failed = |event: &Value| event["issuer"] == *name && event["reason"] == *reason;
        let _ = server.await_event(failed);
        let counter = format!("synod_identity_key_fetches_total{{issuer=\"{name}\",result=\"{reason}\"}}");
        assert!(counted(&server, &counter) > 0, "{counter}");
        refused(&server, &signer.token(issuer), "no_keys");
        score(&server, &signer.token(&good)).ok();
    }
    assert!(!asked.load(Ordering::SeqCst), "a redirect was followed");
    let ready = server.get("/readyz").ok();
    let issuers: Vec<_> = ready["issuers"].as_array().unwrap().iter().map(|issuer| issuer["ready"] == true).collect();
    assert_eq!((&ready["ready"], issuers.iter().filter(|ready| **ready).count()), (&json!(true), 1), "{ready}");
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
    let peak: u64 = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap();
    assert!(peak < 1 << 20, "{peak} kB: a huge answer was not cut off");
    server.stop();
}

/// A provider's keys by HTTPS, with a certificate of this authority for `localhost` and 127.0.0.1.
fn encrypted(authority: &CertifiedIssuer<'static, rcgen::KeyPair>, keys: String) -> u16 {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, authority).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
            // A client that does not trust the certificate goes away.
            if BufReader::new(&mut stream).lines().map_while(Result::ok).any(|line| line.is_empty()) {
                let length = keys.len();
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{keys}");
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    port
}

fn authority() -> CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn a_provider_is_trusted_by_the_root_that_is_named_for_it_alone() {
    let (own, other, signer) = (authority(), authority(), Signer::new("a"));
    let port = encrypted(&own, json!({"keys": [signer.public()]}).to_string());
    let issuer = |path: &str| format!("https://localhost:{port}{path}");
    let entry = |name: &str, path: &str, root: &str| {
        let (issuer, keys) = (issuer(path), issuer("/keys"));
        format!("    {name}: {{issuer: '{issuer}', jwks: '{keys}', audiences: ['{API}'], private: true{root}}}\n")
    };
    let entries = [entry("own", "/own", ", root: own.pem"), entry("other", "/other", ", root: other.pem"), entry("system", "/system", "")];
    let at = installed(&format!("  issuers:\n{}", entries.concat()));
    at.write("own.pem", own.pem());
    at.write("other.pem", other.pem());
    let server = Server::start_with(&at, &NOBODY);
    score(&server, &signer.token(&issuer("/own"))).ok();
    for name in ["other", "system"] {
        let event = server.await_event(|event| event["issuer"] == name && event["reason"] == "unreachable");
        assert!(event["error"].as_str().unwrap().contains("certificate"), "{event}");
        refused(&server, &signer.token(&issuer(&format!("/{name}"))), "no_keys");
    }
    server.stop();
}

#[test]
fn settings_that_cannot_work_are_told() {
    let issuer = |more: &str| format!("  issuers:\n    bank: {{issuer: 'https://bank.example', audiences: [synod]{more}}}\n");
    let login = |more: &str| {
        format!("{}  login: {{issuer: bank, client_id: a, redirect: 'https://synod.example/console/callback'{more}}}\n", issuer(""))
    };
    #[rustfmt::skip]
    let cases = [
        (issuer(", algorithms: [HS256]"), "identity.issuers.bank.algorithms[0]"),
        (issuer(", algorithms: []"), "identity.issuers.bank.algorithms"),
        (issuer(", leeway: 6m"), "identity.issuers.bank.leeway"),
        (issuer(", refresh: 1ms"), "identity.issuers.bank.refresh"),
        (issuer(", jwks: 'http://bank.example/keys'"), "identity.issuers.bank.jwks"),
        (issuer(", jwks: 'https://169.254.169.254/keys', private: true"), "link-local"),
        (issuer(", jwks: 'https://bank.example/a', discovery: 'https://bank.example/b'"), "either `discovery` or `jwks`"),
        (issuer(", roles: {desk: nobody}"), "there is no role `nobody`"),
        (issuer(", surprise: 1"), "surprise"),
        ("  issuers:\n    bank: {issuer: 'http://bank.example', audiences: [synod]}\n".into(), "identity.issuers.bank.issuer"),
        ("  issuers:\n    bank: {issuer: 'https://127.0.0.1', audiences: [synod]}\n".into(), "private: true"),
        ("  issuers:\n    bank: {issuer: 'https://bank.example'}\n".into(), "identity.issuers.bank.audiences"),
        (format!("{}    other: {{issuer: 'https://bank.example', audiences: [a]}}\n", issuer("")), "is the issuer of `bank` as well"),
        (login(", scopes: [profile]"), "identity.login.scopes"),
        (login("").replace("issuer: bank", "issuer: none"), "there is no issuer `none`"),
        (login("").replace("https://synod.example/console/callback", "http://synod.example/console/callback"), "identity.login.redirect"),
        (login("").replace("/console/callback", "/console"), "identity.login.redirect"),
    ];
    let configuration = three_numbers("  forest:\n    plugin: isolation-forest\n");
    for (identity, naming) in cases {
        let at = Installation::new(&format!("{configuration}identity:\n{identity}"));
        at.run("check").failed(2, &[naming]);
    }
    let at = installed(&login(", client_secret_file: none.secret"));
    at.run("serve").failed(1, &["identity.login.client_secret_file", "none.secret"]);
    let at = installed(&issuer(", root: none.pem"));
    at.run("serve").failed(1, &["identity.issuers.bank.root", "none.pem"]);
}
