//! Why connections cannot be encrypted as configured.

use jiff::Timestamp;
use std::error::Error;
use std::path::PathBuf;
use thiserror::Error;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;
use tokio_rustls::rustls::server::VerifierBuilderError;

/// Why connections cannot be encrypted as configured.
#[derive(Debug, Error)]
pub enum TlsError {
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
    /// The certificate has ended.
    #[error("listen.tls.certificate: {} ended on {end}: clients will refuse it; put a new one in its place", path.display())]
    Ended {
        /// The certificate's file.
        path: PathBuf,
        /// When it ended.
        end: Timestamp,
    },
    /// A certificate of an authority cannot be used as one.
    #[error("listen.tls.{key}: a certificate in {} cannot be used as that of an authority", path.display())]
    Authority {
        /// The last part of the key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The revoked certificates cannot be read.
    #[error("listen.tls.clients.revoked: {} holds no list of revoked certificates that can be used", path.display())]
    Revoked {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: VerifierBuilderError,
    },
    /// Nothing to recognise the authority's directory by.
    #[error(
        "listen.tls.acme.root: this system knows no root certificates to recognise the directory by; install its `ca-certificates`, or name the root's file"
    )]
    NoRoots,
    /// What the authority gives cannot be kept.
    #[error("listen.tls.acme.cache: cannot prepare {}", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
