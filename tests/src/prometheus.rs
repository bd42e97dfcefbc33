//! A real Prometheus, in a process of its own (Debian's package prometheus, or any in the path).

use crate::http::{Answer, send};
use crate::installation::wait;
use crate::ports::free_port;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What takes longer does not happen.
const LONGEST: Duration = Duration::from_secs(60);

/// A Prometheus on a free port of the loopback, with a folder of its own. It is ended when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    folder: TempDir,
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
}

/// A configuration that asks each of these jobs for metrics every second. What a test needs beside it (`rule_files`, `alerting`) can be
/// appended.
#[must_use]
pub fn scraping(jobs: &[(&str, SocketAddr)]) -> String {
    let mut text = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nscrape_configs:\n".to_owned();
    for (job, address) in jobs {
        let _ = writeln!(text, "- {{job_name: {job}, static_configs: [{{targets: [\"{address}\"]}}]}}");
    }
    text
}

impl Prometheus {
    /// Starts one with this configuration, these files beside it (rules, say) and these flags, and waits until it is ready; none if there is
    /// no such program here, which it says.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(configuration: &str, files: &[(&str, &str)], flags: &[&str]) -> Option<Self> {
        if !Command::new("prometheus").arg("--version").output().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: it needs Prometheus, which is not here (Debian: apt-get install prometheus)");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, contents) in [("prometheus.yaml", configuration)].iter().chain(files) {
            fs::write(folder.path().join(name), contents).expect("the folder takes files");
        }
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = File::create(folder.path().join("log")).expect("the folder takes files");
        let mut command = Command::new("prometheus");
        command
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yaml", "--storage.tsdb.path=data", "--web.enable-lifecycle"])
            .arg(format!("--web.listen-address={address}"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let process = command.spawn().expect("it can be started");
        let mut prometheus = Self { folder, address, process };
        prometheus.await_ready();
        Some(prometheus)
    }

    fn await_ready(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() || self.get("/-/ready").status != 200 {
            let ended = self.process.try_wait().expect("a child can be asked").is_some();
            assert!(!ended && started.elapsed() < LONGEST, "it does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A file of its folder, which relative paths of the configuration are taken from.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends it a GET request.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        send(self.address, "GET", path, &[], b"")
    }

    /// Has it read its configuration and rules again.
    ///
    /// # Panics
    /// When it does not like them.
    pub fn reload(&self) {
        let answer = send(self.address, "POST", "/-/reload", &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Asks its API, `query_range` say, with these parameters.
    ///
    /// # Errors
    /// What it says is wrong with the question.
    ///
    /// # Panics
    /// When it does not answer as it should.
    pub fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let answer = self.get(&format!("/api/v1/{what}?{}", parameters.join("&"))).json();
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer["error"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// The series that an expression has now: of each its labels, and its value, which is a text, beside a time.
    ///
    /// # Errors
    /// What it says is wrong with the expression.
    ///
    /// # Panics
    /// When it does not answer as it should.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let data = self.ask("query", &[("query", expression)])?;
        // A scalar has no labels.
        Ok(match data["resultType"].as_str() {
            Some("scalar") => vec![serde_json::json!({"metric": {}, "value": data["result"]})],
            _ => data["result"].as_array().expect("a list of series").clone(),
        })
    }

    /// The value of an expression that has one series; none if it has none.
    ///
    /// # Panics
    /// When the expression is wrong, or has several series.
    #[must_use]
    pub fn value(&self, expression: &str) -> Option<f64> {
        let series = self.query(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert!(series.len() < 2, "{expression} has several series: {series:?}");
        series.first().map(value)
    }

    /// Waits until something holds for an expression's series, and returns them.
    ///
    /// # Panics
    /// When it never does, or the expression is wrong.
    pub fn until(&self, expression: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let series = self.query(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
            if holds(&series) {
                return series;
            }
            assert!(started.elapsed() < LONGEST, "{expression} stays {series:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a job's metrics were read.
    ///
    /// # Panics
    /// When they never are.
    pub fn await_up(&self, job: &str) {
        self.until(&format!("up{{job=\"{job}\"}} == 1"), |series| !series.is_empty());
    }

    /// The alerts that are pending or firing.
    ///
    /// # Panics
    /// When it does not say.
    #[must_use]
    pub fn alerts(&self) -> Vec<Value> {
        self.ask("alerts", &[]).expect("alerts")["alerts"].as_array().expect("a list of alerts").clone()
    }

    /// Ends it in good order.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(mut self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        assert!(sent.expect("kill can be started").success(), "the signal cannot be sent");
        wait(&mut self.process, LONGEST).expect("it ends when it is asked to");
    }
}

/// The value of a series.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn value(series: &Value) -> f64 {
    series["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no value: {series}"))
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// A text as a parameter of a URL.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
