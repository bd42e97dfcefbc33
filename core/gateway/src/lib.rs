//! The gateway: configuration, command line, HTTP, telemetry; and the wiring of the other crates.

pub mod access;
pub mod auditing;
pub mod breaking;
pub mod cli;
pub mod command;
pub mod config;
pub mod deciding;
pub mod decision;
mod described;
pub mod doctor;
pub mod engine;
pub mod explaining;
pub mod fitting;
pub mod generate;
mod hexadecimal;
pub mod http;
pub mod identity;
pub mod inference;
pub mod ledger;
pub mod limiting;
pub mod listening;
pub mod manifest;
pub mod past;
pub mod redaction;
pub mod replaying;
pub mod rows;
pub mod telemetry;
