//! Providers against a real server on a real socket, which answers as each test wants.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use synod_identity::{Algorithm, unverified_issuer};

const NOW: u64 = 1_800_000_000;
/// Longer than any test: only tokens ask for fetches.
const NEVER: Duration = Duration::from_hours(1);

/// What is answered to a path.
#[derive(Debug, Clone)]
enum Answer {
    Json(String),
    /// A status with these header lines, and nothing else.
    Head(u16, String),
    /// As many bytes, without saying how many.
    Endless(usize),
    /// Nothing, and the connection stays open.
    Silence,
}

/// An HTTP server that answers by a table, and counts.
struct Site {
    url: String,
    answers: Mutex<HashMap<String, Answer>>,
    key_fetches: AtomicUsize,
    /// Slows the keys' answers down.
    delay: Mutex<Duration>,
}

impl Site {
    fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(Self { url, answers: Mutex::default(), key_fetches: AtomicUsize::new(0), delay: Mutex::default() });
        let discovery = json!({"issuer": site.url, "jwks_uri": format!("{}/keys", site.url)});
        site.answer("/.well-known/openid-configuration", Answer::Json(discovery.to_string()));
        let serving = site.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let site = serving.clone();
                std::thread::spawn(move || site.serve(&stream));
            }
        });
        site
    }

    fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(path.into(), answer);
    }

    fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.public()).collect();
        self.answer("/keys", Answer::Json(json!({"keys": keys}).to_string()));
    }

    fn fetches(&self) -> usize {
        self.key_fetches.load(Ordering::SeqCst)
    }

    fn serve(&self, stream: &TcpStream) {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        while let Some(first) = lines.next() {
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = lines.by_ref().take_while(|line| !line.is_empty()).count();
            if path == "/keys" {
                self.key_fetches.fetch_add(1, Ordering::SeqCst);
                let delay = *self.delay.lock().unwrap();
                std::thread::sleep(delay);
            }
            let answer = self.answers.lock().unwrap().get(&path).cloned().unwrap_or(Answer::Head(404, String::new()));
            if write(stream, &answer).is_err() {
                return;
            }
        }
    }
}

fn write(mut stream: &TcpStream, answer: &Answer) -> std::io::Result<()> {
    match answer {
        Answer::Json(body) => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        Answer::Head(status, lines) => write!(stream, "HTTP/1.1 {status} X\r\n{lines}content-length: 0\r\n\r\n"),
        Answer::Endless(bytes) => {
            write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            (0..bytes / 1024).try_for_each(|_| write!(stream, "400\r\n{}\r\n", " ".repeat(1024)))?;
            write!(stream, "0\r\n\r\n")
        }
        Answer::Silence => {
            std::thread::sleep(Duration::from_secs(30));
            Err(std::io::ErrorKind::Other.into())
        }
    }
}

struct Signer {
    id: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id: id.into(), pair }
    }

    fn public(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y), "kid": self.id})
    }

    fn token(&self, issuer: &str, roles: &[&str]) -> String {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": self.id}).to_string();
        let claims = json!({"iss": issuer, "aud": "synod", "sub": "robot", "exp": NOW + 300, "iat": NOW, "roles": roles}).to_string();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn config(site: &Site) -> ProviderConfig {
    ProviderConfig {
        name: "bank".into(),
        issuer: Issuer::new(&site.url, &["synod"], &[Algorithm::Es256]),
        keys_at: KeysAt::Discovery(Url::parse(&format!("{}/.well-known/openid-configuration", site.url)).unwrap()),
        root: None,
        roles: BTreeMap::new(),
        refresh: NEVER,
        refetch: NEVER,
        private: true,
    }
}

fn started(config: ProviderConfig) -> Arc<Providers> {
    let providers = Arc::new(Providers::new(&[config]).unwrap());
    providers.start();
    providers
}

async fn verify(providers: &Providers, token: &str) -> Result<Principal, &'static str> {
    let issuer = unverified_issuer(token).unwrap();
    providers.verify(token, &issuer, NOW).await.map_err(TokenRefused::code)
}

