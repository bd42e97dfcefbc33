//! Errors as `application/problem+json` (RFC 9457). This is the one table of what a client can be told; a `code` is stable. What repeats the
//! words of a client passes the net of [`redaction`](crate::redaction) where it is written.

use crate::access::Permission;
use crate::limiting::{Standing, Unit, whole_seconds};
use crate::redaction;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use synod_detection::RowProblem;
use utoipa::ToSchema;

/// Wrong values whose details stand in the detail of the whole.
const DETAILS: usize = 5;

/// So many wrong values are told of a request or a row at most.
const MOST_ERRORS: usize = 100;

/// Characters of what is said about a mistake, where that repeats what the client wrote.
const LONGEST_DETAIL: usize = 300;

/// One wrong value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Wrong {
    /// Where: a JSON pointer (RFC 6901) into the request's body.
    #[serde(serialize_with = "redaction::serialize")]
    pub pointer: String,
    /// What is wrong, and what is allowed.
    #[serde(serialize_with = "redaction::serialize")]
    pub detail: String,
}

impl Wrong {
    /// One whose texts may repeat what the client wrote, and are cut.
    pub(super) fn cut(pointer: &str, detail: &str) -> Self {
        let [pointer, detail] = [pointer, detail].map(|text| text.chars().take(LONGEST_DETAIL).collect());
        Self { pointer, detail }
    }
}

/// What went wrong, for the client.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    #[serde(flatten)]
    kind: Kind,
    title: &'static str,
    status: u16,
    code: &'static str,
    #[serde(serialize_with = "redaction::serialize")]
    #[schema(value_type = String)]
    detail: Box<str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    challenge: Option<Challenge>,
    /// What somebody known may not.
    #[serde(skip)]
    denied: Option<Box<Permission>>,
}

