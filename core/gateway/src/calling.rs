//! Calling others by HTTP: what connections trust, what may go wrong, how long to wait before it is tried again. Where the configuration names a
//! URL, its operator is trusted: private addresses are called as well. Identity providers, which name URLs of their own, have more rules
//! (`identity/providers/fetching.rs`).

mod secret_file;

pub(crate) use secret_file::{SecretFile, SecretMistake};

use crate::telemetry::tracing::propagated;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Proxy, RequestBuilder, Response, redirect};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use url::Url;

/// The most that is read of an answer.
const MOST: usize = 64 << 10;
/// The longest that somebody may tell to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Before the first repetition, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Why nobody can be called by HTTPS at all.
#[derive(Debug, Error)]
pub enum ClientMistake {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It holds no certificate.
    #[error("{} holds no certificates in PEM", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A certificate cannot be a root.
    #[error("{} holds a certificate that cannot be trusted as a root", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The client cannot be made.
    #[error("cannot make a client for HTTPS")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// It took too long.
    #[error("no whole answer in time")]
    Late,
    /// There is no connection, or it broke.
    #[error("cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// More than is read.
    #[error("answered with more than {most} bytes")]
    TooLarge {
        /// How much is read.
        most: usize,
    },
}

impl CallError {
    /// A stable word for metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Unreachable(_) => "unreachable",
            Self::TooLarge { .. } => "too_large",
        }
    }

    fn of(error: reqwest::Error) -> Self {
        // A URL may hold what is nobody's business.
        if error.is_timeout() { Self::Late } else { Self::Unreachable(error.without_url()) }
    }
}

/// What somebody answered.
#[derive(Debug)]
pub(crate) struct Received {
    /// The status.
    pub(crate) status: u16,
    /// How long to wait, if it said so in seconds.
    pub(crate) retry_after: Option<Duration>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A client for URLs that the operator configured, who trusts the certificates of this file, or those that the system trusts. A whole call takes
/// no longer than `timeout`. Redirects are not followed: they could lead where the configuration did not.
///
/// # Errors
/// When the file holds no certificates.
pub(crate) fn client(root: Option<&Path>, timeout: Duration, proxy: Option<&Url>) -> Result<Client, ClientMistake> {
    let builder = Client::builder()
        .tls_backend_preconfigured(tls(root)?)
        .redirect(redirect::Policy::none())
        .timeout(timeout)
        .user_agent(concat!("synod/", env!("CARGO_PKG_VERSION")));
    let builder = match proxy {
        Some(proxy) => builder.proxy(Proxy::all(proxy.clone()).map_err(|error| ClientMistake::Client(error.into()))?),
        None => builder.no_proxy(),
    };
    builder.build().map_err(|error| ClientMistake::Client(error.into()))
}

/// What connections are encrypted with, and whom they trust: the certificates of this file, or those that the system trusts.
///
/// # Errors
/// When the file holds no certificates.
pub(crate) fn tls(root: Option<&Path>) -> Result<ClientConfig, ClientMistake> {
    let roots = root.map_or_else(|| Ok(of_the_system()), of_file)?;
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13, &TLS12]);
    let versions = versions.map_err(|error| ClientMistake::Client(error.into()))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

/// Sends a request, and reads the answer whatever its status is.
pub(crate) async fn call(request: RequestBuilder) -> Result<Received, CallError> {
    call_up_to(request, MOST).await
}

/// As [`call`], where an answer may have so many bytes.
pub(crate) async fn call_up_to(request: RequestBuilder, most: usize) -> Result<Received, CallError> {
    let response = propagated(request).send().await.map_err(CallError::of)?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
    Ok(Received { status, retry_after, body: bounded(response, most).await? })
}

/// A body, read for as long as it is not too large.
async fn bounded(mut response: Response, most: usize) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(CallError::of)? {
        if body.len() + chunk.len() > most {
            return Err(CallError::TooLarge { most });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How long to wait before something is tried again that failed so many times in a row: from half a second to a minute.
pub(crate) fn pause(failures: u32) -> Duration {
    let (first, longest) = PAUSES;
    jittered(first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(longest))
}

/// Anything up to this, so that many who wait for the same do not come together (full jitter).
pub(crate) fn full_jitter(pause: Duration) -> Duration {
    pause.mul_f64(random())
}

/// A tenth more or less, so that not all instances ask at the same moment.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.9 + 0.2 * random())
}

/// A number from 0 to 1.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// The certificates of this file, or those that the system trusts, for a client that makes its own of them.
///
/// # Errors
/// When the file holds no certificates.
pub(crate) fn trusted(root: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, ClientMistake> {
    root.map_or_else(|| Ok(rustls_native_certs::load_native_certs().certs), certificates)
}

fn of_the_system() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (used, _) = roots.add_parsable_certificates(found.certs);
    if used == 0 {
        tracing::warn!("the system trusts no certificates: whoever is called by https needs a `root`, or the package ca-certificates");
    }
    roots
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientMistake> {
    let text = fs::read(path).map_err(|source| ClientMistake::Read { path: path.into(), source })?;
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.and_then(|found| if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) });
    certificates.map_err(|source| ClientMistake::Format { path: path.into(), source })
}

fn of_file(path: &Path) -> Result<RootCertStore, ClientMistake> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| ClientMistake::Root { path: path.into(), source })?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        for (failures, seconds) in [(0, 0.5), (1, 0.5), (2, 1.0), (4, 4.0), (9, 60.0), (u32::MAX, 60.0)] {
            let pause = pause(failures).as_secs_f64();
            assert!((seconds * 0.89..=seconds * 1.11).contains(&pause), "{failures}: {pause}");
        }
    }
}
