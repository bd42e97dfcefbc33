//! One HTTP/1.1 connection that is kept alive, with as little work on the client's side as possible: requests are prepared bytes, and of
//! an answer only the status and the length are read.

use crate::fault::{Doing, Fault};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The name that servers have in their certificates.
pub(crate) const NAME: &str = "localhost";

/// What is read from and written to, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Where a server is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) socket: SocketAddr,
    pub(crate) tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.socket, if self.tls.is_some() { " by TLS" } else { "" })
    }
}

impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Self {
        Self { socket, tls: None }
    }
}

/// What believes this certificate and no other.
pub(crate) fn connector(certificate: CertificateDer<'static>) -> Result<TlsConnector, Fault> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).doing("the certificate")?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    Ok(TlsConnector::from(Arc::new(builder.doing("TLS")?.with_root_certificates(roots).with_no_client_auth())))
}

/// A connection that carries one request at a time.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    received: Vec<u8>,
}

/// What a server said.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// The bytes of a request: POST with this body, or GET without one; `credential` is what follows `Authorization: `.
pub(crate) fn request(path: &str, body: Option<&str>, credential: Option<&str>) -> Vec<u8> {
    let mut head = format!("Host: {NAME}\r\nAccept: */*\r\n");
    if let Some(credential) = credential {
        head += &format!("Authorization: {credential}\r\n");
    }
    match body {
        Some(body) => {
            let length = body.len();
            format!("POST {path} HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
        }
        None => format!("GET {path} HTTP/1.1\r\n{head}\r\n").into_bytes(),
    }
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: &Address) -> Result<Self, Fault> {
        let stream = TcpStream::connect(address.socket).await.doing("cannot connect")?;
        stream.set_nodelay(true).doing("cannot connect")?;
        let stream: Box<dyn Stream> = match &address.tls {
            None => Box::new(stream),
            Some(connector) => {
                let name = ServerName::try_from(NAME).doing("the server's name")?;
                Box::new(connector.connect(name, stream).await.doing("no handshake")?)
            }
        };
        Ok(Self { stream, received: Vec::with_capacity(64 << 10) })
    }

    /// Sends a request and waits for its whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, Fault> {
        self.stream.write_all(request).await.doing("cannot send")?;
        self.received.clear();
        // What is encrypted is sent when it is flushed.
        self.stream.flush().await.doing("cannot send")?;
        while answer(&self.received)?.is_none() {
            if self.stream.read_buf(&mut self.received).await.doing("cannot receive")? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        answer(&self.received)?.ok_or_else(|| "an answer that was whole is so no more".into())
    }
}

/// The answer, when all of it has been received.
///
/// # Errors
/// When it is not HTTP, states no length, or more was received than it states.
fn answer(received: &[u8]) -> Result<Option<Answer<'_>>, Fault> {
    let Some(head) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&received[..head]).doing("the answer's head is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| format!("this is no answer: {text}"))?;
    let fields = lines.filter_map(|line| line.split_once(':'));
    let length = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).find_map(|(_, value)| value.trim().parse().ok());
    let length: usize = length.ok_or_else(|| format!("the answer states no length: {text}"))?;
    let body = &received[head + 4..];
    match body.len() {
        so_far if so_far < length => Ok(None),
        all if all == length => Ok(Some(Answer { status, body })),
        _ => Err("the server sent more than it said".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole_and_not_before() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nx: y\r\n\r\n{}\r\n";
        for so_far in 0..whole.len() {
            assert_eq!(answer(&whole[..so_far]).unwrap(), None, "{so_far}");
        }
        assert_eq!(answer(whole).unwrap(), Some(Answer { status: 200, body: b"{}\r\n" }));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for wrong in ["HTTP/1.1 200 OK\r\n\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab"] {
            assert!(answer(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_states_the_length_of_its_body() {
        let text = String::from_utf8(request("/a", Some("{}"), None)).unwrap();
        assert!(text.starts_with("POST /a HTTP/1.1\r\n") && text.ends_with("Content-Length: 2\r\n\r\n{}"));
        assert!(request("/a", None, Some("Bearer b")).ends_with(b"Authorization: Bearer b\r\n\r\n"));
    }
}
