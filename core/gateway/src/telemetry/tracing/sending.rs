//! How a batch of spans is sent: OTLP by gRPC or by HTTP. What the collector answers is not trusted: it is read for a bounded time and length.
//!
//! The exporters that come with OpenTelemetry are not used: they let variables of the environment change where spans go and what goes with
//! them, and read an answer of any length.

mod grpc;
mod http;

use super::settings::{Protocol, Settings};
use crate::identity::providers::ClientMistake;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes that are read of an answer.
const MOST: usize = 64 << 10;
/// Bytes of a file of header fields.
const LARGEST_FILE: usize = 64 << 10;

/// Why spans cannot be sent as they are configured.
#[derive(Debug, Error)]
pub enum SendMistake {
    /// There is no thread for it.
    #[error("cannot start the thread that sends spans")]
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
    /// The certificates of `tracing.root`.
    #[error("tracing.root")]
    Root(#[from] ClientMistake),
    /// The client for HTTP.
    #[error("cannot make a client for the collector")]
    Http(#[source] reqwest::Error),
    /// The client for gRPC.
    #[error("cannot make a client for the collector")]
    Grpc(#[source] tonic::transport::Error),
}

/// Why a batch was not taken.
#[derive(Debug, Error)]
pub(super) enum Failed {
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
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Headers(_) => "headers",
            Self::Unreachable(_) => "unreachable",
            Self::Status(_) | Self::Grpc(_) => "status",
            Self::Answer => "answer",
        }
    }

    /// Whether the same batch may be taken later (OTLP 1.x, "Failures").
    pub(super) fn is_temporary(&self) -> bool {
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
pub(super) struct Sender {
    headers_file: Option<PathBuf>,
    by: By,
}

#[derive(Debug)]
enum By {
    Grpc(Box<grpc::Client>),
    Http(http::Client),
}

impl Sender {
    pub(super) fn new(settings: &Settings) -> Result<Self, SendMistake> {
        let headers_file = settings.headers_file.clone();
        // What is wrong with it is said at the start.
        headers(headers_file.as_deref())?;
        let by = match settings.protocol {
            Protocol::Grpc => By::Grpc(Box::new(grpc::Client::new(settings)?)),
            Protocol::Http => By::Http(http::Client::new(settings)?),
        };
        Ok(Self { headers_file, by })
    }

    /// Sends a batch, and says how many of its spans the collector refused.
    pub(super) async fn send(&mut self, spans: &ExportTraceServiceRequest) -> Result<u64, Failed> {
        // Read each time, so that a credential can be changed while the service runs.
        let headers = headers(self.headers_file.as_deref()).map_err(|mistake| Failed::Headers(mistake.into()))?;
        let answer = match &mut self.by {
            By::Grpc(client) => client.send(spans, headers).await,
            By::Http(client) => client.send(spans, headers).await,
        };
        answer.map(|answer| refused(&answer))
    }
}

/// Spans that were refused although the batch was taken.
fn refused(answer: &ExportTraceServiceResponse) -> u64 {
    answer.partial_success.as_ref().map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or_default())
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
