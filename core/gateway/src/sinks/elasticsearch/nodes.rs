//! The nodes of a cluster, by the library for Elasticsearch: which is asked, with which credential, trusting which certificates.

use super::answer::{self, Sent};
use super::{Credential, ElasticsearchConfig, ElasticsearchError};
use crate::calling::SecretFile;
use crate::listening::chain;
use crate::sinks::Failure;
use crate::telemetry::metrics::{Reload, Reloads};
use axum::body::Bytes;
use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::headers::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use elasticsearch::http::response::Response;
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use elasticsearch::http::{Method, Url};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use synod_store::FileStamp;
use tokio::time::sleep;

/// How long a node that failed is left out.
const LEFT_OUT: Duration = Duration::from_secs(10);
/// How long somebody who refused the credential is not asked again with the same one.
const REFUSED: Duration = Duration::from_secs(300);
/// How often it is looked whether the credential has changed.
const LOOK: Duration = Duration::from_millis(500);
/// The longest that somebody may tell to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The nodes of a cluster.
#[derive(Debug)]
pub(super) struct Nodes {
    config: Arc<ElasticsearchConfig>,
    secret: Option<SecretFile>,
    /// What the transports were made of.
    made_of: MadeOf,
    nodes: Vec<Node>,
    turn: AtomicUsize,
    /// Until when the credential that was refused is not shown again.
    refused_until: Option<Instant>,
}

/// What may change while Synod runs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MadeOf {
    root: Option<FileStamp>,
    secret: Option<Arc<str>>,
}

#[derive(Debug)]
struct Node {
    name: String,
    transport: Transport,
    out_until: Mutex<Option<Instant>>,
}

impl Nodes {
    /// The nodes that are configured.
    ///
    /// # Errors
    /// When the credential or the certificates cannot be read.
    pub(super) fn open(config: &ElasticsearchConfig) -> Result<Self, ElasticsearchError> {
        let secret = match &config.credential {
            None => None,
            Some(Credential::ApiKey(file)) => {
                Some(SecretFile::open(file).map_err(|error| ElasticsearchError::secret("api_key_file", &error))?)
            }
            Some(Credential::Basic(_, file)) => {
                Some(SecretFile::open(file).map_err(|error| ElasticsearchError::secret("basic.password_file", &error))?)
            }
        };
        let made_of = MadeOf { root: config.root.as_deref().map(FileStamp::of), secret: secret.as_ref().map(SecretFile::text) };
        let config = Arc::new(config.clone());
        let nodes = made(&config, made_of.secret.as_deref())?;
        Ok(Self { config, secret, made_of, nodes, turn: AtomicUsize::new(0), refused_until: None })
    }

    /// Follows the files of the credential and the certificates. What is wrong with new certificates changes nothing.
    ///
    /// # Errors
    /// When the new ones cannot be used.
    pub(super) fn renew(&mut self) -> Result<(), Failure> {
        let made_of = MadeOf { root: self.config.root.as_deref().map(FileStamp::of), secret: self.secret.as_ref().map(SecretFile::text) };
        if made_of == self.made_of {
            return Ok(());
        }
        if made_of.secret != self.made_of.secret {
            self.refused_until = None;
        }
        let made = made(&self.config, made_of.secret.as_deref());
        if made_of.root != self.made_of.root {
            Reloads::all().read(Reload::Secrets, made.is_ok());
        }
        match made {
            Ok(nodes) => (self.nodes, self.made_of) = (nodes, made_of),
            Err(error) => {
                tracing::warn!(error = chain(&error), "what Elasticsearch is called with is not read again; the old one is used");
                // Not before it changes once more.
                self.made_of.root = made_of.root;
            }
        }
        Ok(())
    }

    /// Notes that the credential was refused.
    pub(super) fn refused(&mut self) {
        self.refused_until = Some(Instant::now() + REFUSED);
    }

    /// Waits for as long as nobody should be asked with this credential.
    pub(super) async fn until_welcome(&mut self) {
        while self.refused_until.is_some_and(|until| Instant::now() < until) {
            sleep(LOOK).await;
            // What cannot be used is told when it is used.
            let _ = self.renew();
        }
        self.refused_until = None;
    }

    /// Sends a bulk request with so many documents.
    pub(super) async fn bulk(&self, body: Bytes, encoding: Option<&'static str>, count: usize) -> Sent {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, LINES);
        headers.extend(encoding.map(|encoding| (CONTENT_ENCODING, HeaderValue::from_static(encoding))));
        match self.called("_bulk", headers, &[("filter_path", answer::PARTS)], Some(body)).await {
            Ok(received) => answer::read(received.status, received.retry_after, &received.body, count),
            // It may have arrived all the same.
            Err(failure) => Sent::Doubtful(failure),
        }
    }

