//! The files of the repository that a new project is made of, built in.

/// A file: its path in its folder, and what it holds.
pub(super) type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($path:literal)+) => {
        &[$(($path, include_str!(concat!("../../../../plugins/", $folder, "/", $path)))),+]
    };
}

/// `plugins/template`: the plugin to start from.
pub(super) const TEMPLATE: &[File] = files!("template":
    ".gitignore" "Cargo.toml" "README.md" "fixtures/anomalous.csv" "fixtures/normal.csv" "plugin.yaml" "src/lib.rs" "src/tests.rs");

/// `plugins/sdk`: the author's crate.
pub(super) const SDK: &[File] = files!("sdk":
    "Cargo.toml" "src/conformance.rs" "src/detector.rs" "src/format.rs" "src/guest.rs" "src/lib.rs" "src/log.rs" "src/logarithm.rs"
    "src/measuring.rs");

/// `plugins/wit`: the contract.
pub(super) const CONTRACT: &[File] = files!("wit": "detector.wit");

/// Where versions, profiles and lints of the repository are stated.
pub(super) const WORKSPACE: &str = include_str!("../../../../Cargo.toml");

/// Which versions of all dependencies were tested together.
pub(super) const LOCK: &str = include_str!("../../../../Cargo.lock");

/// What the SDK may be used under.
pub(super) const LICENCE: &str = include_str!("../../../../LICENSE");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    fn there(folder: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{below}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                there(&entry.path(), &format!("{path}/"), found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_file_is_built_in() {
        for (folder, files) in [("template", TEMPLATE), ("sdk", SDK), ("wit", CONTRACT)] {
            let mut found = BTreeSet::new();
            there(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(folder), "", &mut found);
            let built_in: BTreeSet<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
            assert_eq!(found, built_in, "plugins/{folder}");
        }
    }
}
