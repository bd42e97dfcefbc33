//! The console's login over HTTP: the browser is sent to the provider and comes back, and then has a session, whose secret is in a cookie. How
//! a login is checked stands in `identity/login.rs`; here is what of it a browser sees.
//!
//! A session's cookie is sent by the browser whatever page asks for it. So it counts as a credential only for what changes nothing, or together
//! with a header that only a page of ours can set.
//!
//! The console's pages stand in `pages.rs` beside this; whom its login lets in elsewhere, in `forward_auth.rs`.

pub(super) mod forward_auth;
pub(super) mod pages;

use super::acts::Origin;
use super::score::json;
use super::{Problem, Service};
use crate::access::Caller;
use crate::auditing::{Action, AuditOutcome};
use crate::identity::login::{Answered, Login, LoginRefused, Session};
use crate::identity::{CredentialRefused, now};
use crate::telemetry::metrics::KeySets;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use url::form_urlencoded;
use utoipa::ToSchema;

/// Where a login leads to if it was not begun elsewhere.
const CONSOLE: &str = "/console";
/// What a page of ours sends with what changes something.
const CSRF: &str = "x-csrf-token";
/// Seconds that a browser keeps the cookie of a login for; the login itself is forgotten after as many.
const LOGIN_SECONDS: u32 = 600;

/// A cookie of the console.
#[derive(Debug, Clone, Copy)]
enum Cookie {
    /// Binds a login that was begun to the browser that it was begun with.
    Login,
    /// Holds a session's secret.
    Session,
}

impl Cookie {
    /// Every name of either.
    const NAMES: [&str; 4] = ["__Host-synod-login", "synod-login", "__Host-synod", "synod"];

    /// The prefix makes browsers refuse the cookie from anybody but this very host by HTTPS (draft-ietf-httpbis-rfc6265bis, section 4.1.3.2).
    /// Without HTTPS, which only a loopback address may be, it cannot be used.
    fn name(self, login: &Login) -> &'static str {
        match (self, is_encrypted(login)) {
            (Self::Login, true) => "__Host-synod-login",
            (Self::Login, false) => "synod-login",
            (Self::Session, true) => "__Host-synod",
            (Self::Session, false) => "synod",
        }
    }

    /// The value of a `Set-Cookie`. `seconds` is how long the browser keeps it; without, until it is closed.
    fn set(self, login: &Login, value: &str, seconds: Option<u32>) -> Option<HeaderValue> {
        let secure = if is_encrypted(login) { "; Secure" } else { "" };
        let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        HeaderValue::from_str(&format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}", self.name(login))).ok()
    }

    /// The value that the browser sent. If it sent several, somebody tries something, and none counts.
    fn sent<'a>(self, login: &Login, headers: &'a HeaderMap) -> Option<&'a str> {
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == self.name(login)).map(|(_, value)| value);
        let first = values.next()?;
        if values.next().is_none() { Some(first) } else { None }
    }
}

fn is_encrypted(login: &Login) -> bool {
    login.redirect().scheme() == "https"
}

/// Who calls by a session; nothing if nobody does. A session that has ended is none: the browser cannot know that it has.
pub(super) fn caller(service: &Service, request: &Request) -> Option<Result<Caller, CredentialRefused>> {
    let login = service.identity.login()?;
    let session = session_of(login, request.headers())?;
    match is_safe(request.method()) || is_of_own_page(login, &session, request.headers()) {
        true => Some(Ok(session.caller().clone())),
        false => Some(Err(CredentialRefused { reason: "csrf" })),
    }
}

/// Whether a method changes nothing (RFC 9110, section 9.2.1).
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn session_of(login: &Login, headers: &HeaderMap) -> Option<Session> {
    login.session(Cookie::Session.sent(login, headers)?)
}

/// Whether a page of the console itself sends this: it knows the session's token, and the browser says where it comes from.
fn is_of_own_page(login: &Login, session: &Session, headers: &HeaderMap) -> bool {
    let token = headers.get(CSRF).map(|value| value.to_str().unwrap_or_default());
    comes_from_here(login, headers) && token.is_some_and(|token| session.is_csrf(token))
}

/// Whether the browser says that a page of the console's own origin asked for this, and nothing else.
fn comes_from_here(login: &Login, headers: &HeaderMap) -> bool {
    let of = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = of("origin").map(|origin| origin == login.redirect().origin().ascii_serialization());
    let site = of("sec-fetch-site").map(|site| site == "same-origin");
    let is_known = origin.is_some() || site.is_some();
    is_known && origin != Some(false) && site != Some(false)
}

/// `GET /console/login`: sends the browser to the provider.
pub(super) async fn login(State(service): State<Arc<Service>>, uri: Uri) -> Result<Response, Problem> {
    let login = service.identity.login().ok_or_else(Problem::not_found)?;
    let query = Parameters::read(uri.query())?;
    let begun = login.begin(query.one("return_to").unwrap_or(CONSOLE)).map_err(|refused| match refused {
        LoginRefused::ReturnTo => Problem::bad_query("`return_to` must be a path of this service, as /console"),
        LoginRefused::NotReady => Problem::no_login(),
        _ => Problem::internal(),
    })?;
    let cookie = Cookie::Login.set(login, &begun.browser, Some(LOGIN_SECONDS));
    Ok(see_other(begun.location.as_str(), [cookie, None]))
}

