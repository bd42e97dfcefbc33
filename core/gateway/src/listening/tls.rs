//! How connections are encrypted: which certificate clients are shown, and whose certificates they may show. What stands in files is read
//! again when it changes; what cannot be used then changes nothing.

mod acme;
mod certificate;
mod client;
mod clients;
mod error;
mod followed;

pub use acme::AcmeSettings;
pub use certificate::CertificateFiles;
pub use client::ClientCertificate;
pub use clients::ClientFiles;
pub use error::TlsError;
pub(crate) use error::chain;

use crate::telemetry::metrics::{Reload, Reloads};
use acme::Acme;
use arc_swap::ArcSwap;
use certificate::{Names, Shown};
use followed::{Followed, Looked};
use jiff::Timestamp;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{Acceptor, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// What is spoken inside, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What is told of files that were read again.
const CERTIFICATE: &str = "certificate";
const AUTHORITIES: &str = "authorities of clients";

/// Hears which files were read again, and whether they can be used.
type Told = Arc<dyn Fn(&'static str, bool) + Send + Sync>;

/// How connections are to be encrypted.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// Where the certificate comes from.
    pub certificate: CertificateSource,
    /// Whose certificates clients may show.
    pub clients: Option<ClientFiles>,
    /// For how long a browser is to ask by TLS only.
    pub strict_transport: Option<Duration>,
}

/// Where the certificate that clients are shown comes from.
#[derive(Debug, Clone)]
pub enum CertificateSource {
    /// From files.
    Files(CertificateFiles),
    /// From an authority, by ACME (RFC 8555).
    Acme(AcmeSettings),
}

/// What handshakes are done with, as it is now.
#[derive(Debug)]
pub struct Tls {
    current: ArcSwap<Current>,
    parts: Mutex<Parts>,
    acme: Option<Acme>,
}

/// What the next handshake is done with, and whom its certificate is for.
#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    names: Names,
}

/// What that is made of. Whoever holds it may be reading files.
#[derive(Debug)]
struct Parts {
    certificate: Certificate,
    clients: Option<Followed<ClientFiles>>,
}

#[derive(Debug)]
enum Certificate {
    Files(Followed<CertificateFiles>),
    /// It changes by itself.
    Acme(Arc<dyn ResolvesServerCert>, Names),
}

/// A connection whose handshake is done.
pub(super) struct Accepted {
    pub(super) stream: TlsStream<TcpStream>,
    /// Who the client is, if it showed a certificate.
    pub(super) client: Option<Arc<ClientCertificate>>,
}

impl Tls {
    /// Reads the files. A certificate that has ended is logged, and served: a client may know better, and no service is worse. A certificate
    /// by ACME is ordered by [`Tls::follow`]; until it is there, handshakes fail. What is to be kept of it goes into the data directory.
    ///
    /// # Errors
    /// When a file cannot be read, or cannot be used.
    pub fn open(settings: TlsSettings, data_directory: &Path) -> Result<Arc<Self>, TlsError> {
        let clients = settings.clients.map(Followed::new).transpose()?;
        let (certificate, acme) = match settings.certificate {
            CertificateSource::Files(files) => (Certificate::Files(Followed::new(files)?), None),
            CertificateSource::Acme(settings) => {
                let names = Names::of_domains(&settings.domains);
                let acme = Acme::new(settings, data_directory)?;
                (Certificate::Acme(acme.resolver(), names), Some(acme))
            }
        };
        let parts = Parts { certificate, clients };
        Ok(Arc::new(Self { current: ArcSwap::from_pointee(parts.current()), parts: Mutex::new(parts), acme }))
    }

    /// What can be said of these settings without serving, in a few words. Nothing is written, and no authority is asked.
    ///
    /// # Errors
    /// When a file cannot be read, cannot be used, or holds a certificate that has ended.
    pub fn check(settings: &TlsSettings) -> Result<String, TlsError> {
        settings.clients.as_ref().map(followed::Files::read).transpose()?;
        match &settings.certificate {
            CertificateSource::Acme(acme) => acme.check().map(|()| format!("a certificate for {} by ACME", acme.domains.join(", "))),
            CertificateSource::Files(files) => {
                let Shown { names, end, .. } = followed::Files::read(files)?;
                match end {
                    Some(end) if end < Timestamp::now() => Err(TlsError::Ended { path: files.certificate.clone(), end }),
                    Some(end) => Ok(format!("a certificate for {names}, until {end}")),
                    None => Ok(format!("a certificate for {names}")),
                }
            }
        }
    }

