//! The HTTP surface: what clients and operators call. The layers of a request stand in [`data_routes`], in order.

mod access;
mod acts;
mod answer;
mod audit;
mod body;
mod breakers;
mod console;
mod decisions;
mod declared;
mod detectors;
mod entities;
mod guard;
mod headers;
mod health;
mod host;
mod inference;
mod keys;
mod limits;
mod models;
mod oauth;
mod openapi;
mod problem;
mod redirect;
mod rollouts;
mod routes;
mod score;
mod shown;
mod status;
#[cfg(test)]
mod tests;

pub use acts::Origin;
pub use guard::Needs;
pub use problem::Problem;
pub use routes::{Entry, ROUTES};

use crate::breaking::Breakers;
use crate::config::{Config, WhenFull};
use crate::deciding::Deciding;
use crate::engine::Engine;
use crate::events::Events;
use crate::health::{Health, Report};
use crate::identity::Identity;
use crate::inference::Statistics;
use crate::ledger::{FollowerFacts, Ledger, ReadError};
use crate::limiting::{Gate, Limiting, Need, Pass, Proxies, QueueLimits};
use crate::listening::{Audience, Tls};
use crate::loading::Models;
use crate::rollout::{Ending, Trial};
use crate::shadowing::{Asker, Asking, Shadowing, Shadows};
use crate::telemetry::metrics::{Limit, Metrics, Others, SpoolFacts, Watching};
use crate::telemetry::tracing::{Hop, carried};
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::FromRef;
use axum::http::HeaderValue;
use axum::middleware::{from_fn, from_fn_with_state};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use synod_detection::Batch;
use synod_detection::history::PastValues;
use synod_store::Whose;
use tower_http::catch_panic::CatchPanicLayer;

/// Reads of decisions that are done at a time: fewer than the index has readers, so that one is left for scoring.
const READS_AT_A_TIME: usize = 4;
/// Reads that wait for their turn, and for how long.
const WAITING_READS: usize = 1000;
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How often a request that waits for room looks whether there is some.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(50);
/// What is expected to take less is scored where the request was read: handing it to another thread would cost more.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What every request needs. It does not change: when other models or another policy are to judge, another one takes its place (see [`Live`]), and
/// whoever has begun with this one ends with it.
#[derive(Debug, Clone)]
pub struct Service {
    engine: Arc<Engine>,
    ledger: Arc<Ledger>,
    /// Access and application events, if somebody ships them.
    events: Option<Arc<Events>>,
    breakers: Arc<Breakers>,
    /// SHA-256 of the configuration.
    configuration: String,
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    /// Which models there are, and what becomes of orders to serve others.
    models: Arc<Models>,
    /// What is counted of the detectors.
    watching: Arc<Watching>,
    /// What a rollout tries, if one is under way.
    trial: Option<Arc<Trial>>,
    /// What is asked beside the policy.
    shadows: Option<Arc<Shadows>>,
    /// Asks them.
    shadowing: Arc<Shadowing>,
    identity: Arc<Identity>,
    health: Arc<Health>,
    started: (Timestamp, Instant),
    gates: Arc<acts::Gates>,
    /// Of the Open Inference Protocol.
    inferences: Arc<Statistics>,
    document: Arc<openapi::Document>,
    proxies: Arc<Proxies>,
    limiting: Arc<Limiting>,
    /// Before the detectors.
    gate: Arc<Gate>,
    /// Before the index of decisions.
    reads: Arc<Gate>,
}

