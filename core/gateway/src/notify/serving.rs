//! The listener that Alertmanager calls.

use super::receiver::{Outcome, Receiver};
use super::webhook::{Notification, VERSION};
use super::{NotifyConfig, NotifyError};
use crate::calling::{SecretFile, client};
use crate::listening::{Audience, Limits, Listening, chain};
use crate::telemetry::metrics::{Exposition, OfNotify};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The longest notification: thousands of alerts.
const LONGEST: usize = 4 << 20;
/// How long requests under way may still take in the end.
const DRAIN: Duration = Duration::from_secs(10);
/// What a connection may take. Alertmanager is the only one who calls.
const LIMITS: Limits = Limits {
    connections: 256,
    connections_per_address: 256,
    handshake: Duration::from_secs(5),
    first_byte: Duration::from_secs(10),
    header: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    stall: Duration::from_secs(30),
    body: Duration::from_secs(30),
    body_grace: Duration::from_secs(10),
    body_rate: 256,
    streams: 32,
    header_size: 32 << 10,
    header_count: 100,
};

struct Notifying {
    receivers: Vec<Arc<Receiver>>,
    token: Option<SecretFile>,
    metrics: Arc<OfNotify>,
}

/// Listens until `stopped` changes. With `dry` nothing is sent, but written to standard output.
///
/// # Errors
/// When a file cannot be read, or the address is taken.
pub async fn serve(config: &NotifyConfig, dry: bool, stopped: watch::Receiver<()>) -> Result<(), NotifyError> {
    let client = client(config.root.as_deref(), config.timeout, config.proxy.as_ref())?;
    let metrics = Arc::new(OfNotify::new());
    let receivers = config.receivers.iter().map(|receiver| Receiver::open(receiver, &client, &metrics, dry).map(Arc::new));
    let receivers = receivers.collect::<Result<_, _>>()?;
    let token = config.token_file.as_deref().map(SecretFile::open).transpose();
    let token = token.map_err(|error| NotifyError::Secret { key: "token_file".into(), text: chain(&error) })?;
    let refused = |source| NotifyError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    tracing::info!(%address, dry_run = dry, version = env!("CARGO_PKG_VERSION"), "ready");
    let routes = routes(Arc::new(Notifying { receivers, token, metrics }));
    Listening { audience: Audience::Operators, limits: LIMITS, drain: DRAIN, tls: None }.serve(listener, routes, stopped).await;
    Ok(())
}

fn routes(notifying: Arc<Notifying>) -> Router {
    Router::new()
        .route("/receivers/{receiver}", post(notify))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(notifying)
}

async fn metrics(State(notifying): State<Arc<Notifying>>) -> impl IntoResponse {
    let exposition = Exposition::Text;
    ([(CONTENT_TYPE, exposition.content_type())], notifying.metrics.encoded(exposition))
}

async fn notify(State(notifying): State<Arc<Notifying>>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    if !notifying.knows(&headers) {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer realm=\"synod notify\"")], "the token does not hold\n")
            .into_response();
    }
    let Some(receiver) = notifying.receivers.iter().find(|receiver| receiver.name() == name).cloned() else {
        return (StatusCode::NOT_FOUND, "there is no such receiver\n").into_response();
    };
    let notification = match serde_json::from_slice::<Notification>(&body) {
        Ok(notification) if notification.version == VERSION => notification,
        Ok(_) => return (StatusCode::BAD_REQUEST, "another version of the webhook than 4\n").into_response(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("not what Alertmanager's webhook sends: {error}\n")).into_response(),
    };
    // It goes on if Alertmanager does not wait for the end: what was sent has to be remembered.
    let sending = tokio::spawn({
        let receiver = Arc::clone(&receiver);
        async move { receiver.notify(&notification).await }
    });
    let outcome = sending.await.unwrap_or(Outcome::Again(Duration::from_secs(1)));
    notifying.metrics.notification(receiver.name(), outcome == Outcome::Sent);
    answer(outcome)
}

/// Alertmanager sends again at once what is answered with a 5xx; what is answered with another error it counts as failed.
fn answer(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Sent => (StatusCode::OK, "sent\n").into_response(),
        Outcome::Again(wait) => {
            let seconds = wait.as_secs().max(1).to_string();
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, seconds)], "not everybody has it; send it again\n").into_response()
        }
        Outcome::Never => (StatusCode::UNPROCESSABLE_ENTITY, "somebody cannot get it; the log says why\n").into_response(),
    }
}

impl Notifying {
    /// Whether whoever calls has the token.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        // Digests, so that how long it takes says nothing about the token.
        shown.is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(token.text().as_bytes()))
    }
}
