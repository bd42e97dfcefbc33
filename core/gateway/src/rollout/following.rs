//! What becomes of a rollout: how it begins, when it goes on, and how it ends. The loader carries it out.

use super::{Comparison, Ending, Trial};
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use crate::card::author_and_proposer;
use crate::config::{Config, MOST_STEPS, RolloutStep};
use crate::engine::Versions;
use crate::signing::vouched;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use synod_store::{KeptListError, Registry, RegistryError, RolloutAct, RolloutEntry, RolloutError, RolloutStepEntry, Rollouts};
use uuid::Uuid;

/// Who does what no person did.
pub const BY_ITSELF: &str = "synod";
/// How often at most it is written down how a rollout does.
const REPORTED: SignedDuration = SignedDuration::from_secs(2);

/// What somebody asks for. What is not said is as configured.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Versions by detector: a number, a label or the beginning of a digest. The candidates of all detectors if there is neither one nor a policy.
    pub versions: Vec<(String, String)>,
    /// A policy of `consensus.shadows`.
    pub policy: Option<String>,
    /// The steps.
    pub steps: Option<Vec<RolloutStep>>,
    /// Whether it is promoted by itself.
    pub promote: Option<bool>,
}

/// What a wish comes to.
///
/// # Errors
/// In words, why it cannot be.
pub fn plan(config: &Config, registry: &Registry, wish: &Wish, by: &str) -> Result<RolloutEntry, String> {
    let versions = versions(config, registry, wish)?;
    if let Some(name) = &wish.policy {
        policy(config, name)?;
    }
    if versions.is_empty() && wish.policy.is_none() {
        return Err("there is no candidate: name versions, as forest=4, or a policy of `consensus.shadows`".into());
    }
    let live = |detector: &String| registry.live_version(detector).map_err(|error| error.to_string());
    let mut before = Versions::new();
    for (detector, version) in &versions {
        match live(detector)? {
            None => return Err(format!("{detector} has no live version yet, and there is nothing to compare with: promote it")),
            Some(live) if live == *version => return Err(format!("{detector}: version {version} is live already")),
            Some(live) => before.insert(detector.clone(), live),
        };
        // At the load it is asked again; whoever begins should be told at once.
        vouched(config, registry, detector, *version, (by, "rollout")).map_err(|error| format!("{detector}, {error}"))?;
    }
    let promote = wish.promote.unwrap_or(config.rollout.promote && wish.policy.is_none());
    if promote && wish.policy.is_some() {
        return Err("a policy is not promoted by itself: at the end, write it into the configuration as `consensus`, and reload".into());
    }
    if promote
        && config.models.four_eyes
        && let Some(why) = refuse_own(registry, &versions, by).map_err(|error| error.to_string())?
    {
        return Err(why);
    }
    let steps = wish.steps.as_ref().unwrap_or(&config.rollout.steps);
    check_steps(steps)?;
    let steps = steps.iter().map(|step| RolloutStepEntry { share: step.share, hold: step.hold.as_secs() }).collect();
    let began = Timestamp::now();
    let mut entry = RolloutEntry {
        id: Uuid::now_v7().to_string(),
        versions,
        before,
        policy: wish.policy.clone(),
        steps,
        promote,
        by: by.to_owned(),
        began,
        step: 0,
        since: began,
        ended: None,
        report: None,
        acts: Vec::new(),
    };
    let what = what(&entry);
    entry.note(by, "begin", &what);
    Ok(entry)
}

/// In words, what is tried.
pub fn what(entry: &RolloutEntry) -> String {
    let versions = entry.versions.iter().map(|(detector, version)| format!("{detector}/{version}"));
    let policy = entry.policy.iter().map(|policy| format!("policy {policy}"));
    versions.chain(policy).collect::<Vec<_>>().join(" ")
}

/// Why a policy is not promoted.
pub fn promotes_no_policy(policy: &str) -> String {
    format!(
        "the policy `{policy}` is put in force by writing it into the configuration as `consensus`, and reloading it; then stop the rollout"
    )
}

