//! An Elasticsearch that is called.

use super::ElkError;
use crate::calling::{SecretFile, trusted};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::headers::{CONTENT_TYPE, HeaderMap, HeaderValue};
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::CertificateDer;
use url::Url;

pub(super) use elasticsearch::http::Method;

/// An answer that takes longer does not come.
const LONGEST: Duration = Duration::from_secs(60);
/// The most characters that are shown of an answer that nobody expects.
const SHOWN: usize = 300;

/// Who calls.
#[derive(Clone)]
pub(crate) enum Credential {
    /// Nobody in particular.
    None,
    /// A user, with a password.
    User(String, String),
    /// An API key, as Elasticsearch encodes it.
    ApiKey(String),
}

impl std::fmt::Debug for Credential {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::User(..) => "User",
            Self::ApiKey(_) => "ApiKey",
        })
    }
}

impl Credential {
    /// The API key in this file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds none: the client would panic with it.
    pub(crate) fn api_key(path: &Path) -> Result<Self, ElkError> {
        let text = SecretFile::open(path)?.text();
        match key_id(&text) {
            Some(_) => Ok(Self::ApiKey(text.as_ref().to_owned())),
            None => Err(ElkError::NoApiKey { path: path.to_owned() }),
        }
    }

    /// A user, with the password in this file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn user(name: &str, path: &Path) -> Result<Self, ElkError> {
        Ok(Self::User(name.to_owned(), SecretFile::open(path)?.text().as_ref().to_owned()))
    }

    fn credentials(&self) -> Option<Credentials> {
        match self {
            Self::None => None,
            Self::User(name, password) => Some(Credentials::Basic(name.clone(), password.clone())),
            Self::ApiKey(encoded) => Some(Credentials::EncodedApiKey(encoded.clone())),
        }
    }
}

/// The id of an API key as Elasticsearch encodes it; none if it is no such key.
pub(super) fn key_id(encoded: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    (!id.is_empty() && !secret.is_empty()).then(|| id.to_owned())
}

/// A URL that somebody wrote as that of a server.
///
/// # Errors
/// When it is none, or holds a password: those of everybody on the machine can be seen.
pub(super) fn address(url: &str) -> Result<Url, ElkError> {
    let good = |parsed: &Url| {
        let open = parsed.username().is_empty() && parsed.password().is_none();
        matches!(parsed.scheme(), "http" | "https") && parsed.has_host() && open && parsed.query().is_none() && parsed.fragment().is_none()
    };
    Url::parse(url).ok().filter(good).ok_or_else(|| ElkError::Url { url: url.split('@').next_back().unwrap_or_default().to_owned() })
}

/// What Elasticsearch answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status. The client makes no error of any.
    pub(super) status: u16,
    /// The body; null if it is not JSON.
    pub(super) json: Value,
    /// The body as it came.
    pub(super) text: String,
}

impl Answer {
    pub(super) fn new(status: u16, text: String) -> Self {
        Self { status, json: serde_json::from_str(&text).unwrap_or_default(), text }
    }

    /// Why it is not what was hoped for, in the server's words.
    pub(super) fn reason(&self) -> String {
        let error = &self.json["error"];
        let reason = error["reason"].as_str().or_else(|| error.as_str()).or_else(|| self.json["message"].as_str());
        let cause = error["caused_by"]["reason"].as_str().map(|cause| format!(": {cause}")).unwrap_or_default();
        let reason = reason.map_or_else(|| self.shown(), |reason| format!("{reason}{cause}"));
        match self.status {
            401 => format!("{reason} (say who calls with --user and --password-file, or with --api-key-file)"),
            403 => format!("{reason} (elk/README.md has the privileges that it takes)"),
            _ => reason,
        }
    }

    fn shown(&self) -> String {
        self.text.chars().take(SHOWN).collect::<String>().replace(['\n', '\r'], " ")
    }

    /// The body of an answer that went well.
    ///
    /// # Errors
    /// When it did not, or is no JSON. `what` is what was asked.
    pub(super) fn ok(self, what: &str) -> Result<Value, ElkError> {
        match self.status {
            200 | 201 if self.json.is_object() => Ok(self.json),
            200..=399 => Err(ElkError::Strange { what: what.to_owned(), answer: self.shown() }),
            status => Err(ElkError::Refused { what: what.to_owned(), status, reason: self.reason() }),
        }
    }
}

