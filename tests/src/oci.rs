//! Registries of OCI artifacts: a real one, in a process of its own (Debian's package docker-registry), and one that lies.

use crate::http::{Answer, send};
use crate::installation::wait;
use crate::ports::free_port;
use crate::tls::{Authority, VERSIONS, asked, encrypted_with};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What takes longer does not happen.
const LONGEST: Duration = Duration::from_secs(60);
/// Who may call the real registry.
pub const USER: &str = "ana";
/// Their password: no line and no error may show it.
pub const PASSWORD: &str = "s3cr3t-of-ana";
/// The password as the registry keeps it (bcrypt).
const HASH: &str = "$2b$05$Y3nbQcVtQGteoAhx.Se9LOgl4GbbdHIWdbgO4IQXCKBb39pw0esFu";

/// A real registry on a free port of the loopback, by TLS and with a password. It is ended when this is dropped.
#[derive(Debug)]
pub struct Registry {
    folder: TempDir,
    authority: Authority,
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
}

impl Registry {
    /// Starts one; none if there is no such program here, which it says.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        if !Command::new("docker-registry").arg("--version").output().is_ok_and(|output| output.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "docker-registry is missing (Debian: apt-get install docker-registry)");
            eprintln!("skipped: it needs a registry, which is not here (Debian: apt-get install docker-registry)");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::new("Registries");
        let (certificate, key) = authority.certificate_for("localhost", 2999);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let configuration = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: data}}}}\nhttp: {{addr: '{address}', tls: {{certificate: \
             certificate.pem, key: key.pem}}}}\nauth: {{htpasswd: {{realm: tests, path: users}}}}\n"
        );
        let users = format!("{USER}:{HASH}\n");
        let files = [
            ("registry.yaml", &configuration),
            ("certificate.pem", &certificate),
            ("key.pem", &key),
            ("users", &users),
            ("ca.pem", &authority.pem()),
        ];
        for (name, contents) in files {
            fs::write(folder.path().join(name), contents).expect("the folder takes files");
        }
        let log = File::create(folder.path().join("log")).expect("the folder takes files");
        let mut command = Command::new("docker-registry");
        command.current_dir(folder.path()).args(["serve", "registry.yaml"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().expect("it can be started");
        let mut registry = Self { folder, authority, address, process };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = registry.process.try_wait().expect("a child can be asked").is_some();
            assert!(!ended && started.elapsed() < LONGEST, "it does not start:\n{}", registry.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// The file of the authority that its certificate is from.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Where a repository of it is: its certificate is for this name.
    #[must_use]
    pub fn place(&self, repository: &str) -> String {
        format!("oci://localhost:{}/{repository}", self.address.port())
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What it answers to a GET request, as any client of registries gets it.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn get(&self, path: &str, accept: &str) -> Value {
        use base64::Engine as _;
        let known = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let mut stream = encrypted_with(&self.authority.trusting(&VERSIONS, &[]), self.address, "localhost").expect("a connection");
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\naccept: {accept}\r\nauthorization: Basic {known}\r\n\r\n");
        let answer = asked(&mut stream, &request).expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("an answer has a body").1;
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        wait(&mut self.process, LONGEST);
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET`, say.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What a request is answered with.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The status.
    pub status: u16,
    /// More headers, `name: value`.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the body goes on for ever.
    pub endless: bool,
}

impl Given {
    /// An answer with these headers and this body.
    #[must_use]
    pub fn new(status: u16, headers: &[&str], body: &[u8]) -> Self {
        Self { status, headers: headers.iter().map(|header| (*header).to_owned()).collect(), body: body.to_owned(), endless: false }
    }
}

type Lie = dyn Fn(&Asked, Given) -> Given + Send + Sync;

/// A registry that keeps what is pushed, and changes its answers as a test tells it: by plain http, on a free port of the loopback, for as long
/// as the test runs.
pub struct LyingRegistry {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    lie: Arc<Mutex<Arc<Lie>>>,
}

impl std::fmt::Debug for LyingRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LyingRegistry").field("address", &self.address).finish_non_exhaustive()
    }
}

impl LyingRegistry {
    /// Starts one that does not lie yet.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (asked, kept) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(BTreeMap::new())));
        let lie: Arc<Mutex<Arc<Lie>>> = Arc::new(Mutex::new(Arc::new(|_, given| given)));
        let (of_asked, of_lie) = (asked.clone(), lie.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, lie, kept) = (of_asked.clone(), of_lie.clone(), kept.clone());
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    asked.lock().expect("no test panics here").push(request.clone());
                    let honest = honest(&request, &mut kept.lock().expect("no test panics here"));
                    let lie = lie.lock().expect("no test panics here").clone();
                    let _ = answer(&stream, &request, &lie(&request, honest));
                });
            }
        });
        Self { address, asked, lie }
    }

    /// Where a repository of it is.
    #[must_use]
    pub fn place(&self, repository: &str) -> String {
        format!("oci://{}/{repository}", self.address)
    }

    /// From now on answers are what becomes of honest ones by this.
    ///
    /// # Panics
    /// Never, unless another test's thread has.
    pub fn lies(&self, lie: impl Fn(&Asked, Given) -> Given + Send + Sync + 'static) {
        *self.lie.lock().expect("no test panics here") = Arc::new(lie);
    }

    /// What it was asked so far; then it is forgotten.
    ///
    /// # Panics
    /// Never, unless another test's thread has.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().expect("no test panics here"))
    }

    /// What it answers to a GET request.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        send(self.address, "GET", path, &[], b"")
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body })
}

/// What a registry answers; manifests and blobs are kept under the paths by which they are asked for.
fn honest(asked: &Asked, kept: &mut BTreeMap<String, Vec<u8>>) -> Given {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    match asked.method.as_str() {
        "GET" | "HEAD" => match kept.get(path) {
            Some(body) if path.contains("/manifests/") => {
                Given::new(200, &["content-type: application/vnd.oci.image.manifest.v1+json"], body)
            }
            Some(body) => Given::new(200, &[], body),
            None => Given::new(404, &[], json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}).to_string().as_bytes()),
        },
        "POST" => Given::new(202, &[&format!("location: {path}1")], b""),
        _ => {
            let digest = query.split('&').find_map(|part| part.strip_prefix("digest=")).map(|digest| digest.replace("%3A", ":"));
            let place = digest.map_or_else(|| path.to_owned(), |digest| path.replace("/uploads/1", &format!("/{digest}")));
            kept.insert(place, asked.body.clone());
            Given::new(201, &[], b"")
        }
    }
}

fn answer(mut stream: &TcpStream, asked: &Asked, given: &Given) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Given\r\nconnection: close\r\n", given.status);
    given.headers.iter().for_each(|header| head += &format!("{header}\r\n"));
    if !given.endless {
        head += &format!("content-length: {}\r\n", given.body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if asked.method == "HEAD" {
        return Ok(());
    }
    stream.write_all(&given.body)?;
    if !given.endless {
        return Ok(());
    }
    // Until the other side has had enough.
    loop {
        stream.write_all(&[b'x'; 1 << 16])?;
    }
}
