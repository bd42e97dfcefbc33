//! A request's body, whole, within its limits.

use super::{Problem, Service};
use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Reads the body.
///
/// # Errors
/// When it is too large, or does not arrive in time.
pub(super) async fn read(service: &Service, body: Body) -> Result<Bytes, Problem> {
    let limit = service.config.limits.body;
    // How long it may take is looked after where connections are listened to.
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(limit)),
        Err(_) => Err(Problem::body_incomplete()),
    }
}
