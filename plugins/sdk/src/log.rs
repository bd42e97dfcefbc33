//! Lines for the operator. In the sandbox they go to the host's log; natively (in unit tests) to standard error.

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// Progress, and what was decided.
    Info,
    /// Something that the operator may want to mend.
    Warn,
    /// Something failed.
    Error,
}

/// Writes a line at `Info`, as the progress of a long fit.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Writes a line at `Warn`.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Writes a line.
#[cfg(target_arch = "wasm32")]
pub fn write(level: Level, message: &str) {
    use crate::guest::logging::{Level as To, log};
    let to = match level {
        Level::Debug => To::Debug,
        Level::Info => To::Info,
        Level::Warn => To::Warn,
        Level::Error => To::Error,
    };
    log(to, message);
}

/// Writes a line.
#[cfg(not(target_arch = "wasm32"))]
pub fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}
