//! A real Alertmanager, in a process of its own (Debian's package prometheus-alertmanager, or any in the path).

use crate::http::{Answer, send};
use crate::installation::wait;
use crate::ports::free_port;
use serde_json::Value;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What takes longer does not happen.
const LONGEST: Duration = Duration::from_secs(60);
/// What it may be called.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];

/// An Alertmanager on a free port of the loopback, with a folder of its own. It is ended when this is dropped.
#[derive(Debug)]
pub struct Alertmanager {
    folder: TempDir,
    name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    process: Option<Child>,
}

impl Alertmanager {
    /// Starts one with this configuration, and waits until it is ready; none if there is no such program here, which it says.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(configuration: &str) -> Option<Self> {
        let is_here = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
        let Some(name) = NAMES.iter().find(is_here) else {
            eprintln!("skipped: it needs Alertmanager, which is not here (Debian: apt-get install prometheus-alertmanager)");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("alertmanager.yaml"), configuration).expect("the folder takes files");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut alertmanager = Self { folder, name, address, process: None };
        alertmanager.resume();
        Some(alertmanager)
    }

    /// A file of its folder, which relative paths of the configuration are taken from.
    #[must_use]
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it again, on the same port and with what it had stored.
    ///
    /// # Panics
    /// When it does not start.
    pub fn resume(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("log")).expect("the folder takes files");
        let mut command = Command::new(self.name);
        command
            .current_dir(self.folder.path())
            .args(["--config.file=alertmanager.yaml", "--storage.path=data", "--log.level=debug"])
            // Without this it would listen for others on all interfaces.
            .arg("--cluster.listen-address=")
            .arg(format!("--web.listen-address={}", self.address))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(command.spawn().expect("it can be started"));
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() || self.get("/-/ready").status != 200 {
            assert!(started.elapsed() < LONGEST, "it does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it, in good order, so that it writes down what it has.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let sent = Command::new("kill").arg("-TERM").arg(process.id().to_string()).status();
        assert!(sent.expect("kill can be started").success(), "the signal cannot be sent");
        wait(&mut process, LONGEST).expect("it ends when it is asked to");
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Sends it a GET request.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        send(self.address, "GET", path, &[], b"")
    }

    /// Sends it a POST request with JSON.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.address, "POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// The alerts that fire.
    ///
    /// # Panics
    /// When it does not say.
    #[must_use]
    pub fn alerts(&self) -> Vec<Value> {
        self.get("/api/v2/alerts").json().as_array().expect("a list of alerts").clone()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
