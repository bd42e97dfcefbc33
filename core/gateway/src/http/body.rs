//! A request's body, whole, within its limits.

use super::{Problem, Service};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// What `curl -d` says of any body. It is read as JSON, as everything is.
const OF_CURL: &str = "application/x-www-form-urlencoded";

/// Refuses a body that says that it is no JSON. One that does not say what it is is read.
///
/// # Errors
/// When it is declared as something else, or compressed.
pub(super) fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = declared(headers, &header::CONTENT_TYPE)?.unwrap_or("application/json");
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json && essence != OF_CURL {
        return Err(Problem::not_declared_json("the body must be JSON: `Content-Type: application/json`"));
    }
    match declared_coding(headers)? {
        true => Err(Problem::not_declared_json("the body must not be compressed: no `Content-Encoding`")),
        false => Ok(()),
    }
}

fn declared_coding(headers: &HeaderMap) -> Result<bool, Problem> {
    let coding = declared(headers, &header::CONTENT_ENCODING)?.unwrap_or("identity");
    Ok(!coding.trim().eq_ignore_ascii_case("identity"))
}

/// The one value of a header.
fn declared<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if value.to_str().is_ok() => Ok(value.to_str().ok()),
        _ => Err(Problem::not_declared_json(format!("`{name}` must be given once, as plain text"))),
    }
}

/// Reads the body.
///
/// # Errors
/// When it is too large, or does not arrive in time.
pub(super) async fn read(service: &Service, body: Body) -> Result<Bytes, Problem> {
    let limit = service.config.limits.body;
    match tokio::time::timeout(service.config.limits.timeout, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large(limit)),
        Ok(Err(_)) | Err(_) => Err(Problem::body_incomplete()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_says_that_it_is_no_json_is_refused() {
        let refused = |pairs: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            expect_json(&pairs.iter().map(pair).collect()).is_err()
        };
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.bank+json", OF_CURL] {
            assert!(!refused(&[("content-type", good)]), "{good}");
        }
        for bad in ["text/plain", "text/csv", "multipart/form-data; boundary=x", "application/xml", "json", "", "x+json"] {
            assert!(refused(&[("content-type", bad)]), "{bad}");
        }
        assert!(!refused(&[]) && !refused(&[("content-encoding", "identity")]));
        assert!(refused(&[("content-encoding", "gzip")]));
        assert!(refused(&[("content-type", "application/json"), ("content-type", "application/json")]));
    }
}