    /// Makes everything that a stream has taken visible to searches; answers whether it could, which it can not without the privilege. A stream that is
    /// not there has taken nothing.
    pub(super) async fn refresh(&self, stream: &str) -> Result<bool, Failure> {
        let path = format!("{stream}/_refresh");
        let received = self.called(&path, HeaderMap::new(), &[("ignore_unavailable", "true")], None).await?;
        match received.status {
            200..=299 | 404 => Ok(true),
            403 => Ok(false),
            _ => Err(received.unexpected("a refresh")),
        }
    }

    /// Searches a stream, all of its indices or none.
    pub(super) async fn search(&self, stream: &str, body: String) -> Result<Vec<u8>, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, JSON);
        let parameters =
            [("ignore_unavailable", "true"), ("allow_partial_search_results", "false"), ("filter_path", "timed_out,hits.hits._id")];
        let received = self.called(&format!("{stream}/_search"), headers, &parameters, Some(body.into())).await?;
        match received.status {
            200..=299 => Ok(received.body),
            404 => Ok(b"{}".to_vec()),
            _ => Err(received.unexpected("a search for ids")),
        }
    }

    async fn called(&self, path: &str, headers: HeaderMap, query: &[(&str, &str)], body: Option<Bytes>) -> Result<Received, Failure> {
        let node = self.next();
        let answered = node.transport.send(Method::Post, path, headers, Some(query), body, Some(self.config.timeout)).await;
        let received = match answered {
            Ok(response) => Received::of(response).await,
            Err(error) => Err(error),
        };
        node.note(received.is_ok());
        received.map_err(|error| {
            let code = if error.is_timeout() { "late" } else { "unreachable" };
            let reason =
                if error.is_timeout() { "no whole answer in time".to_owned() } else { format!("cannot be reached: {}", chain(&error)) };
            Failure::new(code, format!("{}: {reason}", node.name))
        })
    }

    /// Whose turn it is: the next one that did not fail lately, or the next one if all did.
    fn next(&self) -> &Node {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let all = (0..self.nodes.len()).map(|step| &self.nodes[(turn + step) % self.nodes.len()]);
        all.clone().find(|node| !node.is_out()).unwrap_or(&self.nodes[turn % self.nodes.len()])
    }
}

impl Node {
    fn is_out(&self) -> bool {
        let until = self.out_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, is_well: bool) {
        let mut until = self.out_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = if is_well { None } else { Some(Instant::now() + LEFT_OUT) };
    }
}

struct Received {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Received {
    async fn of(response: Response) -> Result<Self, elasticsearch::Error> {
        let status = response.status_code().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = retry_after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
        Ok(Self { status, retry_after, body: response.bytes().await?.to_vec() })
    }

    fn unexpected(&self, what: &str) -> Failure {
        let code = if matches!(self.status, 401 | 403) { "credential" } else { "status" };
        Failure { after: self.retry_after, ..Failure::new(code, format!("{what} is answered with status {}", self.status)) }
    }
}

fn made(config: &ElasticsearchConfig, secret: Option<&str>) -> Result<Vec<Node>, ElasticsearchError> {
    let pem = config.root.as_deref().map(read).transpose()?;
    let node = |url: &Url| {
        let builder = TransportBuilder::new(SingleNodeConnectionPool::new(url.clone()))
            // Where it is, the configuration says; the environment must not lead it elsewhere.
            .disable_proxy()
            .timeout(config.timeout)
            .enable_meta_header(false);
        let builder = match (&config.credential, secret) {
            // A secret has but visible characters: it can always be a header.
            (Some(Credential::ApiKey(_)), Some(secret)) => builder.auth(Credentials::EncodedApiKey(secret.to_owned())),
            (Some(Credential::Basic(user, _)), Some(secret)) => builder.auth(Credentials::Basic(user.clone(), secret.to_owned())),
            _ => builder,
        };
        let builder = match &pem {
            Some(pem) => {
                let roots = Certificate::from_pem(pem).map_err(|error| ElasticsearchError::Root(chain(&error)))?;
                builder.cert_validation(CertificateValidation::Full(roots))
            }
            None => builder,
        };
        let transport = builder.build().map_err(|error| ElasticsearchError::Client(chain(&error)))?;
        Ok(Node { name: url.authority().to_owned(), transport, out_until: Mutex::new(None) })
    };
    config.nodes.iter().map(node).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, ElasticsearchError> {
    std::fs::read(path).map_err(|error| ElasticsearchError::Root(format!("cannot read {}: {error}", path.display())))
}
