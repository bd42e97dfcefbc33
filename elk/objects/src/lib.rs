//! What Elasticsearch and Kibana are set up with, made from one list of fields (`elk/fields.yaml`). `cargo run -p synod-elk` writes the files to
//! their places; a test holds them against what would be written.

pub mod fields;
#[cfg(test)]
mod filebeat;
pub mod kibana;
mod readme;
mod templates;

use std::path::{Path, PathBuf};

/// A file that is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Where it belongs, from the repository's root.
    pub path: PathBuf,
    /// What it holds.
    pub contents: String,
}

/// All files that are generated.
pub fn artifacts() -> Vec<Artifact> {
    let fields = fields::Fields::read();
    let mut artifacts = templates::artifacts(&fields);
    artifacts.push(readme::artifact(&fields));
    artifacts.push(kibana::artifact());
    artifacts
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
