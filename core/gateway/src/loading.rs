//! Other models, other detectors or another policy, while requests go on: what is to judge is made ready beside what judges, and takes its place at
//! once. If it cannot be made ready, what judges goes on, and health and the log say why.
//!
//! A load reads and compares the artifacts (`verifying`), compiles the plugins (`compiling`), starts the sandboxes and scores the golden rows
//! (`starting`). Detectors whose model, plugin and limits are as before keep their sandboxes.

mod acts;
mod beside;

use self::beside::Beside;
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use crate::config::{Config, ConfigError, needs_restart};
use crate::engine::{Engine, EngineError, Sources, Steps, Versions, live_versions, models};
use crate::http::{Live, Service};
use crate::telemetry::metrics::{Reload, Reloads};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use synod_host::Host;
use synod_store::{Archive, ArchiveError, FileStamp, LabelAct, Registry, RegistryError, Rollouts};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

/// How often it is looked whether labels were moved.
const ROUND: Duration = Duration::from_millis(500);
/// Orders that wait; more are refused.
const WAITING: usize = 16;

/// Why what was to judge does not.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The configuration cannot be read again.
    #[error("the configuration cannot be used: {0}")]
    Configuration(#[from] ConfigError),
    /// It differs in what is read at the start alone.
    #[error("the configuration differs in {}, which is read at the start alone: restart Synod, or undo the change", .0.join(", "))]
    Restart(Vec<String>),
    /// It asks other things of the past.
    #[error(
        "features ask other things of the past than at the start, and histories are kept for what they ask: restart Synod, or undo the change"
    )]
    Past,
    /// Models, plugins and configuration do not make an engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A detector does not start, or its golden rows have other scores.
    #[error("detector {detector}, version {version}: {why}")]
    Detector {
        /// Which.
        detector: String,
        /// Of which version.
        version: u64,
        /// What its plugin said, or did.
        why: String,
    },
    /// What decisions rest on cannot be kept.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The labels cannot be moved.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Other orders wait.
    #[error("other models are being loaded: try it again in a moment")]
    Busy,
}

/// What somebody asks for.
#[derive(Debug)]
pub enum Order {
    /// Read the configuration again.
    Reload,
    /// Look at what others have changed, now.
    Look,
    /// Have these versions judge, and move the labels once they can.
    GoLive {
        /// By detector.
        versions: Versions,
        /// Who asks.
        by: String,
        /// One word for it.
        act: &'static str,
    },
}

/// The last load that failed, until one succeeds.
#[derive(Debug, Clone)]
pub struct LoadFailure {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// How far a load is.
#[derive(Debug, Default)]
pub struct Loading {
    step: Mutex<Option<String>>,
    failure: Mutex<Option<LoadFailure>>,
}

impl Loading {
    /// What is being done, if something is.
    pub fn step(&self) -> Option<String> {
        locked(&self.step).clone()
    }

    /// The last load that failed, until one succeeds.
    pub fn failure(&self) -> Option<LoadFailure> {
        locked(&self.failure).clone()
    }

