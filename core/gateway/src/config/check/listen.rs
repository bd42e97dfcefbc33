//! The section `listen`.

use super::Checker;
use crate::config::text::{self, ProxyField};
use crate::config::units;
use crate::listening::{AcmeSettings, CertificateFiles, CertificateSource, ClientFiles, Limits, TlsSettings};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Where the service listens, and what a connection may take.
#[derive(Debug, Clone)]
pub struct Listen {
    /// For clients.
    pub data: SocketAddr,
    /// For operators: health, metrics.
    pub administration: SocketAddr,
    /// For clients that do not know yet that connections are encrypted.
    pub redirect: Option<SocketAddr>,
    /// How clients' connections are encrypted.
    pub tls: Option<TlsSettings>,
    /// How long requests under way may still take when the service stops.
    pub drain: Duration,
    /// What a connection may take.
    pub limits: Limits,
    /// Whose word is taken for whom they ask for.
    pub proxies: Vec<IpNet>,
    /// Where they say so.
    pub proxy_field: ProxyField,
}

pub(super) fn listen(at: &mut Checker<'_>, text: &text::Listen, folder: &Path) -> Listen {
    let mut address = |key: &str, value: &str| {
        let parsed = value.parse().map_err(|_| format!("`{value}` is no address; write for instance 127.0.0.1:8080"));
        at.taken(key, parsed, SocketAddr::from(([127, 0, 0, 1], 0)))
    };
    let data = address("listen.data", &text.data);
    let administration = address("listen.administration", &text.administration);
    let redirect = text.redirect.as_ref().map(|value| address("listen.redirect", value));
    if data == administration && data.port() != 0 {
        at.mistake("listen.administration", "is the address of `listen.data`: give it a port of its own");
    }
    if redirect.is_some_and(|redirect| redirect.port() != 0 && (redirect == data || redirect == administration)) {
        at.mistake("listen.redirect", "is the address of another listener: give it a port of its own");
    }
    if redirect.is_some() && text.tls.is_none() {
        at.mistake("listen.redirect", "there is nothing to redirect to: it needs `listen.tls`");
    }
    Listen {
        data,
        administration,
        redirect,
        tls: text.tls.as_ref().map(|tls| encryption(at, tls, folder)),
        drain: span(at, "listen.drain", &text.drain),
        limits: limits(at, &text.limits),
        proxies: super::limits::networks(at, "listen.proxies", &text.proxies),
        proxy_field: text.proxy_field,
    }
}

fn encryption(at: &mut Checker<'_>, text: &text::Tls, folder: &Path) -> TlsSettings {
    let certificate = match &text.acme {
        Some(acme) => {
            if !(text.certificate.is_empty() && text.key.is_empty()) {
                at.mistake("listen.tls.acme", "stands beside `certificate` and `key`: give either those or `acme`");
            }
            CertificateSource::Acme(self::acme(at, acme, folder))
        }
        None => CertificateSource::Files(certificate(at, text, folder)),
    };
    let strict_transport = text.strict_transport.as_ref().map(|text| {
        let span = units::duration(text);
        at.taken("listen.tls.strict_transport", span, Duration::from_secs(1))
    });
    TlsSettings { certificate, clients: text.clients.as_ref().map(|clients| self::clients(at, clients, folder)), strict_transport }
}

fn certificate(at: &mut Checker<'_>, text: &text::Tls, folder: &Path) -> CertificateFiles {
    if text.certificate.is_empty() {
        at.mistake("listen.tls.certificate", "is missing: the file of the certificate and its chain, in PEM; or have one made, by `acme`");
    }
    if text.key.is_empty() {
        at.mistake("listen.tls.key", "is missing: the file of the certificate's private key, in PEM");
    }
    CertificateFiles { certificate: folder.join(&text.certificate), key: folder.join(&text.key) }
}

fn acme(at: &mut Checker<'_>, text: &text::Acme, folder: &Path) -> AcmeSettings {
    let host = text.directory.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or_default());
    if host.is_none_or(str::is_empty) {
        let what = "is missing, or no address that begins with https://: the directory of the certificate's authority";
        at.mistake("listen.tls.acme.directory", what);
    }
    if text.domains.is_empty() {
        at.mistake("listen.tls.acme.domains", "there are none: name whom the certificate is for, as in [synod.bank.example]");
    }
    for (index, domain) in text.domains.iter().enumerate() {
        if !is_domain(domain) {
            let what =
                format!("`{domain}` is no name in lower case such as synod.bank.example; addresses and stars are not for this challenge");
            at.mistake(&format!("listen.tls.acme.domains[{index}]"), what);
        }
    }
    let contact = text.contact.iter().enumerate().map(|(index, contact)| {
        let address = contact.strip_prefix("mailto:").unwrap_or(contact);
        let good = address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && is_domain(host));
        if !good || address.contains(char::is_whitespace) {
            at.mistake(&format!("listen.tls.acme.contact[{index}]"), format!("`{contact}` is no e-mail address"));
        }
        format!("mailto:{address}")
    });
    AcmeSettings {
        directory: text.directory.clone(),
        domains: text.domains.clone(),
        contact: contact.collect(),
        root: text.root.as_ref().map(|path| folder.join(path)),
        cache: text.cache.as_ref().map(|path| folder.join(path)),
    }
}

/// Whether a text is a domain's name as a certificate can have it (RFC 1123, section 2.1), in lower case.
fn is_domain(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label =
        |label: &str| (1..=63).contains(&label.len()) && label.chars().all(letter) && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 253
        && text.split('.').all(label)
        && text.split('.').next_back().is_some_and(|last| last.contains(|c: char| c.is_alphabetic()))
}

