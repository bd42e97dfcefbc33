//! Calls of one registry: where they go, who calls, how much is read. Credentials go to the registry and to the place that it names for tokens, and
//! nowhere else; nothing goes by plain http unless it is this machine or that was asked for.

use super::reference::is_local;
use super::{Credential, OciError, Reference};
use crate::calling::tls;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, redirect};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use url::{Host, Url};

/// Until a connection is there.
const CONNECTING: Duration = Duration::from_secs(15);
/// Until there is more of an answer.
const SILENCE: Duration = Duration::from_secs(60);
/// Until a small answer is there as a whole; large ones have more.
const ANSWERING: Duration = Duration::from_secs(120);
/// What is sent or read at least in a second, on the mean.
const SLOWEST: u64 = 32 << 10;
/// Most bytes of an answer that only says something.
pub(super) const SMALL: u64 = 64 << 10;
/// Where blobs are kept elsewhere, registries lead there.
const MOST_REDIRECTS: usize = 5;

/// How a registry is called.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Who calls; anybody, if it is none.
    pub credential: Option<Credential>,
    /// The authorities that are trusted, if not those of the system.
    pub root: Option<PathBuf>,
    /// Whether plain http is used for another machine, too.
    pub insecure: bool,
}

/// What may be done in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Pull,
    Push,
}

/// A request, as it can be sent again.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// For errors: what is asked, in words.
    pub(super) what: &'a str,
    /// Bytes that are read of the answer: they give it time.
    pub(super) bytes: u64,
}

/// Who calls one repository of one registry.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    host: String,
    pub(super) repository: String,
    pub(super) doing: Doing,
    pub(super) credential: Option<Credential>,
    insecure: bool,
    /// What the registry wanted to see last time.
    authorization: Mutex<Option<HeaderValue>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("host", &self.host).field("repository", &self.repository).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(reference: &Reference, access: &Access, doing: Doing) -> Result<Self, OciError> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(access.root.as_deref())?)
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECTING)
            .read_timeout(SILENCE)
            .user_agent(concat!("synod/", env!("CARGO_PKG_VERSION")));
        // Elsewhere the environment says which proxy leads out.
        let builder = if reference.is_local() { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| crate::calling::ClientMistake::Client(error.into()))?;
        let host = reference.authority().to_owned();
        // Of this machine plain http is tried where no authority is named: a registry for trying things out has no certificate.
        let plain = access.insecure || (reference.is_local() && access.root.is_none());
        let text = format!("{}://{host}/v2/", if plain { "http" } else { "https" });
        let base = Url::parse(&text).map_err(|_| OciError::Answer { host: host.clone(), why: "is no host".into() })?;
        Ok(Self {
            http,
            base,
            host,
            repository: reference.repository().to_owned(),
            doing,
            credential: access.credential.clone(),
            insecure: access.insecure,
            authorization: Mutex::new(None),
        })
    }

    /// Who is called, for errors.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// A place in the repository.
    pub(super) fn place(&self, path: &str) -> Result<Url, OciError> {
        self.base.join(&format!("{}/{path}", self.repository)).map_err(|_| self.answer("the repository makes no URL"))
    }

    pub(super) fn answer(&self, why: impl Into<String>) -> OciError {
        OciError::Answer { host: self.host.clone(), why: why.into() }
    }

    /// Sends a request to the registry, and again with what it then wants to see of a caller.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Response, OciError> {
        if !self.is_own(&request.url) {
            return Err(self.redirected(&request.url, "where neither bytes nor credentials are sent"));
        }
        let known = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let response = self.once(request, known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || known.is_some() {
            return Ok(response);
        }
        let Some(authorization) = self.authorized(response.headers()).await? else { return Ok(response) };
        let response = self.once(request, Some(&authorization)).await?;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        Ok(response)
    }

    /// As [`Client::send`], and goes where the registry leads to: what is read there is compared with its digest. The credential stays behind.
    pub(super) async fn fetch(&self, request: Request<'_>) -> Result<Response, OciError> {
        let mut response = self.send(&request).await?;
        let mut request = request;
        for _ in 0..MOST_REDIRECTS {
            if !response.status().is_redirection() {
                return Ok(response);
            }
            request.url = self.location(response.headers(), &request.url)?;
            self.may_lead_to(&request.url)?;
            response = if self.is_own(&request.url) { self.send(&request).await? } else { self.once(&request, None).await? };
        }
        if response.status().is_redirection() { Err(self.answer("leads from one place to the next without end")) } else { Ok(response) }
    }

    /// Where an answer leads to.
    pub(super) fn location(&self, headers: &HeaderMap, from: &Url) -> Result<Url, OciError> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let url = location.and_then(|location| from.join(location).ok());
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none());
        url.ok_or_else(|| self.answer("answers without saying where to go on"))
    }

    /// Sends a request once, with what the caller shows.
    pub(super) async fn once(&self, request: &Request<'_>, authorization: Option<&HeaderValue>) -> Result<Response, OciError> {
        let bytes = request.bytes + request.body.len() as u64;
        let sent = self
            .http
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .timeout(ANSWERING + Duration::from_secs(bytes / SLOWEST));
        let sent = if let Some(value) = authorization { sent.header(AUTHORIZATION, value) } else { sent };
        sent.send().await.map_err(|error| self.failed(error))
    }

    /// Whether something may be read there: not in the clear, and not on this machine or in its network unless the registry is there.
    pub(super) fn may_lead_to(&self, url: &Url) -> Result<(), OciError> {
        let own = is_local(self.base.host());
        if !own && !self.insecure && is_inner(url) {
            return Err(self.redirected(url, "which is this machine or its network: that way is not taken for another machine's word"));
        }
        let plain = self.insecure || (own && is_local(url.host()) && self.base.scheme() == "http");
        match url.scheme() {
            "https" => Ok(()),
            "http" if plain => Ok(()),
            _ => Err(self.redirected(url, "by plain http, where others could read and change what is sent")),
        }
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    fn redirected(&self, url: &Url, why: &'static str) -> OciError {
        OciError::Redirect { host: self.host.clone(), to: url.origin().ascii_serialization(), why }
    }

    /// The answer, if it has one of these statuses.
    pub(super) async fn must_be(&self, response: Response, wanted: &[StatusCode], what: &str) -> Result<Response, OciError> {
        let status = response.status();
        if wanted.contains(&status) {
            return Ok(response);
        }
        let hint = hint(status, self.credential.is_some());
        // A registry's own word is told if it is one: its text may repeat what it was sent.
        let code = self
            .read(response, SMALL, |_| {})
            .await
            .ok()
            .and_then(|body| word(&body))
            .map_or_else(String::new, |word| format!(" ({word})"));
        Err(OciError::Status { host: self.host.clone(), status: status.as_u16(), code, what: what.to_owned(), hint })
    }

    /// An answer's body, which must not have more than `most` bytes. `seen` is told how many there are so far.
    pub(super) async fn read(&self, mut response: Response, most: u64, mut seen: impl FnMut(u64)) -> Result<Vec<u8>, OciError> {
        let too_many = || self.answer(format!("answers with more than {most} bytes, and no more are read"));
        if response.content_length().is_some_and(|length| length > most) {
            return Err(too_many());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if (body.len() + chunk.len()) as u64 > most {
                return Err(too_many());
            }
            body.extend_from_slice(&chunk);
            seen(body.len() as u64);
        }
        Ok(body)
    }

    /// Without the URL, which may hold what is nobody's business.
    fn failed(&self, error: reqwest::Error) -> OciError {
        let why = match &error {
            error if error.is_timeout() => "gives no whole answer in time".to_owned(),
            _ => format!("cannot be called: {}", crate::command::chain(&error.without_url())),
        };
        OciError::Call { host: self.host.clone(), why }
    }
}