/// Waits until something is so.
async fn eventually(so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !so().await {
        assert!(started.elapsed() < Duration::from_secs(20), "it does not come to that");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_token_is_verified_from_the_first_moment_on_and_roles_are_ours() {
    let (site, signer) = (Site::start(), Signer::new("a"));
    site.publish(&[&signer]);
    let roles = BTreeMap::from([("desk".to_owned(), "analyst".to_owned()), ("team".into(), "viewer".into())]);
    let providers = started(ProviderConfig { roles, ..config(&site) });
    // Nobody has fetched anything yet: the token waits.
    let principal = verify(&providers, &signer.token(&site.url, &["desk", "admin"])).await.unwrap();
    assert_eq!(principal.roles.into_iter().collect::<Vec<_>>(), ["analyst"], "what is not mapped gives nothing");
    assert_eq!((providers.generation(), providers.readiness()), (1, vec![("bank", true)]));
    assert!(providers.knows(&site.url) && !providers.knows("https://other.example"));
    assert_eq!(verify(&providers, &signer.token("https://other.example", &[])).await, Err("unknown_issuer"));
}

#[tokio::test]
async fn an_unknown_key_is_fetched_once_for_all_that_wait_and_then_not_for_a_while() {
    let (site, old, new) = (Site::start(), Signer::new("old"), Signer::new("new"));
    site.publish(&[&old]);
    let providers = started(config(&site));
    verify(&providers, &old.token(&site.url, &[])).await.unwrap();
    site.publish(&[&new]);
    *site.delay.lock().unwrap() = Duration::from_millis(200);
    let token = new.token(&site.url, &[]);
    let all = futures_util::future::join_all((0..50).map(|_| verify(&providers, &token))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!((site.fetches(), providers.generation()), (2, 2), "one fetch for all of them");
    assert_eq!(verify(&providers, &old.token(&site.url, &[])).await, Err("unknown_key"), "it was taken back");
    let started = Instant::now();
    assert_eq!(verify(&providers, &Signer::new("other").token(&site.url, &[])).await, Err("unknown_key"));
    assert!(started.elapsed() < Duration::from_secs(1), "nothing to wait for: {:?}", started.elapsed());
    assert_eq!(site.fetches(), 2, "once in a while, whatever tokens come");
}

#[tokio::test]
async fn an_unknown_key_waits_for_the_next_fetch_if_that_is_soon() {
    let site = Site::start();
    let signers: Vec<Signer> = (0..4).map(|id| Signer::new(&id.to_string())).collect();
    site.publish(&[&signers[0]]);
    let providers = started(ProviderConfig { refetch: Duration::from_millis(300), ..config(&site) });
    let begun = Instant::now();
    for signer in &signers {
        site.publish(&[signer]);
        verify(&providers, &signer.token(&site.url, &[])).await.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(600), "three fetches, two pauses between them: {:?}", begun.elapsed());
    assert_eq!(site.fetches(), 4);
}

#[tokio::test]
async fn who_goes_away_ends_no_fetch() {
    let (site, old, new) = (Site::start(), Signer::new("old"), Signer::new("new"));
    site.publish(&[&old]);
    let providers = started(config(&site));
    verify(&providers, &old.token(&site.url, &[])).await.unwrap();
    site.publish(&[&old, &new]);
    *site.delay.lock().unwrap() = Duration::from_millis(200);
    let token = new.token(&site.url, &[]);
    let given_up = tokio::time::timeout(Duration::from_millis(50), verify(&providers, &token)).await;
    assert!(given_up.is_err());
    verify(&providers, &token).await.unwrap();
    assert_eq!(site.fetches(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_new_keys_changes_nothing() {
    let (site, signer) = (Site::start(), Signer::new("a"));
    site.publish(&[&signer]);
    let refetch = Duration::from_millis(10);
    let providers = started(ProviderConfig { refetch, ..config(&site) });
    let token = signer.token(&site.url, &[]);
    verify(&providers, &token).await.unwrap();
    let stranger = Signer::new("stranger").token(&site.url, &[]);
    let elsewhere = Answer::Head(302, "location: http://169.254.169.254/latest/meta-data/\r\n".into());
    let bad = [
        Answer::Json(String::new()),
        Answer::Json("rubbish".into()),
        Answer::Json(json!({"keys": []}).to_string()),
        Answer::Json(json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]}).to_string()),
        Answer::Json(format!("{{\"keys\": [{}]}}", " ".repeat(300 << 10))),
        Answer::Endless(16 << 20),
        Answer::Head(500, String::new()),
        elsewhere.clone(),
        Answer::Head(204, String::new()),
    ];
    for answer in bad {
        let before = site.fetches();
        site.answer("/keys", answer.clone());
        assert_eq!(verify(&providers, &stranger).await, Err("unknown_key"), "{answer:?}");
        assert!(site.fetches() > before, "it was fetched: {answer:?}");
        verify(&providers, &token).await.unwrap();
    }
    assert_eq!(providers.generation(), 1);
    site.publish(&[&signer]);
    for answer in
        [elsewhere, Answer::Json(json!({"issuer": "https://other.example", "jwks_uri": site.url}).to_string()), Answer::Json("{}".into())]
    {
        site.answer("/.well-known/openid-configuration", answer);
        assert_eq!(verify(&providers, &stranger).await, Err("unknown_key"));
        verify(&providers, &token).await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_that_hangs_holds_nobody_for_long() {
    let (site, signer) = (Site::start(), Signer::new("a"));
    site.publish(&[&signer]);
    let providers = started(config(&site));
    let token = signer.token(&site.url, &[]);
    verify(&providers, &token).await.unwrap();
    site.answer("/keys", Answer::Silence);
    let started = Instant::now();
    let stranger = Signer::new("stranger").token(&site.url, &[]);
    let all = (0..300).map(async |_| (verify(&providers, &stranger).await, started.elapsed()));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(|(found, _)| *found == Err("unknown_key")));
    let waited = all.iter().filter(|(_, took)| *took > Duration::from_millis(2900)).count();
    assert_eq!(waited, 256, "more do not wait");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let started = Instant::now();
    verify(&providers, &token).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "known keys do not wait: {:?}", started.elapsed());
}

#[tokio::test]
async fn without_keys_tokens_are_refused_and_it_is_tried_again() {
    let (site, signer) = (Site::start(), Signer::new("a"));
    let providers = started(config(&site));
    let token = signer.token(&site.url, &[]);
    assert_eq!(verify(&providers, &token).await, Err("no_keys"));
    assert_eq!((providers.generation(), providers.readiness()), (0, vec![("bank", false)]));
    site.publish(&[&signer]);
    eventually(async || verify(&providers, &token).await.is_ok()).await;
}

#[tokio::test]
async fn a_provider_that_is_not_private_is_not_called_at_home() {
    let (site, signer) = (Site::start(), Signer::new("a"));
    site.publish(&[&signer]);
    let providers = started(ProviderConfig { private: false, ..config(&site) });
    assert_eq!(verify(&providers, &signer.token(&site.url, &[])).await, Err("no_keys"));
    assert_eq!(site.fetches(), 0);
}

#[tokio::test]
async fn keys_are_fetched_again_every_now_and_then() {
    let (site, old, new) = (Site::start(), Signer::new("old"), Signer::new("new"));
    site.publish(&[&old]);
    let providers = started(ProviderConfig { refresh: Duration::from_millis(200), ..config(&site) });
    verify(&providers, &old.token(&site.url, &[])).await.unwrap();
    site.publish(&[&new]);
    // What a token asks for is used up at once; only the clock is left.
    let _ = verify(&providers, &Signer::new("stranger").token(&site.url, &[])).await;
    eventually(async || verify(&providers, &new.token(&site.url, &[])).await.is_ok()).await;
    assert_eq!(verify(&providers, &old.token(&site.url, &[])).await, Err("unknown_key"));
    eventually(async || site.fetches() >= 5).await;
}