/// An Elasticsearch, by the addresses of some of its nodes.
#[derive(Debug)]
pub(crate) struct Server {
    nodes: Vec<(Url, Transport)>,
}

impl Server {
    /// One with these addresses, of which at least one is given; it is not called yet.
    ///
    /// # Errors
    /// When an address is none, or the certificates are.
    pub(crate) fn new(urls: &[String], root: Option<&Path>, credential: &Credential) -> Result<Self, ElkError> {
        let trusted = trusted(root)?;
        let node = |url: &String| {
            let url = address(url)?;
            let builder = TransportBuilder::new(SingleNodeConnectionPool::new(url.clone()));
            let builder = builder.disable_proxy().enable_meta_header(false).timeout(LONGEST);
            let builder = builder.cert_validation(roots(&trusted)?);
            let builder = match credential.credentials() {
                Some(credentials) => builder.auth(credentials),
                None => builder,
            };
            Ok((url, builder.build().map_err(|error| ElkError::Client(error.into()))?))
        };
        Ok(Self { nodes: urls.iter().map(node).collect::<Result<_, ElkError>>()? })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// When no node answers.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, ElkError> {
        self.send(Method::Get, path, None).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// When no node answers.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, ElkError> {
        self.call(method, path, body.map(|body| body.to_string().into_bytes()), "application/json").await
    }

    /// Sends lines of a bulk request.
    ///
    /// # Errors
    /// When no node answers.
    pub(super) async fn bulk(&self, lines: Vec<u8>) -> Result<Answer, ElkError> {
        self.call(Method::Post, "/_bulk", Some(lines), "application/x-ndjson").await
    }

    /// Sends a request to the first node that answers. It must do no harm if it arrives twice.
    async fn call(&self, method: Method, path: &str, body: Option<Vec<u8>>, form: &'static str) -> Result<Answer, ElkError> {
        let mut unreachable = None;
        for (url, transport) in &self.nodes {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(form))]);
            let answer = match transport.send(method, path, headers, None::<&()>, body.clone(), None).await {
                Ok(response) => {
                    let status = response.status_code().as_u16();
                    response.text().await.map(|text| Answer::new(status, text))
                }
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(source) => unreachable = Some(ElkError::Unreachable { server: url.to_string(), source }),
            }
        }
        Err(unreachable.unwrap_or_else(|| ElkError::Url { url: String::new() }))
    }
}

/// Whom a connection trusts beside those that the library knows.
fn roots(trusted: &[CertificateDer<'_>]) -> Result<CertificateValidation, ElkError> {
    let mut roots: Option<Certificate> = None;
    for der in trusted {
        let certificate = Certificate::from_der(der).map_err(ElkError::Client)?;
        match &mut roots {
            Some(roots) => roots.append(certificate),
            None => roots = Some(certificate),
        }
    }
    Ok(roots.map_or(CertificateValidation::Default, CertificateValidation::Full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_form() {
        let key = |text: &str| key_id(&STANDARD.encode(text));
        assert_eq!(key("id:secret").as_deref(), Some("id"));
        assert_eq!((key("id"), key(":secret"), key("id:"), key_id("not base64"), key_id("\n")), (None, None, None, None, None));
    }

    #[test]
    fn an_address_has_no_password_and_the_error_does_not_repeat_it() {
        assert!(address("https://one.example:9200/prefix").is_ok());
        for bad in ["", "one.example:9200", "ftp://one.example", "http://", "http://a/?b"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        let error = address("https://elastic:changeme@one.example:9200").unwrap_err().to_string();
        assert!(error.contains("one.example") && !error.contains("changeme"), "{error}");
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let reason = |status, text: &str| Answer::new(status, text.into()).ok("it").unwrap_err().to_string();
        let full = r#"{"error":{"reason":"not so","caused_by":{"reason":"because"}},"status":400}"#;
        assert_eq!(reason(400, full), "it is refused with status 400: not so: because");
        assert_eq!(reason(400, r#"{"error":"no handler"}"#), "it is refused with status 400: no handler");
        assert_eq!(reason(409, r#"{"message":"a conflict"}"#), "it is refused with status 409: a conflict");
        assert!(reason(401, "{}").ends_with("(say who calls with --user and --password-file, or with --api-key-file)"));
        assert!(reason(500, "<html>\noops").ends_with("500: <html> oops"));
        assert!(reason(200, "<html>").contains("no Elasticsearch"));
    }
}