    fn at(&self, step: Option<String>) {
        *locked(&self.step) = step;
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An order, and where its answer goes.
type Asked = (Order, oneshot::Sender<Result<(), LoadError>>);

/// The models of an installation, for those who ask about them or for others.
#[derive(Debug)]
pub struct Models {
    registry: Registry,
    archive: Archive,
    rollouts: Rollouts,
    loading: Loading,
    orders: mpsc::Sender<Asked>,
}

impl Models {
    /// Of this registry, with the orders for a [`Loader`].
    pub fn new(registry: Registry, archive: Archive, rollouts: Rollouts) -> (Arc<Self>, Orders) {
        let (orders, asked) = mpsc::channel(WAITING);
        (Arc::new(Self { registry, archive, rollouts, loading: Loading::default(), orders }), Orders(asked))
    }

    /// Which versions there are.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where plugins are kept.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What is tried and was tried.
    pub fn rollouts(&self) -> &Rollouts {
        &self.rollouts
    }

    /// How far a load is.
    pub fn loading(&self) -> &Loading {
        &self.loading
    }

    /// Asks for other models or another policy, and waits until they judge.
    ///
    /// # Errors
    /// Why they do not; then what judges goes on, and no label was moved.
    pub async fn order(&self, order: Order) -> Result<(), LoadError> {
        let (answer, answered) = oneshot::channel();
        self.orders.try_send((order, answer)).map_err(|_| LoadError::Busy)?;
        answered.await.unwrap_or(Err(LoadError::Busy))
    }
}

/// Orders that were given to [`Models`].
#[derive(Debug)]
pub struct Orders(mpsc::Receiver<Asked>);

/// Keeps a configuration and the plugins that it names: decisions rest on them. The answer is the configuration's digest.
///
/// # Errors
/// When they cannot be read or kept.
pub fn archive(archive: &Archive, config: &Config) -> Result<String, ArchiveError> {
    for detector in config.all_detectors() {
        // One that cannot be read is in the archive already, or its detector could not have been put together.
        if let Ok(component) = std::fs::read(&detector.plugin) {
            archive.put(&component)?;
        }
    }
    archive.put(config.source.as_bytes())
}

/// Makes ready what is to judge, and has it judge.
pub struct Loader {
    live: Live,
    host: Host,
    read: Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
    /// The configuration's file.
    file: PathBuf,
    /// What of it was noticed, and what was read.
    noticed: Mutex<[FileStamp; 2]>,
    /// What was looked at last.
    seen: Mutex<Option<FileStamp>>,
    beside: Beside,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Loader {
    /// For this service, whose configuration is in this file; `read` reads it again.
    pub fn new(live: Live, host: Host, file: &Path, read: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static) -> Self {
        let noticed = Mutex::new([FileStamp::of(file); 2]);
        Self { live, host, file: file.to_owned(), noticed, read: Box::new(read), seen: Mutex::new(None), beside: Beside::default() }
    }

    /// Does what is ordered, and follows labels that others move, until the service ends.
    pub async fn follow(self: Arc<Self>, mut orders: Orders, mut asked: tokio::signal::unix::Signal) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = rounds.tick() => {
                    self.clone().blocking(|loader| loader.look()).await;
                }
                Some(()) = asked.recv() => {
                    self.clone().blocking(|loader| loader.carry_out(Order::Reload)).await;
                }
                Some((order, answer)) = orders.0.recv() => {
                    // Whoever asked may have gone; what was asked for is done all the same.
                    if let Some(done) = self.clone().blocking(|loader| loader.carry_out(order)).await {
                        let _ = answer.send(done);
                    }
                }
            }
            self.audit_acts().await;
        }
    }

