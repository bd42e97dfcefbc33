//! Whose certificates clients may show.

use super::followed::{Files, items};
use super::{TlsError, provider};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

/// Whose certificates clients may show, in PEM.
#[derive(Debug, Clone)]
pub struct ClientFiles {
    /// The authorities that vouch for clients.
    pub authorities: PathBuf,
    /// Whether a client without a certificate is turned away.
    pub required: bool,
    /// Lists of the certificates that do not hold any more (RFC 5280, section 5).
    pub revoked: Option<PathBuf>,
}

impl Files for ClientFiles {
    type Made = Arc<dyn ClientCertVerifier>;

    fn paths(&self) -> Vec<&Path> {
        [Some(&self.authorities), self.revoked.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect()
    }

    fn read(&self) -> Result<Self::Made, TlsError> {
        let roots = roots("clients.authorities", &self.authorities)?;
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        if let Some(path) = &self.revoked {
            // With lists, every authority of a chain needs one that is up to date: what is not known to hold does not hold.
            let lists: Vec<CertificateRevocationListDer<'static>> = items("clients.revoked", path, "list of revoked certificates")?;
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        if !self.required {
            builder = builder.allow_unauthenticated();
        }
        let path = self.revoked.as_ref().unwrap_or(&self.authorities);
        builder.build().map_err(|source| TlsError::Revoked { path: path.clone(), source })
    }
}

/// The certificates of authorities that a file holds.
pub(super) fn roots(key: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in items::<CertificateDer<'static>>(key, path, "certificate")? {
        roots.add(certificate).map_err(|source| TlsError::Authority { key, path: path.into(), source })?;
    }
    Ok(roots)
}
