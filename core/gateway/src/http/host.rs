//! The Host of a request: exactly one, and one that can be a host (RFC 9112, section 3.2). Two of them are how a request is smuggled past
//! whatever stands before the service and reads the other one.

use super::Problem;
use crate::telemetry::metrics::Connections;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{self, HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets through what has the one Host that it needs. What follows another request on its connection cannot be trusted.
pub(super) async fn insist(request: Request, next: Next) -> Response {
    let Err(detail) = check(&request) else { return next.run(request).await };
    Connections::all().bad_host();
    let mut response = Problem::bad_host(detail).into_response();
    if request.version() <= Version::HTTP_11 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The host that a request is for, without its port; none with HTTP/1.0, or if it is empty.
pub(super) fn of<B>(request: &http::Request<B>) -> Option<String> {
    let named = request.headers().get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let authority = named.or_else(|| request.uri().authority().cloned())?;
    Some(authority.host().to_ascii_lowercase())
}

/// # Errors
/// What is wrong with the request's Host, for the client.
fn check<B>(request: &http::Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err("the request has more than one Host"),
        (Some(host), None) if is_host(host) => Ok(()),
        (Some(_), None) => Err("the request's Host is no name or address, with or without a port"),
        // With HTTP/2 it is part of the address; HTTP/1.0 does not know it.
        (None, _) if request.version() == Version::HTTP_11 => Err("the request has no Host"),
        (None, _) => Ok(()),
    }
}

fn is_host(value: &HeaderValue) -> bool {
    // Empty is what a client sends that has no name for the server.
    value.is_empty() || Authority::try_from(value.as_bytes()).is_ok_and(|authority| !authority.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_host() {
        let ask = |version, hosts: &[&str]| {
            let mut request = http::Request::builder().version(version);
            for host in hosts {
                request = request.header("host", *host);
            }
            check(&request.body(()).unwrap()).is_ok()
        };
        for host in ["synod", "synod:80", "127.0.0.1:8080", "[::1]:8080", ""] {
            assert!(ask(Version::HTTP_11, &[host]), "{host}");
        }
        for host in ["a b", "a@b", "a/b", "a,b@c", "a:b:c"] {
            assert!(!ask(Version::HTTP_11, &[host]), "{host}");
        }
        assert!(!ask(Version::HTTP_11, &[]) && !ask(Version::HTTP_11, &["a", "a"]) && !ask(Version::HTTP_2, &["a", "b"]));
        assert!(ask(Version::HTTP_10, &[]) && ask(Version::HTTP_2, &[]));
    }
}
