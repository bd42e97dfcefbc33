//! Saved searches: the questions that come up again and again, and those that links lead to.

use super::data_view::{TIME, View};
use super::object::{Kind, Object, Reference, kql};
use crate::fields::Stream::{Access, App, Audit, DeadLetter, Decision};
use serde_json::json;

/// What the data view of a search is called in its attributes.
const INDEX: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";

/// A saved search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) view: View,
    pub(super) query: &'static str,
    pub(super) columns: &'static [&'static str],
    /// What is first, the largest of it; the latest if there is nothing else.
    pub(super) first: &'static str,
}

impl Search {
    /// The saved object.
    pub(super) fn object(&self) -> Object {
        let source = json!({"highlightAll": true, "version": true, "query": kql(self.query), "filter": [], "indexRefName": INDEX});
        let attributes = json!({
            "title": format!("Synod: {}", self.title),
            "description": self.description,
            "columns": self.columns,
            "sort": [[self.first, "desc"]],
            "grid": {},
            "hideChart": false,
            "isTextBasedQuery": false,
            "timeRestore": false,
            "kibanaSavedObjectMeta": {"searchSourceJSON": source.to_string()},
        });
        let references = vec![Reference::new(INDEX, Kind::DataView, self.view.id())];
        Object { kind: Kind::Search, id: self.id.into(), attributes, references }
    }
}

/// Columns of decisions.
const OF_DECISIONS: &[&str] = &[
    "synod.verdict.outcome",
    "synod.verdict.score",
    "synod.decision.entity",
    "synod.votes.anomalous",
    "synod.reasons",
    "organization.id",
    "synod.decision.id",
];
/// Columns of audit records.
const OF_AUDIT: &[&str] =
    &["event.action", "event.outcome", "user.name", "source.address", "synod.audit.target", "synod.audit.reason", "synod.audit.count"];
/// Columns of requests.
const OF_REQUESTS: &[&str] = &[
    "http.response.status_code",
    "http.request.method",
    "synod.route",
    "event.duration",
    "user.name",
    "organization.id",
    "http.request.id",
    "trace.id",
];

const fn search(
    id: &'static str,
    title: &'static str,
    view: View,
    query: &'static str,
    columns: &'static [&'static str],
    description: &'static str,
) -> Search {
    Search { id, title, description, view, query, columns, first: TIME }
}

pub(super) const BLOCKED: Search = search(
    "synod-search-blocked",
    "blocked",
    View::Of(Decision),
    "event.action: decision and synod.verdict.outcome: block",
    OF_DECISIONS,
    "Decisions whose outcome is block, with the detectors that voted for it and what is unusual.",
);
pub(super) const REFUSED: Search = search(
    "synod-search-refused-credentials",
    "refused credentials",
    View::Of(Audit),
    "event.action: \"credential.refused\"",
    OF_AUDIT,
    "Credentials that did not hold, with the reason and the address. A record can stand for several: synod.audit.count.",
);
pub(super) const KEYS: Search = search(
    "synod-search-key-changes",
    "key changes",
    View::Of(Audit),
    "event.action: (\"key.created\" or \"key.rotated\" or \"key.revoked\" or \"signing_key.created\")",
    OF_AUDIT,
    "Keys that were created, rotated or revoked, and by whom.",
);
pub(super) const WARNINGS: Search = search(
    "synod-search-warnings",
    "warnings and errors of the service",
    View::Of(App),
    "log.level: (warn or error)",
    &["log.level", "log.logger", "message", "service.node.name", "trace.id"],
    "What the service says about itself that somebody should look at.",
);
pub(super) const DEAD_LETTERS: Search = search(
    "synod-search-dead-letters",
    "dead letters",
    View::Of(DeadLetter),
    "",
    &["synod.dead_letter.stream", "synod.dead_letter.type", "synod.dead_letter.reason", "synod.dead_letter.status", "synod.dead_letter.id"],
    "Documents that Elasticsearch refused, with its reason. Mend the mapping, then send them again.",
);

/// All saved searches.
pub(super) const ALL: &[Search] = &[
    search(
        "synod-search-decisions",
        "decisions and labels",
        View::Of(Decision),
        "",
        OF_DECISIONS,
        "All decisions and the labels on them. Links to a decision or an entity lead here.",
    ),
    BLOCKED,
    search(
        "synod-search-reviewed",
        "to review",
        View::Of(Decision),
        "event.action: decision and synod.verdict.outcome: review",
        OF_DECISIONS,
        "Decisions that somebody has to look at.",
    ),
    search(
        "synod-search-too-few-votes",
        "too few votes",
        View::Of(Decision),
        "event.action: decision and synod.verdict.too_few_votes: true",
        &["synod.verdict.outcome", "synod.verdict.votes", "synod.votes.abstentions", "synod.decision.entity", "synod.decision.id"],
        "Decisions on fewer votes than the policy asks for: the outcome is that of consensus.on_missing.",
    ),
    search(
        "synod-search-abstentions",
        "abstentions",
        View::Of(Decision),
        "event.action: decision and synod.votes.abstained: *",
        &["synod.votes.abstained", "synod.votes.abstentions", "synod.verdict.outcome", "synod.verdict.votes", "synod.decision.id"],
        "Decisions in which a detector did not vote, and why it did not.",
    ),
    search(
        "synod-search-labels",
        "labels",
        View::Of(Decision),
        "event.action: label",
        &["synod.label.value", "synod.label.outcome", "synod.label.note", "user.name", "synod.decision.id"],
        "What people said that the truth is.",
    ),
    search("synod-search-audit", "audit", View::Of(Audit), "", OF_AUDIT, "Who did what, and what came of it."),
    REFUSED,
    search(
        "synod-search-denied-permissions",
        "denied permissions",
        View::Of(Audit),
        "event.action: \"permission.denied\"",
        OF_AUDIT,
        "Somebody known asked for what they may not. The target is the permission.",
    ),
    KEYS,
    search("synod-search-requests", "requests", View::Of(Access), "", OF_REQUESTS, "All requests that were answered."),
    search(
        "synod-search-server-errors",
        "server errors",
        View::Of(Access),
        "http.response.status_code >= 500",
        OF_REQUESTS,
        "Requests that failed: 503 is overload, 500 is a defect. The trace leads to the lines of the log.",
    ),
    Search {
        first: "event.duration",
        ..search(
            "synod-search-slow-requests",
            "slow requests",
            View::Of(Access),
            "event.duration >= 1000000000",
            OF_REQUESTS,
            "Requests that took a second or more, the slowest first.",
        )
    },
    WARNINGS,
    DEAD_LETTERS,
    search(
        "synod-search-everything",
        "everything",
        View::All,
        "",
        &["event.dataset", "message", "event.action", "event.outcome", "http.request.id", "trace.id"],
        "All documents, for what belongs to one request or one trace. Links to these lead here.",
    ),
];