    async fn blocking<T: Send + 'static>(self: Arc<Self>, work: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        match tokio::task::spawn_blocking(move || work(&self)).await {
            Ok(done) => Some(done),
            // At the end of the service it is cancelled, which is no fault.
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "loading models failed");
                }
                None
            }
        }
    }

    /// Looks at what others have changed.
    fn look(&self) {
        self.look_at_file();
        self.look_at_labels();
        self.look_at_shadows();
        self.look_at_rollout();
    }

    /// Whether the configuration's file has changed, and if so, reads it again. What has changed is left alone until it is the same at two looks: it
    /// may still be written.
    fn look_at_file(&self) {
        let stamp = FileStamp::of(&self.file);
        let [noticed, read] = std::mem::replace(&mut *locked(&self.noticed), [stamp, stamp]);
        if stamp == read {
            return;
        }
        if stamp != noticed {
            locked(&self.noticed)[1] = read;
            return;
        }
        let is_other = std::fs::read_to_string(&self.file).is_ok_and(|text| text != self.live.service().config().source);
        if is_other {
            tracing::info!(file = %self.file.display(), "the configuration has changed, and is read again");
            // What is wrong with it is told where that is found.
            let _ = self.carry_out(Order::Reload);
        }
    }

    /// Whether others have moved labels, and if so, loads what is live now.
    fn look_at_labels(&self) {
        let service = self.live.service();
        let registry = &service.models().registry;
        let stamp = registry.labels_stamp();
        if locked(&self.seen).replace(stamp) == Some(stamp) {
            return;
        }
        let judging = versions_of(service.engine());
        match live_versions(service.config(), registry) {
            Ok(live) if live == judging => *locked(&service.models().loading.failure) = None,
            Ok(live) => {
                if let Err(error) = self.load(&service, service.config().clone(), &live) {
                    self.failed(&service, &error, Reload::Models);
                }
            }
            Err(error) => self.failed(&service, &error.into(), Reload::Models),
        }
    }

    /// Does what somebody asks for.
    ///
    /// # Errors
    /// Why it is not done; then what judges goes on, and no label was moved.
    pub fn carry_out(&self, order: Order) -> Result<(), LoadError> {
        let service = self.live.service();
        match order {
            Order::Look => {
                self.look();
                Ok(())
            }
            Order::Reload => {
                let loaded = self.changed(&service).and_then(|config| {
                    let live = live_versions(&config, &service.models().registry)?;
                    self.load(&service, Arc::new(config), &live)
                });
                match &loaded {
                    Ok(()) => Reloads::all().read(Reload::Configuration, true),
                    Err(error) => self.failed(&service, error, Reload::Configuration),
                }
                loaded
            }
            Order::GoLive { versions, by, act } => {
                let mut all = versions_of(service.engine());
                all.extend(versions.clone());
                let next = self.prepare(&service, service.config().clone(), &all)?;
                self.verify_shadows(&service, &versions)?;
                let moved: Vec<(&str, u64)> = versions.iter().map(|(detector, version)| (detector.as_str(), *version)).collect();
                service.models().registry.go_live(&moved, &by, act)?;
                self.replace(&service, next);
                Ok(())
            }
        }
    }

    /// The configuration as it is on disk, if it may be put in force.
    fn changed(&self, service: &Service) -> Result<Config, LoadError> {
        *locked(&self.noticed) = [FileStamp::of(&self.file); 2];
        let config = (self.read)()?;
        let keys = needs_restart(&service.config().source, &config.source);
        if !keys.is_empty() {
            return Err(LoadError::Restart(keys));
        }
        if config.history != service.config().history {
            return Err(LoadError::Past);
        }
        Ok(config)
    }

    fn load(&self, service: &Service, config: Arc<Config>, versions: &Versions) -> Result<(), LoadError> {
        let next = self.prepare(service, config, versions)?;
        self.replace(service, next);
        Ok(())
    }

    /// Makes ready what is to judge.
    fn prepare(&self, service: &Service, config: Arc<Config>, versions: &Versions) -> Result<Arc<Service>, LoadError> {
        let loading = &service.models().loading;
        let prepared = self.ready(service, config, versions);
        loading.at(None);
        prepared
    }

    fn ready(&self, service: &Service, config: Arc<Config>, versions: &Versions) -> Result<Arc<Service>, LoadError> {
        let (loading, started) = (&service.models().loading, Instant::now());
        let step = |detector: &str, step: &'static str| {
            let version = versions.get(detector).copied().unwrap_or_default();
            loading.at(Some(format!("{detector}, version {version}: {step}")));
        };
        let engine = self.engine(service, &config, versions, &step)?;
        let configuration = archive(&service.models().archive, &config)?;
        tracing::info!(load_ms = started.elapsed().as_millis() as u64, "other models are ready");
        Ok(service.with(config, configuration, Arc::new(engine)))
    }

    /// An engine that can vote, with the sandboxes of the one in force where it has the same detectors.
    fn engine(&self, service: &Service, config: &Config, versions: &Versions, steps: Steps<'_>) -> Result<Engine, LoadError> {
        let models = models(config, &service.models().registry, versions, steps)?;
        let sources = Sources { host: &self.host, archive: Some(&service.models().archive), before: Some(service.engine()) };
        let engine = Engine::from(config, sources, models, steps)?;
        match engine.unready() {
            Some((detector, why)) => {
                Err(LoadError::Detector { detector: detector.name().to_owned(), version: detector.identity().version, why })
            }
            None => Ok(engine),
        }
    }

    /// From now on `next` judges.
    fn replace(&self, service: &Service, next: Arc<Service>) {
        let others = next.configuration() != service.configuration();
        self.live.replace(next.clone());
        self.forget_shadows();
        *locked(&self.seen) = Some(next.models().registry.labels_stamp());
        *locked(&next.models().loading.failure) = None;
        let versions = versions_of(next.engine());
        let named = versions.iter().map(|(detector, version)| format!("{detector}/{version}")).collect::<Vec<_>>().join(" ");
        tracing::info!(models = named, configuration = next.configuration(), "other models judge from now on");
        next.audit(&AuditRecord::new(Action::MODELS_LOADED, AuditOutcome::Allowed).to(&named));
        if others {
            next.audit(&AuditRecord::new(Action::CONFIGURATION_LOADED, AuditOutcome::Allowed).to(next.configuration()));
        }
        Reloads::all().read(Reload::Models, true);
    }

    fn failed(&self, service: &Service, error: &LoadError, part: Reload) {
        let why = error.to_string();
        tracing::error!(%error, "what was to judge cannot be loaded, and what judges goes on");
        *locked(&service.models().loading.failure) = Some(LoadFailure { at: Timestamp::now(), why: why.clone() });
        let action = if part == Reload::Configuration { Action::CONFIGURATION_REFUSED } else { Action::MODELS_REFUSED };
        service.audit(&AuditRecord::new(action, AuditOutcome::Failed).because(&why));
        Reloads::all().read(part, false);
    }

    /// Has what was done to labels stand in the log. What cannot be stored is tried again, when this is called again.
    pub async fn audit_acts(&self) {
        self.audit_rollouts().await;
        self.audit_commands().await;
        let service = self.live.service();
        let registry = &service.models().registry;
        let acts = registry.acts().unwrap_or_default();
        let mut audited = Vec::new();
        for (detector, act) in acts {
            if service.audited(&audit_record(&detector, &act)).await.is_err() {
                break;
            }
            audited.push((detector, act));
        }
        if !audited.is_empty()
            && let Err(error) = registry.forget_acts(&audited)
        {
            tracing::error!(%error, "acts that are audited cannot be forgotten, and will be audited again");
        }
    }
}

