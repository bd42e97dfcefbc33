//! The contract as Rust types, and the check of a component's names against it before anything of the component runs.
//!
//! # Versions
//! What a plugin exports and imports goes with this host if it has the same major version, by semantic versioning, and is no pre-release.
//! So a plugin that was built for 2.3.0 runs here as far as it exports what 2.0.0 asks for and imports what 2.0.0 offers. Whether it does
//! is checked as well: that all functions are there and what it imports has the right types, before it runs; the types of what it exports,
//! with its first instance, before the first call.

use crate::failure::LoadError;
use crate::wasi;
use semver::Version;

// Generated: the public names come from the contract, and `unsafe` stands for what the types of the component model guarantee.
#[allow(missing_docs, unreachable_pub, unsafe_code, dead_code, clippy::all, clippy::unwrap_used)]
mod bindings {
    wasmtime::component::bindgen!({
        world: "plugin",
        path: "../../plugins/wit",
        // Rows are lowered from where they are.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use bindings::exports::synod::detector::detector as exported;
pub(crate) use bindings::synod::detector::logging;
pub(crate) use bindings::{Plugin as Bindings, PluginPre as Prepared};

/// The version of the contract that this host speaks.
pub const VERSION: &str = "2.0.0";
const DETECTOR: &str = "synod:detector/detector";
const LOGGING: &str = "synod:detector/logging";

/// The only interface that a plugin may import, beside those of the empty world.
pub(crate) fn logging_interface() -> String {
    format!("{LOGGING}@{VERSION}")
}

fn detector_interface() -> String {
    format!("{DETECTOR}@{VERSION}")
}

/// Checks the names of a component's imports and exports. The answer is the interface that will be called, as the component names it.
pub(crate) fn check<'a>(imports: impl Iterator<Item = &'a str>, exports: impl Iterator<Item = &'a str>) -> Result<String, LoadError> {
    // The version comes first: "another version" explains a stranger's imports, not the other way round.
    let offered = exports.filter_map(|name| version_of(name, DETECTOR).map(|version| (name, version))).collect::<Vec<_>>();
    let interface = match (offered.iter().find(|(_, version)| compatible(version)), offered.first()) {
        (Some((name, _)), _) => crate::logging::log_text(name),
        (None, Some((name, _))) => return Err(other_version(name)),
        (None, None) => return Err(LoadError::NoDetector { expected: detector_interface() }),
    };
    for name in imports {
        match version_of(name, LOGGING) {
            Some(version) if compatible(version) => {}
            Some(_) => return Err(other_version(name)),
            None if wasi::offered(name).is_some() => {}
            None => return Err(LoadError::ForbiddenImport { name: crate::logging::log_text(name), allowed: logging_interface() }),
        }
    }
    Ok(interface)
}

/// What follows the interface's name: its version, or nothing where it has none.
fn version_of<'a>(name: &'a str, interface: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(interface)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('@') }
}

fn compatible(version: &str) -> bool {
    let own = Version::parse(VERSION).expect("the host's own version is one");
    Version::parse(version).is_ok_and(|version| version.major == own.major && version.pre.is_empty())
}

fn other_version(found: &str) -> LoadError {
    LoadError::OtherVersion { found: crate::logging::log_text(found), spoken: VERSION.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(imports: &[&str], exports: &[&str]) -> String {
        check(imports.iter().copied(), exports.iter().copied()).map_or_else(|error| error.to_string(), |_| "fine".to_owned())
    }

    #[test]
    fn names_are_checked() {
        let detector = &["synod:detector/detector@2.0.0"][..];
        let cases: &[(&[&str], &[&str], &str)] = &[
            (&["synod:detector/logging@2.0.0"], detector, "fine"),
            (&[], detector, "fine"),
            (&[], &["synod:detector/detector@2.2.3"], "fine"),
            (&["synod:detector/logging@2.0.0", "wasi:clocks/wall-clock@0.2.3"], detector, "fine"),
            (&[], &["a", "synod:detector/detector@2.0.0"], "fine"),
            (&[], &[], "the component does not export synod:detector/detector@2.0.0"),
            (&[], &["synod:detector/detectors@2.0.0"], "the component does not export synod:detector/detector@2.0.0"),
            (&[], &["synod:detector/detector@0.9.0"], "the plugin speaks synod:detector/detector@0.9.0, this host speaks 2.0.0"),
            (&[], &["synod:detector/detector@3.0.0"], "the plugin speaks synod:detector/detector@3.0.0, this host speaks 2.0.0"),
            (&[], &["synod:detector/detector@2.0.0-rc.1"], "the plugin speaks synod:detector/detector@2.0.0-rc.1, this host speaks 2.0.0"),
            (&[], &["synod:detector/detector"], "the plugin speaks synod:detector/detector, this host speaks 2.0.0"),
            (&["synod:detector/logging@3.1.0"], detector, "the plugin speaks synod:detector/logging@3.1.0, this host speaks 2.0.0"),
            (
                &["synod:detector/logging@2.0.0", "wasi:sockets/tcp@0.2.3"],
                detector,
                "the plugin imports wasi:sockets/tcp@0.2.3: a plugin may import nothing but synod:detector/logging@2.0.0 and an empty WASI 0.2",
            ),
        ];
        for (imports, exports, expected) in cases {
            assert_eq!(verdict(imports, exports), *expected, "{imports:?} {exports:?}");
        }
    }
}
