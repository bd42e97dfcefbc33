//! What Synod says about itself: metrics, log lines and traces. Lower crates return facts; here they become telemetry.

pub mod logging;
pub mod metrics;
pub mod names;
pub mod panicking;
pub mod tracing;
