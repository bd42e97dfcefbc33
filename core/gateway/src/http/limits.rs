//! The limits of a request, layer by layer: by its address before it is known whose it is, by its caller after. In between, whatever a
//! route does counts for the request that it does it for, without a word from the route: none can forget to say so.

use super::{Live, Problem, Service};
use crate::access::Caller;
use crate::limiting::{Call, Closed, Key, Proxies, Refused, fields};
use crate::listening::Audience;
use crate::telemetry::metrics::Limit;
use crate::telemetry::tracing::Hop;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::Extensions;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

tokio::task_local! {
    /// The request that this task works on.
    static CALL: Arc<Call>;
}

/// Finds out from which address a request comes, and refuses it if that asks too often. `Proxies` are trusted on both listeners.
pub(super) async fn by_address(State((live, audience)): State<(Live, Audience)>, mut request: Request, next: Next) -> Response {
    let service = live.service();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let address = service.proxies.client(peer, request.headers());
    request.extensions_mut().insert(address);
    let call = Call::new(&service.limiting, address.0);
    let limited = audience == Audience::Clients && is_limited(request.extensions());
    let mut response = match limited.then(|| call.by_address()) {
        Some(Err(refused)) => self::refused(&service, refused).into_response(),
        _ => CALL.scope(call.clone(), next.run(request)).await,
    };
    if let Some(standing) = call.standing() {
        response.headers_mut().extend(fields(&standing));
    }
    response
}

/// Refuses a request of a caller who, or whose tenant, asks too often or for too much at a time.
pub(super) async fn by_caller(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let (extensions, hop) = (request.extensions(), Hop::Limits.begin());
    let _places = match (CALL.try_with(Arc::clone), extensions.get::<Caller>()) {
        (Ok(call), Some(caller)) if is_limited(extensions) => match hop.during(|| call.by_caller(caller, route(extensions))) {
            Ok(places) => places,
            Err(refused) => {
                hop.failed("quota");
                return self::refused(&service, refused).into_response();
            }
        },
        _ => Vec::new(),
    };
    drop(hop);
    next.run(request).await
}

fn route(extensions: &Extensions) -> &str {
    extensions.get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str)
}

/// Whoever watches the service must not be kept from it.
const UNLIMITED: [&str; 4] = ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"];

fn is_limited(extensions: &Extensions) -> bool {
    is_limited_path(route(extensions))
}

/// Whether requests to this route, by its pattern, are limited.
pub(super) fn is_limited_path(path: &str) -> bool {
    !UNLIMITED.contains(&path)
}

/// Counts rows that a request wants to have scored.
pub(super) fn rows(service: &Service, rows: usize) -> Result<(), Problem> {
    CALL.try_with(|call| call.rows(rows)).unwrap_or(Ok(())).map_err(|refused| self::refused(service, refused))
}

/// Where a request waits.
pub(super) fn lane() -> Key {
    CALL.try_with(|call| call.lane()).unwrap_or_default()
}

/// Takes memory for a part of a request's body.
pub(super) fn hold(bytes: usize) -> bool {
    CALL.try_with(|call| call.hold(bytes)).unwrap_or(true)
}

fn refused(service: &Service, refused: Refused) -> Problem {
    let (policy, problem) = match refused {
        Refused::Quota(standing, wait) => (standing.policy, Problem::quota_exceeded(&standing, wait)),
        Refused::Beyond { policy, most } => (policy, Problem::beyond_quota(policy, most)),
    };
    service.metrics.limits.refused(Limit::of_policy(policy));
    problem
}

/// What is told to whom the gate is closed.
pub(super) fn closed(service: &Service, closed: Closed) -> Problem {
    service.metrics.limits.refused(match closed {
        Closed::Full => Limit::QueueFull,
        Closed::TooOld => Limit::QueueAge,
    });
    Problem::at_capacity("queue", "there is more to score than can be scored in time; try again later")
}

/// What is told to whose body there is no memory for.
pub(super) fn no_memory(service: &Service) -> Problem {
    service.metrics.limits.refused(Limit::Memory);
    Problem::at_capacity("memory", "the bodies of other requests take all the memory that there is for them; try again later")
}

/// The proxies that are configured.
pub(super) fn proxies(config: &crate::config::Listen) -> Proxies {
    Proxies::new(config.proxies.clone(), config.proxy_field)
}
