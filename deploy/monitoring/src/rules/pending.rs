//! Metrics that are not on the list yet.

use synod_gateway::telemetry::names::{Kind, Name};

macro_rules! pending {
    ($($name:ident = $kind:ident $family:literal [$($label:literal),*];)*) => {
        $(pub(super) static $name: Name = Name { family: $family, kind: Kind::$kind, labels: &[$($label),*], help: "" };)*
    };
}

pending! {
    DETECTOR_SCORE_PSI = Gauge "synod_detector_score_psi" ["detector"];
    FEATURE_PSI = Gauge "synod_feature_psi" ["feature"];
    DRIFT_ROWS = Gauge "synod_drift_rows" [];
    FEATURES_MISSING = Counter "synod_features_missing" ["feature"];
    DATA_FREE = Gauge "synod_data_directory_free_bytes" [];
    DATA_SIZE = Gauge "synod_data_directory_size_bytes" [];
    RELOAD_FAILING = Gauge "synod_reload_failing" ["part"];
    PROCESS_OPEN_FDS = Gauge "process_open_fds" [];
    PROCESS_MAX_FDS = Gauge "process_max_fds" [];
    PROCESS_START = Gauge "process_start_time_seconds" [];
    TRACE_SPANS = Counter "synod_trace_spans" ["result"];
    BREAKERS_OPEN = Gauge "synod_breakers_open" [];
    SINK_RECORDS = Counter "synod_sink_records" ["sink", "result"];
    SINK_AGE = Gauge "synod_sink_age_seconds" ["sink"];
}
