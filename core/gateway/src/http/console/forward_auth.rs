//! Whom a reverse proxy lets through to the tools that stand beside Synod: Kibana, Grafana, Prometheus, Alertmanager. The proxy asks here about
//! each request to one of them ("forward-auth"), so that one login and one table of roles protects them all.
//!
//! What is asked about is another request than the one that asks: its method and its path stand in fields of the proxy, and are believed only
//! from one that is trusted (`listen.proxies`).

use super::{CONSOLE, Cookie, Parameters, comes_from_here, is_safe, session_of, unstored};
use crate::access::{Caller, Permission};
use crate::http::acts::Origin;
use crate::http::guard::lacks;
use crate::http::{Problem, Service};
use crate::identity::login::Login;
use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use url::form_urlencoded;

/// Where proxies ask. A certificate that was shown on such a connection is the proxy's, and says nothing about who asked it.
pub(in crate::http) const FORWARD_AUTH: &str = "/v1/forward-auth";

const USER: HeaderName = HeaderName::from_static("x-synod-user");
const ROLES: HeaderName = HeaderName::from_static("x-synod-roles");

/// The request that a proxy asks about.
#[derive(Debug)]
struct Asked<'a> {
    method: Method,
    /// Path and query.
    target: &'a str,
    is_websocket: bool,
    wants_page: bool,
}

impl<'a> Asked<'a> {
    /// Nothing if no proxy asks about a request: somebody calls this path by themselves.
    fn read(headers: &'a HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_websocket = matches!(text("x-forwarded-proto"), Some("ws" | "wss")) || headers.contains_key(header::SEC_WEBSOCKET_KEY);
        Some(Self {
            method: text("x-forwarded-method")?.parse().ok()?,
            target: text("x-forwarded-uri")?,
            is_websocket,
            wants_page: text("accept").is_some_and(|accept| accept.contains("text/html")),
        })
    }
}

/// `GET /v1/forward-auth`: whether the caller of another request has a permission, and who it is. The answer's fields are for the request that
/// the proxy passes on: in it no credential of Synod's is left.
pub(in crate::http) async fn forward_auth(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    origin: Origin,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let is_trusted = peer.is_some_and(|peer| service.proxies.are_trusted(peer.0.0.ip()));
    let asked = Asked::read(&headers).filter(|_| is_trusted).ok_or_else(Problem::not_found)?;
    let permission = needed(&uri)?;
    let login = service.identity.login();
    if login.is_some_and(|login| is_forged(login, &asked, &headers)) {
        service.refuse_credential("csrf", &origin);
        return Err(Problem::invalid_credential());
    }
    if !caller.may(&permission) {
        return match login.filter(|_| !caller.is_known() && asked.wants_page && asked.method == Method::GET) {
            Some(login) => Ok(to_login(login, asked.target)),
            None => Err(lacks(&caller, &permission)),
        };
    }
    if caller.tenant().is_some() {
        return Err(Problem::shows_all_tenants(&permission));
    }
    Ok(unstored((StatusCode::OK, passed_on(&caller, &headers)).into_response()))
}

fn needed(uri: &Uri) -> Result<Permission, Problem> {
    let query = Parameters::read(uri.query())?;
    let text = query.one("needs").ok_or_else(|| Problem::bad_query("`needs` must be there: a permission, as operate:service"))?;
    text.parse().map_err(|mistake| Problem::bad_query(format!("`needs`: {mistake}")))
}

/// Whether a browser sends a session's cookie with what may change something, and does not say that a page of this host asked for it. Pages of
/// the tools do not know the session's token; that they have the console's origin must be enough. For the rest `SameSite=Lax` has to do.
fn is_forged(login: &Login, asked: &Asked<'_>, headers: &HeaderMap) -> bool {
    let by_session = !headers.contains_key(header::AUTHORIZATION) && session_of(login, headers).is_some();
    let may_change = !is_safe(&asked.method) || asked.is_websocket;
    by_session && may_change && !comes_from_here(login, headers)
}

