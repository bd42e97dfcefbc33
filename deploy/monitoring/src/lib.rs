//! Everything that watches Synod, generated from the list of its metrics: a rule or a panel refers to a metric by its entry, so that none can
//! name a metric that does not exist.

pub mod dashboards;
pub mod query;

use std::path::{Path, PathBuf};

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Where it belongs, from the repository's folder.
    pub path: PathBuf,
    /// What is in it.
    pub contents: String,
}

/// All generated files.
#[must_use]
pub fn artifacts() -> Vec<Artifact> {
    dashboards::artifacts()
}

/// The repository's folder.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_what_is_generated() {
        for Artifact { path, contents } in artifacts() {
            let found = std::fs::read_to_string(repository().join(&path)).unwrap_or_default();
            assert!(found == contents, "{} is not what is generated: run `cargo run -p synod-monitoring`", path.display());
        }
    }
}