/// Why somebody does not promote these versions: who made or proposed one leaves that to others. None if it is somebody else's.
///
/// # Errors
/// When the registry cannot be read.
pub fn refuse_own(registry: &Registry, versions: &Versions, by: &str) -> Result<Option<String>, RegistryError> {
    for (detector, version) in versions {
        if author_and_proposer(registry, detector, *version)?.iter().any(|name| name == by) {
            let why = format!("{detector}, version {version}: {by} made or proposed it, and `models.four_eyes` asks for somebody else");
            return Ok(Some(why));
        }
    }
    Ok(None)
}

fn versions(config: &Config, registry: &Registry, wish: &Wish) -> Result<Versions, String> {
    let mut versions = Versions::new();
    for (detector, version) in &wish.versions {
        if !config.detectors.iter().any(|known| known.name == *detector) {
            let known = config.detectors.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
            let shown: String = detector.chars().take(64).collect();
            return Err(format!("no detector `{shown}` votes; there are {known}"));
        }
        versions.insert(detector.clone(), registry.resolve(detector, version).map_err(|error| error.to_string())?);
    }
    if wish.versions.is_empty() && wish.policy.is_none() {
        for detector in &config.detectors {
            let labels = registry.labels_of(&detector.name).map_err(|error| error.to_string())?;
            versions.extend(labels.candidate.map(|version| (detector.name.clone(), version)));
        }
    }
    Ok(versions)
}

/// The configuration with another policy in force.
///
/// # Errors
/// When there is none of this name, or it counts other votes.
pub fn policy(config: &Config, name: &str) -> Result<Config, String> {
    let shown: String = name.chars().take(64).collect();
    let known = config.shadow_policies.iter().find(|policy| policy.name == name);
    let policy = known.ok_or_else(|| format!("there is no policy `{shown}` in `consensus.shadows`"))?;
    let voting: Vec<&String> = config.detectors.iter().map(|detector| &detector.name).collect();
    if !policy.detectors.iter().eq(voting) {
        return Err(format!("the policy `{shown}` counts the votes of other detectors than those that vote: it can only be a shadow"));
    }
    Ok(Config { policy: policy.policy.clone(), ..config.clone() })
}

fn check_steps(steps: &[RolloutStep]) -> Result<(), String> {
    let shares = || steps.iter().map(|step| step.share);
    match () {
        () if steps.is_empty() || steps.len() > MOST_STEPS => {
            Err(format!("there are {} steps, and 1 to {MOST_STEPS} are needed", steps.len()))
        }
        () if shares().any(|share| !(0.0..=1.0).contains(&share)) => Err("a share is from 0 to 1".into()),
        () if steps.windows(2).any(|pair| pair[1].share < pair[0].share) => Err("shares only grow from step to step".into()),
        () => Ok(()),
    }
}

/// What is to be done about a rollout.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Nothing yet.
    Wait,
    /// It goes on to the next step.
    Step,
    /// All steps are done, and it is to be promoted.
    Promote,
    /// It ends, and in words why.
    End(Ending, String),
}

/// What is to be done about a rollout, by the versions that judge and by what was seen.
pub fn next(entry: &RolloutEntry, judging: &Versions, comparison: &Comparison, now: Timestamp) -> Next {
    if let Some((ending, why)) = overtaken(entry, judging) {
        return Next::End(ending, why.into());
    }
    if let Some(breach) = comparison.look() {
        return Next::End(Ending::Guard(breach.guard), breach.to_string());
    }
    let Some(step) = entry.steps.get(entry.step) else { return Next::Wait };
    let held = now.duration_since(entry.since).as_secs() >= step.hold as i64;
    if !held || !comparison.says_something() || !comparison.report().breached.is_empty() {
        return Next::Wait;
    }
    match entry.step + 1 < entry.steps.len() {
        true => Next::Step,
        false if entry.promote => Next::Promote,
        false => Next::Wait,
    }
}

/// Whether somebody has moved labels meanwhile.
pub fn overtaken(entry: &RolloutEntry, judging: &Versions) -> Option<(Ending, &'static str)> {
    let judge = |versions: &Versions| versions.iter().all(|(detector, version)| judging.get(detector) == Some(version));
    match () {
        () if !entry.versions.is_empty() && judge(&entry.versions) => Some((Ending::Promoted, "what was tried is live")),
        () if !judge(&entry.before) => Some((Ending::Superseded, "other versions than at its beginning are live")),
        () => None,
    }
}

