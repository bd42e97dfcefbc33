//! Synod itself: its process, the log and what is folded from it, who is told of it, the disk, and what watches it.

use super::dashboard::{Dashboard, Row};
use super::panel::{Panel, Unit};
use super::scope::{INTERVAL, now, of, rate};
use crate::query::Query;
use synod_gateway::telemetry::names;

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "self",
        title: "Self",
        description: "Synod itself: process, log, index and histories, sinks, disk, reloads, traces and the breaker.",
        by_detector: false,
        rows: vec![
            Row::new("Process", process()),
            Row::new("Log", log()),
            Row::new("Disk", disk()),
            Row::new("Sinks", sinks()),
            Row::new("Histories", histories()),
            Row::new("Reloads, traces and the breaker", service()),
        ],
    }
}

fn process() -> Vec<Panel> {
    vec![
        Panel::number(
            "Version",
            Unit::Count,
            "Instances by the version that they run. Normal is one version, but while a new one is rolled out.",
        )
        .query(now(&names::BUILD).by("count", &["version"]), "{{version}}")
        .levels("blue", &[]),
        Panel::number(
            "Up for",
            Unit::Duration,
            "Time since the process started that started last. A short time that nobody has caused is a crash: look at the service \
             manager's log.",
        )
        .query(Query::time().minus(now(&names::PROCESS_START).by("max", &[])), "up")
        .levels("orange", &[(300.0, "green")]),
        Panel::lines(
            "Processors",
            Unit::Count,
            "Processors that the process keeps busy, beside its threads that answer clients. At their number it cannot do more: requests \
             queue.",
        )
        .query(rate(&names::PROCESS_CPU, &["instance"]), "{{instance}} busy")
        .query(now(&names::WORKER_THREADS).sum_by(&["instance"]), "{{instance}} threads")
        .wide(8),
        Panel::lines(
            "Memory",
            Unit::Bytes,
            "Resident memory of the process. Normal is flat after some hours: histories (below), sandboxes (Detectors) and bodies (Edge) \
             are bounded.",
        )
        .query(now(&names::PROCESS_RESIDENT).sum_by(&["instance"]), "{{instance}}")
        .wide(8),
        Panel::lines(
            "Open files",
            Unit::Share,
            "Share of the file descriptors that the process may have which are open. Normal is below half. Each connection is one: raise \
             the system's limit before it is reached.",
        )
        .query(now(&names::PROCESS_OPEN_FDS).sum_by(&["instance"]).over(now(&names::PROCESS_MAX_FDS).sum_by(&["instance"])), "{{instance}}")
        .levels("green", &[(0.5, "orange"), (0.8, "red")])
        .up_to(1.0)
        .wide(8),
        Panel::lines("Threads", Unit::Count, "Threads of the process. Normal is flat; those that may block come and go with the load.")
            .query(now(&names::PROCESS_THREADS).sum_by(&["instance"]), "{{instance}}")
            .wide(8),
    ]
}

fn log() -> Vec<Panel> {
    let synced = || rate(&names::LOG_SYNCS, &[]);
    vec![
        Panel::states(
            "Log fails",
            false,
            "Whether the log cannot be written at the moment. Normal is no. While it is yes no decision is acknowledged, and requests get \
             503: the disk is full or broken.",
        )
        .query(now(&names::LOG_FAILING).by("max", &["instance"]), "{{instance}}"),
        Panel::lines(
            "Records and syncs",
            Unit::PerSecond,
            "Records written to the log, and times that it was synced to the disk, a second. Under load many records share a sync.",
        )
        .query(rate(&names::LOG_RECORDS, &[]), "records")
        .query(synced(), "syncs"),
        Panel::lines(
            "Time of a sync",
            Unit::Seconds,
            "Mean time of a sync: every decision waits for one. Normal is below 10 ms on a good disk. If it rises, so do all response \
             times.",
        )
        .query(rate(&names::LOG_SYNC_TIME, &[]).over(synced().above(0.0)), "mean"),
        Panel::lines(
            "Failures",
            Unit::PerSecond,
            "Writes or syncs of the log that failed, and decisions that were refused because of it, a second. Normal is 0. Nothing that \
             was acknowledged is lost.",
        )
        .query(rate(&names::LOG_FAILURES, &[]), "writes and syncs")
        .query(rate(&names::DECISIONS_REFUSED, &[]), "decisions refused")
        .levels("green", &[(0.001, "red")]),
        Panel::lines(
            "Waiting to be written",
            Unit::Bytes,
            "Bytes that wait to be written to the log. Normal is next to 0. If it stays up, the disk is slower than the decisions.",
        )
        .query(now(&names::LOG_QUEUE).total(), "queue"),
        Panel::lines(
            "Records that the index does not know",
            Unit::Count,
            "Records of the log that the search for decisions does not find yet. Normal is less than a second's. If it grows, decisions \
             show up late.",
        )
        .query(now(&names::INDEX_BEHIND).by("max", &["instance"]), "{{instance}}"),
    ]
}

