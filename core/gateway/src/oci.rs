//! Versions and plugins in OCI registries (image and distribution specification 1.1): each is one artifact that any registry stores and lists, and other
//! tools read. Of a version the config is the manifest, to the byte, so that its digest is the one that was signed; schema and golden rows stand in
//! it. The layers are model, plugin and signatures.
//!
//! A registry is believed nothing: every blob is compared with its digest and read no further than it may go, and what is pulled is taken as any
//! file is (`arriving.rs`).
//!
//! It is called by the gateway's own code, and not by `oci-client`: that reads manifests, tokens and errors of any length into memory, follows redirects
//! wherever they lead and by plain http as well, and takes no client with the authorities and the TLS provider of ours.

mod artifact;
mod authorization;
mod client;
mod credential;
mod plugin;
mod reference;
mod transfer;
mod version;

pub use artifact::{Artifact, Part, PartKind, Shape};
pub use client::{Access, Client};
pub use credential::Credential;
pub use plugin::PluginBundle;
pub use reference::{Reference, ReferenceMistake};
pub use transfer::Progress;

use crate::bundle::BundleError;
use std::path::PathBuf;
use thiserror::Error;

/// Why something is not pushed or pulled. No text has a credential, nor what the registry said, which might repeat it.
#[derive(Debug, Error)]
pub enum OciError {
    /// Nobody can be called at all.
    #[error(transparent)]
    Client(#[from] crate::calling::ClientMistake),
    /// A file with a password cannot be read.
    #[error("--password-file: {0}")]
    Password(String),
    /// Docker's configuration has no credential that can be used.
    #[error("{}: {why}; or give --username and --password-file", path.display())]
    Docker {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// There is no answer.
    #[error("{host} {why}")]
    Call {
        /// Who is called.
        host: String,
        /// Why not.
        why: String,
    },
    /// It answers, but not as hoped.
    #[error("{host} answers {status}{code} to {what}: {hint}")]
    Status {
        /// Who.
        host: String,
        /// The status.
        status: u16,
        /// The registry's own word for it.
        code: String,
        /// What it was asked.
        what: String,
        /// What may be done.
        hint: &'static str,
    },
    /// It answers what no registry answers.
    #[error("{host}: {why}")]
    Answer {
        /// Who.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// It leads elsewhere, where nothing is sent or read.
    #[error("{host} leads to {to}, {why}")]
    Redirect {
        /// Who.
        host: String,
        /// Where to: a scheme and a host, no more.
        to: String,
        /// Why that way is not taken.
        why: &'static str,
    },
    /// The bytes are not those that were asked for.
    #[error("{what}: its SHA-256 should be {expected} and is {found}: it is not what was pushed, and nothing of it is kept")]
    Digest {
        /// Of what.
        what: String,
        /// What was asked for.
        expected: String,
        /// What came.
        found: String,
    },
    /// It is an artifact of another kind, or of another shape.
    #[error("{0}")]
    Shape(String),
    /// Its parts do not belong together.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}
