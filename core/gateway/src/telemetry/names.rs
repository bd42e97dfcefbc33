//! The one list of all metrics: how each is called, what it counts, and by which labels. Metrics are registered by an entry of it, and alert
//! rules and dashboards are generated from it, so that none can name a metric that does not exist.

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How observations are distributed.
    Histogram,
    /// Labels that never change, of the value 1.
    Info,
}

/// A metric, as it is registered.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// The whole name without what its kind appends, with the unit at its end.
    pub family: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// Its labels. All are bounded: by the configuration, or by words of the code.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

impl Name {
    /// The name that queries use; of a histogram, to which they append `_bucket`, `_count` or `_sum`, and native ones nothing.
    pub fn series(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.family),
            Kind::Info => format!("{}_info", self.family),
            Kind::Gauge | Kind::Histogram => self.family.to_owned(),
        }
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident = $kind:ident $family:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            $(#[$doc])*
            pub static $name: Name = Name { family: $family, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*

        /// All of them.
        pub static ALL: &[&Name] = &[$(&$name),*];
    };
}

metrics! {
    BUILD = Info "synod_build" ["version"] "Version of this Synod";

    // Connections.
    CONNECTIONS_OPEN = Gauge "synod_connections_open" ["listener"] "Connections that are open";
    CONNECTIONS_REFUSED = Counter "synod_connections_refused" ["listener", "reason"] "Connections that were refused, because there were too many";
    CONNECTIONS_OVERDUE = Counter "synod_connections_overdue" ["deadline"] "Connections that were closed and bodies that were not waited for, by the deadline they missed";
    HANDSHAKES_FAILED = Counter "synod_tls_handshakes_failed" [] "Handshakes of TLS that failed";
    BAD_HOSTS = Counter "synod_requests_with_bad_host" [] "Requests without the one Host that they need";
    CERTIFICATE_EXPIRY = Gauge "synod_certificate_expiry_seconds" ["listener"] "When the certificate that is served ends, in seconds since 1970";
    CERTIFICATE_ORDERS = Counter "synod_certificate_orders" ["result"] "Orders of a certificate by ACME, by what came of them";

    // Who calls.
    KEY_FETCHES = Counter "synod_identity_key_fetches" ["issuer", "result"] "Fetches of identity providers' keys, by what came of them";
    KEYS_FETCHED = Gauge "synod_identity_keys_fetched_seconds" ["issuer"] "When the keys of an identity provider were fetched last, in seconds since 1970";
    LOGINS = Counter "synod_console_logins" ["result"] "Logins to the console, by what came of them";
    CREDENTIALS_REFUSED = Counter "synod_credentials_refused" ["reason"] "Credentials that did not hold, by reason";
    TOKENS_ISSUED = Counter "synod_access_tokens_issued" [] "Access tokens that the embedded authorisation server gave";
    AUDIT_EVENTS = Counter "synod_audit_events" ["action", "outcome"] "Audited acts and refusals; those of a flood count when they are summed up";
    AUDIT_FAILURES = Counter "synod_audit_failures" [] "Audit records that could not be stored";

    // Requests and their limits.
    REQUESTS = Counter "synod_http_requests" ["route", "method", "status"] "Requests answered";
    REQUEST_DURATION = Histogram "synod_http_request_duration_seconds" ["route"] "Time to answer a request";
    REQUESTS_LIMITED = Counter "synod_requests_limited" ["limit"] "Requests that were refused, by the limit that they ran into";
    LIMIT_KEYS = Gauge "synod_limit_keys" ["limit"] "Callers that quotas remember, by what they are told apart by";
    QUEUE_LENGTH = Gauge "synod_queue_length" ["queue"] "Requests that wait";
    QUEUE_AGE = Gauge "synod_queue_age_seconds" ["queue"] "For how long the first of them does";
    BODIES_SIZE = Gauge "synod_bodies_size_bytes" [] "Memory that the bodies of requests take";

    // Verdicts.
    ROWS_REFUSED = Counter "synod_rows_refused" [] "Rows that the schema refused";
    VERDICTS = Counter "synod_verdicts" ["outcome"] "Verdicts by outcome";
    VERDICTS_ANOMALOUS = Counter "synod_verdicts_anomalous" [] "Verdicts that a row is anomalous";
    POLICY_EXPECTED_FLAG_RATE = Gauge "synod_policy_expected_flag_rate" [] "Share of verdicts that should be anomalous, by the held-out rows of the models";
    VERDICT_SCORE = Histogram "synod_verdict_score" [] "Calibrated scores of the verdicts";
    TOO_FEW_VOTES = Counter "synod_verdicts_with_too_few_votes" [] "Verdicts for which fewer detectors voted than asked";
    VERDICTS_DEGRADED = Counter "synod_verdicts_degraded" [] "Verdicts of block that are review because a breaker is open";
    BREAKERS_OPEN = Gauge "synod_breakers_open" [] "Breakers that are open, of all tenants and policies";
    BREAKER_OPENINGS = Counter "synod_breaker_openings" [] "Times that a breaker opened";
    BREAKER_BLOCK_SHARE = Gauge "synod_breaker_block_share" [] "Highest share of block in the window of a breaker with enough outcomes";

    // What is asked beside the policy in force, and counts for nothing.
    SHADOW_VERDICTS = Counter "synod_shadow_verdicts" ["policy", "outcome", "in_force"] "Verdicts of policies that are asked beside, with the outcome in force of the same rows; `rollout` is what a rollout tries";
    SHADOW_VOTES = Counter "synod_shadow_votes" ["detector", "vote", "verdict"] "Votes and abstentions of detectors that are asked beside, with the verdict in force of the same rows";
    SHADOW_SCORE = Histogram "synod_shadow_score" ["detector"] "Calibrated scores of detectors that are asked beside";
    SHADOW_DURATION = Histogram "synod_shadow_duration_seconds" ["detector"] "Time in the plugin of detectors that are asked beside, for the rows of a request";
    SHADOW_DROPPED = Counter "synod_shadow_dropped_rows" [] "Rows about which nobody was asked beside, because too many waited";
    ROLLOUT_SHARE = Gauge "synod_rollout_share" [] "Share of the entities whose rows are judged by what a rollout tries";
    ROLLOUT_GUARD = Gauge "synod_rollout_guard" ["guard"] "What a rollout's guard measures, as a part of what it allows: above 1 it does not hold";
    ROLLOUTS_ENDED = Counter "synod_rollouts_ended" ["end", "why"] "Rollouts that ended, and of those that were rolled back which guard did not hold";

    // What people said afterwards.
    LABELS = Counter "synod_labels" ["label"] "Labels that were set";
    LABELLED_DECISIONS = Gauge "synod_labelled_decisions" ["verdict", "label"] "Decisions of the last 30 days with a label, by the label that holds";
    POLICY_PRECISION = Gauge "synod_policy_precision" [] "Share of fraud among the labelled decisions of the last 30 days that the policy called anomalous";
    POLICY_RECALL = Gauge "synod_policy_recall" [] "Share of the labelled fraud of the last 30 days that the policy called anomalous";
    DETECTOR_PRECISION = Gauge "synod_detector_precision" ["detector"] "Share of fraud among the labelled decisions of the last 30 days that a detector voted for";
    DETECTOR_RECALL = Gauge "synod_detector_recall" ["detector"] "Share of the labelled fraud of the last 30 days that a detector voted for";

    // Detectors.
    DETECTOR_VOTES = Counter "synod_detector_votes" ["detector", "vote"] "Votes";
    DETECTOR_ABSTENTIONS = Counter "synod_detector_abstentions" ["detector", "reason"] "Rows that a detector did not vote on";
    DETECTOR_SCORE = Histogram "synod_detector_score" ["detector"] "Calibrated scores of a detector";
    DETECTOR_DURATION = Histogram "synod_detector_duration_seconds" ["detector", "phase"] "Time that a detector took for a request, by phase";
    DETECTOR_READY = Gauge "synod_detector_ready" ["detector"] "Whether a detector can vote";
    DETECTOR_PAUSED = Gauge "synod_detector_paused" ["detector"] "Whether a detector is not asked because it failed again and again: 1 until it works on its golden rows, 2 until it is released";
    DETECTOR_INSTANCES = Gauge "synod_detector_instances" ["detector", "state"] "Sandboxes of a detector";
    DETECTOR_MEMORY = Gauge "synod_detector_memory_bytes" ["detector"] "Memory of a detector's sandboxes, each as it was after its last call";
    DETECTOR_RETIRED = Counter "synod_detector_instances_retired" ["detector", "reason"] "Sandboxes that were dropped, by reason";
    DETECTOR_PAIRS = Counter "synod_detector_pairs" ["detector", "other", "votes"] "Rows that both of two detectors voted on, by whether they agreed; of the first eight detectors";
    DETECTOR_VERDICT_AGREEMENT = Counter "synod_detector_verdict_agreement" ["detector", "votes"] "Votes of a detector, by whether they agreed with the verdict";

    // Drift.
    DETECTOR_SCORE_PSI = Gauge "synod_detector_score_psi" ["detector"] "Population stability index of a detector's raw scores against those of its held-out rows";
    DETECTOR_SCORE_KS = Gauge "synod_detector_score_ks_distance" ["detector"] "Kolmogorov-Smirnov distance of a detector's raw scores from those of its held-out rows";
    FEATURE_PSI = Gauge "synod_feature_psi" ["feature"] "Population stability index of a feature against the training rows";
    FEATURE_KS = Gauge "synod_feature_ks_distance" ["feature"] "Kolmogorov-Smirnov distance of a feature from the training rows, of the values that are there";
    DRIFT_ROWS = Gauge "synod_drift_rows" [] "Rows that the indices of drift and the distances rest on";
    FEATURES_MISSING = Counter "synod_features_missing" ["feature"] "Rows without a value of a feature";

    // Traces.
    TRACE_SPANS = Counter "synod_trace_spans" ["result"] "Spans, by what became of them: taken by the collector, dropped because too many waited, sent in vain";
    TRACE_SPANS_WAITING = Gauge "synod_trace_spans_waiting" [] "Spans that wait to be sent to the collector";
    TRACE_ATTEMPTS_FAILED = Counter "synod_trace_export_attempts_failed" [] "Attempts to send spans that failed; each is tried again a few times";

    // Decisions, the log and histories.
    ROWS_REPEATED = Counter "synod_rows_repeated" [] "Rows whose recorded decision was told again";
    ROWS_CONFLICTING = Counter "synod_rows_conflicting" [] "Rows whose id or key was used before with other content";
    ROWS_LATE = Counter "synod_rows_late" [] "Rows that came later than history.lateness";
    ROWS_WITH_FULL_HISTORY = Counter "synod_rows_with_full_history" [] "Rows with a key that had as many events as are kept";
    ROWS_AHEAD = Counter "synod_rows_ahead" [] "Rows whose time was too far ahead of the clock to be remembered";
    DECISIONS_REFUSED = Counter "synod_decisions_refused" [] "Decisions that could not be stored, and were not acknowledged";
    LOG_RECORDS = Counter "synod_log_records" [] "Records written to the log";
    LOG_SYNCS = Counter "synod_log_syncs" [] "Times that the log was synced to the disk";
    LOG_SYNC_TIME = Counter "synod_log_sync_seconds" [] "Time spent syncing the log";
    LOG_FAILURES = Counter "synod_log_failures" [] "Writes or syncs of the log that failed";
    LOG_FAILING = Gauge "synod_log_failing" [] "Whether the log cannot be written at the moment";
    LOG_SIZE = Gauge "synod_log_size_bytes" [] "Size of the log on disk";
    LOG_SEGMENTS = Gauge "synod_log_segments" [] "Files of the log";
    LOG_QUEUE = Gauge "synod_log_queue_bytes" [] "Bytes that wait to be written to the log";
    INDEX_BEHIND = Gauge "synod_index_behind_records" [] "Records of the log that the index does not know yet";
    HISTORY_ENTITIES = Gauge "synod_history_entities" ["per"] "Keys whose past is remembered, by the fields of the key";
    HISTORY_EVENTS = Gauge "synod_history_events" ["per"] "Events that are remembered";
    HISTORY_SIZE = Gauge "synod_history_size_bytes" ["per"] "Memory that histories take";
    HISTORY_EVICTED = Counter "synod_history_evicted" ["per"] "Keys that were forgotten to make room";
    DATA_FREE = Gauge "synod_data_directory_free_bytes" [] "What Synod can still write to the file system of the data directory";
    DATA_SIZE = Gauge "synod_data_directory_size_bytes" [] "Size of the file system of the data directory";

    // What is read again while the service runs.
    RELOADS = Counter "synod_reloads" ["part", "result"] "Times that files were read again, by what came of it";
    RELOAD_FAILING = Gauge "synod_reload_failing" ["part"] "Whether what was there before is kept, because the files could not be used when they were read last";

    // The process, by the names that all processes have.
    PROCESS_CPU = Counter "process_cpu_seconds" [] "Time of processors that the process took, in user and system mode";
    PROCESS_RESIDENT = Gauge "process_resident_memory_bytes" [] "Resident memory of the process";
    PROCESS_VIRTUAL = Gauge "process_virtual_memory_bytes" [] "Virtual memory of the process";
    PROCESS_OPEN_FDS = Gauge "process_open_fds" [] "Open file descriptors";
    PROCESS_MAX_FDS = Gauge "process_max_fds" [] "File descriptors that the process may have open";
    PROCESS_START = Gauge "process_start_time_seconds" [] "When the process started, in seconds since 1970";
    PROCESS_THREADS = Gauge "process_threads" [] "Threads of the process";
    WORKER_THREADS = Gauge "synod_worker_threads" [] "Threads that answer clients and score what is short";

    // Those who are told what is in the log.
    SINK_RECORDS = Counter "synod_sink_records" ["sink", "result"] "Records that were something for a sink's receiver, by what came of them";
    SINK_FAILURES = Counter "synod_sink_failures" ["sink", "reason"] "Attempts to deliver that failed, by reason";
    SINK_REPEATED = Counter "synod_sink_repeated" ["sink"] "Records that a sink's receiver had already when they were sent or looked up";
    SINK_RETRIED = Counter "synod_sink_retried" ["sink"] "Records that were sent again, because they could not be taken or nobody knows whether they were";
    SINK_REQUESTS = Counter "synod_sink_requests" ["sink"] "Requests with records that a sink sent";
    SINK_BYTES = Counter "synod_sink_sent_bytes" ["sink"] "What a sink sent of records, before compression";
    SINK_BEHIND = Gauge "synod_sink_behind_records" ["sink"] "Records of the log that a sink has not acknowledged";
    EVENTS = Counter "synod_events" ["stream"] "Access and application events that were written down to be shipped";
    EVENTS_DROPPED = Counter "synod_events_dropped" ["stream", "reason"] "Access and application events that were dropped, by reason";
    SPOOL_SIZE = Gauge "synod_spool_size_bytes" ["spool"] "What waits on disk to be shipped, in whole segments of its log";
    SPOOL_MAXIMUM = Gauge "synod_spool_maximum_bytes" ["spool"] "What may wait";
    SINK_AGE = Gauge "synod_sink_age_seconds" ["sink"] "Age of the oldest record that a sink has not acknowledged; 0 if there is none";
    ANOMALY_ALERTS = Counter "synod_anomaly_alerts" ["severity"] "Alerts of anomalies that were no repetitions";
}

