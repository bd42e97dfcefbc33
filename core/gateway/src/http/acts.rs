//! Where the service audits: what it is told of goes to the log of lines and to the hash-chained log.
//!
//! A route that does something which is to be audited takes an [`Origin`] and calls [`Service::audited`] before it answers.

use super::access::RequestId;
use super::{Problem, Service};
use crate::access::{Caller, Permission};
use crate::auditing::{Action, AuditOutcome, AuditRecord, Gate, Refused};
use crate::limiting::ClientAddress;
use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::Extensions;
use axum::http::request::Parts;
use jiff::Timestamp;
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Instant;
use tokio::sync::oneshot;

/// Where a request came from, as audit records tell it.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    address: Option<IpAddr>,
    request: Option<RequestId>,
    route: Option<MatchedPath>,
}

impl Origin {
    /// Of the request with these extensions.
    pub(super) fn of(extensions: &Extensions) -> Self {
        Self {
            address: extensions.get::<ClientAddress>().map(|client| client.0),
            request: extensions.get().cloned(),
            route: extensions.get().cloned(),
        }
    }

    /// The record of something that was done in this request.
    pub fn record(&self, action: Action, outcome: AuditOutcome) -> AuditRecord {
        let record = AuditRecord::new(action, outcome);
        let record = self.address.iter().fold(record, |record, address| record.from_address(*address));
        let record = self.request.iter().fold(record, |record, id| record.in_request(&id.0));
        self.route.iter().fold(record, |record, route| record.on_route(route.as_str()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// What bounds the refusals that are recorded.
#[derive(Debug)]
pub(super) struct Gates {
    credentials: Gate,
    permissions: Gate,
}

impl Default for Gates {
    fn default() -> Self {
        Self { credentials: Gate::new(Action::CREDENTIAL_REFUSED), permissions: Gate::new(Action::PERMISSION_DENIED) }
    }
}

impl Service {
    /// Audits something, and does not wait for it to be stored.
    pub fn audit(&self, record: &AuditRecord) {
        self.metrics.identity.audited(record);
        self.store(record, |_| ());
    }

    /// Audits an act, and waits until its record is as durable as configured: only then it may be acknowledged.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn audited(&self, record: &AuditRecord) -> Result<(), Problem> {
        self.metrics.identity.audited(record);
        let (sender, stored) = oneshot::channel();
        // Nobody may be waiting any more; the record stands all the same.
        self.store(record, |done| {
            let _ = sender.send(done);
        });
        match tokio::time::timeout(self.config.limits.timeout, stored).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(Problem::not_stored("it was done, but its audit record could not be stored; look whether it has to be done again")),
        }
    }

    /// Audits that a credential was refused. Of a flood only the first ones are recorded one by one.
    pub fn refuse_credential(&self, reason: &'static str, origin: &Origin) {
        self.metrics.identity.credential_refused(reason);
        let record = || origin.record(Action::CREDENTIAL_REFUSED, AuditOutcome::Denied).because(reason);
        self.refuse(&self.gates.credentials, reason, origin, record);
    }

    /// Audits that somebody known was denied a permission, within the same bounds.
    pub fn deny_permission(&self, caller: &Caller, permission: &Permission, origin: &Origin) {
        let reason = "no_permission";
        let record =
            || origin.record(Action::PERMISSION_DENIED, AuditOutcome::Denied).by(caller).to(&permission.to_string()).because(reason);
        self.refuse(&self.gates.permissions, reason, origin, record);
    }

    fn refuse(&self, gate: &Gate, reason: &'static str, origin: &Origin, record: impl FnOnce() -> AuditRecord) {
        if gate.admits(Refused { reason, address: origin.address }, Instant::now()) {
            self.audit(&record());
        }
    }

    /// Records the refusals that were only counted so far. To be called every second, and with `all` in the end.
    pub fn record_refusals(&self, all: bool) {
        let now = Instant::now();
        for gate in [&self.gates.credentials, &self.gates.permissions] {
            gate.due(now, all).iter().for_each(|record| self.audit(record));
        }
    }

    /// If the log cannot be written, tries to write that it can again: so it is known as soon as it is true, and the log tells of the time in
    /// which it could not. To be called every few seconds.
    pub fn probe_log(&self) {
        let since = self.ledger.log_facts().and_then(|facts| facts.failing_since).and_then(|since| Timestamp::from_microsecond(since).ok());
        let Some(since) = since else { return };
        let record =
            AuditRecord::new(Action::LOG_RECOVERED, AuditOutcome::Allowed).because(&format!("it could not be written since {since}"));
        let told = record.clone();
        self.ledger.audit_with_room(&record, move |stored| {
            if stored.is_ok() {
                told.tell();
            }
        });
    }

    /// `done` is told whether it is stored.
    fn store(&self, record: &AuditRecord, done: impl FnOnce(bool) + Send + 'static) {
        record.tell();
        let (id, failures) = (record.id(), self.metrics.identity.audit_failures());
        self.ledger.audit(record, move |stored| {
            if let Err(error) = &stored {
                failures.inc();
                tracing::error!(%error, audit = %id, "an audit record cannot be stored");
            }
            done(stored.is_ok());
        });
    }
}
