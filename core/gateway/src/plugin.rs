//! Making and judging plugins on their author's machine: what `synod plugin` does, without its words.
//!
//! ```text
//! project::files(name) ──▶ a folder ── building::build ──▶ component ── suite::run ──▶ findings
//! ```
//!
//! A plugin is judged in the production host, under the limits that a detector has in production. Nothing here needs the repository: what a
//! project is made of is built in ([`sources`]).

pub mod building;
pub mod project;
pub mod rows;
mod sources;
pub mod suite;
pub mod toolchain;
