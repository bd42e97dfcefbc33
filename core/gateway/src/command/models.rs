//! `synod models`: which versions there are, and which of them judge. It works beside a running server, which follows within a second and audits
//! what was done; where none runs, the next one does.

mod bundle;
mod card;
mod collecting;
mod diff;
mod distribution;
mod list;
mod moving;
mod parity;
mod signing;

pub(super) use distribution::{access, wait};
pub(super) use signing::{key, keys, sign_version};

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
        Models::Keygen(arguments) => signing::keygen(arguments),
        Models::Sign(arguments) => signing::sign(arguments),
        Models::Verify(arguments) => signing::verify(arguments),
        Models::Push(arguments) => distribution::push(arguments),
        Models::Pull(arguments) => distribution::pull(arguments),
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
