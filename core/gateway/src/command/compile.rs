//! `synod compile`: a component in, machine code out, within bounds that it sets itself. A server runs it; people do not.

use super::CommandError;
use crate::cli::Compile;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{Read, Write};
use std::thread::available_parallelism;
use std::time::Duration;
use synod_host::{Host, HostSettings};

pub(super) fn run(arguments: &Compile) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| CommandError::Failed(error.to_string());
    let processors = available_parallelism().map_or(1, usize::from) as u64;
    bound(Resource::Cpu, arguments.processor_seconds.saturating_mul(processors))?;
    bound(Resource::Core, 0)?;
    let mut component = Vec::new();
    std::io::stdin().lock().read_to_end(&mut component).map_err(failed)?;
    let settings = HostSettings {
        instances: arguments.instances,
        memory: arguments.memory,
        tick: Duration::from_micros(arguments.tick),
        stack: arguments.stack,
    };
    let host = Host::new(&settings, None)?;
    // Beyond what the runtime has reserved by now, which nobody writes to here.
    bound(Resource::Data, data().unwrap_or_default().saturating_add(arguments.limit))?;
    let code = host.compile(&component).map_err(|error| CommandError::Failed(super::chain(&error)))?;
    std::io::stdout().lock().write_all(&code).map_err(failed)
}

/// Bytes of data that this process has.
fn data() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

fn bound(resource: Resource, most: u64) -> Result<(), CommandError> {
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(resource, limit).map_err(|error| CommandError::Failed(format!("the process cannot be bounded: {error}")))
}
