//! Sends those who come without encryption to where there is. The address that they are sent to is made of what they asked for, so only names
//! that the certificate is for are taken: nobody can be sent elsewhere from here.

use super::{Problem, host};
use crate::listening::Tls;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The usual port of HTTPS, which need not be said.
const USUAL: u16 = 443;

/// Where to send them.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) tls: Arc<Tls>,
    pub(super) port: u16,
}

pub(super) async fn redirect(State(target): State<Target>, request: Request) -> Result<Response, Problem> {
    let host = host::of(&request).filter(|host| target.tls.is_for(host)).ok_or_else(Problem::unknown_host)?;
    let path = request.uri().path_and_query().map(|path| path.as_str()).filter(|path| path.starts_with('/')).unwrap_or("/");
    let port = if target.port == USUAL { String::new() } else { format!(":{}", target.port) };
    let location = HeaderValue::try_from(format!("https://{host}{port}{path}").into_bytes()).map_err(|_| Problem::unknown_host())?;
    Ok((StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response())
}
