//! A plain HTTP/1.1 client: a connection for each request, and nothing hidden.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer that takes longer does not come.
const LONGEST: Duration = Duration::from_secs(60);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
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

    /// The body as JSON of an answer that went well.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!((self.status, self.header("content-type")), (200, Some("application/json")), "{}", self.body);
        self.json()
    }

    /// The body of an error in the one form that errors have, with this status and this stable code.
    ///
    /// # Panics
    /// When it is another error, or none.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.header("content-type")), (status, Some("application/problem+json")), "{}", self.body);
        let problem = self.json();
        assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{problem}");
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        problem
    }
}

/// A connection on which a test writes what it likes.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(LONGEST)).expect("a timeout can be set");
        Self { stream: BufReader::new(stream) }
    }

    /// Writes bytes.
    ///
    /// # Panics
    /// When the connection is closed.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the connection takes bytes");
    }

    /// Reads an answer's status and headers.
    ///
    /// # Panics
    /// When there is none.
    pub fn head(&mut self) -> Answer {
        let mut line = || {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("the server answers");
            line.trim_end().to_owned()
        };
        let status = line();
        let code = status.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        let code = code.unwrap_or_else(|| panic!("no answer: `{status}`"));
        let header = |line: String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty())).filter_map(header).collect();
        Answer { status: code, headers, body: String::new() }
    }

    /// Reads a whole answer.
    ///
    /// # Panics
    /// When there is none, or its body is no text of the length that it states.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let body = match answer.header("transfer-encoding") {
            Some(_) => chunks(&mut self.stream).expect("the body comes in whole chunks"),
            None => {
                let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
                let mut body = vec![0; length];
                self.stream.read_exact(&mut body).expect("the body is as long as it says");
                body
            }
        };
        answer.body = String::from_utf8(body).expect("answers are text");
        answer
    }
}

/// A body whose length nobody knew when it was begun.
pub(crate) fn chunks(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim_end().split(';').next()?, 16).ok()?;
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

/// Sends one request on a connection of its own. Headers are names and values; `host`, `content-length` and `connection` are added.
///
/// # Panics
/// When there is no answer.
pub fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    if !body.is_empty() || method == "POST" {
        request += &format!("content-length: {}\r\n", body.len());
    }
    request += "\r\n";
    let mut connection = Connection::open(address);
    connection.write(request);
    // A server may refuse a body before it has read all of it, and close: its answer counts.
    let _ = connection.stream.get_mut().write_all(body);
    connection.answer()
}
