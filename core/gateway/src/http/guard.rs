//! Who is let through: each request's caller is found out once, and each route says what it needs of a caller.

use super::acts::Origin;
use super::console::forward_auth::FORWARD_AUTH;
use super::{Live, Problem, Service, console, oauth};
use crate::access::{Caller, Permission};
use crate::identity::{CredentialRefused, Credentials};
use crate::inference::POLICY;
use crate::listening::ClientCertificate;
use crate::telemetry::tracing::Hop;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use std::sync::Arc;

/// What a route needs of its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: anybody may call it.
    Nothing,
    /// This permission.
    The(Permission),
    /// To score by the detector that the path names.
    ScoreOfNamedDetector,
    /// To score by the model that the path names: by a detector, or by the policy.
    ScoreOfNamedModel,
    /// To score by the model that the message names, which the route asks for when it has read it: [`score_of_model`].
    ScoreOfModelInMessage,
}

/// Finds out who calls. A credential that does not hold is refused here, whatever the route: it is never taken for none.
pub(super) async fn identify(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    // There clients authenticate as OAuth 2.0 has it, and errors have another form.
    if request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str() == oauth::TOKEN_PATH) {
        return next.run(request).await;
    }
    let is_of_proxy = request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str() == FORWARD_AUTH);
    let certificate = request.extensions().get::<Arc<ClientCertificate>>().map(Arc::as_ref).filter(|_| !is_of_proxy);
    let (hop, bearer) = (Hop::Credentials.begin(), bearer(request.headers()));
    // A browser sends its session's cookie without being asked, so that it counts for less than what was sent on purpose.
    let session = if bearer == Ok(None) { hop.during(|| console::caller(&service, &request)) } else { None };
    let caller = match (session, bearer) {
        (Some(caller), _) => caller,
        (None, Ok(bearer)) => hop.of(service.identity.caller(Credentials { bearer, certificate })).await,
        (None, Err(refused)) => Err(refused),
    };
    if let Err(refused) = &caller {
        hop.failed(refused.reason);
    }
    drop(hop);
    let origin = Origin::of(request.extensions());
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            // Wherever it was found out: by the route, by what it was asked, or by a message of gRPC.
            if let Some(permission) = response.extensions().get().and_then(Problem::denied) {
                service.deny_permission(&caller, permission, &origin);
            }
            // For the line that is written about the request.
            response.extensions_mut().insert(caller);
            response
        }
        Err(refused) => {
            service.refuse_credential(refused.reason, &origin);
            Problem::invalid_credential().into_response()
        }
    }
}

/// The credential of a request, if one came with it. There is one way to send one (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, CredentialRefused> {
    let refused = |reason| CredentialRefused { reason };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else { return Ok(None) };
    if second.is_some() {
        return Err(refused("several_credentials"));
    }
    let (scheme, credential) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(refused("no_scheme"))?;
    let credential = credential.trim();
    match scheme.eq_ignore_ascii_case("bearer") && !credential.is_empty() {
        true => Ok(Some(credential)),
        false => Err(refused("other_scheme")),
    }
}

/// A route whose callers need this.
pub(super) fn guarded(route: MethodRouter<Live>, needs: Needs) -> MethodRouter<Live> {
    match needs {
        Needs::Nothing => route,
        needs => route.route_layer(from_fn_with_state(Arc::new(needs), authorise)),
    }
}

type Parameters = Result<RawPathParams, RawPathParamsRejection>;

async fn authorise(State(needs): State<Arc<Needs>>, parameters: Parameters, request: Request, next: Next) -> Response {
    // What is no text names nothing; the route says so.
    let parameter = |wanted: &str| parameters.iter().flatten().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned());
    let permission = match &*needs {
        Needs::Nothing | Needs::ScoreOfModelInMessage => return next.run(request).await,
        Needs::The(permission) => permission.clone(),
        Needs::ScoreOfNamedDetector => Permission::ScoreDetector(parameter("detector").unwrap_or_default()),
        Needs::ScoreOfNamedModel => score_of_model(&parameter("model").unwrap_or_default()),
    };
    match permitted(request.extensions().get(), &permission) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// What it takes to score by a model.
pub(super) fn score_of_model(name: &str) -> Permission {
    if name == POLICY { Permission::ScorePolicy } else { Permission::ScoreDetector(name.to_owned()) }
}

/// Whether a caller may do something.
pub(super) fn permitted(caller: Option<&Caller>, permission: &Permission) -> Result<(), Problem> {
    match caller {
        Some(caller) if caller.may(permission) => Ok(()),
        Some(caller) => Err(lacks(caller, permission)),
        None => Err(Problem::no_credential()),
    }
}

/// What a caller is told who may not: one without a credential might have one that allows it.
pub(super) fn lacks(caller: &Caller, permission: &Permission) -> Problem {
    if caller.is_known() { Problem::forbidden(permission) } else { Problem::no_credential() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn there_is_one_way_to_send_a_credential() {
        assert_eq!(bearer(&headers(&[])), Ok(None));
        for text in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(bearer(&headers(&[text])), Ok(Some("abc")), "{text}");
        }
        for (values, reason) in [
            (&["Bearer a", "Bearer b"][..], "several_credentials"),
            (&["Basic YTpi"], "other_scheme"),
            (&["Bearer "], "other_scheme"),
            (&["abc"], "no_scheme"),
            (&[""], "no_scheme"),
        ] {
            assert_eq!(bearer(&headers(values)).unwrap_err().reason, reason, "{values:?}");
        }
    }
}