    /// Shakes hands. Nothing comes of it when it was an authority that looked for an answer to its challenge.
    ///
    /// # Errors
    /// When the client does not do it right, does not like the certificate, or shows none that it may.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Option<Accepted>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(acme) = self.acme.as_ref().filter(|_| rustls_acme::is_tls_alpn_challenge(&begun.client_hello())) {
            begun.into_stream(acme.challenge()).await?.shutdown().await?;
            return Ok(None);
        }
        let stream = begun.into_stream(self.current.load().config.clone()).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let client = shown.map(|certificate| ClientCertificate::read(certificate)).transpose();
        let client = client.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?.map(Arc::new);
        Ok(Some(Accepted { stream, client }))
    }

    /// Whether the certificate is for this host, a name or an address without a port.
    pub fn is_for(&self, host: &str) -> bool {
        self.current.load().names.hold(host)
    }

    /// Reads the files again whenever they change, and when `asked`; orders certificates where they come by ACME. It never ends.
    ///
    /// `told` hears which files were read again, and whether they can be used.
    pub async fn follow(self: Arc<Self>, asked: Signal, told: impl Fn(&'static str, bool) + Send + Sync + 'static) {
        let told: Told = Arc::new(told);
        match &self.acme {
            Some(acme) => tokio::join!(self.clone().follow_files(asked, told), acme.follow()).0,
            None => self.clone().follow_files(asked, told).await,
        }
    }

    async fn follow_files(self: Arc<Self>, mut asked: Signal, told: Told) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = tokio::select! {
                _ = rounds.tick() => false,
                Some(()) = asked.recv() => true,
            };
            let (tls, told) = (self.clone(), told.clone());
            // At the end of the service it is cancelled, which is no fault.
            if let Err(error) = tokio::task::spawn_blocking(move || tls.look(now, &*told)).await
                && error.is_panic()
            {
                tracing::error!(%error, "looking for another certificate failed");
            }
        }
    }

    /// Takes over what the files hold, if they have changed or `now`.
    fn look(&self, now: bool, told: &dyn Fn(&'static str, bool)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut other = false;
        if let Certificate::Files(files) = &mut parts.certificate {
            match files.look(now) {
                Looked::Unchanged => {}
                Looked::Read => {
                    other = true;
                    tracing::info!("the certificate was read again");
                    Reloads::all().read(Reload::Certificate, true);
                    told(CERTIFICATE, true);
                }
                Looked::Refused(error) => {
                    tracing::error!(error = chain(&error), "the certificate cannot be read again; the one before is kept");
                    Reloads::all().read(Reload::Certificate, false);
                    told(CERTIFICATE, false);
                }
            }
        }
        if let Some(clients) = &mut parts.clients {
            match clients.look(now) {
                Looked::Unchanged => {}
                Looked::Read => {
                    other = true;
                    tracing::info!("the authorities of clients were read again");
                    Reloads::all().read(Reload::Authorities, true);
                    told(AUTHORITIES, true);
                }
                Looked::Refused(error) => {
                    tracing::error!(error = chain(&error), "the authorities of clients cannot be read again; those before are kept");
                    Reloads::all().read(Reload::Authorities, false);
                    told(AUTHORITIES, false);
                }
            }
        }
        if other {
            self.current.store(Arc::new(parts.current()));
        }
    }
}

impl Parts {
    /// Sessions are not taken over from the configuration before: whoever is not trusted any more cannot resume one.
    fn current(&self) -> Current {
        let (resolver, names) = match &self.certificate {
            Certificate::Files(files) => (files.made().resolver.clone(), files.made().names.clone()),
            Certificate::Acme(resolver, names) => (resolver.clone(), names.clone()),
        };
        let verifier = self.clients.as_ref().map_or_else(WebPkiClientVerifier::no_client_auth, |clients| clients.made().clone());
        Current { config: Arc::new(config(resolver, verifier, &PROTOCOLS)), names }
    }
}

fn config(resolver: Arc<dyn ResolvesServerCert>, verifier: Arc<dyn ClientCertVerifier>, protocols: &[&[u8]]) -> ServerConfig {
    let versions = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12]);
    let builder = versions.expect("the provider has cipher suites for both versions");
    let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
    // All cipher suites are good ones; still, a client must not be able to choose the one that it would like to break.
    config.ignore_client_order = true;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
