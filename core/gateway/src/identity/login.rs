//! The console's login: by authorization code with PKCE at one of the providers (OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9700). The
//! service is the client, and a browser gets no token: only the secret of a session that is kept here. It does not know cookies or HTTP's
//! headers (`http/console.rs`).
//!
//! Sessions are in memory: after a restart people log in again.

mod table;

use self::table::{Bounds, Table, digest, secret};
use super::providers::discovery::Endpoints;
use super::providers::{Provider, Providers, TokenRefused};
use crate::access::{Caller, Roles};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use synod_identity::{ClaimNames, IdToken, Issuer, Verifier};
use thiserror::Error;
use url::{Url, form_urlencoded};

/// Logins that were begun. One is a few hundred bytes and the path that it leads back to.
const PENDING: Bounds = Bounds { longest: Duration::from_mins(10), idle: Duration::from_mins(10), most: 4096 };
const SESSIONS: Bounds = Bounds { longest: Duration::from_hours(12), idle: Duration::from_mins(30), most: 10_000 };
/// The longest code that is passed on.
const LONGEST_CODE: usize = 4096;
/// The longest path that a login leads back to. Those of dashboards hold whole queries.
const LONGEST_PATH: usize = 2048;
/// A client's secret that is longer is none.
const LONGEST_SECRET: usize = 1024;

/// The console's login, as configured.
#[derive(Debug, Clone)]
pub struct LoginConfig {
    /// The provider's name.
    pub issuer: String,
    /// What the provider calls this service.
    pub client_id: String,
    /// The file of the secret that both share, if there is one.
    pub client_secret_file: Option<PathBuf>,
    /// Where the provider sends the browser: `https://…/console/callback`.
    pub redirect: Url,
    /// What is asked for.
    pub scopes: Vec<String>,
}

/// Why there can be no login.
#[derive(Debug, Error)]
pub enum LoginMistake {
    /// The secret cannot be read.
    #[error("identity.login.client_secret_file: cannot read {}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The secret is none.
    #[error("identity.login.client_secret_file: {} must hold one line of visible characters, at most {LONGEST_SECRET}", path.display())]
    NoSecret {
        /// The file.
        path: PathBuf,
    },
    /// The issuer is not configured.
    #[error("identity.login.issuer: there is no issuer `{0}` in `identity.issuers`")]
    Issuer(String),
}

/// Why a login does not succeed. The reasons are for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefused {
    /// The provider's discovery document is not there yet, or has no place for logins.
    NotReady,
    /// `return_to` leads elsewhere.
    ReturnTo,
    /// No such login was begun, or too long ago, or it was answered before.
    UnknownState,
    /// It was begun by another browser.
    OtherBrowser,
    /// The answer is another provider's.
    OtherIssuer,
    /// The provider refused.
    Provider,
    /// There is no code.
    NoCode,
    /// The provider did not exchange the code.
    Exchange,
    /// The ID token does not hold.
    Token(TokenRefused),
    /// The system has no randomness.
    Randomness,
}

impl LoginRefused {
    /// A stable word.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotReady => "not_ready",
            Self::ReturnTo => "return_to",
            Self::UnknownState => "unknown_state",
            Self::OtherBrowser => "other_browser",
            Self::OtherIssuer => "other_issuer",
            Self::Provider => "refused_by_provider",
            Self::NoCode => "no_code",
            Self::Exchange => "exchange",
            Self::Token(refused) => refused.code(),
            Self::Randomness => "randomness",
        }
    }
}

/// A login that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes now.
    pub location: Url,
    /// What the browser has to bring back beside the provider's answer.
    pub browser: String,
}

/// The provider's answer, as the browser brings it.
#[derive(Debug, Default)]
pub struct Answered<'a> {
    /// `state`.
    pub state: &'a str,
    /// `code`.
    pub code: Option<&'a str>,
    /// `iss`.
    pub issuer: Option<&'a str>,
    /// `error`.
    pub error: Option<&'a str>,
    /// What [`Begun::browser`] was.
    pub browser: Option<&'a str>,
}

/// A login that succeeded.
#[derive(Debug)]
pub struct LoggedIn {
    /// The session's secret.
    pub secret: String,
    /// The session.
    pub session: Session,
    /// Where the browser goes now.
    pub return_to: String,
}

/// Somebody who is logged in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Session(Arc<OfSession>);

#[derive(Debug)]
struct OfSession {
    caller: Caller,
    name: Option<String>,
    csrf: String,
}

impl Session {
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// What people call them.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// What requests that change something have to bring, and a page of another origin cannot read.
    pub fn csrf(&self) -> &str {
        &self.0.csrf
    }

