//! A running `synod serve`.

use crate::http::{Answer, send};
use crate::installation::{Installation, wait};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A server that takes longer to start, to stop or to log something does not do it.
const LONGEST: Duration = Duration::from_secs(120);

/// A server on free ports. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    errors: PathBuf,
    /// Where clients call.
    pub data: SocketAddr,
    /// Where operators call.
    pub administration: SocketAddr,
}

impl Server {
    /// Starts a server of this installation, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(installation: &Installation) -> Self {
        Self::start_with(installation, &[])
    }

    /// Starts a server with more environment variables.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with(installation: &Installation, environment: &[(&str, &str)]) -> Self {
        Self::start_command(installation, installation.command("serve"), environment)
    }

    /// Starts a server by another command, a shell that becomes the server, say.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_command(installation: &Installation, mut command: Command, environment: &[(&str, &str)]) -> Self {
        let errors = installation.path("serve.stderr");
        command.env("SYNOD_LISTEN__DATA", "127.0.0.1:0").env("SYNOD_LISTEN__ADMINISTRATION", "127.0.0.1:0");
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(File::create(&errors).expect("a file for errors"));
        let mut process = command.spawn().expect("the binary can be started");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (reader, lines) = read(process.stdout.take().expect("a pipe"), log.clone());
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { process, log, reader: Some(reader), errors, data: none, administration: none };
        let ready = server.await_ready(&lines);
        let address = |key: &str| ready[key].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {key} in {ready}"));
        (server.data, server.administration) = (address("data"), address("administration"));
        server
    }

    fn await_ready(&self, lines: &Receiver<String>) -> Value {
        let deadline = Instant::now() + LONGEST;
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            match serde_json::from_str::<Value>(&line) {
                Ok(event) if event["message"] == "ready" => return event,
                _ => {}
            }
        }
        panic!("the server does not start:\n{}\n{}", self.lines().join("\n"), fs::read_to_string(&self.errors).unwrap_or_default());
    }

    /// Sends a GET request to the clients' side.
    pub fn get(&self, path: &str) -> Answer {
        send(self.data, "GET", path, &[], b"")
    }

    /// Sends a POST request with JSON to the clients' side.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        send(self.data, "POST", path, &[("content-type", "application/json")], body.as_bytes())
    }

    /// Sends a GET request to the operators' side.
    pub fn administer(&self, path: &str) -> Answer {
        send(self.administration, "GET", path, &[], b"")
    }

    /// The lines that it has written to standard output so far.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().expect("no reader panics").clone()
    }

    /// The log lines so far.
    ///
    /// # Panics
    /// When a line is no JSON object.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let event = |line: &String| serde_json::from_str(line).ok().filter(Value::is_object).unwrap_or_else(|| panic!("no JSON: {line}"));
        self.lines().iter().map(event).collect()
    }

    /// Waits for a log line.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    pub fn await_event(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            if let Some(event) = self.events().into_iter().find(&wanted) {
                return event;
            }
            assert!(started.elapsed() < LONGEST, "no such log line in\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process's id.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Whether the process lives.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn lives(&mut self) -> bool {
        self.process.try_wait().expect("a child can be asked").is_none()
    }

    /// Asks the process to end, as an operator's service manager does.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn ask_to_stop(&self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        assert!(sent.expect("kill can be started").success(), "the signal cannot be sent");
    }

    /// Lets a server of [`Installation::limited_server`] write files of any length.
    ///
    /// # Panics
    /// When the system does not.
    pub fn lift_limit(&self) {
        let raised = Command::new("prlimit").arg("--pid").arg(self.process.id().to_string()).arg("--fsize=unlimited").status();
        assert!(raised.expect("prlimit can be started").success(), "the limit can be raised");
    }

    /// Ends the process as a power switch would, without a word.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }

    /// Waits for the end, and returns the exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub fn await_end(&mut self) -> i32 {
        let code = wait(&mut self.process, LONGEST).expect("the server stops when it is asked to");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
        code
    }

    /// Stops the server, and insists that it ends well and that it never panicked.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(mut self) -> Vec<Value> {
        self.ask_to_stop();
        let code = self.await_end();
        let errors = fs::read_to_string(&self.errors).expect("errors are text");
        assert!(code == 0 && !errors.contains("panicked"), "exit code {code}\n{errors}");
        self.events()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
            let _ = wait(&mut self.process, Duration::from_secs(20));
        }
    }
}

fn read(output: ChildStdout, log: Arc<Mutex<Vec<String>>>) -> (JoinHandle<()>, Receiver<String>) {
    let (sender, lines) = channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            log.lock().expect("no reader panics").push(line.clone());
            // Nobody listens after the start.
            let _ = sender.send(line);
        }
    });
    (reader, lines)
}
