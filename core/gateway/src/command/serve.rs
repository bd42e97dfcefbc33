//! `synod serve`: answers requests until it is told to stop.

mod measuring;

use super::CommandError;
use super::installation::{Installation, as_given, configuration};
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use crate::breaking::Breakers;
use crate::cli::Serve;
use crate::compiling::InProcess;
use crate::config::Config;
use crate::doctor::{Gravity, findings};
use crate::documents::Stream;
use crate::engine::{Detector, Engine, Sources, live_models};
use crate::events::{AppLayer, EventQueue, Events};
use crate::http::{Live, Service, administration_routes, data_routes, redirecting_routes};
use crate::identity::Identity;
use crate::ledger::Ledger;
use crate::listening::{Audience, Listening, Tls, chain};
use crate::loading::{Loader, Models};
use crate::sinks::Sinks;
use crate::telemetry::metrics::unwatched;
use crate::telemetry::{logging, tracing as traces};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use synod_host::LogLevel;
use synod_store::{Archive, Rollouts};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often the detectors are looked after.
const ROUND: Duration = Duration::from_secs(1);
/// Lines of one plugin that are written down in a round; more say nothing more.
const LINES_A_ROUND: usize = 20;
/// How often older decisions are looked for that need not be kept.
const RETENTION: Duration = Duration::from_secs(10);
/// How often a log that cannot be written is tried again. A service that is not ready is sent no rows that would try it.
const PROBE: Duration = Duration::from_secs(2);
/// How often a detector that did not start is tried again.
const RETRY: Duration = Duration::from_secs(10);

