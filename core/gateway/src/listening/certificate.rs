//! The certificate that clients are shown. Its files are read again when they change; what cannot be used then changes nothing.

use super::validity;
use crate::telemetry::metrics::Connections;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use std::error::Error;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};

/// How often the files are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// What is spoken inside, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where a certificate is, in PEM.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key: PKCS#8, SEC1 or RSA.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("listen.tls.{key}: cannot read {}", path.display())]
    Read {
        /// The last part of the key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("listen.tls.{key}: {} is no {wanted} in PEM", path.display())]
    Format {
        /// The last part of the key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What should stand in it.
        wanted: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The key is another certificate's.
    #[error("listen.tls.key: {} is not the key of the first certificate in {}: give the key that it was made with", key.display(), certificate.display())]
    OtherKey {
        /// The key's file.
        key: PathBuf,
        /// The certificate's.
        certificate: PathBuf,
    },
    /// The certificate or its key cannot be used with TLS.
    #[error("listen.tls.certificate: {} or its key cannot be used: it must be X.509 version 3, and its key RSA, ECDSA or Ed25519", path.display())]
    Refused {
        /// The certificate's file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// What is known of a file without reading it; it changes whenever the file does.
type Stamp = Option<(i64, i64, u64, u64)>;

/// The certificate as it is now.
#[derive(Debug)]
pub struct Certificate {
    files: CertificateFiles,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<[Stamp; 2]>,
}

impl Certificate {
    /// Reads a certificate. One that has ended is logged, and served: a client may know better, and no service is worse.
    ///
    /// # Errors
    /// When a file cannot be read, or the two do not make a certificate.
    pub fn read(files: CertificateFiles) -> Result<Arc<Self>, CertificateError> {
        // The stamps come first: what changes while it is read is read again.
        let seen = Mutex::new(files.stamps());
        let current = ArcSwap::from_pointee(files.read()?);
        Ok(Arc::new(Self { files, current, seen }))
    }

    /// What does the next handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reads the files again whenever they change, and when `asked`, and tells with the certificate's file how that went. It never ends.
    pub async fn follow(self: Arc<Self>, mut asked: Signal, told: impl Fn(&Path, Result<(), &CertificateError>) + Send + Sync + 'static) {
        let told = Arc::new(told);
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = tokio::select! {
                _ = rounds.tick() => false,
                Some(()) = asked.recv() => true,
            };
            let (certificate, told) = (self.clone(), told.clone());
            if let Err(error) = tokio::task::spawn_blocking(move || certificate.look(now, &*told)).await {
                tracing::error!(%error, "looking for another certificate failed");
            }
        }
    }

    /// Takes over what the files hold, if they have changed or `now`.
    fn look(&self, now: bool, told: &dyn Fn(&Path, Result<(), &CertificateError>)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = self.files.stamps();
        if !now && *seen == stamps {
            return;
        }
        *seen = stamps;
        match self.files.read() {
            Ok(config) => {
                self.current.store(Arc::new(config));
                tracing::info!(certificate = %self.files.certificate.display(), "the certificate was read again");
                told(&self.files.certificate, Ok(()));
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the certificate cannot be read again; the one before is kept");
                told(&self.files.certificate, Err(&error));
            }
        }
    }
}

impl CertificateFiles {
    fn stamps(&self) -> [Stamp; 2] {
        let stamp = |metadata: Metadata| (metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino());
        [&self.certificate, &self.key].map(|path| fs::metadata(path).ok().map(stamp))
    }

    fn read(&self) -> Result<ServerConfig, CertificateError> {
        let text = contents("certificate", &self.certificate)?;
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let chain = chain.and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) });
        let chain = chain.map_err(|source| format_error("certificate", &self.certificate, "certificate", source))?;
        let key = PrivateKeyDer::from_pem_slice(&contents("key", &self.key)?);
        let key = key.map_err(|source| format_error("key", &self.key, "private key", source))?;
        let end = chain.first().and_then(|own| validity::end(own));
        let config = self.config(chain, key)?;
        note_end(&self.certificate, end);
        Ok(config)
    }

    fn config(&self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, CertificateError> {
        let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13, &TLS12]);
        let config = versions.and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => {
                CertificateError::OtherKey { key: self.key.clone(), certificate: self.certificate.clone() }
            }
            source => CertificateError::Refused { path: self.certificate.clone(), source },
        })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }
}

fn contents(key: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|source| CertificateError::Read { key, path: path.into(), source })
}

fn format_error(key: &'static str, path: &Path, wanted: &'static str, source: pem::Error) -> CertificateError {
    CertificateError::Format { key, path: path.into(), wanted, source }
}

fn note_end(path: &Path, end: Option<Timestamp>) {
    match end {
        Some(end) => {
            Connections::all().certificate_ends(end.as_second());
            if end < Timestamp::now() {
                tracing::warn!(certificate = %path.display(), %end, "the certificate has ended: clients will refuse it; put a new one in its place");
            }
        }
        None => tracing::warn!(certificate = %path.display(), "it cannot be read when the certificate ends"),
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