fn disk() -> Vec<Panel> {
    let free = || now(&names::DATA_FREE).by("min", &["instance"]);
    let growth = of(&names::LOG_SIZE).through("deriv", "1h").by("max", &["instance"]);
    vec![
        Panel::lines(
            "Free space",
            Unit::Share,
            "Share of the data directory's file system that Synod can still write. Below 10 % make room, or set decisions.keep_for or \
             keep_bytes; at 0 no decision is acknowledged.",
        )
        .query(free().over(now(&names::DATA_SIZE).by("min", &["instance"])), "{{instance}}")
        .levels("red", &[(0.1, "orange"), (0.2, "green")])
        .up_to(1.0),
        Panel::lines(
            "Full in",
            Unit::Duration,
            "Time until the file system is full, if the log goes on growing as in the last hour. Normal is weeks. No line is a log that \
             does not grow.",
        )
        .query(free().over(growth.above(0.0)), "{{instance}}")
        .if_nothing("does not grow"),
        Panel::lines(
            "Size of the log",
            Unit::Bytes,
            "Size of the log on disk. It grows with the decisions, and falls by whole files as decisions.keep_for and keep_bytes say.",
        )
        .query(now(&names::LOG_SIZE).sum_by(&["instance"]), "{{instance}}"),
        Panel::lines(
            "Files of the log",
            Unit::Count,
            "Files of the log, each of decisions.segment bytes. Without retention they only become more.",
        )
        .query(now(&names::LOG_SEGMENTS).sum_by(&["instance"]), "{{instance}}")
        .wide(24),
    ]
}

fn sinks() -> Vec<Panel> {
    vec![
        Panel::stack(
            "Records for sinks",
            Unit::PerSecond,
            "Records a second by sink and what came of them. Normal is delivered, and skipped for what no rule asks for. dead are letters \
             that the receiver will never take: the log says why.",
        )
        .query(rate(&names::SINK_RECORDS, &["sink", "result"]), "{{sink}} {{result}}"),
        Panel::lines(
            "Failed deliveries",
            Unit::PerSecond,
            "Attempts to deliver that failed, a second, by reason. They are tried again, later and later. Normal is 0: see whether the \
             receiver is up, and takes our credential.",
        )
        .query(rate(&names::SINK_FAILURES, &["sink", "reason"]), "{{sink}} {{reason}}"),
        Panel::lines(
            "Age of what sinks wait for",
            Unit::Seconds,
            "Age of the oldest record that a sink has not acknowledged. Normal is seconds. If it grows, the receiver is down or slower \
             than the decisions.",
        )
        .query(now(&names::SINK_AGE).by("max", &["sink"]), "{{sink}}")
        .levels("green", &[(300.0, "orange"), (3600.0, "red")]),
        Panel::lines(
            "Records that sinks wait for",
            Unit::Count,
            "Records of the log that a sink has not acknowledged. They are kept for it as long as they are of use.",
        )
        .query(now(&names::SINK_BEHIND).by("max", &["sink"]), "{{sink}}")
        .wide(12),
        Panel::lines(
            "Sent again, and there already",
            Unit::PerSecond,
            "Records a second that a sink sent again, and that its receiver had already. Normal is 0: after time-outs, restarts and while the \
             receiver throttles it is more.",
        )
        .query(rate(&names::SINK_RETRIED, &["sink"]), "{{sink}} sent again")
        .query(rate(&names::SINK_REPEATED, &["sink"]), "{{sink}} there already"),
        Panel::lines(
            "Sent by sinks",
            Unit::Bytes,
            "Bytes a second of documents before compression, by sink.",
        )
        .query(rate(&names::SINK_BYTES, &["sink"]), "{{sink}}"),
        Panel::lines(
            "Requests of sinks",
            Unit::PerSecond,
            "Requests with records a second, by sink. Many with few records each say that the receiver is slow or throttles.",
        )
        .query(rate(&names::SINK_REQUESTS, &["sink"]), "{{sink}}"),
        Panel::lines(
            "What waits to be shipped",
            Unit::Bytes,
            "What waits on disk, and what may wait. When the spool of decisions is full, rows are refused; that of events, events are dropped.",
        )
        .query(now(&names::SPOOL_SIZE).by("max", &["spool"]), "{{spool}}")
        .query(now(&names::SPOOL_MAXIMUM).by("max", &["spool"]), "{{spool}} at most"),
        Panel::stack(
            "Access and application events",
            Unit::PerSecond,
            "Events a second that were written down to be shipped, and those that were dropped, by reason. Normal is none of the latter.",
        )
        .query(rate(&names::EVENTS, &["stream"]), "{{stream}}")
        .query(rate(&names::EVENTS_DROPPED, &["stream", "reason"]), "{{stream}} dropped: {{reason}}"),
        Panel::stack(
            "Alerts of anomalies",
            Unit::Count,
            "Alerts of anomalies in each interval that were no repetitions, by severity. Normal is what your analysts can look at.",
        )
        .query(of(&names::ANOMALY_ALERTS).increase(INTERVAL).sum_by(&["severity"]), "{{severity}}")
        .wide(12),
    ]
}