pub(super) fn run(arguments: &Serve) -> Result<(), CommandError> {
    let started = Instant::now();
    let config = configuration(&arguments.common)?;
    let traces = config.tracing.as_ref().map(traces::start).transpose().map_err(|error| CommandError::Failed(chain(&error)))?;
    let queue = config.sinks.follows_events().then(|| Arc::new(EventQueue::default()));
    let app = queue.clone().filter(|_| config.sinks.ships(Stream::App)).map(AppLayer::new);
    let target = if config.sinks.standard_output.is_some() { logging::Target::Errors } else { logging::Target::Output };
    let _guard = logging::start(config.level, target, traces.as_ref(), app);
    refuse_insecure(&config, arguments.dev)?;
    let mut at = Installation::with(config)?;
    let compiler = InProcess::new(*at.host.settings(), at.config.compile).map_err(|error| CommandError::Failed(error.to_string()))?;
    at.host = at.host.compiled_by(Arc::new(compiler));
    let _lock = at.directory.lock_exclusive()?;
    let listen = at.config.listen.clone();
    let tls = listen.tls.map(|tls| Tls::open(tls, at.directory.path())).transpose().map_err(|error| CommandError::Failed(chain(&error)))?;
    let archive = Archive::open(&at.directory)?;
    let sources = Sources { archive: Some(&archive), ..Sources::of(&at.host) };
    let engine = Engine::from(&at.config, sources, live_models(&at.config, &at.registry)?, &|_, _| {})?;
    let configuration = at.archive()?;
    let opened = Ledger::open(&at.config, &at.directory)?;
    let identity = Identity::open(&at.config, &at.directory)?;
    let (models, orders) = Models::new(at.registry.clone(), archive, Rollouts::of(&at.directory));
    let breakers = Breakers::open(at.config.breaker, &at.directory).map_err(|error| CommandError::Failed(chain(&error)))?;
    let (stop, stopped) = watch::channel(());
    let open = |queue| Events::open(queue, &at.directory, at.config.sinks.spool.events);
    let events = queue.map(open).transpose().map_err(|error| CommandError::Failed(chain(&error)))?;
    let sinks = Sinks::open(&at.config, &opened.ledger, events.as_ref(), &at.directory, &stopped)?;
    let writing = events.as_ref().map(|events| events.start(stopped.clone())).transpose().map_err(no_runtime)?;
    let (engine, breakers) = (Arc::new(engine), Arc::new(breakers));
    let (service, asker) =
        Service::new(at.config, configuration, engine, opened.ledger.clone(), events, breakers, identity.clone(), models);
    let live = Live::new(service.clone());
    let read = {
        let common = arguments.common.clone();
        move || as_given(&common)
    };
    let loader = Arc::new(Loader::new(live.clone(), at.host, &arguments.common.config, read));

    // Operators are answered by a thread of their own, so that health and metrics never wait behind a batch.
    let administration = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    let data = Builder::new_multi_thread().enable_all().build().map_err(no_runtime)?;
    service.note_workers(data.metrics().num_workers());
    unwatched(service.engine().plan().seen()).iter().for_each(|note| tracing::warn!("{note}"));
    // Before anybody is told that Synod is ready: from then on it can be asked to stop.
    let asked = data.block_on(async { AskedToStop::listen() }).map_err(no_runtime)?;
    follow(&data, &service, identity, tls.clone())?;
    let reload = data.block_on(async { signal(SignalKind::hangup()) }).map_err(no_runtime)?;
    let administration_listener = bind(&administration, listen.administration, "listen.administration")?;
    let data_listener = bind(&data, listen.data, "listen.data")?;
    let redirect_listener = listen.redirect.map(|address| bind(&data, address, "listen.redirect")).transpose()?;
    tracing::info!(
        data = %address(&data_listener),
        administration = %address(&administration_listener),
        redirect = redirect_listener.as_ref().map(address),
        start_ms = started.elapsed().as_millis() as u64,
        version = env!("CARGO_PKG_VERSION"),
        "ready"
    );
    let audit = |action, target: &str| service.audit(&AuditRecord::new(action, AuditOutcome::Allowed).to(target));
    // What commands did while no service ran comes before what it does itself.
    data.block_on(loader.audit_acts());
    audit(Action::CONFIGURATION_LOADED, service.configuration());
    audit(Action::SERVICE_STARTED, env!("CARGO_PKG_VERSION"));
    let routes = administration_routes(&live);
    let (limits, drain) = (listen.limits, listen.drain);
    let listening = Listening { audience: Audience::Operators, limits, drain, tls: None };
    let operators = std::thread::spawn(move || administration.block_on(listening.serve(administration_listener, routes, stopped)));
    data.spawn(look_after(live.clone()));
    data.spawn(follow_breakers(service.clone()));
    data.spawn(look_at_health(live.clone()));
    data.spawn(measuring::measure(live.clone()));
    data.spawn(loader.follow(orders, reload));
    let redirecting = redirect_listener.zip(tls.clone()).map(|(listener, tls)| {
        let port = data_listener.local_addr().map_or(listen.data.port(), |address| address.port());
        let listening = Listening { audience: Audience::Unencrypted, limits, drain, tls: None };
        data.spawn(listening.serve(listener, redirecting_routes(&live, tls, port), stop.subscribe()))
    });
    let keeper = std::thread::spawn({
        let (service, stopped) = (service.clone(), stop.subscribe());
        move || keep(&service, &stopped)
    });
    let asking = std::thread::spawn({
        let stopped = stop.subscribe();
        move || asker.run(&stopped)
    });
    data.block_on(async {
        let (stopped, stopping) = (stop.subscribe(), service.clone());
        tokio::spawn(async move {
            asked.wait().await;
            tracing::info!("stopping: requests under way are answered");
            stopping.audit(&AuditRecord::new(Action::SERVICE_STOPPING, AuditOutcome::Allowed));
            let _ = stop.send(());
        });
        let listening = Listening { audience: Audience::Clients, limits, drain, tls };
        listening.serve(data_listener, data_routes(&live), stopped).await;
        if let Some(redirecting) = redirecting {
            let _ = redirecting.await;
        }
    });
    let _ = operators.join();
    let _ = keeper.join();
    let _ = asking.join();
    sinks.join();
    writing.map(JoinHandle::join);
    data.shutdown_timeout(drain);
    service.record_refusals(true);
    service.breakers().look();
    service.breakers().take_acts().iter().for_each(|act| service.audit(act));
    opened.close();
    if let Some(traces) = traces {
        traces.close(drain);
    }
    Ok(())
}

/// Follows what may change while the service runs: files of keys and certificates, the keys of identity providers.
fn follow(data: &Runtime, service: &Arc<Service>, identity: Arc<Identity>, tls: Option<Arc<Tls>>) -> Result<(), CommandError> {
    let asked = || data.block_on(async { signal(SignalKind::hangup()) }).map_err(no_runtime);
    data.block_on(async { identity.providers().start() });
    data.spawn(identity.follow(asked()?));
    if let Some(tls) = tls {
        let service = service.clone();
        data.spawn(tls.follow(asked()?, move |what, is_read| {
            let outcome = if is_read { AuditOutcome::Allowed } else { AuditOutcome::Failed };
            service.audit(&AuditRecord::new(Action::CERTIFICATE_RELOADED, outcome).to(what));
        }));
    }
    Ok(())
}

/// Insecure settings are not served, unless this is for trying things out.
fn refuse_insecure(config: &Config, dev: bool) -> Result<(), CommandError> {
    let found = findings(config);
    found.iter().for_each(|finding| tracing::warn!(key = finding.key, mend = finding.mend, "{}", finding.consequence));
    let insecure: Vec<String> = found.iter().filter(|finding| finding.gravity == Gravity::Insecure).map(ToString::to_string).collect();
    match insecure.is_empty() || dev {
        true => Ok(()),
        false => Err(CommandError::Failed(format!("{}\nwith --dev it is served all the same", insecure.join("\n")))),
    }
}