impl Service {
    /// A service of these detectors, whose decisions go to this ledger. `configuration` is the digest under which it was archived.
    // Each is a part of its own, and has to be named once.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        config: Config,
        configuration: String,
        engine: Arc<Engine>,
        ledger: Arc<Ledger>,
        events: Option<Arc<Events>>,
        breakers: Arc<Breakers>,
        identity: Arc<Identity>,
        models: Arc<Models>,
    ) -> (Arc<Self>, Asker) {
        let histories: Vec<String> = engine.history().keys().map(|names| names.join("+")).collect();
        let metrics = Arc::new(Metrics::new(&histories, config.count));
        let watching = Arc::new(metrics.watch(&engine, config.drift));
        metrics.expect(&engine);
        let (shadowing, asker) = Shadowing::new(ledger.clone(), metrics.clone());
        let inferences = Arc::new(Statistics::new(engine.detectors().iter().map(|detector| detector.name())));
        let proxies = Arc::new(limits::proxies(&config.listen));
        let limiting = Limiting::new(&config.quotas, config.limits.memory);
        let gate = gate(&config);
        let of_reads = QueueLimits { places: READS_AT_A_TIME, length: WAITING_READS, age: LONGEST_WAIT };
        let reads = Gate::new(&of_reads, std::iter::empty());
        let document = Arc::new(openapi::Document::new(&config));
        let gates = Arc::default();
        let service = Arc::new(Self {
            engine,
            ledger,
            events,
            breakers,
            configuration,
            config: Arc::new(config),
            metrics,
            models,
            watching,
            identity,
            health: Arc::default(),
            started: (Timestamp::now(), Instant::now()),
            gates,
            inferences,
            document,
            proxies,
            limiting,
            gate,
            reads,
            trial: None,
            shadows: None,
            shadowing: Arc::new(shadowing),
        });
        (service, asker)
    }

    /// The service that goes on with another engine, and so with other detectors or another policy. What callers may take, where decisions go
    /// and what was counted stay. Nothing is asked beside it yet.
    #[must_use]
    pub fn with(&self, config: Arc<Config>, configuration: String, engine: Arc<Engine>) -> Arc<Self> {
        let names: Vec<&str> = engine.detectors().iter().map(|detector| detector.name()).collect();
        let gone: Vec<&str> = self.engine.detectors().iter().map(|detector| detector.name()).filter(|name| !names.contains(name)).collect();
        self.metrics.forget(&gone);
        let pools =
            |config: &Config| config.detectors.iter().map(|detector| (detector.name.clone(), detector.pool.instances)).collect::<Vec<_>>();
        let gate = if pools(&config) == pools(&self.config) { self.gate.clone() } else { gate(&config) };
        let watching = Arc::new(self.metrics.watch(&engine, config.drift));
        self.metrics.expect(&engine);
        let inferences = Arc::new(self.inferences.of(names.into_iter()));
        Arc::new(Self { config, configuration, engine, watching, inferences, gate, trial: None, shadows: None, ..self.clone() })
    }

    /// The same service with something that is tried, or nothing.
    #[must_use]
    pub fn trying(&self, trial: Option<Arc<Trial>>) -> Arc<Self> {
        Arc::new(Self { trial, ..self.clone() })
    }

    /// The same service with what is asked beside the policy.
    #[must_use]
    pub fn shadowed(&self, shadows: Option<Arc<Shadows>>) -> Arc<Self> {
        Arc::new(Self { shadows, ..self.clone() })
    }

    /// What a rollout tries, if one is under way.
    pub fn trial(&self) -> Option<&Arc<Trial>> {
        self.trial.as_ref()
    }

    /// What is asked beside the policy, if something is.
    pub fn shadows(&self) -> Option<&Arc<Shadows>> {
        self.shadows.as_ref()
    }

    /// All that scores rows: what judges, what is tried, what is asked beside.
    pub fn engines(&self) -> impl Iterator<Item = &Engine> {
        let trial = self.trial.iter().map(|trial| &*trial.engine);
        std::iter::once(&*self.engine).chain(trial).chain(self.shadows.iter().map(|shadows| shadows.engine()))
    }

    /// Whether there is a detector of this name, with a vote or without.
    fn knows(&self, detector: &str) -> bool {
        self.config.all_detectors().any(|known| known.name == detector)
    }

    /// What begins to be counted of an engine that is not in force.
    pub fn watch(&self, engine: &Engine) -> Watching {
        self.metrics.watch(engine, self.config.drift)
    }

    /// Counts that a rollout ended.
    pub fn note_end(&self, ending: Ending) {
        self.metrics.shadows.ended(ending);
    }

    /// Has others asked about rows that were judged, if there are any: nobody waits for that.
    fn ask_beside(&self, batch: Batch, deciding: &mut Deciding) {
        if self.trial.is_none() && self.shadows.is_none() || deciding.decisions.is_empty() {
            return;
        }
        let left_out = self.shadowing.offer(Asking {
            engine: self.engine.clone(),
            trial: self.trial.clone(),
            shadows: self.shadows.clone(),
            batch,
            fresh: std::mem::take(&mut deciding.fresh),
            past: std::mem::replace(&mut deciding.past, PastValues::none(0)),
            parts: std::mem::take(&mut deciding.parts),
            decisions: deciding.decisions.iter().map(|decision| decision.id).collect(),
        });
        if left_out > 0 {
            self.metrics.shadows.dropped(left_out);
        }
    }

    /// What limits callers.
    pub fn limiting(&self) -> &Limiting {
        &self.limiting
    }

    /// Where decisions are kept.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Access and application events, if somebody ships them.
    pub fn events(&self) -> Option<&Events> {
        self.events.as_deref()
    }

    /// How those do who are told what is in the logs.
    pub fn followers(&self) -> Vec<FollowerFacts> {
        let mut followers = self.ledger.followers();
        followers.extend(self.events.iter().flat_map(|events| events.followers()));
        followers
    }

    /// What others count, to be shown with the metrics.
    fn counted_elsewhere(&self) -> Others<'_> {
        let decisions = SpoolFacts { name: "decisions", size: self.ledger.spooled(), maximum: self.config.sinks.spool.decisions };
        let of_events = self.events.as_ref().map(|events| {
            let facts = events.facts();
            SpoolFacts { name: "events", size: facts.bytes_on_disk, maximum: facts.maximum }
        });
        let decisions = self.config.sinks.follows_decisions().then_some(decisions);
        Others {
            detectors: self.engine.detectors(),
            watching: &self.watching,
            trial: self.trial.as_deref(),
            ledger: self.ledger.facts(),
            breakers: self.breakers.facts(),
            sinks: self.followers(),
            spools: decisions.into_iter().chain(of_events).collect(),
            events: self.events.as_deref().map(Events::queue),
        }
    }

    /// What keeps policies from blocking too much.
    pub fn breakers(&self) -> &Arc<Breakers> {
        &self.breakers
    }

    /// Which models there are, and what becomes of orders to serve others.
    pub fn models(&self) -> &Arc<Models> {
        &self.models
    }

    /// What credentials are verified with.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What is configured.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// SHA-256 of what is configured.
    pub fn configuration(&self) -> &str {
        &self.configuration
    }

    /// What judges rows.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// How well each part is, as it was seen a moment ago.
    pub fn health(&self) -> Arc<Report> {
        self.health.report(self)
    }

    /// Looks how well each part is. May wait for the disk; to be called every second.
    pub fn look_at_health(&self) {
        self.health.look(self);
    }

    /// Notes how many threads answer clients.
    pub fn note_workers(&self, threads: usize) {
        self.metrics.workers(threads);
    }

    /// Has the metrics say how well the policy and the detectors did on the decisions since a moment, in microseconds since 1970, that people
    /// labelled: those of all tenants together. Reads each of them.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn measure_quality(&self, since: i64) -> Result<(), ReadError> {
        match self.ledger.quality(&Whose::All, Some(since), None) {
            Ok(quality) => self.metrics.labels.show(&quality, self.engine.detectors()),
            Err(ReadError::NotStored) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Waits until more decisions may wait to be shipped, if that is configured, and refuses what would be too much.
    async fn until_room(&self) -> Result<(), Problem> {
        let spool = self.config.sinks.spool;
        let begun = Instant::now();
        while self.ledger.spooled() >= spool.decisions {
            if spool.when_full == WhenFull::Refuse || begun.elapsed() >= self.config.limits.timeout {
                self.metrics.limits.refused(Limit::Spool);
                return Err(Problem::spool_full());
            }
            tokio::time::sleep(LOOK_FOR_ROOM).await;
        }
        Ok(())
    }

    /// Lets a request in to the detectors, once they have sandboxes for it.
    async fn enter(&self, need: Need) -> Result<Pass, Problem> {
        let hop = Hop::Queue.begin();
        hop.of(self.gate.enter(limits::lane(), need)).await.map_err(|closed| {
            hop.failed(closed.reason());
            limits::closed(self, closed)
        })
    }

    /// Does work that blocks while detectors score so many rows: here if that is expected to be short, on a thread of its own if not.
    async fn scoring<T: Send + 'static>(
        &self,
        need: Need,
        rows: usize,
        expected: Duration,
        work: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        limits::rows(self, rows)?;
        let pass = self.enter(need).await?;
        if expected < AT_ONCE {
            let done = work(&self.engine);
            drop(pass);
            return Ok(done);
        }
        let engine = self.engine.clone();
        let running = tokio::task::spawn_blocking(carried(move || {
            // Given back when the work is done, even if nobody waits for it any more.
            let _pass = pass;
            work(&engine)
        }));
        match tokio::time::timeout(self.config.limits.timeout, running).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(Problem::internal()),
            Err(_) => Err(Problem::overloaded(self.config.limits.timeout)),
        }
    }

    /// Does work that reads decisions, on a thread of its own. Few of these are done at a time, so that searches never stop scoring.
    async fn reading<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.enter_reads().await?;
        self.read(place, work).await
    }

    /// Does work that reads decisions and asks the detectors about them again, for which they must have sandboxes as for scoring.
    async fn reading_and_asking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        // The sandboxes last: who waits to read must not keep others from them.
        let places = [self.enter_reads().await?, self.enter(Need::All).await?];
        self.read(places, work).await
    }

    async fn enter_reads(&self) -> Result<Pass, Problem> {
        self.reads.enter(limits::lane(), Need::All).await.map_err(|_| {
            self.metrics.limits.refused(Limit::Reads);
            Problem::too_many_reads()
        })
    }

    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        places: impl Send + 'static,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let service = self.clone();
        let reading = tokio::task::spawn_blocking(carried(move || {
            // Given back when the work is done, even if nobody waits for it any more.
            let _places = places;
            work(&service)
        }));
        match tokio::time::timeout(self.config.limits.timeout, reading).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Problem::internal()),
            Err(_) => Err(Problem::too_many_reads()),
        }
    }
}

