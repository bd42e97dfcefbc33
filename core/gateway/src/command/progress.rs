//! Progress on the terminal, on standard error. Where there is no terminal, plain lines.

use crate::redaction::redacted;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// A bar for reading a file.
pub(super) fn reading(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{msg} [{wide_bar}] {percent}% {elapsed}").unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_message(what.to_owned());
    bar
}

/// A bar for bytes that go over the network.
pub(super) fn transferring(what: &str) -> ProgressBar {
    let bar = reading(what);
    let style = ProgressStyle::with_template("{msg} [{wide_bar}] {bytes} of {total_bytes} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Shows how far a file was read.
pub(super) fn update(bar: &ProgressBar, (done, total): (u64, u64)) {
    bar.set_length(total.max(done));
    bar.set_position(done);
}

/// A line for each detector that is being fitted.
pub(super) struct Detectors {
    all: MultiProgress,
    lines: Mutex<HashMap<String, ProgressBar>>,
}

impl Detectors {
    pub(super) fn new() -> Self {
        Self { all: MultiProgress::new(), lines: Mutex::new(HashMap::new()) }
    }

    /// Shows a detector's latest message.
    pub(super) fn show(&self, detector: &str, message: &str) {
        let message = redacted(message);
        if self.all.is_hidden() {
            eprintln!("{detector}: {message}");
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let line = lines.entry(detector.to_owned()).or_insert_with(|| {
            let line = self.all.add(ProgressBar::new_spinner());
            line.set_prefix(detector.to_owned());
            let style = ProgressStyle::with_template("{spinner} {prefix}: {msg} ({elapsed})");
            line.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            line.enable_steady_tick(Duration::from_millis(120));
            line
        });
        if message.starts_with("done") { line.finish_with_message(message.into_owned()) } else { line.set_message(message.into_owned()) }
    }
}
