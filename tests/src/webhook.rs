//! A web server that keeps every request that it gets, and answers as it is told: for webhooks, and for the services that Synod calls.

use crate::http::chunks;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What is not called for that long is not called at all.
const LONGEST: Duration = Duration::from_secs(60);

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`, say.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// When it had come whole.
    pub at: Instant,
}

impl Request {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// What a request is answered with.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// More headers, `name: value`.
    pub headers: Vec<String>,
    /// The body: JSON.
    pub body: String,
}

impl Reply {
    /// An answer without more headers.
    #[must_use]
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned() }
    }
}

type Answering = dyn Fn(&Request) -> Reply + Send + Sync;

/// The server, on a free port of the loopback, for as long as the test runs. Requests with a body need `content-length`, or come in chunks.
pub struct Webhook {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    answering: Arc<Mutex<Arc<Answering>>>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Webhook {
    /// Starts one that answers 200 and `{}`.
    #[must_use]
    pub fn start() -> Self {
        Self::answering(|_| Reply::new(200, "{}"))
    }

    /// Starts one that answers so.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn answering(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (requests, answering) = (Arc::default(), Arc::new(Mutex::new(Arc::new(answer) as Arc<Answering>)));
        let webhook = Self { address, requests: Arc::clone(&requests), answering: Arc::clone(&answering) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (requests, answering) = (Arc::clone(&requests), Arc::clone(&answering));
                std::thread::spawn(move || serve(stream, &requests, &answering));
            }
        });
        webhook
    }

    /// Answers otherwise from now on.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    pub fn answer(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.answering.lock().expect("no server thread panics") = Arc::new(answer);
    }

    /// Its URL with this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no server thread panics").clone()
    }

    /// Waits for a request.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    #[track_caller]
    pub fn await_request(&self, what: &str, wanted: impl Fn(&Request) -> bool) -> Request {
        let started = Instant::now();
        loop {
            let requests = self.requests();
            if let Some(request) = requests.iter().find(|request| wanted(request)) {
                return request.clone();
            }
            assert!(started.elapsed() < LONGEST, "no request: {what}; there were {requests:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn serve(stream: TcpStream, requests: &Mutex<Vec<Request>>, answering: &Mutex<Arc<Answering>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream) {
        let answer = Arc::clone(&answering.lock().expect("no server thread panics"));
        // It is kept before it is answered: whoever has the answer finds it.
        requests.lock().expect("no server thread panics").push(request.clone());
        let reply = answer(&request);
        let headers: String = reply.headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!("HTTP/1.1 {} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
        if stream.get_mut().write_all(format!("{head}{headers}\r\n{}", reply.body).as_bytes()).is_err() {
            return;
        }
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|bytes| *bytes > 0).map(|_| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: String::new(), at: Instant::now() };
    let body = match request.header("transfer-encoding") {
        Some(_) => chunks(stream)?,
        None => {
            let mut body = vec![0; request.header("content-length").map_or(Some(0), |length| length.parse().ok())?];
            stream.read_exact(&mut body).ok()?;
            body
        }
    };
    request.body = String::from_utf8(body).ok()?;
    request.at = Instant::now();
    Some(request)
}
