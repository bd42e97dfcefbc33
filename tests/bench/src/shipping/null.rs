//! A server that takes documents as Elasticsearch does, and keeps nothing: every item of a bulk request is answered with 201. What it takes
//! itself is measured apart, so it does as little as it can: a thread for each connection, no library between it and the socket.

use super::http::Head;
use crate::fault::{Doing, Fault};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Where its counts are told.
pub(crate) const COUNTS: &str = "/counts";

/// `synod-bench null`
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Write the documents of the first requests to this file, a line for each.
    #[arg(long, value_name = "FILE")]
    capture: Option<PathBuf>,
}

/// What came so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) documents: u64,
    /// Of the documents alone.
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    /// When the first document came and when the latest, in seconds since the server began.
    pub(crate) first: f64,
    pub(crate) latest: f64,
}

#[derive(Debug)]
struct Null {
    begun: Instant,
    documents: AtomicU64,
    bytes: AtomicU64,
    requests: AtomicU64,
    /// In nanoseconds; 0 is never.
    first: AtomicU64,
    latest: AtomicU64,
    capture: Option<Mutex<File>>,
}

/// Serves until the process is ended.
///
/// # Errors
/// When it cannot listen, or the file cannot be written.
pub(crate) fn serve(settings: &Settings) -> Result<(), Fault> {
    let capture = settings.capture.as_ref().map(|path| File::create(path).doing(path.display())).transpose()?;
    let null = Arc::new(Null {
        begun: Instant::now(),
        documents: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        requests: AtomicU64::new(0),
        first: AtomicU64::new(0),
        latest: AtomicU64::new(0),
        capture: capture.map(Mutex::new),
    });
    let listener = TcpListener::bind("127.0.0.1:0").doing("cannot listen")?;
    println!("{}", serde_json::json!({"data": listener.local_addr().doing("cannot listen")?}));
    for stream in listener.incoming() {
        let (stream, null) = (stream.doing("cannot accept")?, null.clone());
        std::thread::spawn(move || {
            if let Err(error) = null.connection(&stream) {
                eprintln!("null: {error}");
            }
        });
    }
    Ok(())
}

