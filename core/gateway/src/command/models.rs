//! `synod models`: which versions there are, and which of them judge. It works beside a running server, which follows within a second and audits
//! what was done; where none runs, the next one does.

mod bundle;
mod card;
mod collecting;
mod diff;
mod list;
mod moving;
mod parity;

pub(super) use moving::judge_from_now_on;

use super::CommandError;
use super::installation::Installation;
use crate::cli::{Models, OneVersion};
use crate::manifest::Manifest;
use synod_store::Published;

pub(super) fn run(arguments: &Models) -> Result<(), CommandError> {
    match arguments {
        Models::List(arguments) => list::run(arguments),
        Models::Show(arguments) => card::show(arguments),
        Models::Card(arguments) => card::write(arguments),
        Models::Diff(arguments) => diff::run(arguments),
        Models::Promote(arguments) => moving::promote(arguments),
        Models::Rollback(arguments) => moving::rollback(arguments),
        Models::Propose(arguments) => moving::propose(arguments),
        Models::Export(arguments) => bundle::export(arguments),
        Models::Import(arguments) => bundle::import(arguments),
        Models::Parity(arguments) => parity::run(arguments),
        Models::Gc(arguments) => collecting::run(arguments),
    }
}

/// The version that the arguments name.
fn named(at: &Installation, which: &OneVersion) -> Result<(Published, Manifest), CommandError> {
    found(at, &which.detector, &which.version)
}

fn found(at: &Installation, detector: &str, version: &str) -> Result<(Published, Manifest), CommandError> {
    let version = at.registry.resolve(detector, version)?;
    Ok(at.registry.manifest(detector, Some(version))?)
}
