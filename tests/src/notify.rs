//! A running `synod notify`.

use crate::http::{Answer, send};
use crate::installation::Installation;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// One on a free port. It is ended when this is dropped.
#[derive(Debug)]
pub struct Notify {
    process: Child,
    lines: Receiver<String>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Notify {
    /// Starts one with these receivers (YAML, indented by two), whose files lie in an installation's folder. Its token lies there as `token`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(at: &Installation, receivers: &str, arguments: &[&str]) -> Self {
        at.write("notify.yaml", format!("version: 1\nlisten: 127.0.0.1:0\ntoken_file: token\nreceivers:\n{receivers}"));
        at.write("token", "of alertmanager\n");
        let mut command = Command::new(crate::binary());
        command.current_dir(at.path(".")).args(["notify", "--config", "notify.yaml"]).args(arguments);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the binary can be started");
        let (sender, lines) = channel();
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let ready: Value = loop {
            let line = lines.recv_timeout(Duration::from_secs(60)).expect("it starts");
            let line: Value = serde_json::from_str(&line).expect("its lines are JSON");
            if line["message"] == "ready" {
                break line;
            }
        };
        let address = ready["address"].as_str().and_then(|address| address.parse().ok()).expect("it says where it listens");
        Self { process, lines, address }
    }

    /// Sends a notification to a receiver, as Alertmanager does.
    #[must_use]
    pub fn post(&self, receiver: &str, notification: &Value) -> Answer {
        let headers = [("authorization", "Bearer of alertmanager"), ("content-type", "application/json")];
        send(self.address, "POST", &format!("/receivers/{receiver}"), &headers, notification.to_string().as_bytes())
    }

    /// Asks it to end, and answers what it has written since it was ready.
    ///
    /// # Panics
    /// When it does not end well.
    pub fn stop(mut self) -> Vec<String> {
        let sent = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        assert!(sent.expect("kill can be started").success(), "the signal cannot be sent");
        assert!(self.process.wait().expect("a child can be waited for").success(), "it does not end well");
        std::iter::from_fn(|| self.lines.recv_timeout(Duration::from_secs(10)).ok()).collect()
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
