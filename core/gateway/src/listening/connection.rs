//! One connection, from its handshake to its end.

use super::activity::{Activity, Deadline, UnderWay};
use super::pace::Paced;
use super::stream::Watched;
use super::tls::Accepted;
use super::{ClientCertificate, Limits, Shared, Tls};
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep_until};
use tokio_rustls::rustls::{self, CertificateError};

/// Serves a connection until its client, a deadline or the end of the service ends it.
pub(super) async fn serve(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr, stop: watch::Receiver<()>) {
    // Answers are written whole; there is nothing to wait for. Where the system refuses, they are a little slower.
    let _ = stream.set_nodelay(true);
    let peer = Peer { address: peer, certificate: None, http2: false };
    match &shared.tls {
        None => talk(shared, stream, peer, stop).await,
        Some(tls) => {
            if let Some(Accepted { stream, client }) = handshake(shared, tls, stream).await {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                talk(shared, stream, Peer { certificate: client, http2, ..peer }, stop).await;
            }
        }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone)]
struct Peer {
    address: SocketAddr,
    certificate: Option<Arc<ClientCertificate>>,
    /// Whether HTTP/2 was agreed on, so that nothing else is spoken.
    http2: bool,
}

async fn handshake(shared: &Shared, tls: &Tls, stream: TcpStream) -> Option<Accepted> {
    match tokio::time::timeout(shared.limits.handshake, tls.accept(stream)).await {
        Ok(Ok(accepted)) => {
            if let Some(client) = accepted.as_ref().and_then(|accepted| accepted.client.as_ref()) {
                tracing::debug!(subject = client.subject, sha256 = client.sha256, "a client showed its certificate");
            }
            return accepted;
        }
        Ok(Err(error)) => match refused_certificate(&error) {
            Some(reason) => tracing::warn!(target: "audit", %reason, "a client's certificate was refused"),
            None => tracing::debug!(%error, "a handshake failed"),
        },
        Err(_) => shared.metrics.overdue(Deadline::Handshake),
    }
    shared.metrics.handshake_failed();
    None
}

/// Why a client's certificate was refused, if that is what a handshake failed for: it is the only one that is verified here.
fn refused_certificate(error: &std::io::Error) -> Option<&CertificateError> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(reason) => Some(reason),
        _ => None,
    }
}

async fn talk<S>(shared: &Arc<Shared>, stream: S, peer: Peer, mut stop: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (activity, http2) = (Activity::new(shared.limits), peer.http2);
    let service = service_fn({
        let (shared, activity) = (shared.clone(), activity.clone());
        move |request| answer(shared.clone(), activity.begin(), peer.clone(), request)
    });
    let builder = protocols(&shared.limits, http2);
    let stream = TokioIo::new(Watched::new(stream, activity.clone()));
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut watchdog = Watchdog::new(activity);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection failed");
                }
                return;
            }
            // After the connection, whose doings it must see.
            deadline = poll_fn(|context| watchdog.poll_overdue(context)) => return shared.metrics.overdue(deadline),
            _ = stop.changed(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// HTTP/1.1 and HTTP/2, within the limits. Deadlines are not set here: the library's own hold for the first request only.
fn protocols(limits: &Limits, http2: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(limits.header_size).max_headers(limits.header_count);
    let header_size = u32::try_from(limits.header_size).unwrap_or(u32::MAX);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(limits.streams).max_header_list_size(header_size);
    if http2 { builder.http2_only() } else { builder }
}

async fn answer(
    shared: Arc<Shared>,
    mut under_way: UnderWay,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<Response<Answering>, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer.address));
    // One that ended since the handshake stands for nobody.
    if let Some(certificate) = peer.certificate.filter(|certificate| certificate.not_after >= Timestamp::now().as_second()) {
        request.extensions_mut().insert(certificate);
    }
    let request = request.map(|body| Paced::new(body, &shared.limits, shared.metrics));
    let response = TowerToHyperService::new(shared.routes.clone()).call(request).await?;
    under_way.answer();
    Ok(response.map(|body| Answering { body, _under_way: under_way }))
}

/// An answer's body, which tells when it is over.
struct Answering {
    body: Body,
    _under_way: UnderWay,
}

impl hyper::body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Wakes a connection when a deadline passes.
struct Watchdog {
    activity: Arc<Activity>,
    sleep: Pin<Box<Sleep>>,
}

impl Watchdog {
    fn new(activity: Arc<Activity>) -> Self {
        let sleep = Box::pin(sleep_until(activity.deadline().0.into()));
        Self { activity, sleep }
    }

    /// The deadline that has passed, if one has. To be called whenever something happened.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<Deadline> {
        loop {
            let (until, deadline) = self.activity.deadline();
            // One that is put off is looked at when it would have passed: most are put off again and again.
            if self.sleep.is_elapsed() || self.sleep.deadline() > until.into() {
                self.sleep.as_mut().reset(until.into());
            }
            ready!(self.sleep.as_mut().poll(context));
            if let Some(deadline) = deadline.filter(|_| until <= Instant::now()) {
                return Poll::Ready(deadline);
            }
        }
    }
}
