//! A server in a process of its own: started, found by the address that it logs, and ended with the measurement.

use crate::fault::{Doing, Fault};
use serde_json::Value;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Until a server must have told its address.
const START: Duration = Duration::from_secs(120);
/// Between two looks for it.
const PAUSE: Duration = Duration::from_millis(20);

/// A running server. It is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Where it answers clients.
    pub(crate) data: SocketAddr,
    /// Where it answers operators, if it does.
    pub(crate) administration: Option<SocketAddr>,
}

impl Server {
    /// Starts a server, with its log going to a file, as it would in service.
    ///
    /// # Errors
    /// When it does not say where it listens, as the fields `data` and `administration` of a line of JSON.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Result<Self, Fault> {
        let standard_output = File::create(&log).doing(log.display())?;
        let child = command.stdin(Stdio::null()).stdout(standard_output).spawn().doing(format_args!("{:?}", command.get_program()))?;
        // From here on the child is ended whatever comes.
        let mut server = Self { child, log, data: ([127, 0, 0, 1], 0).into(), administration: None };
        let ready = server.wait_until_ready()?;
        server.administration = address(&ready, "administration");
        server.data = address(&ready, "data").ok_or("a server's log line lost its address")?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<Value, Fault> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            if let Some(line) = ready(&self.log) {
                return Ok(line);
            }
            if let Some(status) = self.child.try_wait().doing("cannot wait for a server")? {
                return Err(format!("a server ended before it was ready ({status}); its log is {}", self.log.display()).into());
            }
            std::thread::sleep(PAUSE);
        }
        Err(format!("a server is not ready after {START:?}; its log is {}", self.log.display()).into())
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has ended by itself needs nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ready(log: &Path) -> Option<Value> {
    let text = fs::read_to_string(log).ok()?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| address(line, "data").is_some())
}

fn address(line: &Value, key: &str) -> Option<SocketAddr> {
    line.get(key)?.as_str()?.parse().ok()
}

/// Copies a folder, so that two servers do not want the same one. An older copy is replaced.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    if to.exists() {
        fs::remove_dir_all(to).doing(to.display())?;
    }
    fs::create_dir_all(to).doing(to.display())?;
    fs::set_permissions(to, fs::metadata(from).doing(from.display())?.permissions()).doing(to.display())?;
    for entry in fs::read_dir(from).doing(from.display())? {
        let entry = entry.doing(from.display())?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().doing(from.display())?.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).doing(from.display())?;
        }
    }
    Ok(())
}
