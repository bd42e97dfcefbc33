//! What compiles a plugin: Rust with the target `wasm32-unknown-unknown`, or Debian's packages, whose compiler has the sources of the standard
//! library for that target. Nothing is installed here; what is missing is named, with the command that installs it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use thiserror::Error;

/// What plugins are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's compiler, whatever is on the path.
const DEBIAN: &str = "/usr/bin";
/// Where Debian has the sources of the standard library.
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library";
/// What makes Debian's toolchain complete.
const DEBIAN_PACKAGES: &str = "apt-get install --no-install-recommends rustc-web cargo-web rust-web-src lld";
/// Set to `debian`, it takes Debian's toolchain where there is another one, too.
const CHOICE: &str = "SYNOD_WASM_TOOLCHAIN";

/// A part of the toolchain that is not there.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Missing {
    /// Rust itself.
    #[error(
        "there is no `cargo` on the PATH. Install Rust (https://rustup.rs), then:\n  rustup target add {TARGET}\nOn Debian and Ubuntu this is enough:\n  \
         {DEBIAN_PACKAGES} gcc libc6-dev"
    )]
    Cargo,
    /// Its standard library for WebAssembly.
    #[error("{compiler} has no standard library for {TARGET}. Install it:\n  {command}")]
    Target {
        /// The compiler, with its version.
        compiler: String,
        /// What installs it.
        command: String,
    },
    /// What links programs of the machine itself: macros and build scripts are such.
    #[error(
        "there is no `cc`, which links the macros that plugins are compiled with. Install it:\n  apt-get install gcc libc6-dev   (or your system's C compiler)"
    )]
    Linker,
}

/// A toolchain that can compile plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler, with its version.
    pub compiler: String,
    debian: bool,
}

impl Toolchain {
    /// Looks for one, as a command in this folder would: the folder may choose its own (`rust-toolchain.toml`).
    ///
    /// # Errors
    /// The first part that is missing.
    pub fn find(folder: &Path) -> Result<Self, Missing> {
        let compiler = said(folder, "cargo", &["--version"]).and_then(|_| said(folder, "rustc", &["--version"])).ok_or(Missing::Cargo)?;
        if on_path("cc").is_none() {
            return Err(Missing::Linker);
        }
        if env::var_os(CHOICE).is_none_or(|choice| choice != "debian") && has_target(folder) {
            return Ok(Self { compiler, debian: false });
        }
        if is_debian_complete() {
            let compiler = said(folder, &format!("{DEBIAN}/rustc"), &["--version"]).ok_or(Missing::Cargo)?;
            return Ok(Self { compiler: format!("Debian's {compiler}"), debian: true });
        }
        let command = match on_path("rustup") {
            Some(_) => format!("rustup target add {TARGET}"),
            None => DEBIAN_PACKAGES.to_owned(),
        };
        Err(Missing::Target { compiler, command })
    }

    /// `cargo build` for WebAssembly of the package in this folder, without what is asked for besides. Where cargo keeps its sources goes into no
    /// plugin, so that the same sources give the same bytes on other machines.
    pub fn build(&self, folder: &Path) -> Command {
        let mut command = match self.debian {
            false => Command::new("cargo"),
            true => debian(),
        };
        command.current_dir(folder).arg("build").arg("--manifest-path").arg(absolute(&folder.join("Cargo.toml")));
        command.args(["--lib", "--target", TARGET]);
        if self.debian {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        let mut flags = vec!["-C".to_owned(), "target-feature=+simd128".into(), "--cfg".into(), "getrandom_backend=\"unsupported\"".into()];
        flags.extend(cargo_home().map(|home| format!("--remap-path-prefix={}=cargo", home.display())));
        // What is set for programs of the machine (another linker, the processor's own instructions) is not for WebAssembly.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        command
    }
}

/// Debian's cargo, with no other's proxies in its way. Building the standard library wants the bootstrap's permission.
fn debian() -> Command {
    let mut command = Command::new(format!("{DEBIAN}/cargo"));
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC_WRAPPER"] {
        command.env_remove(variable);
    }
    let rest = env::var_os("PATH").unwrap_or_default();
    let mut path = OsString::from(format!("{DEBIAN}:"));
    path.push(rest);
    command.env("PATH", path).env("RUSTC_BOOTSTRAP", "1").env("RUSTC", format!("{DEBIAN}/rustc"));
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld");
    command
}

/// What a command says in one line; none if it is not there, or fails.
fn said(folder: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn has_target(folder: &Path) -> bool {
    said(folder, "rustc", &["--print", "sysroot"])
        .is_some_and(|root| Path::new(&root).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn is_debian_complete() -> bool {
    let there = |program: &str| Path::new(DEBIAN).join(program).is_file();
    there("rustc") && there("cargo") && on_path("wasm-ld").is_some() && Path::new(DEBIAN_SOURCES).is_dir()
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
}

/// Cargo wants an absolute path where it builds the standard library.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