    /// Whether this is [`Session::csrf`]. Digests are compared, so that how long it takes tells nothing.
    pub fn is_csrf(&self, sent: &str) -> bool {
        digest(sent) == digest(&self.0.csrf)
    }
}

#[derive(Debug, Clone)]
struct Pending {
    nonce: String,
    verifier: String,
    browser: [u8; 32],
    return_to: String,
}

/// Logins and sessions.
#[derive(Debug)]
pub struct Login {
    config: LoginConfig,
    client_secret: Option<String>,
    provider: Arc<Provider>,
    /// What ID tokens have to say: they are for this client, and limit nothing by scopes.
    issuer: Issuer,
    roles: Roles,
    pending: Table<Pending>,
    sessions: Table<Session>,
}

impl Login {
    /// A login at one of these providers.
    ///
    /// # Errors
    /// When there is no such provider, or the secret cannot be read.
    pub fn new(config: LoginConfig, providers: &Providers, roles: &Roles) -> Result<Self, LoginMistake> {
        let provider = providers.named(&config.issuer).ok_or_else(|| LoginMistake::Issuer(config.issuer.clone()))?.clone();
        let client_secret = config.client_secret_file.as_ref().map(read_secret).transpose()?;
        let of_access = &provider.config().issuer;
        let claims = ClaimNames { scopes: None, ..of_access.claims.clone() };
        let issuer = Issuer { audiences: vec![config.client_id.clone()], claims, ..of_access.clone() };
        let (pending, sessions) = (Table::new(PENDING), Table::new(SESSIONS));
        Ok(Self { config, client_secret, provider, issuer, roles: roles.clone(), pending, sessions })
    }

    /// Where the browser comes back to.
    pub fn redirect(&self) -> &Url {
        &self.config.redirect
    }

    /// Whether a login can lead back there: to a path of this service.
    pub fn leads_back_to(&self, path: &str) -> bool {
        is_local(path, &self.config.redirect)
    }

    /// Begins a login that leads back to this path.
    ///
    /// # Errors
    /// When the provider cannot be asked, or the path leads elsewhere.
    pub fn begin(&self, return_to: &str) -> Result<Begun, LoginRefused> {
        if !self.leads_back_to(return_to) {
            return Err(LoginRefused::ReturnTo);
        }
        let endpoints = self.endpoints()?;
        let random = || secret().map_err(|_| LoginRefused::Randomness);
        let (state, nonce, verifier, browser) = (random()?, random()?, random()?, random()?);
        let location = self.location(&endpoints, &state, &nonce, &verifier);
        let pending = Pending { nonce, verifier, browser: digest(&browser), return_to: return_to.to_owned() };
        self.pending.insert(&state, pending, Instant::now());
        Ok(Begun { location, browser })
    }