/// The gate of so many sandboxes.
fn gate(config: &Config) -> Arc<Gate> {
    Gate::new(&config.limits.queue, config.detectors.iter().map(|detector| detector.pool.instances))
}

/// The service of now. Each request takes it once, at its beginning: no answer is made by two.
#[derive(Debug, Clone)]
pub struct Live(Arc<ArcSwap<Service>>);

impl Live {
    /// This one, until it is replaced.
    pub fn new(service: Arc<Service>) -> Self {
        Self(Arc::new(ArcSwap::new(service)))
    }

    /// The one of now.
    pub fn service(&self) -> Arc<Service> {
        self.0.load_full()
    }

    /// Has another one take its place. The one before ends with the last request that has begun with it.
    pub fn replace(&self, service: Arc<Service>) {
        self.0.store(service);
    }
}

impl FromRef<Live> for Arc<Service> {
    fn from_ref(live: &Live) -> Self {
        live.service()
    }
}

/// What clients call.
pub fn data_routes(live: &Live) -> Router {
    let service = &live.service();
    let strict = service.config.listen.tls.as_ref().and_then(|tls| tls.strict_transport).and_then(headers::strict_transport);
    // Around all else: whatever went wrong is told to clients of the Open Inference Protocol in its words.
    let scheme = if service.config.listen.tls.is_some() { "https" } else { "http" };
    finish(identified(clients(service), live, Audience::Clients), live, scheme, strict).layer(from_fn(inference::in_its_words))
}

