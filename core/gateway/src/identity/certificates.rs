//! Whom client certificates speak for.

use crate::access::{Caller, Roles};
use crate::config::{CertificateName, MappedCertificate};
use crate::listening::ClientCertificate;
use synod_identity::{CERTIFICATE_ISSUER, Principal};

/// The callers that a configuration names by their certificates, in its order.
#[derive(Debug)]
pub(super) struct Certificates(Vec<(CertificateName, Caller)>);

impl Certificates {
    pub(super) fn new(mapped: &[MappedCertificate], roles: &Roles) -> Self {
        let caller = |mapped: &MappedCertificate| {
            let principal = Principal {
                subject: mapped.name.text().to_owned(),
                issuer: CERTIFICATE_ISSUER.to_owned(),
                tenant: mapped.tenant.clone(),
                roles: mapped.roles.clone(),
                scopes: mapped.scopes.clone(),
                // Each certificate has an end of its own, which is looked at with each request.
                expires: u64::MAX,
            };
            (mapped.name.clone(), Caller::known(principal, roles))
        };
        Self(mapped.iter().map(caller).collect())
    }

    /// Whom a certificate speaks for; nobody if it is not named.
    pub(super) fn caller(&self, certificate: &ClientCertificate) -> Option<&Caller> {
        self.0.iter().find(|(name, _)| fits(name, certificate)).map(|(_, caller)| caller)
    }
}

fn fits(name: &CertificateName, certificate: &ClientCertificate) -> bool {
    match name {
        CertificateName::Subject(subject) => certificate.subject == *subject,
        // The configured name of a host is in small letters.
        CertificateName::Alternative(name) if name.starts_with("dns:") => {
            certificate.names.iter().any(|own| own.eq_ignore_ascii_case(name))
        }
        CertificateName::Alternative(name) => certificate.names.contains(name),
    }
}