    /// Ends a login by the provider's answer. Whatever comes of it, the same answer cannot be used again.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub async fn finish(&self, answered: Answered<'_>, now: u64) -> Result<LoggedIn, LoginRefused> {
        let pending = self.pending.take(answered.state, Instant::now()).ok_or(LoginRefused::UnknownState)?;
        // Digests of random secrets: how long comparing them takes tells nothing.
        if answered.browser.map(digest) != Some(pending.browser) {
            return Err(LoginRefused::OtherBrowser);
        }
        let endpoints = self.endpoints()?;
        self.check_issuer(&endpoints, answered.issuer)?;
        if answered.error.is_some() {
            return Err(LoginRefused::Provider);
        }
        let code = answered.code.filter(|code| !code.is_empty() && code.len() <= LONGEST_CODE).ok_or(LoginRefused::NoCode)?;
        let token = self.exchange(&endpoints, code, &pending.verifier).await?;
        let who = self.verified(&token, &pending.nonce, now).await.map_err(LoginRefused::Token)?;
        let (secret, session) = self.open(who, now)?;
        Ok(LoggedIn { secret, session, return_to: pending.return_to })
    }

    /// The session of this secret; it counts as used.
    pub fn session(&self, secret: &str) -> Option<Session> {
        self.sessions.get(secret, Instant::now())
    }

    /// Ends a session, if there is one.
    pub fn end(&self, secret: &str) {
        drop(self.sessions.take(secret, Instant::now()));
    }

    fn endpoints(&self) -> Result<Endpoints, LoginRefused> {
        self.provider.login().ok_or(LoginRefused::NotReady)
    }

    fn location(&self, endpoints: &Endpoints, state: &str, nonce: &str, verifier: &str) -> Url {
        let mut location = endpoints.authorization.clone();
        location
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", self.config.redirect.as_str())
            .append_pair("scope", &self.config.scopes.join(" "))
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(digest(verifier)))
            .append_pair("code_challenge_method", "S256");
        location
    }

    /// RFC 9207, section 2.4: an answer that names its issuer names ours; one that does not is good only if the issuer never does.
    fn check_issuer(&self, endpoints: &Endpoints, named: Option<&str>) -> Result<(), LoginRefused> {
        let good = match named {
            Some(named) => named == self.issuer.issuer,
            None => !endpoints.names_itself,
        };
        if good { Ok(()) } else { Err(LoginRefused::OtherIssuer) }
    }

    /// The ID token for a code (RFC 6749, section 4.1.3).
    async fn exchange(&self, endpoints: &Endpoints, code: &str, verifier: &str) -> Result<String, LoginRefused> {
        #[derive(Deserialize)]
        struct Tokens {
            id_token: String,
        }
        let failed = |reason: &str, error: String| {
            tracing::warn!(issuer = self.config.issuer, reason, error, "an identity provider does not exchange a code");
            LoginRefused::Exchange
        };
        let (form, basic) = self.credentials(endpoints, code, verifier);
        let basic = basic.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        let answer = self.provider.fetcher().post(&endpoints.token, form, basic).await;
        let (status, body) = answer.map_err(|error| failed(error.code(), crate::listening::chain(&error)))?;
        if status != 200 {
            return Err(failed("status", format!("status {status}, {}", error_code(&body))));
        }
        // What the body is stays unsaid: it holds tokens.
        let tokens: Tokens = serde_json::from_slice(&body).map_err(|_| failed("body", "there is no id_token".into()))?;
        Ok(tokens.id_token)
    }

    /// The form that a code is exchanged by, and what goes into `Authorization`.
    fn credentials(&self, endpoints: &Endpoints, code: &str, verifier: &str) -> (String, Option<(String, String)>) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", self.config.redirect.as_str())
            .append_pair("code_verifier", verifier);
        let id = &self.config.client_id;
        let basic = match &self.client_secret {
            None => None,
            Some(secret) if endpoints.secret_in_form => {
                form.append_pair("client_secret", secret);
                None
            }
            // Both are encoded once more (RFC 6749, section 2.3.1).
            Some(secret) => Some((encoded(id), encoded(secret))),
        };
        if basic.is_none() {
            form.append_pair("client_id", id);
        }
        (form.finish(), basic)
    }

    async fn verified(&self, token: &str, nonce: &str, now: u64) -> Result<IdToken, TokenRefused> {
        let check = |verifier: &Verifier| {
            let of_client = Verifier::new(self.issuer.clone(), verifier.keys().clone()).expect("it differs in a name that is not empty");
            of_client.verify_id_token(token, nonce, now)
        };
        self.provider.check(check).await
    }

    fn open(&self, who: IdToken, now: u64) -> Result<(String, Session), LoginRefused> {
        let mut principal = self.provider.in_our_words(who.principal);
        // The token was good for the login; the session has its own end.
        principal.expires = now + SESSIONS.longest.as_secs();
        let random = || secret().map_err(|_| LoginRefused::Randomness);
        let (secret, csrf) = (random()?, random()?);
        let session = Session(Arc::new(OfSession { caller: Caller::known(principal, &self.roles), name: who.name, csrf }));
        self.sessions.insert(&secret, session.clone(), Instant::now());
        Ok((secret, session))
    }
}

fn read_secret(path: &PathBuf) -> Result<String, LoginMistake> {
    let text = fs::read_to_string(path).map_err(|source| LoginMistake::Secret { path: path.clone(), source })?;
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    let good = !secret.is_empty() && secret.len() <= LONGEST_SECRET && secret.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(secret.to_owned()) } else { Err(LoginMistake::NoSecret { path: path.clone() }) }
}