/// What the loader remembers of the rollout that it follows.
#[derive(Debug, Default)]
pub struct Following {
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// What both sides have said, which outlives changes of what judges.
    comparison: Option<(String, Arc<Comparison>)>,
    /// What has ended here, although that could not be written down yet.
    ended: Option<Ended>,
    reported: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Ended {
    id: String,
    ending: Ending,
    why: String,
}

impl Following {
    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The comparison of a rollout; `make` begins one.
    pub fn comparison(&self, id: &str, make: impl FnOnce() -> Comparison) -> Arc<Comparison> {
        let mut remembered = self.remembered();
        if let Some((known, comparison)) = &remembered.comparison
            && known == id
        {
            return comparison.clone();
        }
        let comparison = Arc::new(make());
        remembered.comparison = Some((id.to_owned(), comparison.clone()));
        comparison
    }

    /// Ends a rollout. If that cannot be written down, it has ended here all the same, and is written later.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn end(&self, rollouts: &Rollouts, id: &str, ending: Ending, why: &str) -> Result<(), RolloutError> {
        self.remembered().ended = Some(Ended { id: id.to_owned(), ending, why: why.to_owned() });
        self.write_end(rollouts)
    }

    /// Whether a rollout has ended here, although its entry may not say so.
    pub fn has_ended(&self, id: &str) -> bool {
        self.remembered().ended.as_ref().is_some_and(|ended| ended.id == id)
    }

    /// Writes down what has ended and could not be written.
    ///
    /// # Errors
    /// When that fails again.
    pub fn write_end(&self, rollouts: &Rollouts) -> Result<(), RolloutError> {
        let ended = self.remembered().ended.clone();
        let Some(Ended { id, ending, why }) = ended else { return Ok(()) };
        match rollouts.end(Some(&id), ending.name(), BY_ITSELF, &why) {
            // Somebody else ended it.
            Ok(()) | Err(RolloutError::None) => {}
            Err(error) => return Err(error),
        }
        self.remembered().ended = None;
        Ok(())
    }

    /// Writes down how a rollout does, now and then or when it must be.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn report(&self, rollouts: &Rollouts, trial: &Trial, at_once: bool) -> Result<(), RolloutError> {
        let mut remembered = self.remembered();
        let now = Timestamp::now();
        if !at_once && remembered.reported.is_some_and(|last| now.duration_since(last) < REPORTED) {
            return Ok(());
        }
        remembered.reported = Some(now);
        drop(remembered);
        let report = serde_json::to_value(trial.comparison.report()).unwrap_or_default();
        match rollouts.under_way()? {
            Some(entry) if entry.id == trial.id && entry.report.as_ref() != Some(&report) => {
                rollouts.change(Some(&trial.id), |entry| entry.report = Some(report))
            }
            _ => Ok(()),
        }
    }
}

/// Goes on to the next step.
///
/// # Errors
/// When there is none, or it cannot be written.
pub fn step(rollouts: &Rollouts, id: Option<&str>, by: &str) -> Result<RolloutEntry, RolloutError> {
    rollouts.change(id, |entry| {
        if entry.step + 1 < entry.steps.len() {
            entry.step += 1;
            entry.since = Timestamp::now();
            let share = entry.steps[entry.step].share;
            entry.note(by, "step", &format!("to step {} of {}: a share of {share}", entry.step + 1, entry.steps.len()));
        }
        entry.clone()
    })
}

/// The last one that began, and those before it, newest first.
///
/// # Errors
/// When they cannot be read.
pub fn newest_first(rollouts: &Rollouts) -> Result<Vec<RolloutEntry>, KeptListError> {
    let mut all = rollouts.all()?;
    all.reverse();
    Ok(all)
}

/// That something was done about a rollout, for the log.
pub fn audit_record(id: &str, act: &RolloutAct) -> AuditRecord {
    let outcome = if act.act == "rolled_back" { AuditOutcome::Failed } else { AuditOutcome::Allowed };
    let why = format!("{}: {}, at {:.0}", act.act, act.why, act.at);
    AuditRecord::new(Action::ROLLOUT_CHANGED, outcome).by_name(&act.by).to(id).because(&why)
}

#[cfg(test)]
mod tests;
