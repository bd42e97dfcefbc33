//! The lines that the parts of the project keep between them, read from the sources themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use synod_tests::repository;

/// What a crate must not depend on. A name that ends in `*` stands for all that begin so.
const FORBIDDEN: [(&str, &[&str]); 5] = [
    ("core/detection", &["synod-*", "wasmtime*", "tokio*", "axum*", "hyper*", "http"]),
    ("core/host", &["synod-store", "synod-gateway", "tokio*", "axum*", "hyper*"]),
    ("core/identity", &["synod-*", "wasmtime*", "tokio*", "axum*", "hyper*", "http", "reqwest"]),
    ("core/store", &["synod-host", "synod-gateway", "wasmtime*", "tokio*", "axum*", "hyper*"]),
    ("core/gateway", &["wasmtime*"]),
];

/// What a plugin may depend on among the project's own crates: the SDK, and what plugins share.
const PLUGINS_MAY_USE: [&str; 4] = ["synod-sdk", "synod-neighbours", "synod-dense", "synod-foreign"];

/// The names that detectors have.
const DETECTORS: [&str; 15] = [
    "isolation",
    "outlier factor",
    "outlier_factor",
    "outlier-factor",
    "autoencoder",
    "lof",
    "nearest_neighbours",
    "nearest-neighbours",
    "robust_z",
    "robust-z",
    "hbos",
    "half_space",
    "half-space",
    "random_cut",
    "random-cut",
];

/// Hosts of package registries, in two halves, or this file would mention them.
const REGISTRIES: [(&str, &str); 8] = [
    ("crates.", "io"),
    ("pypi.", "org"),
    ("pythonhosted.", "org"),
    ("npmjs.", "org"),
    ("npmjs.", "com"),
    ("proxy.golang.", "org"),
    ("rubygems.", "org"),
    ("repo.maven.apache.", "org"),
];

#[test]
fn dependencies_point_one_way() {
    for (folder, forbidden) in FORBIDDEN {
        let found = dependencies(&repository().join(folder));
        assert!(!found.is_empty(), "{folder} has no dependencies: is it still there?");
        let wrong: Vec<_> = found.iter().filter(|name| forbidden.iter().any(|pattern| matches(pattern, name))).collect();
        assert!(wrong.is_empty(), "{folder} depends on {wrong:?}");
    }
}

#[test]
fn plugins_know_the_sdk_alone() {
    let plugins = crates("plugins");
    assert!(plugins.len() >= 6, "{plugins:?}");
    for folder in plugins {
        let wrong: Vec<_> = dependencies(&folder)
            .into_iter()
            .filter(|name| name.starts_with("synod-") && !PLUGINS_MAY_USE.contains(&name.as_str()))
            .collect();
        assert!(wrong.is_empty(), "{} depends on {wrong:?}", folder.display());
    }
}

#[test]
fn only_the_host_names_its_runtime() {
    let everywhere = ["core", "plugins", "tests"].map(crates).concat();
    let naming: Vec<_> = everywhere.iter().filter(|folder| dependencies(folder).iter().any(|name| matches("wasmtime*", name))).collect();
    assert_eq!(naming, [&repository().join("core/host")]);
    let sources = sources("core").into_iter().filter(|path| !path.starts_with(repository().join("core/host")));
    let naming: Vec<_> = sources.filter(|path| read(path).contains("wasmtime")).collect();
    assert!(naming.is_empty(), "{naming:?}");
}

