//! Whether decisions are kept, found, and told to others.

use super::series::{grew, increase, series};
use super::{Alert, Board, Levels, RuleFile, Severity};
use synod_gateway::telemetry::names;

pub(super) fn rules(levels: &Levels) -> RuleFile {
    let alerts = vec![
        log_failing(),
        decisions_refused(),
        disk_full_soon(),
        disk_low(),
        index_behind(),
        audit_not_stored(),
        history_evicts(),
        sink_behind(levels.limits.sink_age),
        dead_letters(),
        credential_refused(),
        spool_fills(),
        events_dropped(),
    ];
    RuleFile::of_alerts("decisions", "Whether decisions are kept, found, and told to others.", alerts)
}

fn log_failing() -> Alert {
    Alert::new("SynodLogFailing", Severity::Critical, Board::Own).when(format!("{} == 1", series(&names::LOG_FAILING, ""))).hold("1m").says(
        "Synod {{ $labels.instance }} cannot write its log",
        "No decision can be stored, so none is given: requests to score are answered with 503. The disk is full, gone or read-only.",
    )
}

fn decisions_refused() -> Alert {
    Alert::new("SynodDecisionsRefused", Severity::Warning, Board::Own)
        .when(format!("{} > 0", increase(&names::DECISIONS_REFUSED, "", "10m")))
        .hold("1m")
        .says(
            "Synod {{ $labels.instance }} could not store {{ $value | humanize }} decisions within ten minutes",
            "Their requests were answered with 503, and callers have to send the rows again. The log says what the disk answered.",
        )
}

/// What is nearly empty is not predicted to be full: a copy that comes and goes would call somebody.
fn disk_full_soon() -> Alert {
    let (free, size) = (series(&names::DATA_FREE, ""), series(&names::DATA_SIZE, ""));
    Alert::new("SynodDiskFullSoon", Severity::Critical, Board::Own)
        .when(format!("{free} < 0.4 * {size}\nand predict_linear({free}[30m], 3600) < 0"))
        .hold("5m")
        .says(
            "The data directory of {{ $labels.instance }} is full within the hour: {{ $value | humanize1024 }}B left",
            "At the pace of the last half hour. Once it is full, no decision is stored and requests to score are refused.",
        )
}

fn disk_low() -> Alert {
    let (free, size) = (series(&names::DATA_FREE, ""), series(&names::DATA_SIZE, ""));
    Alert::new("SynodDiskLow", Severity::Warning, Board::Own).when(format!("{free} / {size} < 0.1")).hold("15m").says(
        "{{ $value | humanizePercentage }} of the file system of {{ $labels.instance }} is free",
        "Make room or set `decisions.keep_for` before the log cannot be written.",
    )
}

/// After a start the index catches up: that is no cause for alarm as long as it does.
fn index_behind() -> Alert {
    let behind = series(&names::INDEX_BEHIND, "");
    Alert::new("SynodIndexBehind", Severity::Warning, Board::Own)
        .when(format!("{behind} > 10000\nand delta({behind}[10m]) >= 0"))
        .hold("15m")
        .says(
            "The index of {{ $labels.instance }} lacks {{ $value | humanize }} records",
            "Decisions are given and stored, but the latest are not found by GET /v1/decisions, and it does not catch up.",
        )
}

fn audit_not_stored() -> Alert {
    Alert::new("SynodAuditNotStored", Severity::Warning, Board::Own)
        .when(format!("{} > 0", increase(&names::AUDIT_FAILURES, "", "10m")))
        .says(
            "Synod {{ $labels.instance }} could not store {{ $value | humanize }} audit records within ten minutes",
            "What was done stands in the text log alone. Whoever answers for the audit has to know of the gap.",
        )
}

fn history_evicts() -> Alert {
    let (evicted, entities) = (increase(&names::HISTORY_EVICTED, "", "1h"), series(&names::HISTORY_ENTITIES, ""));
    Alert::new("SynodHistoryEvicts", Severity::Warning, Board::Own).when(format!("{evicted} / ({entities} > 0) > 0.01")).hold("1h").says(
        "Synod {{ $labels.instance }} forgets {{ $value | humanizePercentage }} of the histories per {{ $labels.per }} an hour",
        "More keys are active than `history.entities` allows: what is forgotten looks new when it comes again. Raise it, if there is memory.",
    )
}

fn sink_behind(limit: u32) -> Alert {
    Alert::new("SynodSinkBehind", Severity::Warning, Board::Own)
        .when(format!("{} > {limit}", series(&names::SINK_AGE, "")))
        .hold("5m")
        .says(
            "The sink {{ $labels.sink }} of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind",
            "Its receiver takes nothing, or not fast enough. Nothing is lost as long as the log keeps what was not delivered.",
        )
}

fn dead_letters() -> Alert {
    let dead = grew(&names::SINK_RECORDS, "result=\"dead\"", "1h");
    Alert::new("SynodSinkDeadLetters", Severity::Warning, Board::Own).when(dead).says(
        "The sink {{ $labels.sink }} of {{ $labels.instance }} gave up {{ $value | humanize }} records within the hour",
        "Its receiver refused them for good. They are kept, and will not be sent again by themselves.",
    )
}

/// Nothing is tried again before the credential changes, or some minutes are over: one attempt that fails is enough to call somebody.
fn credential_refused() -> Alert {
    let refused = grew(&names::SINK_FAILURES, "reason=\"credential\"", "10m");
    Alert::new("SynodSinkCredentialRefused", Severity::Warning, Board::Own).when(refused).says(
        "The receiver of the sink {{ $labels.sink }} of {{ $labels.instance }} refuses the credential",
        "Nothing is delivered until its file changes. Nothing is lost as long as there is room for what waits.",
    )
}

fn spool_fills() -> Alert {
    let (size, maximum) = (series(&names::SPOOL_SIZE, ""), series(&names::SPOOL_MAXIMUM, ""));
    Alert::new("SynodSpoolFills", Severity::Critical, Board::Own).when(format!("{size} / {maximum} > 0.8")).hold("5m").says(
        "{{ $value | humanizePercentage }} of what may wait to be shipped from {{ $labels.instance }} does ({{ $labels.spool }})",
        "When it is full, rows are refused if it is the spool of decisions, and events are dropped if it is that of events.",
    )
}

fn events_dropped() -> Alert {
    let dropped = grew(&names::EVENTS_DROPPED, "", "1h");
    Alert::new("SynodEventsDropped", Severity::Warning, Board::Own).when(dropped).says(
        "Synod {{ $labels.instance }} dropped {{ $value | humanize }} {{ $labels.stream }} events within the hour ({{ $labels.reason }})",
        "Access and application events had no room. Decisions and audit records are not dropped.",
    )
}
