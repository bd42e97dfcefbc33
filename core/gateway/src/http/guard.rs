//! Who is let through: each request's caller is found out once, and each route says what it needs of a caller.

use super::acts::{Denied, Done, Origin};
use super::{Problem, Service};
use crate::access::{Caller, Permission};
use crate::auditing::{Action, AuditOutcome};
use crate::identity::{CredentialRefused, Credentials};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
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
}

/// Finds out who calls. A credential that does not hold is refused here, whatever the route: it is never taken for none.
pub(super) async fn identify(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    let caller = match bearer(request.headers()) {
        Ok(bearer) => service.identity.caller(Credentials { bearer }).await,
        Err(refused) => Err(refused),
    };
    let origin = Origin::of(request.extensions());
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let response = next.run(request).await;
            let mut response = audited(&service, &caller, &origin, response).await;
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

/// The answer, once what it says was done or denied is audited.
async fn audited(service: &Arc<Service>, caller: &Caller, origin: &Origin, response: Response) -> Response {
    if let Some(Denied(permission)) = response.extensions().get() {
        service.deny_permission(caller, permission, origin);
    }
    let Some(Done { action, target }) = response.extensions().get().cloned() else { return response };
    let record = origin.record(action, AuditOutcome::Allowed).by(caller);
    let record = target.iter().fold(record, |record, target| record.to(target));
    match service.audited(&record).await {
        Ok(()) => response,
        Err(problem) => problem.into_response(),
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
pub(super) fn guarded(route: MethodRouter<Arc<Service>>, needs: Needs) -> MethodRouter<Arc<Service>> {
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
        Needs::Nothing => return next.run(request).await,
        Needs::The(permission) => permission.clone(),
        Needs::ScoreOfNamedDetector => Permission::ScoreDetector(parameter("detector").unwrap_or_default()),
    };
    match request.extensions().get::<Caller>() {
        Some(caller) if caller.may(&permission) => done(&permission, parameter("id"), next.run(request).await),
        Some(caller) if caller.is_known() => {
            let mut response = Problem::forbidden(&permission).into_response();
            response.extensions_mut().insert(Denied(permission.to_string()));
            response
        }
        _ => Problem::no_credential().into_response(),
    }
}

/// Marks the answer of an act that its route does not audit itself.
fn done(permission: &Permission, target: Option<String>, mut response: Response) -> Response {
    if *permission == Permission::LabelDecisions && response.status().is_success() {
        response.extensions_mut().insert(Done { action: Action::LABEL_SET, target });
    }
    response
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