#[test]
fn no_detector_is_named_in_the_core() {
    let mut found = Vec::new();
    for path in sources("core") {
        for (number, line) in read(&path).to_lowercase().lines().enumerate() {
            let named = DETECTORS.iter().filter(|name| is_named(line, name));
            found.extend(named.map(|name| format!("{}:{}: {name}", path.display(), number + 1)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn memory_safety_is_given_up_with_a_reason_only() {
    let workspace = read(&repository().join("Cargo.toml"));
    let lints = workspace.split("[workspace.lints.rust]").nth(1).expect("the workspace has lints");
    assert!(lints.split("\n[").next().is_some_and(|lints| lints.contains("\nunsafe_code = \"deny\"")), "unsafe_code is not denied");
    let mut unexplained = Vec::new();
    for folder in ["core", "plugins", "tests"].map(crates).concat() {
        assert!(read(&folder.join("Cargo.toml")).contains("[lints]\nworkspace = true"), "{} has lints of its own", folder.display());
    }
    for path in ["core", "plugins", "tests"].map(sources).concat() {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        let bare = (0..lines.len()).filter(|at| allows_unsafe(lines[*at]) && !is_explained(&lines, *at));
        unexplained.extend(bare.map(|at| format!("{}:{}", path.display(), at + 1)));
    }
    assert!(unexplained.is_empty(), "no comment says why unsafe code is allowed at\n{}", unexplained.join("\n"));
}

#[test]
fn every_crate_is_in_the_workspace() {
    let workspace = read(&repository().join("Cargo.toml"));
    for folder in ["core", "plugins"].map(crates).concat() {
        let member = folder.strip_prefix(repository()).expect("below the repository").display().to_string();
        assert!(workspace.contains(&format!("    \"{member}\",\n")), "{member} is no member of the workspace");
    }
}

#[test]
fn no_package_registry_is_mentioned() {
    let hosts = REGISTRIES.map(|(one, other)| format!("{one}{other}"));
    let mut found = Vec::new();
    // The lock file is cargo's, and has to say where packages come from.
    for name in tracked().iter().filter(|name| !name.ends_with("Cargo.lock")) {
        let bytes = fs::read(repository().join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        found.extend(hosts.iter().filter(|host| text.contains(*host)).map(|host| format!("{name}: {host}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Whether a line names a detector. A short name counts as a word only, for it may be part of another.
fn is_named(line: &str, name: &str) -> bool {
    let bounded = |at: usize| {
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !letter(line[..at].chars().next_back()) && !letter(line[at + name.len()..].chars().next())
    };
    line.match_indices(name).any(|(at, _)| name.len() > 3 || bounded(at))
}

fn allows_unsafe(line: &str) -> bool {
    let attribute = line.trim();
    attribute.starts_with('#') && attribute.contains("unsafe_code") || attribute == "unsafe_code,"
}

/// Whether a comment stands on the line of an attribute, or directly above it and the attributes around it.
fn is_explained(lines: &[&str], at: usize) -> bool {
    let above = lines[..at].iter().rev().map(|line| line.trim()).find(|line| !line.starts_with('#'));
    lines[at].contains("//") || above.is_some_and(|line| line.starts_with("//"))
}

/// The packages that a crate depends on, to build or to be tested.
fn dependencies(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut listed = false;
    for line in read(&folder.join("Cargo.toml")).lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            listed = section.ends_with("dependencies");
            found.extend(section.split_once("dependencies.").map(|(_, name)| name.to_owned()));
        } else if let Some((name, value)) = line.split_once('=').filter(|_| listed && !line.starts_with('#')) {
            found.insert(name.split('.').next().unwrap_or_default().trim().to_owned());
            let renamed = value.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
            found.extend(renamed.map(str::to_owned));
        }
    }
    found
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// The folders below this one that hold a crate.
fn crates(folder: &str) -> Vec<PathBuf> {
    let manifests = files(&repository().join(folder)).into_iter().filter(|path| path.ends_with("Cargo.toml"));
    manifests.filter_map(|path| path.parent().map(Path::to_owned)).collect()
}

/// The Rust files below this folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut sources = files(&repository().join(folder));
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(!sources.is_empty(), "{folder} has no sources");
    sources
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let entry = entry.expect("a folder can be read");
        let kind = entry.file_type().expect("a file has a type");
        if kind.is_dir() && entry.file_name() != "target" {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files that belong to the repository.
fn tracked() -> Vec<String> {
    let listed = Command::new("git").arg("-C").arg(repository()).args(["ls-files", "-z"]).output().expect("git can be started");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("names are text");
    let names: Vec<String> = names.split_terminator('\0').map(str::to_owned).collect();
    assert!(names.iter().any(|name| name == "Cargo.toml"), "this is the repository");
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_they_stand() {
        for line in ["isolation forest", "my_autoencoder", "a lof b", "plugin: lof"] {
            assert!(DETECTORS.iter().any(|name| is_named(line, name)), "{line}");
        }
        for line in ["isolated", "cauliflof", "lofty", "an outlier"] {
            assert!(!DETECTORS.iter().any(|name| is_named(line, name)), "{line}");
        }
    }

    #[test]
    fn reasons_are_found_where_they_stand() {
        let good = ["// Why.", "#[cfg(unix)]", "#[allow(unsafe_code)]"];
        assert!(allows_unsafe(good[2]) && is_explained(&good, 2));
        assert!(is_explained(&["#[allow(unsafe_code)] // Why."], 0));
        assert!(!is_explained(&["let x = 1;", "#[allow(missing_docs)]", "#[allow(unsafe_code)]"], 2));
        assert!(!allows_unsafe("let lint = \"unsafe_code\";") && !allows_unsafe("// #[allow(unsafe_code)]"));
    }

    #[test]
    fn dependencies_are_read_from_all_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[package]\nname = \"x\"\n[dependencies]\nserde.workspace = true\nother = { package = \"real\", version = \"1\" }\n\
                    # no = 1\n[target.'cfg(unix)'.dev-dependencies]\nlibc = \"0.2\"\n[dependencies.tokio]\nversion = \"1\"\n[lints]\nworkspace = true\n";
        fs::write(folder.path().join("Cargo.toml"), text).unwrap();
        let found: Vec<String> = dependencies(folder.path()).into_iter().collect();
        assert_eq!(found, ["libc", "other", "real", "serde", "tokio"]);
    }
}
