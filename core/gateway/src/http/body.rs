//! A request's body, whole, within its limits.

use super::{Problem, Service, limits};
use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;

/// Room that is made at once; more comes with what arrives.
const FIRST_ROOM: usize = 64 << 10;

/// Reads the body.
///
/// # Errors
/// When it is too large, does not arrive in time, or there is no memory left for it.
pub(super) async fn read(service: &Service, body: Body) -> Result<Bytes, Problem> {
    read_at_most(service, body, service.config.limits.body, Problem::too_large).await
}

/// What is told of a body that has more bytes than this.
type TooLarge = fn(usize) -> Problem;

/// Reads a body that has so many bytes at most.
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
    match tokio::time::timeout(service.config.limits.timeout, collect(service, body, (limit, too_large), announced)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::body_incomplete()),
    }
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
