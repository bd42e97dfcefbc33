//! The embedded authorisation server over HTTP: `POST /oauth2/token` (RFC 6749, sections 3.2 and 4.4), the key set (RFC 7517) and the metadata
//! (RFC 8414). Errors of the first have the form of RFC 6749, section 5.2, which is why they are no problem details.

mod form;

use self::form::{Form, decoded};
use super::acts::Origin;
use super::{Problem, Service, body};
use crate::access::{Permission, Roles};
use crate::identity::server::{AuthorisationServer, Issued, KEY_SET_MAY_BE_KEPT};
use crate::identity::{CredentialRefused, TokenRefused};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

/// Where tokens are given.
pub(super) const TOKEN_PATH: &str = "/oauth2/token";
/// Bytes of a body.
const LONGEST_BODY: usize = 16 << 10;
/// The one type that a body can have.
const FORM: &str = "application/x-www-form-urlencoded";

/// A token, as it is told (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
#[schema(as = AccessToken)]
pub(super) struct Told<'a> {
    /// A JWT.
    access_token: &'a str,
    /// Always `Bearer`.
    token_type: &'static str,
    /// For how many seconds it holds.
    expires_in: u64,
    /// What it is limited to: permissions, with blanks between them.
    scope: &'a str,
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TokenRefusal)]
pub(super) struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    /// The code.
    error: &'static str,
    /// For people.
    error_description: String,
}

impl Refusal {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, error_description: description.into() }
    }

    fn request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    /// Why not is nobody's business who is no client.
    fn client() -> Self {
        let description =
            "client_id is the id of an API key, and client_secret the whole key: send both, once, by HTTP Basic or in the body";
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", description) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = answer(self.status, &self);
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"synod\""));
        }
        response
    }
}

/// An answer that nobody on its way may keep.
fn answer(status: StatusCode, answer: &impl Serialize) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (status, headers, serde_json::to_vec(answer).unwrap_or_default()).into_response()
}

pub(super) async fn token(
    State(service): State<Arc<Service>>,
    origin: Origin,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    server(&service)?;
    let form = match read(&service, &headers, body).await {
        Ok(form) => form,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    match issue(&service, &origin, &headers, &form) {
        Ok(issued) => {
            service.metrics.identity.token_issued();
            let told = Told { access_token: &issued.token, token_type: "Bearer", expires_in: issued.expires_in, scope: &issued.scope };
            Ok(answer(StatusCode::OK, &told))
        }
        Err(refused) => refused.map(Refusal::into_response),
    }
}

/// A token for the client of this request; or a refusal, or a fault of Synod's own.
fn issue(service: &Service, origin: &Origin, headers: &HeaderMap, form: &Form) -> Result<Issued, Result<Refusal, Problem>> {
    let client = client(headers, form).map_err(Ok)?;
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(Ok(Refusal::new("unsupported_grant_type", "the grant type is client_credentials"))),
        None => return Err(Ok(Refusal::request("grant_type is missing"))),
    }
    let refused = |refused: CredentialRefused| {
        service.refuse_credential(refused.reason, origin);
        Ok(Refusal::client())
    };
    let Some(client) = client else { return Err(refused(CredentialRefused { reason: "no_client" })) };
    service.identity.issue(&client.id, &client.secret, form.get("scope")).map_err(|why| match why {
        TokenRefused::NoServer => Err(Problem::not_found()),
        TokenRefused::Client(why) => refused(why),
        TokenRefused::Scope(detail) => Ok(Refusal::new("invalid_scope", detail)),
        TokenRefused::Fault(error) => {
            tracing::error!(error, "an access token cannot be signed");
            Err(Problem::internal())
        }
    })
}

/// What a client says that it is.
#[derive(PartialEq, Eq)]
struct Client {
    id: String,
    secret: String,
}

