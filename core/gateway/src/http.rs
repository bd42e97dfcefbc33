//! The HTTP surface: what clients and operators call. The layers of a request stand in [`data_routes`], in order.

mod access;
mod answer;
mod body;
mod decisions;
mod declared;
mod detectors;
mod entities;
mod guard;
mod health;
mod problem;
mod routes;
mod score;
mod shown;
#[cfg(test)]
mod tests;

pub use guard::Needs;
pub use problem::Problem;
pub use routes::{Entry, ROUTES};

use crate::config::Config;
use crate::engine::Engine;
use crate::identity::Identity;
use crate::ledger::Ledger;
use crate::listening::Audience;
use crate::telemetry::metrics::Metrics;
use axum::Router;
use axum::middleware::from_fn_with_state;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

/// Batches that are scored at a time on threads of their own; more wait.
const BATCHES_AT_A_TIME: usize = 32;
/// Reads of decisions that are done at a time: fewer than the index has readers, so that one is left for scoring.
const READS_AT_A_TIME: usize = 4;
/// How long a read waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// What is expected to take less is scored where the request was read: handing it to another thread would cost more.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What every request needs.
#[derive(Debug)]
pub struct Service {
    engine: Arc<Engine>,
    ledger: Arc<Ledger>,
    /// SHA-256 of the configuration.
    configuration: String,
    config: Config,
    metrics: Metrics,
    identity: Identity,
    batches: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

impl Service {
    /// A service of these detectors, whose decisions go to this ledger. `configuration` is the digest under which it was archived.
    pub fn new(config: Config, configuration: String, engine: Engine, ledger: Arc<Ledger>) -> Arc<Self> {
        let metrics = Metrics::new(engine.detectors(), &engine.history().keys().map(|names| names.join("+")).collect::<Vec<_>>());
        let [batches, reads] = [BATCHES_AT_A_TIME, READS_AT_A_TIME].map(|places| Arc::new(Semaphore::new(places)));
        let identity = Identity::new(&config.identity);
        Arc::new(Self { engine: Arc::new(engine), ledger, configuration, config, metrics, identity, batches, reads })
    }

    /// Where decisions are kept.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// What is configured.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What judges rows.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Does work that blocks while detectors score: here if that is expected to be short, on a thread of its own if not.
    async fn scoring<T: Send + 'static>(&self, expected: Duration, work: impl FnOnce(&Engine) -> T + Send + 'static) -> Result<T, Problem> {
        if expected < AT_ONCE {
            return Ok(work(&self.engine));
        }
        let engine = self.engine.clone();
        let batches = self.batches.clone();
        let running = async move {
            let _place = batches.acquire_owned().await.ok();
            tokio::task::spawn_blocking(move || work(&engine)).await
        };
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
        let Ok(Ok(place)) = tokio::time::timeout(LONGEST_WAIT, self.reads.clone().acquire_owned()).await else {
            return Err(Problem::too_many_reads());
        };
        let service = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            // Given back when the work is done, even if nobody waits for it any more.
            let _place = place;
            work(&service)
        });
        match tokio::time::timeout(self.config.limits.timeout, reading).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Problem::internal()),
            Err(_) => Err(Problem::too_many_reads()),
        }
    }
}

/// What clients call.
pub fn data_routes(service: &Arc<Service>) -> Router {
    finish(clients(service), service)
}

fn clients(service: &Arc<Service>) -> Router<Arc<Service>> {
    let mut router = routes::of(Audience::Clients);
    for route in &service.config.routes {
        router = router.route(&route.path, guard::guarded(declared::handler(route), declared::needs(route)));
    }
    router
}

/// What operators call.
pub fn administration_routes(service: &Arc<Service>) -> Router {
    finish(routes::of(Audience::Operators), service)
}

fn finish(router: Router<Arc<Service>>, service: &Arc<Service>) -> Router {
    router
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        // Who calls; what that caller may do is asked by each route.
        .layer(from_fn_with_state(service.clone(), guard::identify))
        // Outermost but one: whatever happens below is answered, counted and logged.
        .layer(CatchPanicLayer::custom(|_| problem::response(Problem::internal())))
        // Outermost: the request's id, its log line, its metrics.
        .layer(from_fn_with_state(service.clone(), access::note))
        .with_state(service.clone())
}
