//! How clients are listened to: an accept loop around the routes, with a cap or a deadline on everything that an outsider can make wait or
//! grow before a request reaches a route. It knows connections, and nothing of what is asked on them.

mod activity;
mod admission;
mod certificate;
mod connection;
mod head;
mod host;
mod stream;
mod validity;

pub use activity::Deadline;
pub(crate) use admission::household;
pub(crate) use certificate::chain;
pub use certificate::{Certificate, CertificateError, CertificateFiles};

use crate::telemetry::metrics::Connections;
use admission::Admission;
use axum::Router;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// How long nothing is accepted when the system has no room for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);
/// How long it is not said again that it has none.
const SILENCE: Duration = Duration::from_secs(60);

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one address.
    pub connections_per_address: usize,
    /// For the handshake of TLS.
    pub handshake: Duration,
    /// Until a client sends anything.
    pub first_byte: Duration,
    /// For a request's head, from its first byte on.
    pub header: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Without a byte that the client takes of an answer.
    pub stall: Duration,
    /// Requests at a time on a connection of HTTP/2.
    pub streams: u32,
    /// Bytes of a request's head.
    pub header_size: usize,
    /// Fields in a request's head.
    pub header_count: usize,
}

/// Who is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Anybody.
    Clients,
    /// Operators: those on the machine itself may open as many connections as there are in all.
    Operators,
}

impl Audience {
    /// As metrics and log lines name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clients => "data",
            Self::Operators => "administration",
        }
    }
}

/// How one listener serves.
#[derive(Debug)]
pub struct Listening {
    /// Who calls.
    pub audience: Audience,
    /// What a connection may take.
    pub limits: Limits,
    /// How long requests under way may still take in the end.
    pub drain: Duration,
    /// With it connections are encrypted.
    pub certificate: Option<Arc<Certificate>>,
}

/// What all connections of a listener share.
#[derive(Debug)]
struct Shared {
    limits: Limits,
    certificate: Option<Arc<Certificate>>,
    routes: Router,
    metrics: &'static Connections,
}

impl Listening {
    /// Serves until `stopped` changes, and then for as long as requests are under way, though not longer than `drain`. No connection
    /// ends this, whatever happens on it.
    pub async fn serve(self, listener: TcpListener, routes: Router, mut stopped: watch::Receiver<()>) {
        let metrics = Connections::all();
        let admission = Admission::new(self.audience, &self.limits, metrics);
        let shared = Arc::new(Shared { limits: self.limits, certificate: self.certificate, routes, metrics });
        let mut connections = JoinSet::new();
        let mut trouble = Trouble::default();
        loop {
            let accepted = tokio::select! {
                // A stop that came before this was called is one as well.
                _ = stopped.changed() => break,
                Some(ended) = connections.join_next() => {
                    note_end(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => accept(&mut connections, &admission, &shared, accepted, &stopped),
                Err(error) if of_one_connection(&error) => {}
                Err(error) => {
                    trouble.note(self.audience, &error);
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
        drop(listener);
        drain(self.audience, connections, self.drain).await;
    }
}

/// That nothing can be accepted, which is said now and then only: it may be so for each of many connections.
#[derive(Debug, Default)]
struct Trouble {
    said: Option<Instant>,
}

impl Trouble {
    fn note(&mut self, audience: Audience, error: &Error) {
        if self.said.is_none_or(|said| said.elapsed() > SILENCE) {
            tracing::error!(listener = audience.name(), %error, "connections cannot be accepted");
            self.said = Some(Instant::now());
        }
    }
}

fn accept(
    connections: &mut JoinSet<()>,
    admission: &Arc<Admission>,
    shared: &Arc<Shared>,
    (stream, peer): (TcpStream, SocketAddr),
    stop: &watch::Receiver<()>,
) {
    // Whoever is refused is so without a word: a word would cost what the cap is to save.
    if let Some(place) = admission.admit(peer.ip()) {
        let (shared, stop) = (shared.clone(), stop.clone());
        connections.spawn(async move {
            connection::serve(&shared, stream, peer, stop).await;
            drop(place);
        });
    }
}

/// Whether accepting failed because of the connection that was to be accepted, and not of this process.
fn of_one_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused | ErrorKind::Interrupted
    )
}

async fn drain(audience: Audience, mut connections: JoinSet<()>, longest: Duration) {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            note_end(ended);
        }
    };
    if tokio::time::timeout(longest, all).await.is_err() {
        tracing::warn!(
            listener = audience.name(),
            connections = connections.len(),
            "connections are cut: requests take longer than listen.drain"
        );
        connections.shutdown().await;
    }
}

fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection failed by a fault of Synod's own");
    }
}