/// The client's credentials, from one place and no other (RFC 6749, section 2.3). None if there are none, or none that are understood.
fn client(headers: &HeaderMap, form: &Form) -> Result<Option<Client>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let (id, secret) = (form.get("client_id"), form.get("client_secret"));
    match (first, second) {
        (_, Some(_)) => Err(Refusal::request("there are several Authorization fields")),
        (Some(_), None) if secret.is_some() => Err(Refusal::request("the client authenticates by HTTP Basic and in the body: use one")),
        (Some(value), None) => match basic(value) {
            Some(client) if id.is_some_and(|id| id != client.id) => Err(Refusal::request("client_id is not that of HTTP Basic")),
            client => Ok(client),
        },
        (None, None) => Ok(id.zip(secret).map(|(id, secret)| Client { id: id.to_owned(), secret: secret.to_owned() })),
    }
}

/// HTTP Basic, whose two parts are encoded as in a form (RFC 6749, section 2.3.1).
fn basic(value: &HeaderValue) -> Option<Client> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    let bytes = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some(Client { id: decoded(id)?, secret: decoded(secret)? })
}

async fn read(service: &Service, headers: &HeaderMap, body: Body) -> Result<Form, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|text| text.split(';').next());
    if !kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM)) {
        return Err(Refusal::request(format!("the body must be {FORM}")));
    }
    match body::read_at_most(service, body, LONGEST_BODY, Problem::too_large).await {
        Ok(bytes) => Form::read(&bytes).map_err(Refusal::request),
        Err(_) => Err(Refusal::request(format!("the body must arrive whole, in at most {LONGEST_BODY} bytes"))),
    }
}

fn server(service: &Service) -> Result<&AuthorisationServer, Problem> {
    service.identity.server().ok_or_else(Problem::not_found)
}

pub(super) async fn key_set(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let published = server(&service)?.published();
    Ok(([(header::CONTENT_TYPE, "application/jwk-set+json".to_owned()), (header::CACHE_CONTROL, may_be_kept())], published).into_response())
}

fn may_be_kept() -> String {
    format!("public, max-age={}", KEY_SET_MAY_BE_KEPT.as_secs())
}

pub(super) async fn metadata(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let issuer = server(&service)?.issuer();
    let metadata = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{TOKEN_PATH}"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": scopes(),
    });
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CACHE_CONTROL, may_be_kept())];
    Ok((headers, metadata.to_string()).into_response())
}

/// The permissions that need no name: what an administrator has.
fn scopes() -> Vec<String> {
    Roles::default().grants(["admin"], []).effective().iter().map(Permission::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::read(text.as_bytes()).unwrap()
    }

    fn found(authorization: &[&str], body: &str) -> Result<Option<(String, String)>, &'static str> {
        let headers = authorization.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect();
        client(&headers, &form(body)).map(|client| client.map(|client| (client.id, client.secret))).map_err(|refusal| refusal.error)
    }

    #[test]
    fn a_client_is_found_in_one_place() {
        let ana = || Ok(Some(("ana".to_owned(), "s: %".to_owned())));
        // ana:s%3A+%25
        let basic = "Basic YW5hOnMlM0ErJTI1";
        assert_eq!(found(&[basic], ""), ana());
        assert_eq!(found(&["bAsIc  YW5hOnMlM0ErJTI1"], "client_id=ana&scope=x"), ana());
        assert_eq!(found(&[], "client_secret=s%3A+%25&client_id=ana"), ana());
        for (authorization, body) in [
            (&[basic, basic][..], ""),
            (&[basic], "client_id=ana&client_secret=s"),
            (&[basic], "client_secret=s"),
            (&[basic], "client_id=bob"),
        ] {
            assert_eq!(found(authorization, body), Err("invalid_request"), "{authorization:?} {body}");
        }
        for (authorization, body) in [
            (&[][..], ""),
            (&[], "client_id=ana"),
            (&[], "client_secret=s"),
            (&["Bearer abc"], ""),
            (&["Basic"], ""),
            (&["Basic !"], ""),
            (&["Basic YW5h"], ""),
            (&["Basic /////w=="], ""),
        ] {
            assert_eq!(found(authorization, body), Ok(None), "{authorization:?} {body}");
        }
    }
}
