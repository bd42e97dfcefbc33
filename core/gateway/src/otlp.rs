//! How a batch of spans or log records is sent: OTLP by gRPC or by HTTP. What the collector answers is not trusted: it is read for a bounded time
//! and length.
//!
//! The exporters that come with OpenTelemetry are not used: they let variables of the environment change where spans go and what goes with
//! them, and read an answer of any length.

mod grpc;
mod http;

use crate::identity::providers::ClientMistake;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// Bytes that are read of an answer.
const MOST: usize = 64 << 10;
/// Bytes of a file of header fields.
const LARGEST_FILE: usize = 64 << 10;

/// How OTLP is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, as protobuf.
    Http,
}

/// A collector, and how it is called.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The section of the configuration that names it.
    pub section: &'static str,
    /// Where it is; with HTTP the whole URL, with its path.
    pub endpoint: Url,
    /// How it is called.
    pub protocol: Protocol,
    /// The certificates that it is trusted by, in PEM; those that the system trusts if there are none.
    pub root: Option<PathBuf>,
    /// A file of header fields that go with each export, a line each: credentials are in here.
    pub headers_file: Option<PathBuf>,
    /// How long one attempt to send may take.
    pub timeout: Duration,
}

impl Collector {
    /// Whether what is sent, and what goes with it, is encrypted on its way.
    pub fn is_encrypted(&self) -> bool {
        self.endpoint.scheme() == "https"
    }

    /// Whether all files that it needs can be read.
    ///
    /// # Errors
    /// When one cannot.
    pub fn check(&self) -> Result<(), SendMistake> {
        headers(self.headers_file.as_deref())?;
        crate::calling::tls(self.root.as_deref()).map(drop).map_err(|source| SendMistake::Root { section: self.section, source })
    }

    /// Whether it stays on this machine.
    pub fn is_local(&self) -> bool {
        match self.endpoint.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            None => false,
        }
    }
}

/// Why nothing can be sent as it is configured.
#[derive(Debug, Error)]
pub enum SendMistake {
    /// There is no thread for it.
    #[error("cannot start the thread that sends")]
    Thread(#[source] std::io::Error),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line of the file of header fields is none.
    #[error("{}, line {line}: {what}; write a line for each field, as `authorization: Bearer …`", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The certificates.
    #[error("{section}.root")]
    Root {
        /// The section that names them.
        section: &'static str,
        /// What is wrong.
        source: ClientMistake,
    },
    /// The client for HTTP.
    #[error("cannot make a client for the collector")]
    Http(#[source] reqwest::Error),
    /// The client for gRPC.
    #[error("cannot make a client for the collector")]
    Grpc(#[source] tonic::transport::Error),
}

/// Why a batch was not taken.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    /// No answer in time.
    #[error("no answer in time")]
    Late,
    /// The header fields cannot be read any more.
    #[error("the header fields cannot be read")]
    Headers(#[source] Box<SendMistake>),
    /// There is no connection, or it broke.
    #[error("cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The answer's status.
    #[error("answered with status {0}")]
    Status(u16),
    /// The status of gRPC. What the collector says beside it is not repeated.
    #[error("answered with the status {0:?} of gRPC")]
    Grpc(tonic::Code),
    /// The answer is none.
    #[error("answered with something else than OTLP")]
    Answer,
}

impl Failed {
    /// A stable word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Headers(_) => "headers",
            Self::Unreachable(_) => "unreachable",
            Self::Status(_) | Self::Grpc(_) => "status",
            Self::Answer => "answer",
        }
    }

    /// Whether the same batch may be taken later (OTLP 1.x, "Failures").
    pub(crate) fn is_temporary(&self) -> bool {
        use tonic::Code;
        match self {
            Self::Late | Self::Unreachable(_) => true,
            Self::Headers(_) | Self::Answer => false,
            Self::Status(status) => matches!(status, 429 | 502 | 503 | 504),
            Self::Grpc(code) => matches!(
                code,
                Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::OutOfRange | Code::Unavailable | Code::DataLoss
            ),
        }
    }
}

/// Sends batches to one collector.
#[derive(Debug)]
pub(crate) struct Sender {
    headers_file: Option<PathBuf>,
    by: By,
}

#[derive(Debug)]
enum By {
    Grpc(Box<grpc::Client>),
    Http(http::Client),
}

impl Sender {
    /// Sends to this collector. To be made in the runtime that sends.
    ///
    /// # Errors
    /// When a file that it needs cannot be read.
    pub(crate) fn new(collector: &Collector) -> Result<Self, SendMistake> {
        let headers_file = collector.headers_file.clone();
        // What is wrong with it is said at the start.
        headers(headers_file.as_deref())?;
        let by = match collector.protocol {
            Protocol::Grpc => By::Grpc(Box::new(grpc::Client::new(collector)?)),
            Protocol::Http => By::Http(http::Client::new(collector)?),
        };
        Ok(Self { headers_file, by })
    }

