//! An installation in a temporary folder: a configuration, a data directory, files, and the commands that work on them.

use crate::configurations;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A command that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// A folder with `synod.yaml`, the data directory `data`, and whatever a test puts there. It is removed when this is dropped.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error.
    pub errors: String,
}

impl Installation {
    /// An installation with this configuration.
    ///
    /// # Panics
    /// When the disk fails.
    #[must_use]
    pub fn new(configuration: &str) -> Self {
        let installation = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        installation.write("synod.yaml", configuration);
        installation
    }

    /// An installation of a shipped example, with patient limits.
    #[must_use]
    pub fn example(name: &str) -> Self {
        Self::new(&configurations::example(name))
    }

    /// An installation of a shipped example, fitted on generated rows.
    #[must_use]
    pub fn fitted_example(name: &str, rows: u32) -> Self {
        let installation = Self::example(name);
        installation.run(&format!("generate --kind {name} --rows {rows} --seed 1 --output rows.csv")).ok();
        installation.run("fit --data rows.csv").ok();
        installation
    }

    /// A file of the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    ///
    /// # Panics
    /// When the disk fails.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).expect("the temporary folder takes files");
    }

    /// Reads a file of the folder.
    ///
    /// # Panics
    /// When it is not there, or no text.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces the first occurrence of a text in the configuration.
    ///
    /// # Panics
    /// When it does not occur.
    pub fn edit(&self, from: &str, to: &str) {
        let text = self.read("synod.yaml");
        assert!(text.contains(from), "`{from}` does not occur in the configuration");
        self.write("synod.yaml", text.replacen(from, to, 1));
    }

    /// A command, its words parted by spaces, as if typed in the folder. The environment holds nothing of the tests' own settings.
    #[must_use]
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(crate::binary());
        let settings = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SYNOD_"));
        settings.for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.env_remove("RUST_BACKTRACE").env("SYNOD_PLUGINS__DIRECTORY", crate::plugins());
        command.current_dir(self.folder.path()).args(words.split_whitespace()).stdin(Stdio::null());
        if words == "serve" {
            // Most tests are about something else than who calls.
            command.env("SYNOD_IDENTITY__ANONYMOUS", "[\"admin\"]").arg("--dev");
            // Nor about who has to wait while the machine is busy with other tests.
            command.env("SYNOD_LIMITS__QUEUE__AGE", "10s");
        }
        if !["generate", "init", "elk", "plugin", "models keygen", "backup verify", "backup show", "--"]
            .iter()
            .any(|other| words.starts_with(other))
        {
            command.arg("--data-directory").arg(self.path("data"));
        }
        command
    }

    /// The command line of a shell that ignores the signal of a file that grows too long, limits files to so many bytes, and becomes the
    /// server: a disk that takes no more.
    ///
    /// # Panics
    /// Never: the command has a folder.
    #[must_use]
    pub fn limited_server(&self, kibibytes: u64) -> Command {
        let server = self.command("serve");
        let mut shell = Command::new("bash");
        let words = server.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        let script = format!("trap '' XFSZ; ulimit -S -f {kibibytes}; exec {} {words}", server.get_program().to_string_lossy());
        shell.arg("-c").arg(script).current_dir(server.get_current_dir().expect("it was set"));
        shell.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be run, does not end, or panics itself.
    #[track_caller]
    pub fn run(&self, words: &str) -> Ran {
        self.run_with(words, &[])
    }

    /// Runs a command of the binary with more environment variables, and waits for its end.
    ///
    /// # Panics
    /// As [`Installation::run`].
    #[must_use]
    pub fn run_with(&self, words: &str, environment: &[(&str, &str)]) -> Ran {
        run(self.command(words).envs(environment.iter().copied()), self.folder.path())
    }

    /// The audit records of an action, oldest first, once there are so many. After a crash an opening may be recorded once more.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn audited(&self, action: &str, wanted: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let told = self.run(&format!("audit list --format json --action {action}")).ok().output;
            let found: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect();
            if found.len() >= wanted {
                return found;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{found:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn run(command: &mut Command, folder: &Path) -> Ran {
    // Files and no pipes: nothing has to be read while it runs.
    let files = [(); 2].map(|()| tempfile::NamedTempFile::new_in(folder).expect("a temporary file"));
    let [output, errors] = files.each_ref().map(|file| File::options().write(true).open(file.path()).expect("a temporary file"));
    let mut child = command.stdout(output).stderr(errors).spawn().expect("the binary can be started");
    let code = wait(&mut child, LONGEST);
    let [output, errors] = files.map(|file| fs::read_to_string(file.path()).expect("output is text"));
    let code = code.unwrap_or_else(|| panic!("{command:?} does not end\n{output}\n{errors}"));
    assert!(!errors.contains("panicked") && !errors.contains("RUST_BACKTRACE"), "{command:?} panicked:\n{errors}");
    Ran { code, output, errors }
}

/// Waits for a process's exit code, and ends the process if it takes too long. A process that a signal ended has the code -1.
pub(crate) fn wait(child: &mut Child, longest: Duration) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status.code().unwrap_or(-1));
        }
        if started.elapsed() > longest {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Ran {
    /// Insists that it went well.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.output, self.errors);
        self
    }

    /// Insists that it failed with this exit code and a message that holds all of these texts.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn failed(self, code: i32, naming: &[&str]) -> Self {
        assert_eq!(self.code, code, "exit code; it wrote\n{}\n{}", self.output, self.errors);
        for text in naming {
            assert!(self.errors.contains(text), "no `{text}` in\n{}", self.errors);
        }
        self
    }
}
