//! Everything that watches Synod, generated from the list of its metrics: a rule or a panel refers to a metric by its entry, so that none can
//! name a metric that does not exist.

pub mod dashboards;
pub mod mixin;
pub mod query;
pub mod rules;

use rules::Links;
use std::path::{Path, PathBuf};

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Where it belongs, from the repository's folder.
    pub path: PathBuf,
    /// What is in it.
    pub contents: String,
}

/// All generated files, with links that begin so.
#[must_use]
pub fn artifacts(links: &Links) -> Vec<Artifact> {
    let mut artifacts = rules::artifacts(links);
    artifacts.extend(dashboards::artifacts());
    artifacts.extend(mixin::artifacts(&artifacts));
    artifacts
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
        for Artifact { path, contents } in artifacts(&Links::default()) {
            let found = std::fs::read_to_string(repository().join(&path)).unwrap_or_default();
            assert!(found == contents, "{} is not what is generated: run `cargo run -p synod-monitoring`", path.display());
        }
    }
}
