//! What Synod says about itself: metrics and log lines. Lower crates return facts; here they become telemetry.

pub mod logging;
pub mod metrics;
pub mod names;
pub mod panicking;