/// Whether it is this machine, or an address that only machines near it have.
fn is_inner(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address),
        Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical(),
        host => return is_local(host),
    };
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local() || address.is_unspecified(),
    }
}

fn hint(status: StatusCode, known: bool) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED if known => "the registry does not accept the credential",
        StatusCode::UNAUTHORIZED => "it wants to know who calls: `docker login`, or --username and --password-file",
        StatusCode::FORBIDDEN => "the caller may not do this there",
        StatusCode::NOT_FOUND => "there is no such repository, tag or digest, or the caller may not know of it",
        StatusCode::TOO_MANY_REQUESTS => "try it again later",
        StatusCode::PAYLOAD_TOO_LARGE => "it is too large for this registry",
        status if status.is_redirection() => "where it leads to is not followed for this",
        status if status.is_server_error() => "the registry, or what stands before it, has a fault",
        _ => "that is not what a registry answers",
    }
}

/// The first error's code, as `MANIFEST_UNKNOWN`.
fn word(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = body.pointer("/errors/0/code")?.as_str()?;
    let good = (1..=40).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    good.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(reference: &str, insecure: bool, root: bool) -> Client {
        let file = tempfile::NamedTempFile::new().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(file.path(), rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem()).unwrap();
        let access = Access { credential: None, root: root.then(|| file.path().to_owned()), insecure };
        Client::new(&reference.parse().unwrap(), &access, Doing::Pull).unwrap()
    }

    #[test]
    fn plain_http_is_for_this_machine_or_on_demand() {
        for (reference, insecure, root, scheme) in [
            ("oci://registry.example/a", false, false, "https"),
            ("oci://registry.example/a", true, false, "http"),
            ("oci://127.0.0.1:5000/a", false, false, "http"),
            ("oci://127.0.0.1:5000/a", false, true, "https"),
        ] {
            assert_eq!(client(reference, insecure, root).base.scheme(), scheme, "{reference} {insecure} {root}");
        }
    }

    #[test]
    fn what_a_registry_says_leads_neither_into_the_clear_nor_inwards() {
        let may = |from: &str, insecure: bool, to: &str| client(from, insecure, false).may_lead_to(&Url::parse(to).unwrap()).is_ok();
        let (there, here) = ("oci://registry.example/a", "oci://127.0.0.1:5000/a");
        assert!(may(there, false, "https://store.example/blob") && may(here, false, "http://127.0.0.1:9/blob"));
        for to in [
            "http://store.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost:8081/",
            "https://169.254.169.254/latest",
            "https://0.0.0.0/",
            "https://[::ffff:127.0.0.1]/",
        ] {
            assert!(!may(there, false, to), "{to}");
        }
        assert!(!may(here, false, "http://store.example/") && may(there, true, "http://store.example/"));
    }

    #[test]
    fn only_a_word_is_told_of_what_a_registry_says() {
        assert_eq!(word(br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"secret"}]}"#).as_deref(), Some("MANIFEST_UNKNOWN"));
        for body in [&br#"{"errors":[{"code":"Basic YW5hOnNlY3JldA=="}]}"#[..], b"{}", b"no json"] {
            assert_eq!(word(body), None);
        }
    }
}
