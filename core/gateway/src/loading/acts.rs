//! What commands did that no list of its own notes, on its way into the log.

use super::Loader;
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use synod_store::CommandAct;

impl Loader {
    /// Has what commands did stand in the log.
    pub(super) async fn audit_commands(&self) {
        let service = self.live.service();
        let acts = service.ledger().acts();
        let mut audited = Vec::new();
        for act in acts.all().unwrap_or_default() {
            // A word that this version does not know waits for the one that wrote it.
            let Some(action) = Action::find(&act.act) else { continue };
            if service.audited(&audit_record(action, &act)).await.is_err() {
                break;
            }
            audited.push(act);
        }
        if !audited.is_empty()
            && let Err(error) = acts.forget(&audited)
        {
            tracing::error!(%error, "acts that are audited cannot be forgotten, and will be audited again");
        }
    }
}

fn audit_record(action: Action, act: &CommandAct) -> AuditRecord {
    AuditRecord::new(action, AuditOutcome::Allowed).by_name(&act.by).to(&act.target).because(&format!("at {:.0}: {}", act.at, act.why))
}
