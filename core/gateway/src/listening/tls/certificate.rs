//! A certificate from files: the chain, its key, and what it says of itself.

use super::followed::{Files, contents, items};
use super::{TlsError, provider};
use crate::telemetry::metrics::Connections;
use jiff::Timestamp;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ResolvesServerCert;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Where a certificate is, in PEM.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key: PKCS#8, SEC1 or RSA.
    pub key: PathBuf,
}

/// What clients are shown.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) resolver: Arc<dyn ResolvesServerCert>,
    /// Whom it is for.
    pub(super) names: Names,
    /// When it ends, if that can be read.
    pub(super) end: Option<Timestamp>,
}

impl Files for CertificateFiles {
    type Made = Shown;

    fn paths(&self) -> Vec<&Path> {
        vec![&self.certificate, &self.key]
    }

    fn read(&self) -> Result<Shown, TlsError> {
        let chain = items::<CertificateDer<'static>>("certificate", &self.certificate, "certificate")?;
        let key = PrivateKeyDer::from_pem_slice(&contents("key", &self.key)?);
        let key = key.map_err(|source| TlsError::Format { key: "key", path: self.key.clone(), wanted: "private key", source })?;
        let (names, end) = chain.first().map(|own| said(own)).unwrap_or_default();
        let resolver = Arc::new(SingleCertAndKey::from(self.certified(chain, key)?));
        Ok(Shown { resolver, names, end })
    }

    fn taken(&self, shown: &Shown) {
        match shown.end {
            Some(end) => {
                Connections::all().certificate_ends(end.as_second());
                if end < Timestamp::now() {
                    tracing::warn!(certificate = %self.certificate.display(), %end, "the certificate has ended: clients will refuse it; put a new one in its place");
                }
            }
            None => tracing::warn!(certificate = %self.certificate.display(), "it cannot be read when the certificate ends"),
        }
    }
}

impl CertificateFiles {
    fn certified(&self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, TlsError> {
        CertifiedKey::from_der(chain, key, &provider()).map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey { key: self.key.clone(), certificate: self.certificate.clone() },
            source => TlsError::Refused { path: self.certificate.clone(), source },
        })
    }
}

/// What a certificate says of itself, as far as it can be read.
fn said(certificate: &[u8]) -> (Names, Option<Timestamp>) {
    match X509Certificate::from_der(certificate) {
        Ok((_, certificate)) => (Names::of(&certificate), Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()),
        Err(_) => (Names::default(), None),
    }
}

/// The period for which a certificate holds, if it can be read.
pub(super) fn validity(certificate: &[u8]) -> Option<[Timestamp; 2]> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let validity = certificate.validity();
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
    Some([moment(validity.not_before)?, moment(validity.not_after)?])
}

/// Whom a certificate is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// In lower case; the first part can be `*`.
    domains: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Names {
    pub(super) fn of_domains(domains: &[String]) -> Self {
        Self { domains: domains.iter().map(|domain| domain.to_ascii_lowercase()).collect(), addresses: Vec::new() }
    }

    fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut names = Self::default();
        let extension = certificate.subject_alternative_name().ok().flatten();
        for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(domain) => names.domains.push(domain.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        names
    }

    /// Whether this host, a name or an address without a port, is one of them.
    pub(super) fn hold(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => self.addresses.contains(&address),
            Err(_) => self.domains.iter().any(|domain| match domain.strip_prefix("*.") {
                // RFC 9525, section 6.3: a star stands for one whole label.
                Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
                None => *domain == host,
            }),
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.domains.iter().cloned().chain(self.addresses.iter().map(ToString::to_string)).collect();
        match names.is_empty() {
            true => f.write_str("no name, which clients will refuse"),
            false => f.write_str(&names.join(", ")),
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(names: &[&str], year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_after = date_time_ymd(year, 12, 31);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_says_whom_it_is_for_and_until_when() {
        let (names, end) = said(&certificate(&["Synod.test", "*.bank.test", "127.0.0.1", "::1"], 2090));
        for host in ["synod.test", "SYNOD.test.", "a.bank.test", "127.0.0.1", "[::1]", "::1"] {
            assert!(names.hold(host), "{host}");
        }
        for host in ["test", "a.synod.test", "bank.test", "a.b.bank.test", ".bank.test", "127.0.0.2", "", "*.bank.test.evil"] {
            assert!(!names.hold(host), "{host}");
        }
        assert_eq!(names.to_string(), "synod.test, *.bank.test, 127.0.0.1, ::1");
        assert_eq!(end.map(|end| end.to_string()).as_deref(), Some("2090-12-31T00:00:00Z"));
        // Both forms of a time: two digits of the year, and four.
        assert_eq!(said(&certificate(&["a"], 2049)).1.map(|end| end.to_string()).as_deref(), Some("2049-12-31T00:00:00Z"));
    }

    #[test]
    fn whatever_is_cut_or_changed_ends_in_nothing_worse_than_no_answer() {
        let whole = certificate(&["synod.test"], 2090);
        for cut in 0..whole.len() {
            assert_eq!(said(&whole[..cut]), (Names::default(), None));
            let mut changed = whole.clone();
            changed[cut] ^= 0xff;
            let _ = said(&changed);
        }
    }
}
