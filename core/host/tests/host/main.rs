//! The host with real guests: the plugin template, the hostile guest of `tests/guests`, and guests that are written byte by byte.

// The helpers of tests are tests, too: what is wrong with them ends the test.
#![allow(clippy::unwrap_used)]

mod cache;
mod contract;
mod hostile;
mod pool;
mod raw;
mod support;
mod wasi;
