//! A process that ships documents: started, waited for, and read off.

use super::null::{COUNTS, Counts};
use crate::fault::{Doing, Fault};
use crate::pinning::Pinning;
use crate::processor::{Spent, peak_memory};
use crate::server::Server;
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Until all documents must have come.
const LONGEST: Duration = Duration::from_secs(300);
/// Between two looks at how many have. The server is asked for it, which costs the shipper nothing.
const PAUSE: Duration = Duration::from_millis(25);
/// How long a shipper without documents is watched: what it takes to start, and to wait.
const IDLE: Duration = Duration::from_secs(3);

/// What was seen of a shipper.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Seen {
    /// Documents that came, of so many bytes, in so many requests.
    pub(crate) documents: u64,
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    /// Between the first request and the last.
    pub(crate) seconds: f64,
    /// CPU time of the shipper since it began, in seconds.
    pub(crate) processor: f64,
    /// The same of the server that took them.
    pub(crate) of_server: f64,
    pub(crate) peak_bytes: u64,
}

/// A process that ends with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself needs nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched<'a> {
    pub(crate) name: &'a str,
    /// How many documents it ships; of none, it is watched for a while.
    pub(crate) documents: u64,
    /// Where logs go.
    pub(crate) folder: &'a Path,
    /// Where the documents go that the server took, if they are wanted.
    pub(crate) capture: Option<&'a Path>,
}

/// Starts a server that keeps nothing, has `command` ship to it, and waits until all documents have come.
///
/// # Errors
/// When one of the two ends, or not all documents come.
pub(crate) fn watch(watched: Watched<'_>, command: impl FnOnce(SocketAddr) -> Result<Command, Fault>) -> Result<Seen, Fault> {
    let Watched { name, documents, folder, capture } = watched;
    // It runs on this process's own processor, whatever that is.
    let mut null = Pinning::None.server(std::env::current_exe().doing("cannot find myself")?);
    null.arg("null");
    if let Some(capture) = capture {
        null.arg("--capture").arg(capture);
    }
    let null = Server::start(null, folder.join("null.log"))?;
    let log = folder.join(format!("{name}.log"));
    let output = File::create(&log).doing(log.display())?;
    let mut command = command(null.data)?;
    command.stdin(Stdio::null()).stderr(output.try_clone().doing(log.display())?).stdout(output);
    let mut process = Process(command.spawn().doing(format_args!("{:?}", command.get_program()))?);
    let counts = wait(&mut process.0, null.data, documents).map_err(|fault| format!("{name}: {fault}; its log is {}", log.display()))?;
    let spent = |process| Spent::by(process).map(|spent| spent.since_start().as_secs_f64());
    Ok(Seen {
        documents: counts.documents,
        bytes: counts.bytes,
        requests: counts.requests,
        seconds: counts.latest - counts.first,
        processor: spent(process.0.id())?,
        of_server: spent(null.process())?,
        peak_bytes: peak_memory(process.0.id())?,
    })
}

fn wait(child: &mut Child, server: SocketAddr, documents: u64) -> Result<Counts, Fault> {
    let begun = Instant::now();
    loop {
        let counts = counts(server)?;
        let is_done = if documents == 0 { begun.elapsed() >= IDLE } else { counts.documents >= documents };
        if let Some(status) = child.try_wait().doing("cannot wait for it")? {
            return Err(format!("it ended ({status})").into());
        }
        if is_done {
            return Ok(counts);
        }
        if begun.elapsed() > LONGEST {
            return Err(format!("{} of {documents} documents came within {LONGEST:?}", counts.documents).into());
        }
        std::thread::sleep(PAUSE);
    }
}

fn counts(server: SocketAddr) -> Result<Counts, Fault> {
    let mut stream = TcpStream::connect(server).doing("the null server")?;
    write!(stream, "GET {COUNTS} HTTP/1.1\r\nhost: null\r\nconnection: close\r\n\r\n").doing("the null server")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).doing("the null server")?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("the null server answers nothing")?;
    serde_json::from_str(body).doing("the null server")
}