fn no_runtime(error: std::io::Error) -> CommandError {
    CommandError::Failed(format!("cannot start threads: {error}"))
}

fn bind(runtime: &Runtime, address: SocketAddr, key: &str) -> Result<TcpListener, CommandError> {
    let bound = runtime.block_on(TcpListener::bind(address));
    bound.map_err(|error| CommandError::Failed(format!("{key}: cannot listen on {address}: {error}")))
}

fn address(listener: &TcpListener) -> String {
    listener.local_addr().map_or_else(|_| "unknown".into(), |address| address.to_string())
}

/// The signals that end the service in good order.
struct AskedToStop {
    terminate: Signal,
    interrupt: Signal,
}

impl AskedToStop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Takes snapshots of the histories and drops what need not be kept, until the service stops.
fn keep(service: &Service, stopped: &watch::Receiver<()>) {
    let decisions = service.config().decisions;
    let (mut last, mut last_probe) = (Instant::now(), Instant::now());
    while !stopped.has_changed().unwrap_or(true) {
        std::thread::sleep(ROUND);
        service.ledger().snapshot_if_due(decisions.snapshot_after);
        if last_probe.elapsed() >= PROBE {
            service.probe_log();
            last_probe = Instant::now();
        }
        if last.elapsed() >= RETENTION {
            service.ledger().retain(&decisions);
            last = Instant::now();
        }
    }
}

/// Starts what did not start, and writes down what the plugins say.
async fn look_after(live: Live) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_try = Instant::now();
    loop {
        rounds.tick().await;
        let service = live.service();
        service.engines().flat_map(Engine::detectors).for_each(|detector| write_log(detector));
        service.limiting().sweep();
        service.record_refusals(false);
        service.identity().take_acts().iter().for_each(|act| service.audit(act));
        probe(&service).await;
        if last_try.elapsed() < RETRY || service.engines().flat_map(Engine::detectors).all(|detector| detector.is_ready()) {
            continue;
        }
        last_try = Instant::now();
        // A detector that did not start may do so later, for instance when memory is free again.
        let tried = tokio::task::spawn_blocking(move || {
            service.engines().flat_map(Engine::detectors).for_each(|detector| {
                detector.start_pool();
            });
        });
        // At the end of the service it is cancelled, which is no fault.
        if let Err(error) = tried.await
            && error.is_panic()
        {
            tracing::error!(%error, "starting the detectors failed");
        }
    }
}

/// Tries paused detectors that are due.
async fn probe(service: &Arc<Service>) {
    if service.engines().flat_map(Engine::detectors).all(|detector| detector.circuit().is_closed()) {
        return;
    }
    let service = service.clone();
    let probed = tokio::task::spawn_blocking(move || service.engines().flat_map(Engine::detectors).for_each(|detector| detector.probe()));
    // At the end of the service it is cancelled, which is no fault.
    if let Err(error) = probed.await
        && error.is_panic()
    {
        tracing::error!(%error, "trying paused detectors failed");
    }
}

/// Follows what commands do to breakers, and audits openings until the log has them.
async fn follow_breakers(service: Arc<Service>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let breakers = service.breakers().clone();
        // It reads a file, and may write one.
        if tokio::task::spawn_blocking(move || breakers.look()).await.is_err() {
            continue;
        }
        for record in service.breakers().unrecorded() {
            let breakers = service.breakers().clone();
            if service.audited(&record).await.is_ok() {
                let _ = tokio::task::spawn_blocking(move || breakers.recorded(&record)).await;
            }
        }
        service.breakers().take_acts().iter().for_each(|act| service.audit(act));
    }
}

/// Looks how well each part is. While a look waits for a disk that hangs, what was seen before is told.
async fn look_at_health(live: Live) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let service = live.service();
        if let Err(error) = tokio::task::spawn_blocking(move || service.look_at_health()).await
            && error.is_panic()
        {
            tracing::error!(%error, "looking at the parts of the service failed");
        }
    }
}

fn write_log(detector: &Detector) {
    let lines = detector.pool().map(|pool| pool.take_log()).unwrap_or_default();
    let left_out = lines.len().saturating_sub(LINES_A_ROUND);
    if left_out > 0 {
        tracing::warn!(detector = detector.name(), left_out, "the plugin writes more lines than are kept");
    }
    for line in lines.into_iter().take(LINES_A_ROUND) {
        let (detector, text) = (detector.name(), line.text);
        match line.level {
            LogLevel::Debug => tracing::debug!(target: "plugin", detector, "{text}"),
            LogLevel::Info => tracing::info!(target: "plugin", detector, "{text}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", detector, "{text}"),
            LogLevel::Error => tracing::error!(target: "plugin", detector, "{text}"),
        }
    }
}
