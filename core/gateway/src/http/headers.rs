//! What every answer says beside itself.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use std::time::Duration;

/// What `Strict-Transport-Security` (RFC 6797) says, on connections that are encrypted; on others it must not stand.
pub(super) fn strict_transport(period: Duration) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("max-age={}", period.as_secs())).ok()
}

pub(super) async fn add(State(strict): State<Option<HeaderValue>>, request: Request, next: Next) -> Response {
    let version = request.version();
    let mut response = next.run(request).await;
    // A request that did not come whole is still coming (RFC 9110, section 15.5.9).
    let close = response.status() == StatusCode::REQUEST_TIMEOUT && version <= Version::HTTP_11;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // What may be kept says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(strict) = strict {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, strict);
    }
    if close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
