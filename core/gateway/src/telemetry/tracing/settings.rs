//! What is configured of traces.

use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, as protobuf.
    Http,
}

/// Where spans go, and of which requests there are some.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The collector; with HTTP the whole URL, with its path.
    pub endpoint: Url,
    /// How it is called.
    pub protocol: Protocol,
    /// The certificates that it is trusted by, in PEM; those that the system trusts if there are none.
    pub root: Option<PathBuf>,
    /// A file of header fields that go with each export, a line each: credentials are in here.
    pub headers_file: Option<PathBuf>,
    /// What the service is called in traces.
    pub service_name: String,
    /// What else is said of it.
    pub resource: Vec<(String, String)>,
    /// Which requests are recorded.
    pub sampling: Sampling,
    /// Spans that may wait to be sent.
    pub queue: usize,
    /// How long one attempt to send may take.
    pub timeout: Duration,
}

impl Settings {
    /// Whether spans, and what goes with them, are encrypted on their way.
    pub fn is_encrypted(&self) -> bool {
        self.endpoint.scheme() == "https"
    }

    /// Whether they stay on this machine.
    pub fn is_local(&self) -> bool {
        match self.endpoint.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            None => false,
        }
    }
}

/// Which requests are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The share of those that nobody decided about.
    pub share: f64,
    /// Whether the caller's decision is followed, within `rate`.
    pub parent: bool,
    /// Whether a request that failed is recorded all the same, by one span, within `rate`.
    pub errors: bool,
    /// Traces that callers and failures may ask for: so many in such a time.
    pub rate: (u32, Duration),
}
