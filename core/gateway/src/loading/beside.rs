//! What is asked beside the policy: shadows, and what a rollout tries. Neither holds up what judges: if it does not load, that is told, and judging goes on.

use super::{LoadError, Loader, Order, locked, versions_of};
use crate::config::Config;
use crate::engine::{Engine, Versions, live_versions};
use crate::http::Service;
use crate::rollout::{BY_ITSELF, Comparison, Ending, Following, Next, Trial, audit_record, next, overtaken, policy, step, what};
use crate::shadowing::Shadows;
use crate::telemetry::metrics::{Reload, Reloads};
use jiff::Timestamp;
use std::sync::{Arc, Mutex};
use synod_store::{FileStamp, RolloutEntry, RolloutError};

/// What the loader remembers of it.
#[derive(Debug, Default)]
pub(super) struct Beside {
    following: Following,
    /// The labels by which shadows were looked for last.
    shadows: Mutex<Option<FileStamp>>,
    /// The rollout that is under way, as it was read last.
    rollouts: Mutex<Option<(FileStamp, Option<RolloutEntry>)>>,
}

impl Loader {
    /// Starts the shadows of the configuration, or others if their labels were moved.
    pub(super) fn look_at_shadows(&self) {
        let service = self.live.service();
        if service.config().shadows.is_empty() && service.config().shadow_policies.is_empty() {
            return;
        }
        // What could not be loaded is tried again once something has changed.
        let stamp = service.models().registry().labels_stamp();
        if locked(&self.beside.shadows).replace(stamp) == Some(stamp) {
            return;
        }
        match self.shadows(&service) {
            Ok(None) => {}
            Ok(Some(shadows)) => {
                tracing::info!(shadows = versions_of(shadows.engine()).len(), "detectors and policies are asked beside");
                self.live.replace(self.live.service().shadowed(Some(Arc::new(shadows))));
                Reloads::all().read(Reload::Shadows, true);
            }
            Err(error) => {
                tracing::error!(%error, "what should be asked beside the policy cannot be loaded");
                Reloads::all().read(Reload::Shadows, false);
            }
        }
    }

    /// From now on the shadows are looked at again.
    pub(super) fn forget_shadows(&self) {
        *locked(&self.beside.shadows) = None;
    }

    /// The shadows of the configuration; none if they are those that are there.
    fn shadows(&self, service: &Service) -> Result<Option<Shadows>, LoadError> {
        let config = service.config().everything();
        let versions = live_versions(&config, service.models().registry())?;
        if service.shadows().is_some_and(|shadows| versions_of(shadows.engine()) == versions) {
            return Ok(None);
        }
        let engine = self.engine_beside(service, &config, &versions)?;
        Ok(Some(Shadows::new(service.config(), engine)))
    }

    /// Whether versions of shadows that are to be live can be used.
    pub(super) fn verify_shadows(&self, service: &Service, wanted: &Versions) -> Result<(), LoadError> {
        if !service.config().shadows.iter().any(|shadow| wanted.contains_key(&shadow.name)) {
            return Ok(());
        }
        let config = service.config().everything();
        let mut versions = live_versions(&config, service.models().registry())?;
        versions.extend(wanted.clone());
        self.engine_beside(service, &config, &versions).map(drop)
    }

    fn engine_beside(&self, service: &Service, config: &Config, versions: &Versions) -> Result<Engine, LoadError> {
        self.engine(service, config, versions, &|_, _| {})
    }

    /// Follows the rollout that is under way.
    pub(super) fn look_at_rollout(&self) {
        let service = self.live.service();
        if let Err(error) = self.beside.following.write_end(service.models().rollouts()) {
            tracing::error!(%error, "that a rollout has ended cannot be written down, and will be tried again");
        }
        let entry = match self.under_way(&service) {
            Ok(entry) => entry.filter(|entry| !self.beside.following.has_ended(&entry.id)),
            Err(error) => return tracing::error!(%error, "the rollouts cannot be read"),
        };
        match (entry, service.trial()) {
            (None, None) => {}
            (None, Some(trial)) => self.end_trial(&service, trial),
            (Some(entry), Some(trial)) if trial.id == entry.id => self.follow_rollout(&service, &entry, trial),
            (Some(entry), _) => self.begin_trial(&service, &entry),
        }
    }

    fn under_way(&self, service: &Service) -> Result<Option<RolloutEntry>, RolloutError> {
        let rollouts = service.models().rollouts();
        let (stamp, mut known) = (rollouts.stamp(), locked(&self.beside.rollouts));
        if known.as_ref().is_none_or(|(seen, _)| *seen != stamp) {
            *known = Some((stamp, rollouts.under_way()?));
        }
        Ok(known.as_ref().and_then(|(_, entry)| entry.clone()))
    }