    /// Sends a batch, and says how many of its spans the collector refused.
    pub(crate) async fn spans(&mut self, spans: &ExportTraceServiceRequest) -> Result<u64, Failed> {
        let headers = self.headers()?;
        let answer = match &mut self.by {
            By::Grpc(client) => client.spans(spans, headers).await?,
            By::Http(client) => client.send(spans, headers).await?,
        };
        Ok(answer.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or_default()))
    }

    /// Sends a batch, and says how many of its records the collector refused.
    pub(crate) async fn logs(&mut self, logs: &ExportLogsServiceRequest) -> Result<u64, Failed> {
        let headers = self.headers()?;
        let answer = match &mut self.by {
            By::Grpc(client) => client.logs(logs, headers).await?,
            By::Http(client) => client.send(logs, headers).await?,
        };
        Ok(answer.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_log_records).unwrap_or_default()))
    }

    /// Read each time, so that a credential can be changed while the service runs.
    fn headers(&self) -> Result<HeaderMap, Failed> {
        headers(self.headers_file.as_deref()).map_err(|mistake| Failed::Headers(mistake.into()))
    }
}

/// A message, and what it is answered with.
trait Export: prost::Message {
    type Answer: prost::Message + Default;
}

impl Export for ExportTraceServiceRequest {
    type Answer = opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
}

impl Export for ExportLogsServiceRequest {
    type Answer = opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
}

fn headers(file: Option<&Path>) -> Result<HeaderMap, SendMistake> {
    file.map_or_else(|| Ok(HeaderMap::new()), headers_of)
}

/// The header fields of a file: a line `name: value` for each. Lines that are empty or begin with `#` are none.
///
/// # Errors
/// When the file cannot be read, or a line is no field.
pub fn headers_of(path: &Path) -> Result<HeaderMap, SendMistake> {
    let text = std::fs::read_to_string(path).map_err(|source| SendMistake::Read { path: path.into(), source })?;
    let wrong = |line: usize, what| SendMistake::Header { path: path.into(), line: line + 1, what };
    if text.len() > LARGEST_FILE {
        return Err(wrong(0, "the file has more than 64 KiB"));
    }
    let mut headers = HeaderMap::new();
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    for (number, line) in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| wrong(number, "there is no `:`"))?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong(number, "the name is no name of a header field"))?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong(number, "the value cannot be in a header field"))?;
        if OURS.contains(&name.as_str()) {
            return Err(wrong(number, "this field is the protocol's own"));
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Fields that say how a batch is sent.
const OURS: [&str; 6] = ["content-type", "content-length", "content-encoding", "transfer-encoding", "host", "te"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(text: &str) -> Result<HeaderMap, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let read = headers_of(file.path());
        read.map_err(|mistake| mistake.to_string().split_once("line ").map(|(_, rest)| rest.to_owned()).unwrap())
    }

    #[test]
    fn header_fields_are_read_from_a_file() {
        let headers = read("# for the collector\n\nAuthorization: Bearer abc:def\nx-scope-orgid:  bank \n").unwrap();
        assert!(headers["authorization"] == "Bearer abc:def" && headers["x-scope-orgid"] == "bank");
        assert!(headers["authorization"].is_sensitive());
        // The value is not in the message: it is a secret.
        for (text, expected) in [
            ("a: b\nsecret", "2: there is no `:`"),
            ("a b: secret", "1: the name is no name"),
            ("a: se\u{1}cret", "1: the value cannot be"),
            ("Content-Type: secret", "1: this field is the protocol's"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected) && !error.contains("secret"), "{error}");
        }
        assert!(matches!(headers_of(Path::new("/nowhere/headers")), Err(SendMistake::Read { .. })));
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        assert!(Failed::Late.is_temporary() && Failed::Status(503).is_temporary() && Failed::Grpc(tonic::Code::Unavailable).is_temporary());
        assert!(!Failed::Status(400).is_temporary() && !Failed::Grpc(tonic::Code::Unauthenticated).is_temporary());
    }
}
