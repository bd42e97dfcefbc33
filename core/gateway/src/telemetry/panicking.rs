//! What is said when something panics: one line to standard error, and one to the log where there is one. What a panic says may repeat what a
//! client sent, so that it passes the net of [`redaction`](crate::redaction) as everything else does.

use crate::redaction::redacted;
use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write as _;
use std::panic::PanicHookInfo;

/// From now on panics are told so.
pub fn install() {
    std::panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let message = message(panic.payload());
    if message.starts_with("failed printing to stdout") {
        // `synod check | head` closes the pipe before all is written: that is no fault to report.
        std::process::exit(1);
    }
    let said = on_one_line(message);
    let location = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let current = std::thread::current();
    let thread = current.name().unwrap_or("without a name");
    // Standard error may be closed; there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "synod: thread {thread} panicked at {location}: {said}");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(std::io::stderr(), "{}", redacted(&backtrace.to_string()));
    }
    tracing::error!(target: "panic", thread, location, said, "a thread panicked");
}

/// What a panic says; anything but words is not looked into.
fn message(payload: &dyn Any) -> &str {
    let words = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    words.unwrap_or("it says nothing in words")
}

fn on_one_line(message: &str) -> String {
    redacted(message).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_says_nothing_that_must_not_be_read_and_says_it_on_one_line() {
        let caught = std::panic::catch_unwind(|| panic!("no row: {}\n{}", "4111 1111 1111 1111", "Bearer abc.def")).unwrap_err();
        assert_eq!(on_one_line(message(&*caught)), "no row: **** **** **** 1111\\nBearer [redacted]");
        assert_eq!(message(&"static"), "static");
        assert_eq!(message(&4_111_111_111_111_111_u64), "it says nothing in words");
    }
}