fn histories() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Keys",
            Unit::Count,
            "Keys whose past is remembered. At history.entities the ones that were not used lately are forgotten.",
        )
        .query(now(&names::HISTORY_ENTITIES).sum_by(&["per"]), "{{per}}"),
        Panel::lines("Events", Unit::Count, "Events that are remembered, at most history.events of a key.")
            .query(now(&names::HISTORY_EVENTS).sum_by(&["per"]), "{{per}}"),
        Panel::lines("Memory of histories", Unit::Bytes, "Memory that histories take. `synod check` says how high it can become.")
            .query(now(&names::HISTORY_SIZE).sum_by(&["per"]), "{{per}}"),
        Panel::lines(
            "Keys forgotten",
            Unit::PerSecond,
            "Keys a second that were forgotten to make room. Normal is 0: what is forgotten looks new when it comes again. Raise \
             history.entities, if there is memory.",
        )
        .query(rate(&names::HISTORY_EVICTED, &["per"]), "{{per}}")
        .wide(12),
        Panel::lines(
            "Rows out of time",
            Unit::PerSecond,
            "Rows a second that came later than history.lateness, whose time is ahead of the clock, or whose key had as many events as \
             are kept. Late ones in number are a source that is behind; ones ahead a clock that is wrong.",
        )
        .query(rate(&names::ROWS_LATE, &[]), "late")
        .query(rate(&names::ROWS_AHEAD, &[]), "ahead")
        .query(rate(&names::ROWS_WITH_FULL_HISTORY, &[]), "full history")
        .wide(12),
    ]
}

fn service() -> Vec<Panel> {
    vec![
        Panel::states(
            "Reload fails",
            false,
            "Whether files could not be used when they were read last, by part. Normal is no. Meanwhile what was there before is kept; \
             the log says what is wrong with which file.",
        )
        .query(now(&names::RELOAD_FAILING).by("max", &["part"]), "{{part}}"),
        Panel::lines("Reloads", Unit::Count, "Times that files were read again in each interval, by what came of it.")
            .query(of(&names::RELOADS).increase(INTERVAL).sum_by(&["part", "result"]), "{{part}} {{result}}"),
        Panel::stack(
            "Spans of traces",
            Unit::PerSecond,
            "Spans a second by what came of them. Normal is that all are exported. Dropped ones mean that the collector is slower than \
             they come, failed ones that it does not answer; requests never wait for it.",
        )
        .query(rate(&names::TRACE_SPANS, &["result"]), "{{result}}"),
        Panel::lines(
            "Spans that wait",
            Unit::Count,
            "Spans that wait to be sent to the collector. Normal is a few. At tracing.queue they are dropped: the collector is away or too \
             slow.",
        )
        .query(now(&names::TRACE_SPANS_WAITING).by("max", &["instance"]), "{{instance}}"),
        Panel::lines(
            "Failed sendings of spans",
            Unit::PerSecond,
            "Attempts to send spans a second that failed. Each is tried again a few times. Normal is 0: see whether the collector is up, \
             and takes our credential.",
        )
        .query(rate(&names::TRACE_ATTEMPTS_FAILED, &[]), "failed"),
        Panel::lines(
            "Share of block",
            Unit::Share,
            "Highest share of block among the tenants and policies that have a breaker. At the limit the breaker opens, and block is \
             review until an operator has looked.",
        )
        .query(now(&names::BREAKER_BLOCK_SHARE).by("max", &["instance"]), "{{instance}}")
        .up_to(1.0),
        Panel::lines(
            "Breakers",
            Unit::Count,
            "Breakers that are open, and times that one opened in each interval. Normal is 0. Before it is reset, find out whether the \
             rows or the model changed.",
        )
        .query(now(&names::BREAKERS_OPEN).total(), "open")
        .query(of(&names::BREAKER_OPENINGS).increase(INTERVAL).total(), "openings")
        .levels("green", &[(1.0, "red")]),
        Panel::lines(
            "Verdicts that a breaker changed",
            Unit::PerSecond,
            "Verdicts a second of block that are review because a breaker is open. Somebody has to look at each of them.",
        )
        .query(rate(&names::VERDICTS_DEGRADED, &[]), "degraded"),
    ]
}