/// Whether a path stays where the console is: what a browser makes of it has the same origin, and it looks like a path to people as well.
fn is_local(path: &str, here: &Url) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let looks_local = path.starts_with('/') && !path.starts_with("//") && path.len() <= LONGEST_PATH && path.bytes().all(plain);
    looks_local && here.join(path).is_ok_and(|url| url.origin() == here.origin())
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The `error` of a refusal (RFC 6749, section 5.2), if it is a word that can be logged.
fn error_code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Text {
        error: String,
    }
    let word = |text: &Text| text.error.len() <= 64 && text.error.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    serde_json::from_slice(body).ok().filter(word).map_or_else(|| "no error code".into(), |text: Text| text.error)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::identity::providers::{KeysAt, ProviderConfig};
    use std::collections::BTreeMap;
    use synod_identity::Algorithm;

    /// A login of a browser that comes back to this URL, at a provider that nobody asks.
    pub(crate) fn login(redirect: &str, client_secret: Option<&str>) -> Login {
        let provider = ProviderConfig {
            name: "bank".into(),
            issuer: Issuer::new("https://issuer.example", &["synod"], &[Algorithm::Es256]),
            keys_at: KeysAt::Discovery(Url::parse("https://issuer.example/.well-known/openid-configuration").unwrap()),
            root: None,
            roles: BTreeMap::new(),
            refresh: Duration::from_hours(1),
            refetch: Duration::from_hours(1),
            private: false,
        };
        let config = LoginConfig {
            issuer: "bank".into(),
            client_id: "con sole".into(),
            client_secret_file: None,
            redirect: Url::parse(redirect).unwrap(),
            scopes: vec!["openid".into(), "profile".into()],
        };
        let login = Login::new(config, &Providers::new(&[provider]).unwrap(), &Roles::default()).unwrap();
        Login { client_secret: client_secret.map(str::to_owned), ..login }
    }

    fn endpoints(secret_in_form: bool) -> Endpoints {
        Endpoints {
            authorization: Url::parse("https://issuer.example/authorize?realm=staff").unwrap(),
            token: Url::parse("https://issuer.example/token").unwrap(),
            secret_in_form,
            names_itself: true,
        }
    }

    #[test]
    fn a_client_proves_who_it_is_as_the_provider_wants_it() {
        let redirect = "https://synod.example/console/callback";
        let sent = |secret, in_form| {
            let (form, basic) = login(redirect, secret).credentials(&endpoints(in_form), "the code", "verifier");
            let form: BTreeMap<String, String> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
            assert_eq!(
                (&form["code"], &form["code_verifier"], &form["redirect_uri"]),
                (&"the code".into(), &"verifier".into(), &redirect.into())
            );
            (form.get("client_id").cloned(), form.get("client_secret").cloned(), basic)
        };
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(sent(None, false), (of("con sole"), None, None));
        assert_eq!(sent(Some("a:b"), true), (of("con sole"), of("a:b"), None));
        assert_eq!(sent(Some("a:b"), false), (None, None, Some(("con+sole".into(), "a%3Ab".into()))));
    }

    #[test]
    fn the_browser_is_sent_on_with_a_challenge_and_without_its_answer() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let url = login("https://synod.example/console/callback", Some("s3cret")).location(&endpoints(false), "st", "no", verifier);
        let sent: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        let expected = [
            ("client_id", "con sole"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("nonce", "no"),
            ("realm", "staff"),
            ("redirect_uri", "https://synod.example/console/callback"),
            ("response_type", "code"),
            ("scope", "openid profile"),
            ("state", "st"),
        ];
        assert_eq!(sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nothing_is_begun_before_the_provider_has_said_where() {
        let login = login("https://synod.example/console/callback", None);
        assert_eq!(login.begin("/console").unwrap_err(), LoginRefused::NotReady);
        assert_eq!(login.begin("//other.example").unwrap_err(), LoginRefused::ReturnTo);
    }

    #[test]
    fn a_login_leads_back_to_where_it_came_from_and_nowhere_else() {
        let here = Url::parse("https://synod.example:8443/console/callback").unwrap();
        for path in ["/", "/console", "/console?tab=a&x=%2F", "/console/a#b", "/a/../b", "/@other.example", "/:80"] {
            assert!(is_local(path, &here), "{path}");
        }
        let long = format!("/{}", "a".repeat(LONGEST_PATH));
        #[rustfmt::skip]
        let elsewhere = [
            "", "console", "//other.example", "///other.example", "/\\other.example", "\\/other.example", "https://other.example", "/a\\b",
            "javascript:alert(1)", "/\t/other.example", "/\n/other.example", "/ a", " /a", "/é", "@other.example", ".", "..", "?a", &long,
        ];
        for path in elsewhere {
            assert!(!is_local(path, &here), "{path:?}");
        }
    }

    #[test]
    fn a_secret_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            read_secret(&path)
        };
        assert!(["s3cret", "s3cret\n", "s3cret\r\n"].iter().all(|text| read(text).unwrap() == "s3cret"));
        assert!(["", "\n", "a b", "a\nb", " a", "a\n\n", &"x".repeat(1025)].iter().all(|text| read(text).is_err()));
        assert!(read_secret(&folder.path().join("none")).unwrap_err().to_string().contains("client_secret_file"));
    }

    #[test]
    fn of_a_refusal_only_a_word_is_told() {
        assert_eq!(error_code(br#"{"error":"invalid_grant","error_description":"secret"}"#), "invalid_grant");
        assert_eq!(error_code(br#"{"error":"a\nb"}"#), "no error code");
        assert_eq!(error_code(b"<html>"), "no error code");
    }
}