/// Which version of each detector an engine has.
fn versions_of(engine: &Engine) -> Versions {
    engine.detectors().iter().map(|detector| (detector.name().to_owned(), detector.identity().version)).collect::<BTreeMap<_, _>>()
}

/// That a label was moved, a version signed, or one refused, for the log.
pub fn audit_record(detector: &str, act: &LabelAct) -> AuditRecord {
    let version = |version: Option<u64>| version.map_or_else(|| "none".to_owned(), |version| version.to_string());
    let target = format!("{detector}/{}", version(act.to));
    let about = act.about.as_deref().unwrap_or_default();
    let (action, outcome, why) = match act.act.as_str() {
        _ if act.refused => (Action::MODEL_REFUSED, AuditOutcome::Denied, format!("{} at {:.0}: {about}", act.act, act.at)),
        "sign" => (Action::MODEL_SIGNED, AuditOutcome::Allowed, format!("at {:.0}: {about}", act.at)),
        _ => {
            let moved = format!("{}: from version {} to {}, at {:.0}", act.act, version(act.from), version(act.to), act.at);
            let why = if about.is_empty() { moved } else { format!("{moved}; {about}") };
            (Action::MODEL_MOVED, AuditOutcome::Allowed, why)
        }
    };
    AuditRecord::new(action, outcome).by_name(&act.by).to(&target).because(&why)
}
