//! Servers on one processor, the client on another, so that neither takes the other's time. Without `taskset`, or with one processor only,
//! everything runs where the system puts it.

use serde::Serialize;
use std::ffi::OsStr;
use std::process::{Command, Stdio};

const OF_SERVERS: &str = "0";
const OF_CLIENT: &str = "1";

/// Where things run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pinning {
    /// Servers and client have a processor each.
    Apart,
    /// Wherever the system puts them.
    None,
}

impl Pinning {
    /// Moves this process to the client's processor, if that is possible.
    pub(crate) fn take() -> Self {
        let server = done(Command::new("taskset").args(["-c", OF_SERVERS, "true"]));
        let client = server && done(Command::new("taskset").args(["-a", "-p", "-c", OF_CLIENT, &std::process::id().to_string()]));
        if client { Self::Apart } else { Self::None }
    }

    /// The command of a server. `taskset` becomes the server, so the process id is the server's own.
    pub(crate) fn server(self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::None => Command::new(program),
            Self::Apart => {
                let mut command = Command::new("taskset");
                command.args(["-c", OF_SERVERS]).arg(program);
                command
            }
        }
    }

    /// For people.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Apart => "servers on processor 0, client on processor 1 and never asleep",
            Self::None => "servers and client share all processors",
        }
    }
}

fn done(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
