//! Loads, checks, limits, pools and calls plugins: the one crate that names wasmtime.
//!
//! ```text
//! Host ── load(bytes) ──▶ Plugin ── fit(training) ──▶ model bytes
//!                           └────── pool(model) ───▶ Pool ── score(rows) ──▶ scores
//! ```
//!
//! A plugin is hostile until its answer is checked. It gets memory, stack and time by measure; it imports nothing but a log that is
//! bounded, and a WASI with nothing in it where its language asks for one; and whatever it does ends as a [`Failure`] with a stable reason, never as a panic, a hang or a number that is not finite. An
//! instance that failed is thrown away, so that a failure does not outlive its call, and no plugin sees another's memory.
//!
//! This crate knows nothing of HTTP, configuration files, metrics or disk. It returns facts; others record them.
//!
//! # Threads
//! Every type here may be used from several threads. WebAssembly runs on the caller's stack: a thread that calls a plugin needs
//! [`HostSettings::stack`] bytes of it, and a quarter of a megabyte for the host's own frames.

mod contract;
mod description;
mod engine;
mod failure;
mod instance;
mod limits;
mod logging;
mod plugin;
mod pool;
mod ticker;
mod wasi;

pub use contract::VERSION as CONTRACT_VERSION;
pub use description::Description;
pub use engine::{CodeCache, CodeKey, Compiler, Host, HostSettings};
pub use failure::{Failure, HostError, LoadError, Refusal};
pub use limits::{Limits, PoolLimits};
pub use logging::{LogLevel, LogLine};
pub use plugin::{Learnt, Plugin, Surface, Training};
pub use pool::{Explanation, Pool, PoolFacts, Retired, Scored};
