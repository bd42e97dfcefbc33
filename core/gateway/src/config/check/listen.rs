//! The section `listen`.

use super::Checker;
use crate::config::text::{self, ProxyField};
use crate::config::units;
use crate::listening::{CertificateFiles, Limits};
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
    /// What clients' connections are encrypted with.
    pub tls: Option<CertificateFiles>,
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
    if data == administration && data.port() != 0 {
        at.mistake("listen.administration", "is the address of `listen.data`: give it a port of its own");
    }
    Listen {
        data,
        administration,
        tls: text.tls.as_ref().map(|tls| certificate(at, tls, folder)),
        drain: span(at, "listen.drain", &text.drain),
        limits: limits(at, &text.limits),
        proxies: super::limits::networks(at, "listen.proxies", &text.proxies),
        proxy_field: text.proxy_field,
    }
}

fn certificate(at: &mut Checker<'_>, text: &text::Tls, folder: &Path) -> CertificateFiles {
    if text.certificate.is_empty() {
        at.mistake("listen.tls.certificate", "is missing: the file of the certificate and its chain, in PEM");
    }
    if text.key.is_empty() {
        at.mistake("listen.tls.key", "is missing: the file of the certificate's private key, in PEM");
    }
    CertificateFiles { certificate: folder.join(&text.certificate), key: folder.join(&text.key) }
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
    Limits {
        connections: text.connections,
        connections_per_address: text.connections_per_address,
        handshake: span(at, "listen.limits.handshake", &text.handshake),
        first_byte: span(at, "listen.limits.first_byte", &text.first_byte),
        header: span(at, "listen.limits.header", &text.header),
        idle: span(at, "listen.limits.idle", &text.idle),
        stall: span(at, "listen.limits.stall", &text.stall),
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
