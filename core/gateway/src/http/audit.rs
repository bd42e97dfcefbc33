//! `GET /v1/audit`: who did what, newest first. A caller who belongs to a tenant sees what is that tenant's.

use super::decisions::query::{OF_AUDIT, Query};
use super::decisions::{link, linked, refused};
use super::score::json;
use super::{Problem, Service};
use crate::access::Caller;
use crate::auditing::AuditRecord;
use axum::Extension;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;
use synod_store::AuditFilter;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = PageOfAuditRecords)]
pub(super) struct Page {
    events: Vec<AuditRecord>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

pub(super) async fn list(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(uri.query(), &OF_AUDIT)?;
    let (cursor, limit) = query.page()?;
    let filter = AuditFilter { tenant: caller.tenant().map(str::to_owned), ..query.audits()? };
    let reading = move |service: &Service| {
        let page = service.ledger.audits(&filter, cursor.as_ref(), limit).map_err(|error| refused(&error))?;
        let link = page.next.as_ref().and_then(|next| link(uri.path(), &query, next));
        Ok(linked(json(&Page { events: page.records, next: page.next.map(|next| next.to_string()) })?, link))
    };
    service.reading(reading).await
}
