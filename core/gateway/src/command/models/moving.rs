//! `synod models promote`, `rollback` and `propose`.

use crate::cli::{OneVersion, PromoteModels, RollbackModels};
use crate::command::CommandError;
use crate::command::installation::Installation;
use crate::command::publishing::user;
use crate::engine::{Versions, models};
use crate::rollout::refuse_own;
use crate::signing::{VersionError, vouched};

pub(super) fn promote(arguments: &PromoteModels) -> Result<(), CommandError> {
    let mut at = Installation::open(&arguments.common)?;
    let mut versions = Versions::new();
    if arguments.versions.is_empty() {
        for detector in at.config.all_detectors() {
            versions.extend(at.registry.labels_of(&detector.name)?.candidate.map(|version| (detector.name.clone(), version)));
        }
        if versions.is_empty() {
            return Err(CommandError::Usage("there is no candidate: name versions, as forest=4".into()));
        }
    }
    for (detector, version) in &arguments.versions {
        configured(&at, detector)?;
        versions.insert(detector.clone(), at.registry.resolve(detector, version)?);
    }
    let by = user();
    if at.config.models.four_eyes
        && let Some(why) = refuse_own(&at.registry, &versions, &by)?
    {
        return Err(CommandError::Usage(why));
    }
    judge_from_now_on(&mut at, &versions, &by, "promote")
}

pub(super) fn rollback(arguments: &RollbackModels) -> Result<(), CommandError> {
    let mut at = Installation::open(&arguments.common)?;
    let mut versions = Versions::new();
    for detector in &arguments.detectors {
        configured(&at, detector)?;
        versions.insert(detector.clone(), at.registry.resolve(detector, "previous")?);
    }
    if arguments.detectors.is_empty() {
        for detector in at.config.all_detectors() {
            versions.extend(at.registry.labels_of(&detector.name)?.previous.map(|version| (detector.name.clone(), version)));
        }
    }
    if versions.is_empty() {
        return Err(CommandError::Usage("no detector has judged by another version before".into()));
    }
    // Taking back is never a matter of two: it must not wait for anybody.
    judge_from_now_on(&mut at, &versions, &user(), "rollback")
}

pub(super) fn propose(which: &OneVersion) -> Result<(), CommandError> {
    let at = Installation::open(&which.common)?;
    let version = match which.version.as_str() {
        "none" => None,
        version => Some(at.registry.resolve(&which.detector, version)?),
    };
    if let Some(version) = version {
        must_be_vouched(&at, &which.detector, version, "propose")?;
    }
    at.registry.propose(&which.detector, version, &user())?;
    println!(
        "{}: {}",
        which.detector,
        version.map_or("there is no candidate".into(), |version| format!("version {version} is the candidate"))
    );
    Ok(())
}

fn configured(at: &Installation, detector: &str) -> Result<(), CommandError> {
    let known: Vec<&str> = at.config.all_detectors().map(|detector| detector.name.as_str()).collect();
    match known.contains(&detector) {
        true => Ok(()),
        false => {
            Err(CommandError::Usage(format!("there is no detector `{detector}` in the configuration; there are {}", known.join(", "))))
        }
    }
}

/// Refuses a version for which nobody vouches who has to, and has that audited.
fn must_be_vouched(at: &Installation, detector: &str, version: u64, act: &str) -> Result<(), CommandError> {
    vouched(&at.config, &at.registry, detector, version, (&user(), act)).map_err(|error| match error {
        VersionError::Signature { .. } => CommandError::Data(format!("{detector}, {error}")),
        VersionError::Trust(error) => error.into(),
        VersionError::Registry(error) => error.into(),
    })
}

/// Loads all models as they would judge, scores their golden rows, and moves the labels if that goes well.
pub(in crate::command) fn judge_from_now_on(at: &mut Installation, versions: &Versions, by: &str, act: &str) -> Result<(), CommandError> {
    at.config = at.config.everything();
    at.config.be_patient();
    let mut all = crate::engine::live_versions(&at.config, &at.registry).unwrap_or_default();
    all.extend(versions.clone());
    versions.iter().try_for_each(|(detector, version)| must_be_vouched(at, detector, *version, act))?;
    let engine = at.engine(models(&at.config, &at.registry, &all, &|_, _| {})?)?;
    if let Some((detector, why)) = engine.unready() {
        return Err(CommandError::Failed(format!("{}, version {}: {why}", detector.name(), detector.identity().version)));
    }
    let moved: Vec<(&str, u64)> = versions.iter().map(|(detector, version)| (detector.as_str(), *version)).collect();
    at.registry.go_live(&moved, by, act)?;
    for (detector, version) in &moved {
        println!("{detector}: version {version} is live");
    }
    println!("A running server judges by them within a second.");
    Ok(())
}
