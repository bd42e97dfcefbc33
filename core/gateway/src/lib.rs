//! The gateway: configuration, command line, HTTP, telemetry; and the wiring of the other crates.

pub mod cli;
pub mod command;
pub mod config;
pub mod engine;
pub mod fitting;
pub mod generate;
pub mod http;
pub mod manifest;
pub mod rows;
pub mod telemetry;