fn clients(at: &mut Checker<'_>, text: &text::Clients, folder: &Path) -> ClientFiles {
    if text.authorities.is_empty() {
        at.mistake("listen.tls.clients.authorities", "is missing: the file of the certificates of those who vouch for clients, in PEM");
    }
    ClientFiles {
        authorities: folder.join(&text.authorities),
        required: text.required,
        revoked: text.revoked.as_ref().map(|path| folder.join(path)),
    }
}

fn limits(at: &mut Checker<'_>, text: &text::ListenLimits) -> Limits {
    let count = "a number from 1 to 1000000";
    at.within("listen.limits.connections", text.connections as f64, 1.0, 1e6, count);
    at.within("listen.limits.connections_per_address", text.connections_per_address as f64, 1.0, 1e6, count);
    at.within("listen.limits.streams", f64::from(text.streams), 1.0, 10_000.0, "a number from 1 to 10000");
    at.within("listen.limits.header_count", text.header_count as f64, 1.0, 10_000.0, "a number from 1 to 10000");
    let header_size = at.taken("listen.limits.header_size", units::bytes(&text.header_size), 32 << 10);
    // The HTTP library needs a buffer of 8 KiB.
    at.within("listen.limits.header_size", header_size as f64, 8192.0, 1_048_576.0, "a size from 8KiB to 1MiB");
    let body_rate = at.taken("listen.limits.body_rate", units::bytes(&text.body_rate), 256);
    Limits {
        connections: text.connections,
        connections_per_address: text.connections_per_address,
        handshake: span(at, "listen.limits.handshake", &text.handshake),
        first_byte: span(at, "listen.limits.first_byte", &text.first_byte),
        header: span(at, "listen.limits.header", &text.header),
        idle: span(at, "listen.limits.idle", &text.idle),
        stall: span(at, "listen.limits.stall", &text.stall),
        body: span(at, "listen.limits.body", &text.body),
        body_grace: span(at, "listen.limits.body_grace", &text.body_grace),
        body_rate,
        streams: text.streams,
        header_size,
        header_count: text.header_count,
    }
}

fn span(at: &mut Checker<'_>, key: &str, text: &str) -> Duration {
    let span = at.taken(key, units::duration(text), Duration::from_secs(1));
    if span > Duration::from_secs(86_400) {
        at.mistake(key, format!("`{text}` is longer than a day"));
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    fn mistakes(listen: &str) -> Vec<String> {
        let text =
            format!("version: 1\nlisten: {listen}\nschema: {{fields: {{a: {{type: number}}}}}}\ndetectors: {{one: {{plugin: one}}}}\n");
        let found = read(&text, Path::new("/etc"), Vec::new()).map(|_| ()).err().unwrap_or_default();
        found.iter().map(ToString::to_string).filter(|mistake| mistake.contains("listen")).collect()
    }

    const ACME: &str = "directory: 'https://ca.test/dir', domains: [a.test]";

    #[test]
    fn a_certificate_comes_from_one_place() {
        for good in [
            "{tls: {certificate: c, key: k}, redirect: '0.0.0.0:80'}".to_owned(),
            "{tls: {certificate: c, key: k, strict_transport: ~, clients: {authorities: a, required: true, revoked: r}}}".into(),
            format!("{{tls: {{acme: {{{ACME}, contact: [a@b.test, 'mailto:c@d.test'], root: r, cache: c}}}}}}"),
        ] {
            assert_eq!(mistakes(&good), Vec::<String>::new(), "{good}");
        }
        let acme = |from: &str, to: &str| format!("{{tls: {{acme: {{{}}}}}}}", ACME.replace(from, to));
        for (listen, expected) in [
            ("{tls: {certificate: c}}".to_owned(), "listen.tls.key: is missing"),
            (
                "{tls: {}}".into(),
                "listen.tls.certificate: is missing: the file of the certificate and its chain, in PEM; or have one made, by",
            ),
            (format!("{{tls: {{key: k, acme: {{{ACME}}}}}}}"), "listen.tls.acme: stands beside `certificate` and `key`"),
            (acme("https", "http"), "listen.tls.acme.directory: is missing, or no address that begins with https://"),
            (acme("ca.test", ""), "listen.tls.acme.directory: is missing"),
            (acme("[a.test]", "[]"), "listen.tls.acme.domains: there are none"),
            (acme("[a.test]", "[a.test, '*.b.test']"), "listen.tls.acme.domains[1]: `*.b.test` is no name in lower case"),
            (acme("[a.test]", "[127.0.0.1]"), "listen.tls.acme.domains[0]: `127.0.0.1` is no name"),
            (acme("[a.test]", "[a.test], contact: [nobody]"), "listen.tls.acme.contact[0]: `nobody` is no e-mail address"),
            ("{tls: {certificate: c, key: k, clients: {}}}".into(), "listen.tls.clients.authorities: is missing"),
            ("{tls: {certificate: c, key: k, strict_transport: 0}}".into(), "listen.tls.strict_transport: "),
            ("{redirect: '0.0.0.0:80'}".into(), "listen.redirect: there is nothing to redirect to: it needs `listen.tls`"),
            ("{redirect: '127.0.0.1:8080', tls: {certificate: c, key: k}}".into(), "listen.redirect: is the address of another listener"),
            ("{limits: {body_rate: fast}}".into(), "listen.limits.body_rate: `fast` is no size"),
        ] {
            let found = mistakes(&listen);
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} in {found:#?}");
        }
    }
}
