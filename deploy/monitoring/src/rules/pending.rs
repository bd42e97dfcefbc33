//! Metrics that are not on the list yet.

use synod_gateway::telemetry::names::{Kind, Name};

macro_rules! pending {
    ($($name:ident = $kind:ident $family:literal [$($label:literal),*];)*) => {
        $(pub(super) static $name: Name = Name { family: $family, kind: Kind::$kind, labels: &[$($label),*], help: "" };)*
    };
}

pending! {
    TRACE_SPANS = Counter "synod_trace_spans" ["result"];
}
