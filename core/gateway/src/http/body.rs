//! A request's body, whole, within its limits.

use super::problem::Wrong;
use super::{Problem, Service, limits};
use crate::telemetry::tracing::Hop;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

/// Room that is made at once; more comes with what arrives.
const FIRST_ROOM: usize = 64 << 10;

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
/// When it is too large, does not arrive in time, or there is no memory left for it.
pub(super) async fn read(service: &Service, body: Body) -> Result<Bytes, Problem> {
    read_at_most(service, body, service.config.limits.body, Problem::too_large).await
}

/// What is told of a body that has more bytes than this.
type TooLarge = fn(usize) -> Problem;

/// Reads a body that has so many bytes at most. How long it may take is looked after where connections are listened to.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_at_most(service: &Service, body: Body, limit: usize, too_large: TooLarge) -> Result<Bytes, Problem> {
    // Where the length is announced, nothing is read in vain.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large(limit));
    }
    if !service.limiting.memory().has_room(limits::lane(), announced) {
        return Err(limits::no_memory(service));
    }
    Hop::Body.of(collect(service, body, (limit, too_large), announced)).await
}

async fn collect(service: &Service, mut body: Body, (limit, too_large): (usize, TooLarge), announced: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut gathered = Vec::new();
    let mut length: usize = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Problem::body_incomplete())?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > limit {
            return Err(too_large(limit));
        }
        if !limits::hold(data.len()) {
            return Err(limits::no_memory(service));
        }
        match (first.is_empty(), gathered.is_empty()) {
            // Most bodies come in one piece, which is taken as it is.
            (true, true) => first = data,
            // Later ones are copied: a piece keeps the whole buffer alive that it was read into.
            (_, empty) => {
                if empty {
                    gathered.reserve(announced.clamp(length, FIRST_ROOM.max(length)));
                    gathered.extend_from_slice(&std::mem::take(&mut first));
                }
                gathered.extend_from_slice(&data);
            }
        }
    }
    Ok(if gathered.is_empty() { first } else { gathered.into() })
}

/// Reads a body that has to be one object of this type, as in `example`. What does not fit is told with its pointer, by `invalid`.
///
/// # Errors
/// When it is no JSON, or another value.
pub(super) fn object<T: DeserializeOwned>(bytes: &[u8], example: &str, invalid: fn(Vec<Wrong>) -> Problem) -> Result<T, Problem> {
    if !bytes.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok() {
        // Derived types take a list for an object.
        return Err(invalid(vec![Wrong::cut("", &format!("must be an object, as in {example}"))]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let escaped = |step: &serde_path_to_error::Segment| step.to_string().replace('~', "~0").replace('/', "~1");
        let pointer = error.path().iter().map(|step| format!("/{}", escaped(step))).collect::<String>();
        match error.inner().is_data() {
            true => invalid(vec![Wrong::cut(&pointer, &error.inner().to_string())]),
            false => Problem::not_json(error.inner()),
        }
    })?;
    deserializer.end().map_err(|error| Problem::not_json(&error))?;
    Ok(read)
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
