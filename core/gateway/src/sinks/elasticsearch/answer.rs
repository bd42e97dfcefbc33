//! What Elasticsearch answers to a bulk request.

use crate::sinks::Failure;
use serde::Deserialize;
use std::time::Duration;

/// The most of an error that is told.
const LONGEST: usize = 500;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Sent {
    /// It was read: what became of each document.
    Items(Vec<Outcome>),
    /// It is too large as a whole.
    TooLarge,
    /// It cannot be read as a whole: for people, why.
    Malformed {
        /// The status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// Nobody knows whether it was taken.
    Doubtful(Failure),
    /// It was not taken, and may be later.
    NotTaken(Failure),
    /// The credential was refused.
    Refused(Failure),
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there.
    Taken,
    /// It was there already.
    Repeated,
    /// It is in the failure store of its stream.
    InFailureStore,
    /// It was not taken, and may be later.
    Again {
        /// A stable word.
        code: &'static str,
        /// Why.
        reason: String,
    },
    /// It will never be taken as it is.
    Dead(Refused),
}

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    create: Result,
}

#[derive(Debug, Deserialize)]
struct Result {
    status: u16,
    #[serde(default)]
    error: Option<Error>,
    #[serde(default)]
    failure_store: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Error {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Box<Error>>,
}

/// The parts of an answer that are asked for: more would only have to be read.
pub(super) const PARTS: &str = "items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.type,items.*.error.caused_by.reason,items.*.failure_store";

/// Reads an answer with its status to a request with so many documents.
pub(super) fn read(status: u16, retry_after: Option<Duration>, body: &[u8], count: usize) -> Sent {
    let said = || beginning(&String::from_utf8_lossy(body));
    match status {
        200..=299 => read_items(body, count),
        401 | 403 => Sent::Refused(Failure::new("credential", format!("it refuses the credential, with status {status}: {}", said()))),
        413 => Sent::TooLarge,
        // It was not read, so that nothing of it can have been taken.
        429 => Sent::NotTaken(Failure { code: "throttled", reason: "it has too much to do".into(), after: retry_after }),
        500..=599 => Sent::Doubtful(Failure { after: retry_after, ..Failure::new("status", format!("it answered with status {status}")) }),
        400 => Sent::Malformed { status, reason: said() },
        status => Sent::NotTaken(Failure::new("status", format!("it answered with status {status}: {}", said()))),
    }
}

fn read_items(body: &[u8], count: usize) -> Sent {
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) if answer.items.len() == count => Sent::Items(answer.items.into_iter().map(|item| outcome(item.create)).collect()),
        Ok(answer) => {
            Sent::Doubtful(Failure::new("answer", format!("it answered about {} documents, and not about {count}", answer.items.len())))
        }
        Err(error) => Sent::Doubtful(Failure::new("answer", format!("its answer cannot be read: {error}"))),
    }
}

fn outcome(result: Result) -> Outcome {
    let status = result.status;
    if result.failure_store.as_deref() == Some("used") {
        return Outcome::InFailureStore;
    }
    match status {
        200..=299 => return Outcome::Taken,
        409 => return Outcome::Repeated,
        _ => {}
    }
    let (kind, reason) = result.error.map_or_else(|| (String::new(), String::new()), told);
    let again = |code| Outcome::Again { code, reason: format!("documents are answered with status {status}: {kind}: {reason}") };
    match status {
        429 => again("throttled"),
        500..=599 => again("status"),
        // Nothing is wrong with the document: the key may not write there, or nobody may for now.
        401 | 403 | 408 => again("blocked"),
        status => Outcome::Dead(Refused { status, kind, reason }),
    }
}

fn told(error: Error) -> (String, String) {
    let mut reason = error.reason.unwrap_or_default();
    if let Some(cause) = error.caused_by {
        reason = format!("{reason}: {}", cause.reason.unwrap_or(cause.kind));
    }
    (beginning(&error.kind), beginning(&reason))
}

fn beginning(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(item: &str) -> Outcome {
        match read(200, None, format!("{{\"items\":[{{\"create\":{item}}}]}}").as_bytes(), 1) {
            Sent::Items(mut outcomes) => outcomes.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_document_has_an_outcome() {
        assert_eq!(read_one(r#"{"status":201}"#), Outcome::Taken);
        assert_eq!(read_one(r#"{"status":201,"failure_store":"used"}"#), Outcome::InFailureStore);
        assert_eq!(read_one(r#"{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"x"}}"#), Outcome::Repeated);
        for (status, expected) in
            [(429, "throttled"), (500, "status"), (503, "status"), (403, "blocked"), (401, "blocked"), (408, "blocked")]
        {
            let item = format!(r#"{{"status":{status},"error":{{"type":"t","reason":"r"}}}}"#);
            assert!(matches!(read_one(&item), Outcome::Again { code, .. } if code == expected), "{status}");
        }
        for status in [400, 404] {
            let item = format!(
                r#"{{"status":{status},"error":{{"type":"document_parsing_exception","reason":"r","caused_by":{{"type":"i","reason":"c"}}}},"failure_store":"not_enabled"}}"#
            );
            let refused = Refused { status, kind: "document_parsing_exception".into(), reason: "r: c".into() };
            assert_eq!(read_one(&item), Outcome::Dead(refused));
        }
    }

    #[test]
    fn a_request_as_a_whole_has_one() {
        assert!(matches!(read(413, None, b"", 2), Sent::TooLarge));
        let second = Some(Duration::from_secs(1));
        assert!(matches!(read(429, second, b"", 2), Sent::NotTaken(Failure { code: "throttled", after, .. }) if after == second));
        assert!(matches!(read(503, second, b"", 2), Sent::Doubtful(Failure { code: "status", after, .. }) if after == second));
        assert!(matches!(read(401, None, b"", 2), Sent::Refused(_)));
        assert!(matches!(read(403, None, b"", 2), Sent::Refused(_)));
        assert!(matches!(read(404, None, b"", 2), Sent::NotTaken(_)));
        assert!(matches!(read(400, None, b"bad", 2), Sent::Malformed { status: 400, reason } if reason == "bad"));
        for body in ["", "{", "{}", r#"{"items":[{"create":{"status":201}}]}"#, r#"{"items":[{"index":{"status":201}}]}"#] {
            assert!(matches!(read(200, None, body.as_bytes(), 2), Sent::Doubtful(Failure { code: "answer", .. })), "{body}");
        }
    }
}