/// The `type`, with the members that belong to it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(tag = "type")]
enum Kind {
    #[serde(rename = "about:blank")]
    Blank,
    /// draft-ietf-httpapi-ratelimit-headers-11, section 5.1.
    #[serde(rename = "https://iana.org/assignments/http-problem-types#quota-exceeded")]
    QuotaExceeded {
        #[serde(rename = "violated-policies")]
        violated: [&'static str; 1],
    },
    /// Section 5.2.
    #[serde(rename = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity")]
    ReducedCapacity {
        #[serde(rename = "violated-policies")]
        violated: [&'static str; 1],
    },
}

/// `WWW-Authenticate` (RFC 6750, section 3).
#[derive(Debug, Clone, Copy)]
enum Challenge {
    Missing,
    Invalid,
}

impl Challenge {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Missing => "Bearer realm=\"synod\"",
            Self::Invalid => "Bearer realm=\"synod\", error=\"invalid_token\"",
        })
    }
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let (status, detail) = (status.as_u16(), detail.into().into_boxed_str());
        Self { kind: Kind::Blank, title, status, code, detail, errors: Vec::new(), retry_after: None, challenge: None, denied: None }
    }

    /// No such path.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", "there is nothing at this path")
    }

    /// A route that wants to know who calls.
    pub fn no_credential() -> Self {
        let detail = "send a credential: `Authorization: Bearer` with an API key or an access token";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "no_credential", "No credential", detail);
        Self { challenge: Some(Challenge::Missing), ..problem }
    }

    /// A credential that does not hold. Why not is nobody's business who has none that does.
    pub fn invalid_credential() -> Self {
        let detail = "the credential is not valid, or not any more";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "invalid_credential", "Invalid credential", detail);
        Self { challenge: Some(Challenge::Invalid), ..problem }
    }

    /// Somebody who may not.
    pub fn forbidden(permission: &Permission) -> Self {
        let detail = format!("this needs the permission {permission}, which the caller does not have");
        Self { denied: Some(Box::new(permission.clone())), ..Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail) }
    }

    /// Somebody of a tenant, where all tenants are shown.
    pub fn shows_all_tenants(permission: &Permission) -> Self {
        let detail = "what is behind this shows all tenants, and the caller belongs to one";
        Self { detail: detail.into(), ..Self::forbidden(permission) }
    }

    /// The permission that was denied, if that is what went wrong.
    pub(super) fn denied(&self) -> Option<&Permission> {
        self.denied.as_deref()
    }

    /// A login that cannot be begun at the moment.
    pub fn no_login() -> Self {
        let detail = "the identity provider has not said yet where to log in; try again later";
        Self { retry_after: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_login", "No login", detail) }
    }

    /// A login that did not succeed. Why not stands in the log.
    pub fn login_failed() -> Self {
        let detail = "the login did not succeed; begin it again at /console/login";
        Self::new(StatusCode::FORBIDDEN, "login_failed", "Login failed", detail)
    }

    /// A path that knows other methods.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "this path takes another method; see Allow")
    }

    /// No such detector.
    pub fn no_detector(name: &str, known: &[&str]) -> Self {
        let shown: String = redaction::redacted(name).chars().take(64).collect();
        let detail = format!("there is no detector `{shown}`; there are {}", known.join(", "));
        Self::new(StatusCode::NOT_FOUND, "no_such_detector", "No such detector", detail)
    }

    /// A body that is too large.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body has more than {limit} bytes; send fewer rows at a time");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large", detail)
    }

    /// A body that is declared as something else than JSON.
    pub fn not_declared_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", detail)
    }

    /// A body that does not arrive.
    pub fn body_incomplete() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_incomplete", "Body incomplete", "the body did not arrive whole in time")
    }

    /// A body that is no JSON, or no row.
    pub fn not_json(error: &serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_rows", "Invalid rows", error.to_string())
            }
            _ => Self::new(StatusCode::BAD_REQUEST, "invalid_json", "Invalid JSON", error.to_string()),
        }
    }

    /// Rows that the schema refuses. Not every mistake is told: an answer must not be many times as large as its request.
    pub fn refused(mut errors: Vec<Wrong>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}", one.pointer, one.detail).trim_start().to_owned(),
            several if several.len() > MOST_ERRORS => format!("{} values are wrong; here are the first {MOST_ERRORS}", several.len()),
            several => format!("{} values are wrong", several.len()),
        };
        errors.truncate(MOST_ERRORS);
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_row", "Invalid row", detail) }
    }

    /// A route that can only answer yes or no, and must not guess.
    pub fn no_verdict(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_verdict", "No verdict", detail) }
    }

    /// Too much to do.
    pub fn overloaded(after: Duration) -> Self {
        let detail = format!("no answer within {after:?}; send fewer rows at a time, or later");
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", detail) }
    }

    /// A caller who asks for more than it may have.
    pub fn quota_exceeded(standing: &Standing, wait: Duration) -> Self {
        let Standing { policy, quota, .. } = *standing;
        let seconds = u32::try_from(whole_seconds(wait)).unwrap_or(u32::MAX);
        let of = match standing.unit {
            Unit::Requests => "requests at once",
            Unit::Concurrent => "requests at a time",
            Unit::Rows => "rows at once",
        };
        let detail = format!("the policy `{policy}` allows {quota} {of}, and there are too few left; try again in {seconds} s");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded", "Quota exceeded", detail);
        Self { kind: Kind::QuotaExceeded { violated: [policy] }, retry_after: Some(seconds), ..problem }
    }

    /// A request of more rows than its caller may ever send at once: to send it again is in vain.
    pub fn beyond_quota(policy: &str, most: u32) -> Self {
        let detail = format!("the policy `{policy}` allows {most} rows at once; send fewer at a time");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "rows_beyond_quota", "Rows beyond quota", detail)
    }

    /// A request that cannot be taken in now, whoever sent it.
    pub fn at_capacity(policy: &'static str, detail: &str) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", detail);
        Self { kind: Kind::ReducedCapacity { violated: [policy] }, retry_after: Some(1), ..problem }
    }

    /// A request whose Host is missing, doubled or none.
    pub fn bad_host(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_host", "Bad Host", detail)
    }

    /// A request for a host that this service is not.
    pub fn unknown_host() -> Self {
        let detail = "this service is not known by the request's Host: call it by a name that its certificate is for";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", "Unknown host", detail)
    }

    /// An id or a key that was used for something else.
    pub fn conflict() -> Self {
        let detail = "this id or Idempotency-Key was used before, with other content: give a new event a new id";
        Self::new(StatusCode::CONFLICT, "conflict", "Conflict", detail)
    }

    /// An id or a key that is being worked on.
    pub fn in_progress() -> Self {
        let detail = "another request with this id or Idempotency-Key is under way";
        Self { retry_after: Some(1), ..Self::new(StatusCode::CONFLICT, "in_progress", "In progress", detail) }
    }

    /// A key that is none.
    pub fn bad_key() -> Self {
        let detail = "Idempotency-Key must be a text of 1 to 255 visible characters";
        Self::new(StatusCode::BAD_REQUEST, "bad_idempotency_key", "Bad Idempotency-Key", detail)
    }

    /// Nothing can be stored, so that nothing is decided.
    pub fn not_stored(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_stored", "Not stored", detail) }
    }

    /// No more decisions may wait to be shipped.
    pub fn spool_full() -> Self {
        let detail = "too many decisions wait to be shipped, and none may be lost; try again later";
        Self { retry_after: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "spool_full", "Spool full", detail) }
    }

    /// Decisions are asked for, and none are stored.
    pub fn nothing_is_stored() -> Self {
        let detail = "decisions are not stored: `decisions.durability` is `none`";
        Self::new(StatusCode::NOT_FOUND, "nothing_is_stored", "Nothing is stored", detail)
    }

    /// A cursor that leads nowhere.
    pub fn bad_cursor(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_cursor", "Bad cursor", detail)
    }

    /// A query that cannot be understood.
    pub fn bad_query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", "Bad query", detail)
    }

    /// No such decision.
    pub fn no_decision() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_decision", "No such decision", "there is no decision with this id")
    }

    /// Nobody is known by this name.
    pub fn no_entity() -> Self {
        let detail = "nothing is remembered and nothing was decided of this entity";
        Self::new(StatusCode::NOT_FOUND, "no_such_entity", "No such entity", detail)
    }

    /// Entities cannot be looked up here.
    pub fn no_entities(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_entities", "No entities", detail)
    }

    /// A label that cannot be understood.
    pub fn invalid_label(errors: Vec<Wrong>) -> Self {
        let detail = errors.iter().map(|error| format!("{} {}", error.pointer, error.detail).trim_start().to_owned());
        let detail = detail.collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_label", "Invalid label", detail) }
    }

    /// A label whose body is too large.
    pub fn label_too_large(limit: usize) -> Self {
        let detail = format!("the body has more than {limit} bytes, which no label needs");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large", detail)
    }

    /// A decision that was labelled often enough.
    pub fn too_many_labels(most: usize) -> Self {
        let detail = format!("this decision has {most} labels, which is as many as one can have");
        Self::new(StatusCode::CONFLICT, "too_many_labels", "Too many labels", detail)
    }

    /// An API key that is asked for with mistakes.
    pub fn invalid_key(errors: Vec<Wrong>) -> Self {
        let detail = errors.iter().map(|error| format!("{} {}", error.pointer, error.detail).trim_start().to_owned());
        let detail = detail.collect::<Vec<_>>().join("; ");
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_key", "Invalid key", detail) }
    }

    /// An API key that its maker may not make.
    pub fn forbidden_key(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// No such breaker, or another tenant's.
    pub fn no_breaker() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_breaker", "No such breaker", "there is no breaker with this id")
    }

    /// A detector failed without which there is to be no verdict.
    pub fn detector_failed(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "detector_failed", "Detector failed", detail) }
    }

    /// No such version of a model.
    pub fn no_model_version(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_version", "No such version", detail)
    }

    /// Other models cannot judge; those of before go on.
    pub fn cannot_load(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "cannot_load", "Cannot be loaded", detail)
    }

    /// A version is not used: nobody vouches for it who has to, or it is older than one that was taken.
    pub fn version_refused(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "version_refused", "Version refused", detail)
    }

    /// Somebody else has to do it.
    pub fn needs_another(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "needs_another", "Needs somebody else", detail)
    }

    /// No rollout is under way.
    pub fn no_rollout() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_rollout", "No rollout", "no rollout is under way")
    }

    /// One at a time.
    pub fn rollout_under_way(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "rollout_under_way", "Rollout under way", detail)
    }

    /// No such API key, or another tenant's.
    pub fn no_key() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_key", "No such key", "there is no API key with this id")
    }

    /// An API key that cannot be rotated, or no room for another.
    pub fn key_conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "key_conflict", "Key conflict", detail)
    }

    /// Too many read decisions.
    pub fn too_many_reads() -> Self {
        let detail = "others are reading decisions, and scoring goes first; try again later, or ask for less";
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", detail) }
    }

    /// A body that is no object with the fields of a key.
    pub fn key_too_large(limit: usize) -> Self {
        let detail = format!("the body has more than {limit} bytes, which no key needs");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large", detail)
    }

    /// No such model of the Open Inference Protocol.
    pub fn no_model(name: &str, known: &[String]) -> Self {
        let detail = format!("there is no model `{}`; there are {}", crate::inference::shown(name), known.join(", "));
        Self::new(StatusCode::NOT_FOUND, "no_such_model", "No such model", detail)
    }

    /// A model that has other versions.
    pub fn no_version(name: &str, version: &str, served: &str) -> Self {
        let asked = crate::inference::shown(version);
        let detail = format!("the model `{name}` has no version `{asked}` that is served; version `{served}` is");
        Self::new(StatusCode::NOT_FOUND, "no_such_version", "No such version", detail)
    }

    /// A request of the Open Inference Protocol that cannot be understood.
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", "Invalid request", detail)
    }

    /// Tensors that are no rows. Clients of the Open Inference Protocol show the detail alone, so that it says what it can.
    pub fn invalid_tensors(errors: Vec<Wrong>) -> Self {
        let shown: Vec<&str> = errors.iter().take(DETAILS).map(|error| error.detail.as_str()).collect();
        let more = if errors.len() > shown.len() { "; and more" } else { "" };
        let detail = format!("{}{more}", shown.join("; "));
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "invalid_tensors", "Invalid tensors", detail) }
    }

    /// Models that a client asks to load or unload.
    pub fn models_are_fixed() -> Self {
        let detail =
            "models are not loaded or unloaded by clients: `synod fit` makes a version, and the service serves it from its next start on";
        Self::new(StatusCode::BAD_REQUEST, "models_are_fixed", "Models are fixed", detail)
    }

    /// Tensors in memory that is not the client's alone.
    pub fn no_shared_memory() -> Self {
        let detail = "shared memory is not served: send tensors with the request";
        Self::new(StatusCode::BAD_REQUEST, "no_shared_memory", "No shared memory", detail)
    }

    /// A body of a type, or in an encoding, that is not read.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", detail)
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// In a few words.
    pub(super) fn title(&self) -> &'static str {
        self.title
    }

    /// Whether the answer says when to come again.
    pub(super) fn says_when(&self) -> bool {
        self.retry_after.is_some()
    }

    /// For the client, in words.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A fault of Synod's own. What it was stands in the log.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", "this is a fault of the service; the log says more")
    }
}

/// The problems of a row, with pointers. `row` is its place in a list.
pub(super) fn wrong(problems: &[RowProblem], row: Option<usize>) -> Vec<Wrong> {
    let base = row.map_or_else(String::new, |row| format!("/{row}"));
    let pointer = |field: &str| match field {
        "" => base.clone(),
        field => format!("{base}/{}", field.replace('~', "~0").replace('/', "~1")),
    };
    problems.iter().map(|problem| Wrong { pointer: pointer(&problem.field), detail: problem.message.clone() }).collect()
}

pub(super) fn response(problem: Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = problem.challenge {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.header());
    }
    // For whoever has to tell it in other words.
    response.extensions_mut().insert(problem);
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        response(self)
    }
}
