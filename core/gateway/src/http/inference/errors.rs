//! What went wrong, in the words of the protocol: by REST a body with `error` beside what every problem has, by gRPC a status. Whoever
//! refused the request, a route or a layer around it, need not know who asked.

use super::super::Problem;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use tonic::{Code, Status};

/// Characters of a status's message: it stands in the head of an answer, of which clients of gRPC read 8 KiB.
const LONGEST_MESSAGE: usize = 600;

/// How the protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    Rest,
    Grpc,
}

/// A problem with the one key that the protocol's clients read.
#[derive(Serialize)]
struct Told<'a> {
    error: &'a str,
    #[serde(flatten)]
    problem: &'a Problem,
}

pub(in super::super) async fn in_its_words(request: Request, next: Next) -> Response {
    let speech = speech(request.uri().path(), request.headers());
    let mut response = next.run(request).await;
    match (speech, response.extensions_mut().remove::<Problem>()) {
        (Some(Speech::Rest), Some(problem)) => with_error(response, &problem),
        (Some(Speech::Grpc), Some(problem)) => with_status(&response, &problem),
        _ => response,
    }
}

fn speech(path: &str, headers: &HeaderMap) -> Option<Speech> {
    if is_grpc(headers) {
        return Some(Speech::Grpc);
    }
    is_its_path(path).then_some(Speech::Rest)
}

/// Whether the protocol is spoken there by REST.
pub(in super::super) fn is_its_path(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/")
}

/// Whether a request is one of gRPC, with messages of Protocol Buffers.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"].into_iter().any(|known| kind.eq_ignore_ascii_case(known))
}

fn with_error(response: Response, problem: &Problem) -> Response {
    let body = serde_json::to_vec(&Told { error: problem.detail(), problem }).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// A status without a message: all of it stands in the head.
fn with_status(response: &Response, problem: &Problem) -> Response {
    let message: String = problem.detail().chars().take(LONGEST_MESSAGE).collect();
    let mut told: Response = Status::new(code(problem), message).into_http();
    let others = response.headers().iter().filter(|(name, _)| ![header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name));
    told.headers_mut().extend(others.map(|(name, value)| (name.clone(), value.clone())));
    told
}

/// The status of a problem. What a client did wrong is never taken for a fault of the service.
fn code(problem: &Problem) -> Code {
    match (problem.status(), problem.code()) {
        // A path that there is not is a method that there is not.
        (404 | 405, "not_found" | "method_not_allowed") | (415, _) => Code::Unimplemented,
        (409, "conflict") => Code::AlreadyExists,
        (401, _) => Code::Unauthenticated,
        (403, _) => Code::PermissionDenied,
        (404, _) => Code::NotFound,
        (408, _) => Code::DeadlineExceeded,
        (409, _) => Code::Aborted,
        (413 | 429, _) => Code::ResourceExhausted,
        (400..500, _) => Code::InvalidArgument,
        (503, _) => Code::Unavailable,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;
    use std::time::Duration;

    #[test]
    fn every_problem_has_a_status_that_says_whose_fault_it_is() {
        for (problem, expected) in [
            (Problem::no_credential(), Code::Unauthenticated),
            (Problem::forbidden(&crate::access::Permission::Score), Code::PermissionDenied),
            (Problem::no_model("x", &[]), Code::NotFound),
            (Problem::not_found(), Code::Unimplemented),
            (Problem::method_not_allowed(), Code::Unimplemented),
            (Problem::invalid_request("x"), Code::InvalidArgument),
            (Problem::refused(Vec::new()), Code::InvalidArgument),
            (Problem::too_large(1), Code::ResourceExhausted),
            (Problem::conflict(), Code::AlreadyExists),
            (Problem::in_progress(), Code::Aborted),
            (Problem::body_incomplete(), Code::DeadlineExceeded),
            (Problem::overloaded(Duration::ZERO), Code::Unavailable),
            (Problem::no_verdict("x"), Code::Unavailable),
            (Problem::internal(), Code::Internal),
        ] {
            assert_eq!(code(&problem), expected, "{problem:?}");
        }
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let headers = |text: &str| [(header::CONTENT_TYPE, text.parse().unwrap())].into_iter().collect::<HeaderMap>();
        assert!(is_grpc(&headers("application/grpc")) && is_grpc(&headers("Application/GRPC+proto; x=y")));
        assert!(!is_grpc(&headers("application/grpc-web")) && !is_grpc(&headers("application/json")) && !is_grpc(&HeaderMap::new()));
        assert_eq!(speech("/v2x", &HeaderMap::new()), None);
        assert_eq!(speech("/v2/models", &HeaderMap::new()), Some(Speech::Rest));
    }

    #[tokio::test]
    async fn one_body_is_a_problem_and_what_clients_of_the_protocol_read() {
        let problem = Problem::no_credential();
        let told = with_error(problem.clone().into_response(), &problem);
        assert!(told.status() == StatusCode::UNAUTHORIZED && told.headers()[header::CONTENT_TYPE] == "application/problem+json");
        assert!(told.headers().contains_key(header::WWW_AUTHENTICATE));
        let body = told.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["error"], &body["status"]), (&body["detail"], &401.into()));
    }

    #[test]
    fn a_status_is_no_longer_than_its_readers_read() {
        let problem = Problem::invalid_request("ä".repeat(100_000));
        let told = with_status(&problem.clone().into_response(), &problem);
        assert!(told.headers()["grpc-message"].len() < 6000, "{}", told.headers()["grpc-message"].len());
    }

    #[test]
    fn a_status_keeps_what_else_the_head_says() {
        let problem = Problem::in_progress();
        let told = with_status(&problem.clone().into_response(), &problem);
        assert!(told.status() == StatusCode::OK && told.headers()["grpc-status"] == "10");
        assert!(told.headers()[header::RETRY_AFTER] == "1" && told.headers()[header::CONTENT_TYPE] == "application/grpc");
    }
}