    /// Tries nothing any more: somebody has ended it.
    fn end_trial(&self, service: &Service, trial: &Trial) {
        self.live.replace(self.live.service().trying(None));
        let all = service.models().rollouts().all().unwrap_or_default();
        let ended = all.iter().find(|entry| entry.id == trial.id).and_then(|entry| entry.ended.as_ref());
        if let Some(ending) = ended.and_then(|ended| Ending::written(&ended.how)) {
            service.note_end(ending);
        }
        tracing::info!(rollout = trial.id, "nothing is tried any more");
    }

    fn begin_trial(&self, service: &Service, entry: &RolloutEntry) {
        if let Some((ending, why)) = overtaken(entry, &versions_of(service.engine())) {
            return self.end_rollout(service, entry, ending, why);
        }
        match self.trial(service, entry) {
            Ok(trial) => {
                trial.widen(share(entry));
                self.live.replace(self.live.service().trying(Some(Arc::new(trial))));
                tracing::info!(rollout = entry.id, tried = what(entry), share = share(entry), "a rollout is under way");
            }
            Err(why) => self.end_rollout(service, entry, Ending::NotLoaded, &format!("it does not load: {why}")),
        }
    }

    fn trial(&self, service: &Service, entry: &RolloutEntry) -> Result<Trial, String> {
        let config = match &entry.policy {
            Some(name) => policy(service.config(), name)?,
            None => (**service.config()).clone(),
        };
        let mut versions = versions_of(service.engine());
        versions.extend(entry.versions.clone());
        let engine = self.engine_beside(service, &config, &versions).map_err(|error| error.to_string())?;
        let comparison = self.beside.following.comparison(&entry.id, || Comparison::new(config.rollout.guards));
        let watching = service.watch(&engine);
        Ok(Trial::new(entry.id.clone(), Arc::new(engine), entry.policy.clone(), watching, comparison))
    }

    fn follow_rollout(&self, service: &Service, entry: &RolloutEntry, trial: &Trial) {
        trial.widen(share(entry));
        let rollouts = service.models().rollouts();
        let done = match next(entry, &versions_of(service.engine()), &trial.comparison, Timestamp::now()) {
            Next::Wait => self.beside.following.report(rollouts, trial, false),
            Next::Step => self
                .beside
                .following
                .report(rollouts, trial, true)
                .and_then(|()| step(rollouts, Some(&entry.id), BY_ITSELF).map(|entry| trial.widen(share(&entry)))),
            Next::Promote => return self.promote_trial(service, entry),
            Next::End(ending, why) => return self.end_rollout(service, entry, ending, &why),
        };
        if let Err(error) = done {
            tracing::error!(%error, "how a rollout does cannot be written down");
        }
    }

    fn promote_trial(&self, service: &Service, entry: &RolloutEntry) {
        let order = Order::GoLive { versions: entry.versions.clone(), by: entry.by.clone(), act: "rollout" };
        match self.carry_out(order) {
            Ok(()) => self.end_rollout(service, entry, Ending::Promoted, "all its guards held at every step"),
            Err(error) => self.end_rollout(service, entry, Ending::NotLoaded, &format!("it cannot be promoted: {error}")),
        }
    }

    /// Ends a rollout: first for those who are judged, then on disk.
    fn end_rollout(&self, service: &Service, entry: &RolloutEntry, ending: Ending, why: &str) {
        let now = self.live.service();
        if now.trial().is_some() {
            self.live.replace(now.trying(None));
        }
        match ending {
            Ending::Guard(_) | Ending::NotLoaded => tracing::error!(rollout = entry.id, why, "a rollout was rolled back"),
            _ => tracing::info!(rollout = entry.id, end = ending.name(), why, "a rollout ended"),
        }
        service.note_end(ending);
        let (rollouts, following) = (service.models().rollouts(), &self.beside.following);
        let reported = match service.trial().filter(|trial| trial.id == entry.id) {
            Some(trial) => following.report(rollouts, trial, true),
            None => Ok(()),
        };
        if let Err(error) = reported.and(following.end(rollouts, &entry.id, ending, why)) {
            tracing::error!(%error, "that a rollout has ended cannot be written down, and will be tried again");
        }
    }

    /// Has what was done to rollouts stand in the log.
    pub(super) async fn audit_rollouts(&self) {
        let service = self.live.service();
        let rollouts = service.models().rollouts();
        let mut audited = Vec::new();
        for (id, act) in rollouts.acts().unwrap_or_default() {
            if service.audited(&audit_record(&id, &act)).await.is_err() {
                break;
            }
            audited.push((id, act));
        }
        if !audited.is_empty()
            && let Err(error) = rollouts.forget_acts(&audited)
        {
            tracing::error!(%error, "acts that are audited cannot be forgotten, and will be audited again");
        }
    }
}

/// The share of the step that a rollout is at.
fn share(entry: &RolloutEntry) -> f64 {
    entry.steps.get(entry.step).map_or(0.0, |step| step.share)
}
