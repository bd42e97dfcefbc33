//! Compiling plugins in a process of its own, whose time and memory are bounded: a component that is made to compile for ever, or to eat all memory while
//! it does, must not stall what serves. The process is this program again, as `synod compile`; the component goes in and machine code comes out.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use synod_host::{Compiler, HostSettings};

/// Most bytes of machine code.
const LARGEST: u64 = 1 << 30;
/// How often it is looked whether the process has ended.
const LOOK: Duration = Duration::from_millis(5);
/// Characters of what it says about an error.
const LONGEST: usize = 500;

/// What compiling a plugin may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Of time, by the clock; of the processors' time it may take as much for each processor.
    pub timeout: Duration,
    /// Of memory, in bytes.
    pub memory: u64,
}

/// Compiles in processes of their own.
#[derive(Debug)]
pub struct InProcess {
    program: PathBuf,
    settings: HostSettings,
    limits: CompileLimits,
}

impl InProcess {
    /// By this very program, for hosts with these settings.
    ///
    /// # Errors
    /// When the program's own file is not known.
    pub fn new(settings: HostSettings, limits: CompileLimits) -> std::io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, settings, limits })
    }

    fn command(&self) -> Command {
        let HostSettings { instances, memory, tick, stack } = self.settings;
        let seconds = self.limits.timeout.as_secs().max(1);
        let mut command = Command::new(&self.program);
        command.arg("compile").env_clear();
        for (name, number) in [
            ("instances", u64::from(instances)),
            ("memory", memory as u64),
            ("tick", tick.as_micros() as u64),
            ("stack", stack as u64),
            ("processor-seconds", seconds),
            ("limit", self.limits.memory),
        ] {
            command.arg(format!("--{name}={number}"));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, component: &[u8]) -> std::io::Result<Result<Vec<u8>, String>> {
        let mut child = self.command().spawn()?;
        let (mut input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // One that ends early says itself why.
                let _ = input.take().map(|mut input| input.write_all(component));
            });
            let output = scope.spawn(move || bounded(output, LARGEST));
            let errors = scope.spawn(move || bounded(errors, LONGEST as u64 * 4));
            let status = self.ended(&mut child)?;
            let (code, said) = (output.join().unwrap_or_default(), errors.join().unwrap_or_default());
            Ok(match status {
                Some(status) if status.success() => Ok(code),
                status => Err(self.why(status, &String::from_utf8_lossy(&said))),
            })
        })
    }

    /// How it ended; none if its time was over.
    fn ended(&self, child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if started.elapsed() > self.limits.timeout {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn why(&self, status: Option<ExitStatus>, said: &str) -> String {
        let CompileLimits { timeout, memory } = self.limits;
        let of_limits = format!("compiling takes more than {timeout:?} or {memory} bytes (`plugins.compile`)");
        // Whoever is refused memory panics or aborts, and beyond its processors' time it is killed. What is wrong with the component is an error.
        match status {
            Some(status) if status.signal().is_none() && !said.contains("panicked") => {
                said.trim().trim_start_matches("synod: ").chars().take(LONGEST).collect()
            }
            _ => of_limits,
        }
    }
}

fn bounded(pipe: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let _ = pipe.take(most).read_to_end(&mut bytes);
    }
    bytes
}

impl Compiler for InProcess {
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, String> {
        self.run(component).unwrap_or_else(|error| Err(format!("the process that compiles cannot be run: {error}")))
    }
}
