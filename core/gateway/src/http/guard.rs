//! Who is let through: each request's caller is found out once, and each route says what it needs of a caller.

use super::{Problem, Service};
use crate::access::{Caller, Permission};
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
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => {
            tracing::warn!(target: "audit", reason = refused.reason, "a credential was refused");
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
pub(super) fn guarded(route: MethodRouter<Arc<Service>>, needs: Needs) -> MethodRouter<Arc<Service>> {
    match needs {
        Needs::Nothing => route,
        needs => route.route_layer(from_fn_with_state(Arc::new(needs), authorise)),
    }
}

async fn authorise(
    State(needs): State<Arc<Needs>>,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let permission = match &*needs {
        Needs::Nothing => return next.run(request).await,
        Needs::The(permission) => permission.clone(),
        Needs::ScoreOfNamedDetector => {
            // A name that is no text is that of no detector; the route says so to whoever may call it.
            let parameters = parameters.ok();
            let named = parameters.iter().flatten().find(|(name, _)| *name == "detector").map(|(_, name)| name);
            Permission::ScoreDetector(named.unwrap_or_default().to_owned())
        }
    };
    match request.extensions().get::<Caller>() {
        Some(caller) if caller.may(&permission) => next.run(request).await,
        Some(caller) => lacks(caller, &permission).into_response(),
        None => Problem::no_credential().into_response(),
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