/// To the login, and back to where the browser wanted to go if that can be said in an address.
fn to_login(login: &Login, target: &str) -> Response {
    let target = if login.leads_back_to(target) { target } else { CONSOLE };
    let encoded: String = form_urlencoded::byte_serialize(target.as_bytes()).collect();
    let location = format!("/console/login?return_to={encoded}");
    unstored((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

/// What the tool is to hear: who it is, and the cookies that are the tool's own.
fn passed_on(caller: &Caller, headers: &HeaderMap) -> HeaderMap {
    let roles: Vec<&str> = caller.principal().iter().flat_map(|principal| &principal.roles).map(String::as_str).collect();
    let fields = [(USER, Some(visible(caller.name()))), (ROLES, Some(visible(&roles.join(",")))), (header::COOKIE, others(headers))];
    let values = fields.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::from_str(&text?).ok()?)));
    values.collect()
}

/// All cookies but those of Synod's, whose names are the same wherever it is served.
fn others(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).map(str::trim);
    let is_own = |pair: &str| Cookie::NAMES.contains(&pair.split('=').next().unwrap_or_default().trim());
    let kept: Vec<&str> = pairs.filter(|pair| !pair.is_empty() && !is_own(pair)).collect();
    if kept.is_empty() { None } else { Some(kept.join("; ")) }
}

/// As a field of HTTP can hold it: what is no visible ASCII character, and the percent sign, as percent-encoded bytes (RFC 3986, section 2.1).
fn visible(text: &str) -> String {
    text.bytes().fold(String::new(), |mut visible, byte| {
        match byte.is_ascii_graphic() && byte != b'%' {
            true => visible.push(char::from(byte)),
            // Writing into a string does not fail.
            false => drop(write!(visible, "%{byte:02X}")),
        }
        visible
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_gets_its_own_cookies_and_none_of_synods() {
        let others = |lines: &[&str]| others(&lines.iter().map(|line| (header::COOKIE, line.parse().unwrap())).collect());
        assert_eq!(others(&["sid=1; __Host-synod=secret; theme=dark"]), Some("sid=1; theme=dark".into()));
        assert_eq!(others(&["a=b", "__Host-synod-login=x", "__Host-synod=y;synod=z; synod-login=q ;c=d=e"]), Some("a=b; c=d=e".into()));
        assert_eq!(others(&["__Host-synod=x; __Host-synod=y; __Host-synod"]), None);
        assert_eq!(others(&["synods=x; synod =y"]), Some("synods=x".into()));
    }

    #[test]
    fn a_name_is_told_in_visible_characters() {
        assert_eq!(visible("https://id.example:ana"), "https://id.example:ana");
        assert_eq!(visible("é 100%\n"), "%C3%A9%20100%25%0A");
    }

    #[test]
    fn without_the_fields_of_a_proxy_nothing_is_asked_about() {
        let read = |fields: &[(&'static str, &str)]| {
            let headers: HeaderMap = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
            Asked::read(&headers).map(|asked| (asked.method.to_string(), asked.target.to_owned(), asked.is_websocket, asked.wants_page))
        };
        let both = [("x-forwarded-method", "POST"), ("x-forwarded-uri", "/grafana/?a=b")];
        assert_eq!(read(&both), Some(("POST".into(), "/grafana/?a=b".into(), false, false)));
        assert!(read(&[both[0], both[1], ("x-forwarded-proto", "wss")]).unwrap().2);
        assert!(read(&[both[0], both[1], ("sec-websocket-key", "abc")]).unwrap().2);
        assert!(read(&[both[0], both[1], ("accept", "text/html,*/*")]).unwrap().3);
        for missing in [&[][..], &both[..1], &both[1..], &[both[1], ("x-forwarded-method", "")]] {
            assert_eq!(read(missing), None, "{missing:?}");
        }
    }
}