impl Null {
    fn connection(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut from, mut to) = (BufReader::with_capacity(256 << 10, stream), stream);
        let (mut wire, mut body, mut answer) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(head) = Head::read(&mut from)? {
            head.body(&mut from, &mut to, &mut wire, &mut body)?;
            answer.clear();
            self.answer(&head, &body, &mut answer)?;
            let length = answer.len();
            // Clients of Elasticsearch ask for this header.
            let first = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-elastic-product: Elasticsearch\r\ncontent-length: {length}\r\n\r\n"
            );
            to.write_all(first.as_bytes())?;
            if head.method != "HEAD" {
                to.write_all(&answer)?;
            }
            if head.closes {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer(&self, head: &Head, body: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        match path {
            COUNTS => serde_json::to_writer(answer, &self.counts())?,
            "/" => {
                answer.extend_from_slice(br#"{"name":"null","cluster_name":"null","cluster_uuid":"null","version":{"number":"8.19.0"}}"#)
            }
            _ if path.ends_with("/_bulk") => self.bulk(body, query.contains("filter_path"), answer)?,
            _ => answer.extend_from_slice(b"{}"),
        }
        Ok(())
    }

    /// Counts the documents of a bulk request, and says that each was created.
    fn bulk(&self, body: &[u8], filtered: bool, answer: &mut Vec<u8>) -> io::Result<()> {
        answer.extend_from_slice(br#"{"errors":false,"took":1,"items":["#);
        let (mut lines, mut documents, mut bytes) = (body, 0, 0);
        while !lines.is_empty() {
            let action = line(&mut lines)?;
            let document = line(&mut lines)?;
            if documents > 0 {
                answer.push(b',');
            }
            item(action, documents, filtered, answer);
            self.keep(document)?;
            documents += 1;
            bytes += document.len() as u64;
        }
        answer.extend_from_slice(b"]}");
        self.count(documents, bytes);
        Ok(())
    }

    fn count(&self, documents: u64, bytes: u64) {
        let now = self.begun.elapsed().as_nanos() as u64;
        // The time before the count: whoever sees the documents sees when they came.
        let _ = self.first.compare_exchange(0, now, Relaxed, Relaxed);
        self.latest.fetch_max(now, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        self.documents.fetch_add(documents, std::sync::atomic::Ordering::Release);
    }

    fn counts(&self) -> Counts {
        let documents = self.documents.load(std::sync::atomic::Ordering::Acquire);
        let seconds = |time: &AtomicU64| time.load(Relaxed) as f64 / 1e9;
        Counts {
            documents,
            bytes: self.bytes.load(Relaxed),
            requests: self.requests.load(Relaxed),
            first: seconds(&self.first),
            latest: seconds(&self.latest),
        }
    }

    fn keep(&self, document: &[u8]) -> io::Result<()> {
        let Some(file) = &self.capture else { return Ok(()) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&[document, b"\n"].concat())
    }
}

/// The next line, without its end.
fn line<'a>(lines: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let before = *lines;
    let length = lines.skip_until(b'\n')?;
    match before[..length].split_last() {
        Some((b'\n', line)) => Ok(line),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a bulk request does not end with the end of a line")),
    }
}

/// What Elasticsearch answers to a document that it has created; with `filter_path` what a shipper needs of it.
fn item(action: &[u8], number: u64, filtered: bool, answer: &mut Vec<u8>) {
    if filtered {
        answer.extend_from_slice(br#"{"create":{"status":201}}"#);
        return;
    }
    answer.extend_from_slice(br#"{"create":{"_index":".ds-logs-synod.decision-default-2026.01.01-000001","_id":""#);
    match id(action) {
        Some(id) => answer.extend_from_slice(id),
        // It makes one of its own.
        None => answer.extend_from_slice(b"AZsSvXABsTd0xuXnXQXk"),
    }
    answer.extend_from_slice(br#"","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":"#);
    // Writing into memory does not fail.
    let _ = write!(answer, "{number}");
    answer.extend_from_slice(br#","_primary_term":1,"status":201}}"#);
}

fn id(action: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = br#""_id":""#;
    let begin = action.windows(KEY.len()).position(|part| part == KEY)? + KEY.len();
    let length = action[begin..].iter().position(|byte| *byte == b'"')?;
    Some(&action[begin..begin + length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn null() -> Null {
        let zero = || AtomicU64::new(0);
        Null { begun: Instant::now(), documents: zero(), bytes: zero(), requests: zero(), first: zero(), latest: zero(), capture: None }
    }

    #[test]
    fn every_document_is_created_and_counted() {
        let (null, body) = (null(), b"{\"create\":{\"_id\":\"a1\"}}\n{\"n\":1}\n{\"create\":{}}\n{\"n\":22}\n");
        let mut answer = Vec::new();
        null.bulk(body, false, &mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let statuses: Vec<_> = answer["items"].as_array().unwrap().iter().map(|item| item["create"]["status"].as_u64().unwrap()).collect();
        assert_eq!((statuses, &answer["items"][0]["create"]["_id"]), (vec![201, 201], &Value::from("a1")));
        let counts = null.counts();
        assert_eq!((counts.documents, counts.bytes, counts.requests), (2, 15, 1));
        assert!(counts.first > 0.0 && counts.latest >= counts.first);
        let mut filtered = Vec::new();
        null.bulk(body, true, &mut filtered).unwrap();
        let filtered: Value = serde_json::from_slice(&filtered).unwrap();
        assert_eq!(filtered["items"][1], serde_json::json!({"create": {"status": 201}}));
    }

    #[test]
    fn a_request_that_is_cut_off_is_no_document() {
        for body in [&b"{\"create\":{}}\n{\"n\":1}"[..], b"{\"create\":{}}\n"] {
            let null = null();
            assert!(null.bulk(body, false, &mut Vec::new()).is_err());
            assert_eq!(null.counts().documents, 0);
        }
    }
}
