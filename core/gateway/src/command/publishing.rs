//! What becomes of versions that a command has published.

use super::CommandError;
use super::installation::Installation;
use super::models::sign_version;
use crate::signing::PrivateKey;

/// Who works at this command line, as manifests and audit records name them.
pub(super) fn user() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().filter_map(|name| std::env::var(name).ok()).find(|name| !name.is_empty());
    format!("os:{}", name.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw())))
}

/// Signs versions that a command has published, and makes them live, or candidates if that is wished or nobody may do it alone; says which. Where
/// versions must be signed and these are not, they get no label.
pub(super) fn sign_and_label(
    at: &Installation,
    versions: &[(String, u64)],
    keys: &[PrivateKey],
    by: &str,
    act: &str,
    candidate: bool,
) -> Result<(), CommandError> {
    if !keys.is_empty() {
        for (detector, version) in versions {
            println!("{detector}: version {version} is signed: {}", sign_version(at, detector, *version, keys, None)?.words());
        }
    } else if at.config.models.signatures.required {
        println!("They are not signed, which `models.signatures.required` asks for. They judge nothing until they are:");
        for (detector, version) in versions {
            println!("  synod models sign {detector} {version} --key FILE");
        }
        println!("and then: synod models promote {}", named(versions));
        return Ok(());
    }
    label(at, versions, by, act, candidate)
}

fn named(versions: &[(String, u64)]) -> String {
    versions.iter().map(|(detector, version)| format!("{detector}={version}")).collect::<Vec<_>>().join(" ")
}

fn label(at: &Installation, versions: &[(String, u64)], by: &str, act: &str, candidate: bool) -> Result<(), CommandError> {
    let first = versions.iter().map(|(detector, _)| at.registry.live_version(detector)).collect::<Result<Vec<_>, _>>()?;
    let alone = at.config.models.four_eyes && first.iter().any(Option::is_some);
    if candidate || alone {
        for (detector, version) in versions {
            at.registry.propose(detector, Some(*version), by)?;
        }
        let why = if alone && !candidate { " (`models.four_eyes`: somebody else has to)" } else { "" };
        println!("They are candidates, and judge nothing until they are promoted{why}: synod models promote");
        return Ok(());
    }
    let named: Vec<(&str, u64)> = versions.iter().map(|(detector, version)| (detector.as_str(), *version)).collect();
    at.registry.go_live(&named, by, act)?;
    println!("They are live: a running server judges by them within a second. To take them back: synod models rollback");
    Ok(())
}