/// What `synod notify` counts, which is a process of its own.
pub mod of_notify {
    use super::{Kind, Name};

    metrics! {
        NOTIFY_NOTIFICATIONS = Counter "synod_notify_notifications" ["receiver", "result"] "Notifications of Alertmanager's, by whether everybody got them";
        NOTIFY_MESSAGES = Counter "synod_notify_messages" ["receiver", "result"] "Messages to a receiver, by whether it took them";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What every process is measured by has names of its own, by which dashboards of others know them.
    const PROCESS: [&str; 7] = [
        "process_cpu_seconds",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_threads",
        "process_virtual_memory_bytes",
    ];

    #[test]
    fn names_are_spelled_by_the_rules() {
        let all = || ALL.iter().chain(of_notify::ALL);
        let families: BTreeSet<&str> = all().map(|name| name.family).collect();
        assert_eq!(families.len(), all().count(), "two metrics have one name");
        for name in all() {
            let word = |text: &str| {
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
            };
            assert!(name.family.starts_with("synod_") || PROCESS.contains(&name.family), "{name:?}");
            assert!(word(name.family) && name.labels.iter().all(|label| word(label)), "{name:?}");
            assert!(["_total", "_info", "_count", "_sum", "_bucket"].iter().all(|end| !name.family.ends_with(end)), "{name:?}");
            assert!(!name.help.ends_with('.') && name.help.starts_with(|first: char| first.is_uppercase()), "{name:?}");
            // What belongs to a person, or what a client can write, is no label.
            let unbounded = ["entity", "account", "path", "id", "tenant", "principal", "address", "user"];
            assert!(name.labels.iter().all(|label| !unbounded.contains(label)), "{name:?}");
        }
    }
}
