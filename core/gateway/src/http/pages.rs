//! Pages for people, and their files: they come whole out of the binary, and say what a browser may do with them.

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const STYLE: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// A page, under a `Content-Security-Policy`. No other page may show it in a frame, and none that it leads to learns of it.
pub(super) fn page(html: &'static str, policy: &'static str) -> Response {
    let mut response = file(HTML, Bytes::from_static(html.as_bytes()));
    let plain = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    response.headers_mut().extend(plain.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// A file of a page, which browsers keep for ten minutes.
pub(super) fn file(kind: &'static str, bytes: impl Into<Body>) -> Response {
    let plain = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "max-age=600"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (plain, bytes.into()).into_response()
}

/// What a file of a page is; none if it has no such file.
pub(super) fn kind(files: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    files.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}
