//! `synod models gc`.

use crate::cli::CollectModels;
use crate::command::installation::Installation;
use crate::command::{CommandError, chain, progress};
use crate::replaying::models_in_use;
use synod_store::Rollouts;

pub(super) fn run(arguments: &CollectModels) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let bar = progress::reading("reading decisions");
    let used = models_in_use(&at.directory, &mut |done, all| progress::update(&bar, (done, all)));
    bar.finish_and_clear();
    let (used, keep) = (used?, at.config.models.keep);
    let mut latest = std::collections::HashSet::new();
    for detector in at.registry.detectors()? {
        let versions = at.registry.versions(&detector)?;
        latest.extend(versions.iter().rev().take(keep).map(|version| (detector.clone(), *version)));
    }
    let tried = Rollouts::of(&at.directory).under_way().map_err(|error| CommandError::Failed(chain(&error)))?;
    latest.extend(tried.into_iter().flat_map(|rollout| rollout.versions.into_iter().chain(rollout.before)));
    let needed = |detector: &str, version: u64| {
        let key = (detector.to_owned(), version);
        latest.contains(&key) || used.contains(&key)
    };
    let collected = at.registry.collect(&needed, arguments.dry_run)?;
    let done = if arguments.dry_run { "would be removed" } else { "removed" };
    for (detector, version) in &collected.versions {
        println!("{detector}, version {version}: {done}");
    }
    println!("{} versions and {} artifacts, {} bytes: {done}", collected.versions.len(), collected.artifacts.len(), collected.bytes);
    Ok(())
}
