//! `/v1/keys`: API keys are listed, made, rotated and revoked. A key's text is in the answer that made it and nowhere else.

use super::acts::Origin;
use super::problem::Wrong;
use super::score::json;
use super::{Problem, Service, body};
use crate::access::Caller;
use crate::auditing::{Action, AuditOutcome};
use crate::identity::keys::{KeyView, KeysError, MadeKey, Manager, NewKey};
use crate::identity::now;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use synod_store::{KeptListError, KeyEntry};
use utoipa::ToSchema;

/// Bytes of a body.
const LONGEST_BODY: usize = 16 << 10;
/// How long a key that is rotated still holds, if nothing is said.
const OVERLAP: Duration = Duration::from_hours(24);

/// A key that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub(super) struct Asked {
    /// What it may act as.
    #[schema(min_items = 1, max_items = 32)]
    roles: Vec<String>,
    /// Permissions that it is limited to; without any it may do whatever its roles may.
    #[serde(default)]
    #[schema(max_items = 32)]
    scopes: Vec<String>,
    /// Whose decisions it may see; without it, its maker's tenant.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    tenant: Option<String>,
    /// What people call it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    label: Option<String>,
    /// For how many seconds it holds; as long as it is configured, if nothing is said.
    #[serde(default)]
    #[schema(minimum = 1)]
    expires_in: Option<u64>,
}

/// How a key is to be rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRotation)]
pub(super) struct Rotation {
    /// Seconds for which the old key still holds; a day, if nothing is said.
    #[serde(default)]
    overlap: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ListOfKeys)]
pub(super) struct Listed<'a> {
    keys: Vec<KeyView<'a>>,
}

/// A key that was made: its text, and what is told of it.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeKey)]
pub(super) struct Made<'a> {
    /// The key itself. It is told here and nowhere else.
    key: &'a str,
    #[serde(flatten)]
    view: KeyView<'a>,
}

pub(super) async fn list(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    let entries = changing(&service, move |service| service.identity.keys().list(Manager::Caller(&caller))).await?;
    let now = now();
    json(&Listed { keys: entries.iter().map(|entry| KeyView::new(entry, now)).collect() })
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    origin: Origin,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    body::expect_json(&headers)?;
    let asked: Asked = object(&read(&service, body).await?)?;
    let new = NewKey {
        roles: asked.roles,
        scopes: asked.scopes,
        tenant: asked.tenant,
        label: asked.label,
        lifetime: asked.expires_in.map(Duration::from_secs),
    };
    let by = caller.clone();
    let made = changing(&service, move |service| service.identity.keys().create(new, Manager::Caller(&by), now())).await?;
    service.audited(&origin.record(Action::KEY_CREATED, AuditOutcome::Allowed).by(&caller).to(&made.entry.id)).await?;
    told(&made)
}

pub(super) async fn rotate(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    origin: Origin,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = self::id(id)?;
    body::expect_json(&headers)?;
    let body = read(&service, body).await?;
    let rotation = if body.is_empty() { Rotation::default() } else { object(&body)? };
    let overlap = rotation.overlap.map_or(OVERLAP, Duration::from_secs);
    let (by, old) = (caller.clone(), id.clone());
    let made = changing(&service, move |service| service.identity.keys().rotate(&old, overlap, Manager::Caller(&by), now())).await?;
    service.audited(&origin.record(Action::KEY_ROTATED, AuditOutcome::Allowed).by(&caller).to(&made.entry.id)).await?;
    told(&made)
}

pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    origin: Origin,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = self::id(id)?;
    let by = caller.clone();
    let entry = changing(&service, move |service| service.identity.keys().revoke(&id, Manager::Caller(&by), now())).await?;
    service.audited(&origin.record(Action::KEY_REVOKED, AuditOutcome::Allowed).by(&caller).to(&entry.id)).await?;
    json(&KeyView::new(&entry, now()))
}

/// Reads or changes the keys, which are on a disk.
async fn changing<T: Send + 'static>(
    service: &Arc<Service>,
    work: impl FnOnce(&Service) -> Result<T, KeysError> + Send + 'static,
) -> Result<T, Problem> {
    service.reading(move |service| work(service).map_err(refused)).await
}

/// The answer that shows a key's text: nobody on its way may keep it.
fn told(made: &MadeKey) -> Result<Response, Problem> {
    let entry: &KeyEntry = &made.entry;
    let mut response = json(&Made { key: made.text.reveal(), view: KeyView::new(entry, now()) })?;
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn refused(error: KeysError) -> Problem {
    match error {
        KeysError::Wrong { field, detail } => {
            let field = if field == "expires" { "expires_in" } else { field };
            Problem::invalid_key(vec![Wrong::cut(&format!("/{field}"), &detail)])
        }
        KeysError::BeyondOwn(_) | KeysError::OtherTenant => Problem::forbidden_key(error.to_string()),
        KeysError::NoKey => Problem::no_key(),
        KeysError::Ended | KeysError::Rotated { .. } | KeysError::Kept(KeptListError::TooMany { .. }) => {
            Problem::key_conflict(error.to_string())
        }
        KeysError::Kept(_) | KeysError::Entry { .. } | KeysError::Randomness(_) => {
            tracing::error!(error = crate::listening::chain(&error), "the API keys cannot be read or changed");
            Problem::not_stored("the API keys cannot be read or changed at the moment")
        }
    }
}

fn id(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(id)| id).map_err(|_| Problem::no_key())
}

async fn read(service: &Service, body: Body) -> Result<Bytes, Problem> {
    let limit = LONGEST_BODY.min(service.config.limits.body);
    body::read_at_most(service, body, limit, Problem::key_too_large).await
}

fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    body::object(bytes, r#"{"roles": ["scorer"]}"#, Problem::invalid_key)
}