fn clients(service: &Service) -> Router<Live> {
    let mut router = routes::of(Audience::Clients);
    for route in &service.config.routes {
        router = router.route(&route.path, guard::guarded(declared::handler(route), declared::needs(route)));
    }
    router
}

/// What operators call.
pub fn administration_routes(live: &Live) -> Router {
    finish(identified(routes::of(Audience::Operators), live, Audience::Operators), live, "http", None)
}

/// What is called without encryption where there is encryption on this port.
pub fn redirecting_routes(live: &Live, tls: Arc<Tls>, port: u16) -> Router {
    let target = redirect::Target { tls, port };
    finish(Router::new().fallback(move |request| redirect::redirect(axum::extract::State(target.clone()), request)), live, "http", None)
}

fn identified(router: Router<Live>, live: &Live, audience: Audience) -> Router<Live> {
    let mut router =
        router.fallback(|| async { Problem::not_found() }).method_not_allowed_fallback(|| async { Problem::method_not_allowed() });
    if audience == Audience::Clients {
        // Innermost: what a caller may take is known once it is known who calls. Operators have no quotas, so that they can always look.
        router = router.layer(from_fn_with_state(live.clone(), limits::by_caller));
    }
    router
        // Who calls; what that caller may do is asked by each route.
        .layer(from_fn_with_state(live.clone(), guard::identify))
        // Before that: to verify a credential costs more than to refuse an address that sends too many.
        .layer(from_fn_with_state((live.clone(), audience), limits::by_address))
}

fn finish(router: Router<Live>, live: &Live, scheme: &'static str, strict: Option<HeaderValue>) -> Router {
    router
        // Before anything is made of the request: whom it is for.
        .layer(from_fn(host::insist))
        // Whatever happens below is answered, counted and logged.
        .layer(CatchPanicLayer::custom(|_| problem::response(Problem::internal())))
        // What stands on every answer.
        .layer(from_fn_with_state(strict, headers::add))
        // Outermost: the request's id, its trace, its log line, its metrics.
        .layer(from_fn_with_state((live.clone(), scheme), access::note))
        .with_state(live.clone())
}