/// `GET /console/callback`: the browser comes back with the provider's answer.
pub(super) async fn callback(
    State(service): State<Arc<Service>>,
    origin: Origin,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let login = service.identity.login().ok_or_else(Problem::not_found)?;
    let query = Parameters::read(uri.query())?;
    let answered = Answered {
        state: query.one("state").unwrap_or_default(),
        code: query.one("code"),
        issuer: query.one("iss"),
        error: query.one("error"),
        browser: Cookie::Login.sent(login, &headers),
    };
    let finished = login.finish(answered, now()).await;
    KeySets::all().login(finished.as_ref().map_or_else(|refused| refused.code(), |_| "logged_in"));
    match finished {
        Ok(logged_in) => {
            let act = origin.record(Action::LOGGED_IN, AuditOutcome::Allowed);
            let act = login.session(&logged_in.secret).iter().fold(act, |act, session| act.by(session.caller()));
            service.audited(&act).await?;
            // A browser that logs in anew has no use for the session that it had.
            Cookie::Session.sent(login, &headers).inspect(|before| login.end(before));
            let cookies = [Cookie::Session.set(login, &logged_in.secret, None), Cookie::Login.set(login, "", Some(0))];
            Ok(see_other(&logged_in.return_to, cookies))
        }
        Err(refused) => {
            service.refuse_credential(refused.code(), &origin);
            Err(Problem::login_failed())
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct WhoAmI<'a> {
    caller: &'a str,
    /// As the provider calls who is logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<&'a str>,
    #[schema(value_type = Vec<String>)]
    roles: BTreeSet<&'a str>,
    /// What these allow, within what the credential is limited to.
    permissions: Vec<String>,
    /// Whether people can log in here, at an identity provider.
    login: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant: Option<&'a str>,
    /// Of a session: what requests send as `x-csrf-token` that change something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    csrf_token: Option<&'a str>,
}

/// `GET /console/session`: who calls, and what they may. For a session with the token that requests need which change something. Somebody who
/// may do nothing without a credential is told whether there is a login.
pub(super) async fn session(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let login = service.identity.login();
    let permissions: Vec<String> = caller.permissions().iter().map(ToString::to_string).collect();
    if !caller.is_known() && permissions.is_empty() {
        return Err(if login.is_some() { Problem::no_credential() } else { Problem::not_found() });
    }
    let session = login.and_then(|login| session_of(login, &headers)).filter(|session| session.caller().name() == caller.name());
    let roles = match caller.principal() {
        Some(principal) => principal.roles.iter().map(String::as_str).collect(),
        None => service.config.identity.anonymous.iter().map(String::as_str).collect(),
    };
    let who = WhoAmI {
        caller: caller.name(),
        name: session.as_ref().and_then(Session::name),
        roles,
        permissions,
        login: login.is_some(),
        tenant: caller.tenant(),
        csrf_token: session.as_ref().map(Session::csrf),
    };
    Ok(unstored(json(&who)?))
}

/// `POST /console/logout`: ends the session. The provider's own session goes on.
pub(super) async fn logout(State(service): State<Arc<Service>>, headers: HeaderMap) -> Result<Response, Problem> {
    let login = service.identity.login().ok_or_else(Problem::not_found)?;
    Cookie::Session.sent(login, &headers).inspect(|secret| login.end(secret));
    let response = StatusCode::NO_CONTENT.into_response();
    Ok(unstored(with_cookies(response, [Cookie::Session.set(login, "", Some(0)), None])))
}

fn see_other(location: &str, cookies: [Option<HeaderValue>; 2]) -> Response {
    // Whoever is sent on does not learn where from: the path of the callback holds a code.
    let headers = [(header::LOCATION, location), (header::REFERRER_POLICY, "no-referrer")];
    unstored(with_cookies((StatusCode::SEE_OTHER, headers).into_response(), cookies))
}

fn with_cookies(mut response: Response, cookies: [Option<HeaderValue>; 2]) -> Response {
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What stands behind the `?`. Providers may add what they like, but nothing stands twice (RFC 6749, section 3.1).
struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Parameters<'a> {
    fn read(query: Option<&'a str>) -> Result<Self, Problem> {
        let pairs: Vec<_> = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect();
        let mut names = BTreeSet::new();
        match pairs.iter().all(|(name, _)| names.insert(name)) {
            true => Ok(Self(pairs)),
            false => Err(Problem::bad_query("a parameter stands twice")),
        }
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::login::tests::login;

    #[test]
    fn cookies_are_this_hosts_alone_wherever_that_can_be_had() {
        let [public, here] =
            ["https://synod.example/console/callback", "http://127.0.0.1:8080/console/callback"].map(|url| login(url, None));
        let set = |cookie: Cookie, login| cookie.set(login, "x", Some(600)).unwrap();
        assert_eq!(set(Cookie::Login, &public), "__Host-synod-login=x; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=600");
        assert_eq!(Cookie::Session.set(&public, "x", None).unwrap(), "__Host-synod=x; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(set(Cookie::Session, &here), "synod=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=600");
    }

    #[test]
    fn a_cookie_counts_if_it_was_sent_once() {
        let login = login("https://synod.example/console/callback", None);
        let cases: [(&[&str], Option<&str>); 6] = [
            (&["__Host-synod=x"], Some("x")),
            (&["a=b; __Host-synod=x;c=d"], Some("x")),
            (&["a=b", "__Host-synod=x"], Some("x")),
            (&["__Host-synod=x; __Host-synod=y"], None),
            (&["__Host-synod=x", "__Host-synod=y"], None),
            (&["synod=x; __Host-synod-login=x; __host-synod=x"], None),
        ];
        for (lines, expected) in cases {
            let headers = lines.iter().map(|line| (header::COOKIE, line.parse().unwrap())).collect();
            assert_eq!(Cookie::Session.sent(&login, &headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_parameter_stands_once() {
        assert_eq!(Parameters::read(Some("state=a%20b&x=&iss")).unwrap().one("state"), Some("a b"));
        assert!(Parameters::read(Some("state=a&code=b&st%61te=a")).is_err());
        assert_eq!(Parameters::read(None).unwrap().one("state"), None);
    }
}
